"""Graph segmentation of a picture into superpixels (Felzenszwalb and Huttenlocher, IJCV 2004).

Every pixel is joined to its eight neighbours; a component grows along the lightest edge while that edge is no heavier
than what already holds both sides together plus `k / size`. Edges are weighed and sorted once per colour space and
serve every k.

Shapes: H x W pixels, E edges, P pairs of neighbouring regions.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .compiling import compiled

# Weights are whole numbers of 1/8192 of a grey level. The heaviest, sqrt(3) * 255 * 8192, stays below 2**22, so two
# passes of 11 bits sort them all, and thresholds are exact. (12 bits are too coarse: large regions stop growing.)
UNITS_PER_LEVEL = 8192
_DIGIT_BITS = 11
_DIGITS = 1 << _DIGIT_BITS
# As in the authors' code: the Gaussian is cut at four standard deviations of .8 and one more pixel.
_BLUR_SIZE = 9


@dataclass(frozen=True, eq=False)
class PixelGraph:
    """The edges between neighbouring pixels, lightest first; equal ones by row, then direction, then column.

    An edge is `4 * pixel + direction`; the direction leads right, down and left, down, down and right.
    """

    height: int
    width: int
    edges: NDArray[np.int32]  # [E]
    weights: NDArray[np.int32]  # [E], in 1/8192 of a grey level


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Regions numbered from 0 in the order in which their first pixels appear, and which of them touch."""

    labels: NDArray[np.int32]  # [H, W]
    num_regions: int
    neighbours: NDArray[np.int32]  # [P, 2], the smaller number first, each pair once


def pixel_graph(image: NDArray[np.uint8], sigma: float) -> PixelGraph:
    """Blur a picture (H, W, 3), weigh its edges by the distance of the colours, and sort them."""
    height, width = image.shape[:2]
    blurred = cv2.GaussianBlur(
        image.astype(np.float32), (_BLUR_SIZE, _BLUR_SIZE), sigma, borderType=cv2.BORDER_REPLICATE
    )
    planes = np.ascontiguousarray(blurred.transpose(2, 0, 1))  # [3, H, W]
    edges, weights = _sort_edges(_weigh_edges(planes))
    return PixelGraph(height, width, edges, weights)


def segment(graph: PixelGraph, k: float, min_size: int) -> Segmentation:
    """The superpixels at scale `k`, those below `min_size` pixels merged along their lightest edges."""
    shape = (graph.height, graph.width)
    parent, kept = _grow(graph.edges, graph.weights, *shape, int(k * UNITS_PER_LEVEL), min_size)
    labels, num_regions = _number(parent)
    return Segmentation(labels.reshape(shape), num_regions, _neighbours(kept, labels, num_regions, graph.width))


@compiled()
def _weigh_edges(planes):
    """Weights of all edges, [H, 4, W]; -1 where the edge would leave the picture."""
    _, height, width = planes.shape
    weights = np.full((height, 4, width), -1, np.int32)
    for y in range(height):
        for direction in range(4):
            down = 0 if direction == 0 else 1
            right = 1 if direction == 0 else direction - 2
            if y + down == height:
                continue
            for x in range(1 if right < 0 else 0, width - 1 if right > 0 else width):
                d0 = planes[0, y, x] - planes[0, y + down, x + right]
                d1 = planes[1, y, x] - planes[1, y + down, x + right]
                d2 = planes[2, y, x] - planes[2, y + down, x + right]
                weights[y, direction, x] = np.int32(np.sqrt(d0 * d0 + d1 * d1 + d2 * d2) * np.float32(UNITS_PER_LEVEL))
    return weights


