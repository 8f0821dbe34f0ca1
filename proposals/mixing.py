"""The entry's proposals: Selective Search's boxes and the best of MultiBox's, in one order (GoogLeNet, section 8).

Shapes: N boxes of both kinds.
"""

import numpy as np
from numpy.typing import NDArray

from ..backbone.shared_maps import SharedMaps
from ..data.boxes import Boxes, box_iou
from ..data.records import Proposals
from .multibox import MultiBox

NUM_OWN = 200  # MultiBox's boxes
TWINS = 0.9  # IoU above which the worse of two boxes goes
DECAY = 1.0  # how strongly a box that is taken already speaks against another, by the square of their IoU


def mix(searched: Proposals, multibox: MultiBox, maps: SharedMaps) -> Proposals:
    """Selective Search's boxes and the best 200 of MultiBox's, near-duplicates removed, ordered for any budget.

    MultiBox's confidence orders its own boxes, and its head says of the others too how well they hold an object.
    """
    own = multibox.propose(maps, NUM_OWN)
    boxes = np.concatenate([own.boxes, searched.boxes])
    scores = np.concatenate([own.scores, multibox.fit(maps, searched.boxes)])
    order, ranked = best_first(boxes, scores)
    return Proposals(boxes[order], ranked)


def best_first(boxes: Boxes, scores: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Which of the boxes (N, 4) to look at first, second, …, and what each adds: near-duplicates are left out.

    Greedy: each time the box with the highest score, which then lowers those of the boxes that overlap it. So a
    prefix of any length spreads over the objects instead of dwelling on the surest one.
    """
    overlaps = box_iou(boxes, boxes)  # [N, N]
    left = scores.astype(np.float64).copy()
    gone = np.zeros(len(boxes), dtype=np.bool_)
    order, worth = [], []
    for _ in range(len(boxes)):
        best = int(left.argmax())
        if left[best] < 0:
            break
        order.append(best)
        worth.append(left[best])
        left *= 1 - DECAY * overlaps[best] ** 2
        gone |= overlaps[best] > TWINS
        gone[best] = True  # a box without area does not overlap itself
        left[gone] = -1  # each time: a -1 that is lowered like the others would come to 0
    return np.array(order, dtype=np.intp), np.array(worth)
