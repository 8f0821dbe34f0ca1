"""Graph segmentation of an image into superpixels (Felzenszwalb and Huttenlocher, IJCV 2004).

Every pixel is joined to its eight neighbours; a component grows along the lightest edge while that edge is no heavier
than what already holds both sides together plus `k / size`, its limit. Several k are wanted of one image, and most
of the work is the same for all. Two facts, which the tests hold against the plain algorithm, save it:

* An edge is refused because it is above the limit of one of its sides. That component can never grow again: all later
  edges are heavier still. So between two components only the first edge matters; and the heaviest edge of a triangle
  matters to nobody: either both others were taken, and it stays inside a component, or one was refused, and it ends
  where that one did, or it joins two components of which neither can grow.
* Until an edge at a component was refused, a larger k would have built the very same component. So the smallest k
  builds those *parts* once, and every k goes on from them, on a graph of thousands of parts instead of pixels.

Shapes: H x W pixels, N parts, E edges between parts, R regions, P pairs of neighbouring regions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..common.compiling import compiled
from .pixel_edges import UNITS_PER_LEVEL, edge_key, edge_of, pixel_edges


@dataclass(frozen=True, eq=False)
class PartGraph:
    """Parts of an image that belong together at every k from `smallest_k` on, and the edges between them.

    Of all edges between two parts the first one in the order of the pixels' edges is here, in that order.
    """

    parts: NDArray[np.int32]  # [H, W], numbered from 0 in the order in which their first pixels appear
    sizes: NDArray[np.int32]  # [N], pixels
    heaviest: NDArray[np.int32]  # [N], the heaviest edge that holds a part together; 0 for a pixel
    ends: NDArray[np.int32]  # [E, 2], the smaller number first
    weights: NDArray[np.int32]  # [E], in 1/8192 of a grey level
    smallest_k: float


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Regions numbered from 0 in the order in which their first pixels appear, and which of them touch."""

    parts: NDArray[np.int32]  # [H, W]
    region_of: NDArray[np.int32]  # [N], the region that each part belongs to
    num_regions: int
    neighbours: NDArray[np.int32]  # [P, 2], the smaller number first, each pair once

    @property
    def labels(self) -> NDArray[np.int32]:
        """The region of each pixel, [H, W]."""
        return self.region_of[self.parts]


def part_graph(image: NDArray[np.uint8], sigma: float, smallest_k: float) -> PartGraph:
    """What all segmentations of an image (H, W, 3) have in common whose k is not below `smallest_k`."""
    edges = pixel_edges(image, sigma)
    height, _, width = edges.weights.shape
    scaled_k = int(smallest_k * UNITS_PER_LEVEL)
    parent, limits, refused = _grow_parts(edges.walk, edges.column_bits, height, width, scaled_k)
    labels, roots = _number(parent)
    sizes, limits = -parent[roots], limits[roots]
    heaviest = np.where(limits < 0, -1 - limits, limits) - scaled_k // sizes
    parts = labels.reshape(height, width)
    room = 1 << (8 * len(roots)).bit_length()
    ends, keys = _first_between(parts, edges.weights, refused, edges.column_bits, room)
    order = np.argsort(keys)
    weights = (keys[order] >> 32).astype(np.int32)
    return PartGraph(parts, sizes, heaviest.astype(np.int32), ends[order], weights, smallest_k)


