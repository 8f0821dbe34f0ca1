"""Ranking of overlapping boxes: an order of which any prefix is a good choice."""

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes
from .compiling import compiled

DUPLICATE_IOU = 0.9  # above it the lower of two boxes is left out
DECAY = 0.3  # of the scores of boxes that overlap a chosen one, by the square of their IoU


def best_first(boxes: Boxes, scores: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The order of the boxes (N, 4) as indices, and the gain of each, without near-duplicates.

    Greedy: each time the box with the highest score, which then lowers those of the boxes that overlap it. So a
    prefix of any length spreads over the objects instead of dwelling on the surest one. Of equal ones the earlier
    comes first.
    """
    return _best_first(boxes, scores, DUPLICATE_IOU, DECAY)


@compiled()
def _best_first(boxes, scores, duplicate_iou, decay):
    left = scores.astype(np.float64)  # a copy; -1 for a box that is chosen or left out
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order, gains = np.empty(len(boxes), np.int64), np.empty(len(boxes), np.float64)
    count = 0
    while True:
        best, most = -1, -1.0
        for i in range(len(boxes)):
            if left[i] > most:
                best, most = i, left[i]
        if most < 0:
            return order[:count].copy(), gains[:count].copy()
        order[count], gains[count] = best, most
        count += 1
        left[best] = -1
        for i in range(len(boxes)):
            wide = min(boxes[i, 2], boxes[best, 2]) - max(boxes[i, 0], boxes[best, 0])
            high = min(boxes[i, 3], boxes[best, 3]) - max(boxes[i, 1], boxes[best, 1])
            if left[i] >= 0 and wide > 0 and high > 0:
                overlap = wide * high / (areas[i] + areas[best] - wide * high)
                left[i] = -1 if overlap > duplicate_iou else left[i] * (1 - decay * overlap**2)
