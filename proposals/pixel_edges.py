"""The edges between neighbouring pixels that a segmentation walks along, lightest first.

Shapes: H x W pixels, E edges.
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
class PixelEdges:
    """The edges between 8-neighbours, and the order in which to walk along those that matter.

    The direction of an edge leads right, down and left, down, down and right from its pixel. Equal weights are walked
    by row, then direction, then column.
    """

    weights: NDArray[np.int32]  # [H, 4, W], in 1/8192 of a grey level; -1 where an edge would leave the picture
    walk: NDArray[np.int32]  # [E, 2], weight and 4 * pixel + direction; without the heaviest edge of every triangle


def pixel_edges(image: NDArray[np.uint8], sigma: float) -> PixelEdges:
    """Blur a picture (H, W, 3), weigh its edges by the distance of the colours, and sort those that matter.

    The heaviest of the three edges of a triangle leads nowhere that the other two have not led already, see
    `segmentation.py`: three of five edges need not be sorted.
    """
    planes = np.empty((3, *image.shape[:2]), np.float32)
    for place, channel in enumerate(cv2.split(image)):
        planes[place] = cv2.GaussianBlur(
            channel.astype(np.float32), (_BLUR_SIZE, _BLUR_SIZE), sigma, borderType=cv2.BORDER_REPLICATE
        )
    weights = _weigh(planes)
    return PixelEdges(weights, _sort(weights, _heaviest_of_triangles(weights)))


@compiled()
def _weigh(planes):
    """Weights of all edges, [H, 4, W], of a picture in planes [3, H, W]."""
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
def _heaviest_of_triangles(weights):
    """1 for edges that are walked last in a triangle of pixels, [H, 4, W].

    The pixels of a 2 x 2 block are a b above c d; its edges are numbered in the order ab bc ac bd ad cd, so of two
    equal ones the later in this list is walked later.
    """
    height, _, width = weights.shape
    last = np.zeros((height, 4, width), np.uint8)
    for y in range(height - 1):
        for x in range(width - 1):
            ab, bc, ac = weights[y, 0, x], weights[y, 1, x + 1], weights[y, 2, x]
            bd, ad, cd = weights[y, 2, x + 1], weights[y, 3, x], weights[y + 1, 0, x]
            last[y, 0, x] |= ((ab > bc) & (ab > ac)) | ((ab > bd) & (ab > ad))
            last[y, 1, x + 1] |= ((bc >= ab) & (bc > ac)) | ((bc > bd) & (bc > cd))
            last[y, 2, x] |= ((ac >= ab) & (ac >= bc)) | ((ac > ad) & (ac > cd))
            last[y, 2, x + 1] |= ((bd >= ab) & (bd > ad)) | ((bd >= bc) & (bd > cd))
            last[y, 3, x] |= ((ad >= ab) & (ad >= bd)) | ((ad >= ac) & (ad > cd))
            last[y + 1, 0, x] |= ((cd >= ac) & (cd >= ad)) | ((cd >= bc) & (cd >= bd))
    return last


@compiled()
def _sort(weights, left_out):
    """Weights and edges, [E, 2], of those not left out: a stable radix sort by the low, then by the high digit.

    They are picked first, without a branch: which ones they are is as good as random, and wrong guesses cost most.
    """
    height, _, width = weights.shape
    num_edges = 0
    for y in range(height):
        for direction in range(4):
            for x in range(width):
                num_edges += (weights[y, direction, x] >= 0) & (left_out[y, direction, x] == 0)
    picked = np.empty((num_edges + 1, 2), np.int32)  # what is not picked is overwritten, in the end in the last row
    num_edges = 0
    for y in range(height):
        for direction in range(4):
            for x in range(width):
                weight = weights[y, direction, x]
                picked[num_edges, 0] = weight
                picked[num_edges, 1] = 4 * (y * width + x) + direction
                num_edges += (weight >= 0) & (left_out[y, direction, x] == 0)
    starts = np.zeros((2, _DIGITS + 1), np.int64)
    for i in range(num_edges):
        starts[0, (picked[i, 0] & (_DIGITS - 1)) + 1] += 1
        starts[1, (picked[i, 0] >> _DIGIT_BITS) + 1] += 1
    for digit in range(_DIGITS):
        starts[0, digit + 1] += starts[0, digit]
        starts[1, digit + 1] += starts[1, digit]
    half_sorted = np.empty((num_edges, 2), np.int32)
    for i in range(num_edges):
        digit = picked[i, 0] & (_DIGITS - 1)
        place = starts[0, digit]
        half_sorted[place, 0], half_sorted[place, 1] = picked[i, 0], picked[i, 1]
        starts[0, digit] = place + 1
    for i in range(num_edges):
        digit = half_sorted[i, 0] >> _DIGIT_BITS
        place = starts[1, digit]
        picked[place, 0], picked[place, 1] = half_sorted[i, 0], half_sorted[i, 1]
        starts[1, digit] = place + 1
    return picked[:num_edges]