@compiled()
def _sort_edges(dense):
    """Stable radix sort by the low, then the high digit of the weights: edges [E], weights [E]."""
    height, _, width = dense.shape
    starts = np.zeros((2, _DIGITS + 1), np.int64)
    for weight in dense.reshape(-1):
        if weight >= 0:
            starts[0, (weight & (_DIGITS - 1)) + 1] += 1
            starts[1, (weight >> _DIGIT_BITS) + 1] += 1
    for digit in range(_DIGITS):
        starts[0, digit + 1] += starts[0, digit]
        starts[1, digit + 1] += starts[1, digit]
    num_edges = starts[0, _DIGITS]
    half_sorted = np.empty((num_edges, 2), np.int32)
    for y in range(height):
        for direction in range(4):
            for x in range(width):
                weight = dense[y, direction, x]
                if weight >= 0:
                    digit = weight & (_DIGITS - 1)
                    half_sorted[starts[0, digit], 0] = weight
                    half_sorted[starts[0, digit], 1] = 4 * (y * width + x) + direction
                    starts[0, digit] += 1
    edges, weights = np.empty(num_edges, np.int32), np.empty(num_edges, np.int32)
    for i in range(num_edges):
        weight = half_sorted[i, 0]
        digit = weight >> _DIGIT_BITS
        weights[starts[1, digit]] = weight
        edges[starts[1, digit]] = half_sorted[i, 1]
        starts[1, digit] += 1
    return edges, weights


@compiled()
def _root(parent, node):
    """The representative of a pixel's component; halves the path on the way."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@compiled()
def _other_end(edge, width):
    direction = edge & 3
    return (edge >> 2) + (1 if direction == 0 else width + direction - 2)


@compiled()
def _grow(edges, weights, height, width, scaled_k, min_size):
    """Merge components: parent of each pixel, and the edges that still led from one component to another."""
    num_pixels = height * width
    parent = np.arange(num_pixels, dtype=np.int32)
    size = np.ones(num_pixels, np.int32)
    limit = np.full(num_pixels, scaled_k, np.int32)  # the heaviest edge that each component still accepts
    kept = np.empty(len(edges), np.int32)
    num_kept = 0
    for i in range(len(edges)):
        edge, weight = edges[i], weights[i]
        a, b = _root(parent, edge >> 2), _root(parent, _other_end(edge, width))
        if a == b:
            continue
        if weight <= limit[a] and weight <= limit[b]:
            if size[a] < size[b]:
                a, b = b, a
            parent[b] = a
            size[a] += size[b]
            limit[a] = weight + scaled_k // size[a]
        else:
            kept[num_kept] = edge
            num_kept += 1
    # Only edges between components can remove small ones, so the rest need no second look.
    num_edges, num_kept = num_kept, 0
    for i in range(num_edges):
        edge = kept[i]
        a, b = _root(parent, edge >> 2), _root(parent, _other_end(edge, width))
        if a == b:
            continue
        if size[a] < min_size or size[b] < min_size:
            if size[a] < size[b]:
                a, b = b, a
            parent[b] = a
            size[a] += size[b]
        else:
            kept[num_kept] = edge
            num_kept += 1
    return parent, kept[:num_kept]


@compiled()
def _number(parent):
    """Labels [pixels] from 0 in raster order of first pixels, and their number."""
    labels = np.empty(len(parent), np.int32)
    numbers = np.full(len(parent), -1, np.int32)
    num_regions = 0
    for pixel in range(len(parent)):
        root = _root(parent, pixel)
        if numbers[root] < 0:
            numbers[root] = num_regions
            num_regions += 1
        labels[pixel] = numbers[root]
    return labels, num_regions


@compiled()
def _neighbours(kept, labels, num_regions, width):
    """Pairs of regions that an edge joins, [P, 2]: bucketed by the smaller number, then each counted once."""
    starts = np.zeros(num_regions + 1, np.int64)
    for edge in kept:
        a, b = labels[edge >> 2], labels[_other_end(edge, width)]
        if a != b:
            starts[min(a, b) + 1] += 1
    for region in range(num_regions):
        starts[region + 1] += starts[region]
    larger = np.empty(starts[num_regions], np.int32)
    ends = starts[:num_regions].copy()
    for edge in kept:
        a, b = labels[edge >> 2], labels[_other_end(edge, width)]
        if a != b:
            larger[ends[min(a, b)]] = max(a, b)
            ends[min(a, b)] += 1
    pairs = np.empty((len(larger), 2), np.int32)
    num_pairs = 0
    seen = np.full(num_regions, -1, np.int32)
    for region in range(num_regions):
        for i in range(starts[region], starts[region + 1]):
            if seen[larger[i]] != region:
                seen[larger[i]] = region
                pairs[num_pairs, 0], pairs[num_pairs, 1] = region, larger[i]
                num_pairs += 1
    return pairs[:num_pairs].copy()
