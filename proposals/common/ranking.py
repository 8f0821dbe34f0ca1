"""An order in which any prefix of many overlapping boxes is a good choice."""

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes
from .compiling import compiled

TWINS = 0.9  # IoU above which the worse of two boxes goes
DECAY = 0.3  # how strongly a box that is taken speaks against another, by the square of their IoU


def best_first(boxes: Boxes, scores: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Which of the boxes (N, 4) to look at first, second, …, and what each adds: near-duplicates are left out.

    Greedy: each time the box with the highest score, which then lowers those of the boxes that overlap it. So a
    prefix of any length spreads over the objects instead of dwelling on the surest one. Of equal ones the earlier
    comes first.
    """
    return _best_first(boxes, scores, TWINS, DECAY)


@compiled()
def _best_first(boxes, scores, twins, decay):
    left = scores.astype(np.float64)  # a copy; -1 for a box that is taken or left out
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order, worth = np.empty(len(boxes), np.int64), np.empty(len(boxes), np.float64)
    taken = 0
    while True:
        best, most = -1, -1.0
        for i in range(len(boxes)):
            if left[i] > most:
                best, most = i, left[i]
        if most < 0:
            return order[:taken].copy(), worth[:taken].copy()
        order[taken], worth[taken] = best, most
        taken += 1
        left[best] = -1
        for i in range(len(boxes)):
            wide = min(boxes[i, 2], boxes[best, 2]) - max(boxes[i, 0], boxes[best, 0])
            high = min(boxes[i, 3], boxes[best, 3]) - max(boxes[i, 1], boxes[best, 1])
            if left[i] >= 0 and wide > 0 and high > 0:
                overlap = wide * high / (areas[i] + areas[best] - wide * high)
                left[i] = -1 if overlap > twins else left[i] * (1 - decay * overlap**2)
