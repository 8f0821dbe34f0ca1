"""Which detections of one class find an object, by the rule of VOC's devkits.

Each detection, the best first, asks for the object of its class and picture that it overlaps most, among all of them:
also those marked difficult, also those found already. Below the threshold it is a false positive; on a difficult
object it does not count; on an object found already it is a duplicate, even if another object is still free.

Shapes: D detections, G objects.
"""

import numpy as np
from numpy.typing import NDArray

from ..data.boxes import Boxes, box_iou
from .evaluation import Outcome

Indices = NDArray[np.int64]


def match_voc(
    boxes: Boxes,
    pictures: Indices,
    object_boxes: Boxes,
    object_pictures: Indices,
    difficult: NDArray[np.bool_],
    threshold: float = 0.5,
) -> NDArray[np.uint8]:
    """The outcome of each of D detections, given the best first, (D,)."""
    overlaps, objects = best_overlaps(boxes, pictures, object_boxes, object_pictures)
    outcomes = np.full(len(boxes), Outcome.FALSE_POSITIVE, dtype=np.uint8)
    near = np.flatnonzero(overlaps >= threshold)  # `>=`, as the devkit; its ports to Python often have `>`
    asked = objects[near]
    _, first = np.unique(asked, return_index=True)
    outcomes[near] = Outcome.DUPLICATE
    outcomes[near[first]] = Outcome.TRUE_POSITIVE
    outcomes[near[difficult[asked]]] = Outcome.IGNORED
    return outcomes


def best_overlaps(
    boxes: Boxes, pictures: Indices, object_boxes: Boxes, object_pictures: Indices
) -> tuple[NDArray[np.float64], Indices]:
    """The highest overlap of each detection with an object of its picture, and that object; 0 and 0 without one.

    Of objects overlapped equally it is the first.
    """
    overlaps, objects = np.zeros(len(boxes)), np.zeros(len(boxes), dtype=np.int64)
    rows_of, columns_of = _by_picture(pictures), _by_picture(object_pictures)
    for picture in rows_of.keys() & columns_of.keys():
        rows, columns = rows_of[picture], columns_of[picture]
        iou = box_iou(boxes[rows], object_boxes[columns])  # [rows, columns]
        best = iou.argmax(axis=1)
        overlaps[rows] = iou[np.arange(len(rows)), best]
        objects[rows] = columns[best]
    return overlaps, objects


def _by_picture(pictures: Indices) -> dict[int, Indices]:
    """The rows that belong to each picture, in their order."""
    order = np.argsort(pictures, kind="stable")
    names, starts = np.unique(pictures[order], return_index=True)
    # Not strict: without pictures there are no names, but np.split still gives one (empty) part.
    return dict(zip(names.tolist(), np.split(order, starts[1:]), strict=False))