def segment(graph: PartGraph, k: float, min_size: int) -> Segmentation:
    """The superpixels at scale `k`, those below `min_size` pixels merged along their lightest edges."""
    if k < graph.smallest_k:
        raise ValueError(f"this graph was made for k from {graph.smallest_k} on, not for {k}")
    scaled_k = int(k * UNITS_PER_LEVEL)
    limits = (graph.heaviest + scaled_k // graph.sizes).astype(np.int32)
    parent, refused = _grow(graph.ends, graph.weights, graph.sizes, limits, scaled_k, min_size)
    region_of, roots = _number(parent)
    ends = np.sort(region_of[graph.ends[refused]], axis=1)
    ends = ends[ends[:, 0] < ends[:, 1]]  # a small region may have joined two sides of an edge
    numbered = np.unique(ends[:, 0] * np.int64(len(roots)) + ends[:, 1])  # one integer a pair
    neighbours = np.stack(np.divmod(numbered, len(roots)), axis=1).astype(np.int32)
    return Segmentation(graph.parts, region_of, len(roots), neighbours)


@compiled()
def _root(parent, node):
    """The representative of a node's component, whose own parent is minus the size; halves the path on the way."""
    above = parent[node]
    while above >= 0:
        further = parent[above]
        if further < 0:
            return above
        parent[node] = further
        node = further
        above = parent[node]
    return node


@compiled()
def _join(parent, a, b):
    """Join two components; the root of the larger one stays that of both, and is returned."""
    if parent[a] > parent[b]:
        a, b = b, a
    parent[a] += parent[b]
    parent[b] = a
    return a


@compiled()
def _grow_parts(walk, column_bits, height, width, scaled_k):
    """Merge pixels into parts until an edge is refused at one.

    Parents (minus the size at a root), limits, and the keys of the refused edges. The limit of a part at which an edge
    was refused is turned into -1 - limit: nothing is below that.
    """
    parent = np.full(height * width, -1, np.int32)
    limits = np.full(height * width, scaled_k, np.int32)
    refused = np.empty(len(walk), np.int64)
    num_refused = 0
    for key in walk:
        weight, y, direction, x = edge_of(key, column_bits)
        pixel = y * width + x
        a = _root(parent, pixel)
        b = _root(parent, pixel + (1 if direction == 0 else width + direction - 2))
        if a == b:
            continue
        if weight <= min(limits[a], limits[b]):
            a = _join(parent, a, b)
            limits[a] = weight + scaled_k // -parent[a]
        else:
            limits[a], limits[b] = min(limits[a], -1 - limits[a]), min(limits[b], -1 - limits[b])
            refused[num_refused] = key
            num_refused += 1
    return parent, limits, refused[:num_refused]


@compiled()
def _first_between(labels, weights, refused, column_bits, room):
    """The first edge between every two parts: ends [E, 2], the smaller number first, and keys [E].

    It is the first that was refused, or it was never walked, being the last in a triangle. That triangle lies in three
    parts: if it lay in two, another of its edges would lead between them, and come before. `room`, a power of two, is
    that of the hash table; eight for a part are enough, as neighbours in the plane make two to four pairs for each,
    else it is doubled.
    """
    height, width = labels.shape
    table = np.full(room, -1, np.int32)  # the pair of each slot
    pairs, keys = np.empty((room // 2, 2), np.int32), np.empty(room // 2, np.int64)
    num_pairs = 0
    for key in refused:
        _, y, direction, x = edge_of(key, column_bits)
        other = labels[y, x + 1] if direction == 0 else labels[y + 1, x + direction - 2]
        num_pairs = _offer(table, pairs, keys, num_pairs, labels[y, x], other, key)
        if num_pairs == len(keys):
            return _first_between(labels, weights, refused, column_bits, 2 * room)
    for y in range(height - 1):
        for x in range(width - 1):
            a, b, c, d = labels[y, x], labels[y, x + 1], labels[y + 1, x], labels[y + 1, x + 1]
            ab, bc, ac, bd, ad, cd = a != b, b != c, a != c, b != d, a != d, c != d
            if not ((ab & bc & ac) | (ab & bd & ad) | (ac & cd & ad) | (bc & cd & bd)):
                continue
            for first, second, row, direction, column in (
                (a, b, y, 0, x),
                (b, c, y, 1, x + 1),
                (a, c, y, 2, x),
                (b, d, y, 2, x + 1),
                (a, d, y, 3, x),
                (c, d, y + 1, 0, x),
            ):
                if first != second:
                    key = edge_key(weights[row, direction, column], row, direction, column, column_bits)
                    num_pairs = _offer(table, pairs, keys, num_pairs, first, second, key)
                    if num_pairs == len(keys):
                        return _first_between(labels, weights, refused, column_bits, 2 * room)
    return pairs[:num_pairs], keys[:num_pairs]


@compiled()
def _offer(table, pairs, keys, num_pairs, a, b, key):
    """Enter an edge between parts a and b if it is their first so far; the number of pairs after that."""
    if a > b:
        a, b = b, a
    slot = (a * 40503 ^ b * 10007) & (len(table) - 1)
    while table[slot] >= 0 and (pairs[table[slot], 0] != a or pairs[table[slot], 1] != b):
        slot = (slot + 1) & (len(table) - 1)
    pair = table[slot]
    if pair < 0:
        table[slot] = num_pairs
        pairs[num_pairs, 0], pairs[num_pairs, 1], keys[num_pairs] = a, b, key
        return num_pairs + 1
    keys[pair] = min(keys[pair], key)
    return num_pairs


@compiled()
def _grow(ends, weights, sizes, limits, scaled_k, min_size):
    """Merge parts into regions: parents (minus the size at a root), and which edges still led between two regions."""
    parent = -sizes
    refused = np.empty(len(ends), np.int32)
    num_refused = 0
    for i in range(len(ends)):
        a, b = _root(parent, ends[i, 0]), _root(parent, ends[i, 1])
        if a == b:
            continue
        if weights[i] <= limits[a] and weights[i] <= limits[b]:
            a = _join(parent, a, b)
            limits[a] = weights[i] + scaled_k // -parent[a]
        else:
            refused[num_refused] = i
            num_refused += 1
    # Only edges between components can remove small ones, so the rest need no second pass.
    num_edges, num_refused = num_refused, 0
    for i in refused[:num_edges]:
        a, b = _root(parent, ends[i, 0]), _root(parent, ends[i, 1])
        if a == b:
            continue
        if -parent[a] < min_size or -parent[b] < min_size:
            _join(parent, a, b)
        else:
            refused[num_refused] = i
            num_refused += 1
    return parent, refused[:num_refused]


@compiled()
def _number(parent):
    """Numbers of the components from 0 in the order of their first nodes, [nodes]; the root of each, [components]."""
    labels = np.empty(len(parent), np.int32)
    numbers = np.full(len(parent), -1, np.int32)
    roots = np.empty(len(parent), np.int32)
    count = 0
    for node in range(len(parent)):
        root = _root(parent, node)
        if numbers[root] < 0:
            numbers[root] = count
            roots[count] = root
            count += 1
        labels[node] = numbers[root]
    return labels, roots[:count].copy()
