"""Hierarchical grouping (IJCV 2013, section 3.1): the two most similar neighbouring regions merge until one is left.

Shapes: R regions, so R - 1 merges and 2R - 1 nodes; P pairs of neighbours.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.compiling import compiled
from .histograms import COLOUR_HISTOGRAMS, TEXTURE_HISTOGRAMS, Regions

TERMS = "CTSF"  # colour, texture, size, fill


def group(regions: Regions, similarity: str, num_pixels: int) -> NDArray[np.int32]:
    """Boxes of the merged regions in the order of merging, (R - 1, 4); the last one is the whole image.

    The letters of `similarity` name the terms of its mean: colour, texture, size, fill. Of equally similar
    pairs the one with the smallest number merges first, then the one whose other number is the smallest; merged
    regions count on from R.
    """
    # Constants of another file reach compiled code as arguments: its cache on disk would not notice that they changed.
    terms = (
        COLOUR_HISTOGRAMS if "C" in similarity else 0,
        TEXTURE_HISTOGRAMS if "T" in similarity else 0,
        "S" in similarity,
        "F" in similarity,
    )
    num_regions = len(regions.sizes)

    def nodes(rows: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([rows, np.empty_like(rows[1:])])  # 2R - 1

    sizes, boxes = nodes(regions.sizes), nodes(regions.boxes)
    colours, textures = nodes(regions.colours), nodes(regions.textures)
    _merge_all(num_regions, sizes, boxes, colours, textures, regions.neighbours, num_pixels, terms)
    return boxes[num_regions:]


# Every product and partial sum is a whole number below 2**53, so the order that fastmath picks changes nothing.
@compiled(fastmath=True)
def _intersection(first, second, first_size, second_size):
    """The sum over the bins of min(first / first_size, second / second_size), times both sizes."""
    shared = 0.0
    for i in range(len(first)):
        shared += min(first[i] * second_size, second[i] * first_size)
    return shared


@compiled()
def _similarity(a, b, sizes, boxes, colours, textures, num_pixels, terms):
    """Mean of the active terms, each in 0..1 (the paper's sum has the same order)."""
    colour_histograms, texture_histograms, use_size, use_fill = terms
    size_a, size_b = np.float64(sizes[a]), np.float64(sizes[b])
    total, num_terms = 0.0, 0
    if colour_histograms > 0:
        total += _intersection(colours[a], colours[b], size_a, size_b) / (colour_histograms * size_a * size_b)
        num_terms += 1
    if texture_histograms > 0:
        total += _intersection(textures[a], textures[b], size_a, size_b) / (texture_histograms * size_a * size_b)
        num_terms += 1
    if use_size:
        total += 1 - (size_a + size_b) / num_pixels
        num_terms += 1
    if use_fill:
        wide = max(boxes[a, 2], boxes[b, 2]) - min(boxes[a, 0], boxes[b, 0])
        high = max(boxes[a, 3], boxes[b, 3]) - min(boxes[a, 1], boxes[b, 1])
        total += 1 - (np.float64(wide) * high - size_a - size_b) / num_pixels
        num_terms += 1
    return total / num_terms


@compiled()
def _merge_all(num_regions, sizes, boxes, colours, textures, neighbours, num_pixels, terms):
    """Merge until one region is left; writes the merged ones behind the first R, in the order of merging.

    A pair keeps its index when one of its regions merges: it then leads to the merged one. Each of its two
    ends (`2 * pair` and `2 * pair + 1`) is linked into the list of the region it lies in. (Rows are written number by
    number: assignments of whole rows take seconds to compile.)
    """
    num_nodes, num_pairs = len(sizes), len(neighbours)
    ends = neighbours.copy().reshape(-1)
    first_end, next_end = np.full(num_nodes, -1, np.int32), np.full(2 * num_pairs, -1, np.int32)
    seen = np.full(num_nodes, -1, np.int32)
    similarities, tie_keys = np.empty(num_pairs, np.float64), np.empty(num_pairs, np.int64)
    heap, slot = np.arange(num_pairs, dtype=np.int32), np.arange(num_pairs, dtype=np.int32)
    for pair in range(num_pairs):
        a, b = ends[2 * pair], ends[2 * pair + 1]
        similarities[pair] = _similarity(a, b, sizes, boxes, colours, textures, num_pixels, terms)
        tie_keys[pair] = np.int64(a) * num_nodes + b
        for end in (2 * pair, 2 * pair + 1):
            next_end[end] = first_end[ends[end]]
            first_end[ends[end]] = end
    for at in range(num_pairs // 2 - 1, -1, -1):
        _sink(heap, slot, similarities, tie_keys, at, num_pairs)
    heap_size = num_pairs
    for merged in range(num_regions, num_nodes):
        a, b = ends[2 * heap[0]], ends[2 * heap[0] + 1]
        sizes[merged] = sizes[a] + sizes[b]
        for i in range(2):
            boxes[merged, i] = min(boxes[a, i], boxes[b, i])
            boxes[merged, i + 2] = max(boxes[a, i + 2], boxes[b, i + 2])
        for i in range(colours.shape[1]):
            colours[merged, i] = colours[a, i] + colours[b, i]
        for i in range(textures.shape[1]):
            textures[merged, i] = textures[a, i] + textures[b, i]
        for node in (a, b):
            end = first_end[node]
            while end >= 0:
                pair, other, following = end >> 1, ends[end ^ 1], next_end[end]
                if slot[pair] >= 0:
                    if other in (a, b) or seen[other] == merged:
                        heap_size = _remove(heap, slot, similarities, tie_keys, pair, heap_size)
                    else:
                        seen[other] = merged
                        ends[end] = merged
                        next_end[end], first_end[merged] = first_end[merged], end
                        similarities[pair] = _similarity(
                            other, merged, sizes, boxes, colours, textures, num_pixels, terms
                        )
                        tie_keys[pair] = np.int64(other) * num_nodes + merged
                        _settle(heap, slot, similarities, tie_keys, slot[pair], heap_size)
                end = following


@compiled()
def _before(similarities, tie_keys, pair, other):
    """Whether a pair merges before another one."""
    if similarities[pair] != similarities[other]:
        return similarities[pair] > similarities[other]
    return tie_keys[pair] < tie_keys[other]


@compiled()
def _sink(heap, slot, similarities, tie_keys, at, heap_size):
    """Move the pair at index `at` of the heap below all that merge before it."""
    pair = heap[at]
    while 2 * at + 1 < heap_size:
        child = 2 * at + 1
        if child + 1 < heap_size and _before(similarities, tie_keys, heap[child + 1], heap[child]):
            child += 1
        if not _before(similarities, tie_keys, heap[child], pair):
            break
        heap[at] = heap[child]
        slot[heap[at]] = at
        at = child
    heap[at] = pair
    slot[pair] = at


@compiled()
def _settle(heap, slot, similarities, tie_keys, at, heap_size):
    """Restore the order of the heap around one pair that has changed."""
    pair = heap[at]
    while at > 0 and _before(similarities, tie_keys, pair, heap[(at - 1) // 2]):
        heap[at] = heap[(at - 1) // 2]
        slot[heap[at]] = at
        at = (at - 1) // 2
    heap[at] = pair
    slot[pair] = at
    _sink(heap, slot, similarities, tie_keys, at, heap_size)


@compiled()
def _remove(heap, slot, similarities, tie_keys, pair, heap_size):
    """Take a pair out of the heap, mark it with slot -1, and return the new size."""
    at, last = slot[pair], heap[heap_size - 1]
    slot[pair] = -1
    heap_size -= 1
    if last != pair:
        heap[at] = last
        slot[last] = at
        _settle(heap, slot, similarities, tie_keys, at, heap_size)
    return heap_size
