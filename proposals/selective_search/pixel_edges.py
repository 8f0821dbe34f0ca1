"""The edges between neighbouring pixels, in the order in which a segmentation walks along them, lightest first.

Shapes: H x W pixels, E edges.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..common.compiling import compiled

# Weights are whole numbers of 1/8192 of a grey level, so thresholds are exact. (1/8 is too coarse: large regions stop
# growing.)
UNITS_PER_LEVEL = 8192
# As in the authors' code: the Gaussian is cut at four standard deviations of .8 and one more pixel.
_BLUR_SIZE = 9


@dataclass(frozen=True, eq=False)
class PixelEdges:
    """The edges between 8-neighbours, and the order in which to walk along those that matter.

    The direction of an edge leads right, down and left, down, down and right from its pixel. Equal weights are walked
    by row, then direction, then column.
    """

    weights: NDArray[np.int32]  # [H, 4, W], in 1/8192 of a grey level; 0 where an edge would leave the image
    walk: NDArray[np.int64]  # [E], the keys of edges, without the heaviest of every triangle
    column_bits: int  # of a key


def pixel_edges(image: NDArray[np.uint8], sigma: float) -> PixelEdges:
    """Blur an image (H, W, 3), weigh its edges by the distance of the colours, and sort those that matter.

    The heaviest of the three edges of a triangle leads nowhere that the other two have not led already, see
    `segmentation.py`: three of five edges need not be sorted.
    """
    planes = np.empty((3, *image.shape[:2]), np.float32)
    for number, channel in enumerate(cv2.split(image)):
        planes[number] = cv2.GaussianBlur(
            channel.astype(np.float32), (_BLUR_SIZE, _BLUR_SIZE), sigma, borderType=cv2.BORDER_REPLICATE
        )
    weights = _weigh(planes)
    column_bits = image.shape[1].bit_length()
    height, _, width = weights.shape
    positions = (np.arange(4 * height)[:, None] << column_bits) | np.arange(width)  # see `edge_key`
    keys = (weights.reshape(4 * height, width).astype(np.int64) << 32) | positions
    walk = keys[_left_out(weights).reshape(4 * height, width) == 0]
    walk.sort()
    return PixelEdges(weights, walk, column_bits)


@compiled()
def edge_key(weight, y, direction, x, column_bits):
    """What edges are sorted by: weight, row, direction and column in one number."""
    return (np.int64(weight) << 32) | ((4 * y + direction) << column_bits) | x


@compiled()
def edge_of(key, column_bits):
    """Weight, row, direction and column from a key."""
    row = np.int32(key & 0xFFFFFFFF) >> column_bits
    return np.int32(key >> 32), row >> 2, row & 3, np.int32(key) & ((1 << column_bits) - 1)


@compiled()
def _weigh(planes):
    """Weights of all edges, [H, 4, W], of an image in planes [3, H, W]."""
    _, height, width = planes.shape
    weights = np.zeros((height, 4, width), np.int32)
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
def _left_out(weights):
    """1 for edges that would leave the image or are walked last in a triangle of pixels, [H, 4, W].

    The pixels of a 2 x 2 block are a b above c d; its edges are numbered in the order ab bc ac bd ad cd, so of two
    equal ones the later in this list is walked later.
    """
    height, _, width = weights.shape
    last = np.zeros((height, 4, width), np.uint8)
    last[:, 1, 0] = 1
    last[:, 0, width - 1] = 1
    last[:, 3, width - 1] = 1
    last[height - 1, 1:] = 1
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
