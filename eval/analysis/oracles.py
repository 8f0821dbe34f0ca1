"""What an image's detections would be if one step of the pipeline made no mistakes, all others being as they are.

Shapes: R regions, K classes, C candidates, O objects of one image, D detections.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes, box_iou, xyxy_to_xywh
from ...data.records import NO_INDEX, Flags, Indices
from ...data.suppression import Candidates, first_true, suppress
from ..metrics.table import Found
from .stage_table import Retraced


@dataclass(frozen=True, eq=False)
class _Nearest:
    """For each of some boxes the object that it overlaps most, of those that it overlaps enough."""

    objects: Indices  # of the objects given, or NO_INDEX
    overlaps: NDArray[np.float64]  # 0 where there is none


def with_perfect_classifier(retraced: Retraced) -> Found:
    """The detections where each region is surely of the class of the object that it overlaps most, else background.

    All scores are then equal; suppression takes the boxes of the regions with the larger overlaps first.
    """
    stages = retraced.stages
    regions = len(stages.probabilities)
    nearest = _nearest(stages.proposals[:regions], retraced.boxes, retraced.thresholds)
    classes = np.append(retraced.classes, NO_INDEX)[nearest.objects]  # [R]
    sure = np.eye(len(stages.classes) + 1)[classes + 1]  # [R, K + 1]; NO_INDEX is one below the first class
    order = np.argsort(-nearest.overlaps, kind="stable")
    proposals = np.concatenate([stages.proposals[order], stages.proposals[regions:]])
    perfect = replace(stages, proposals=proposals, probabilities=sure[order], boxes=stages.boxes[order])
    return _detected(retraced, suppress(perfect))


def with_perfect_boxes(retraced: Retraced) -> Found:
    """The detections where each region's box of a class is that of the object of the class that it overlaps most."""
    stages, boxes = retraced.stages, retraced.stages.boxes.copy()
    for number in range(len(stages.classes)):
        own = np.flatnonzero(retraced.classes == number)
        nearest = _nearest(stages.proposals[: len(boxes)], retraced.boxes[own], retraced.thresholds[own])
        near = nearest.objects != NO_INDEX
        boxes[near, number] = retraced.boxes[own[nearest.objects[near]]]
    return _detected(retraced, suppress(replace(stages, boxes=boxes)))


def with_perfect_suppression(retraced: Retraced) -> Found:
    """The detections where of each object the best box is kept and all its others go; boxes on no object are as before.

    A box is on the object of its class that it overlaps most, if enough.
    """
    candidates = retraced.candidates
    kept = candidates.detected.copy()
    for number in np.unique(candidates.classes):
        rows, own = np.flatnonzero(candidates.classes == number), np.flatnonzero(retraced.classes == number)
        nearest = _nearest(candidates.boxes[rows], retraced.boxes[own], retraced.thresholds[own])
        near = nearest.objects != NO_INDEX
        kept[rows[near]] = False
        _, first = np.unique(nearest.objects[near], return_index=True)  # the best: candidates are in that order
        kept[rows[near][first]] = True
    detected = first_true(kept, retraced.stages.max_detections)
    return _detected(retraced, replace(candidates, detected=detected))


def with_objects_found(found: Found, boxes: Boxes, classes: Indices, images: Indices) -> Found:
    """The detections and, with a score of 1 each, some objects that were lost before any region was classified."""
    return joined([found, _rows(boxes, classes, np.ones(len(boxes)), images)])


def joined(parts: list[Found]) -> Found:
    """The detections of all parts."""
    none = np.zeros(0, dtype=np.int64)
    whole = [_rows(np.zeros((0, 4)), none, np.zeros(0), none), *parts]
    return _rows(
        np.concatenate([part.boxes for part in whole]),
        np.concatenate([part.classes for part in whole]),
        np.concatenate([part.scores for part in whole]),
        np.concatenate([part.images for part in whole]),
    )


def _nearest(boxes: Boxes, objects: Boxes, thresholds: NDArray[np.float64]) -> _Nearest:
    if not len(objects):
        return _Nearest(np.full(len(boxes), NO_INDEX), np.zeros(len(boxes)))
    overlaps = box_iou(boxes, objects)
    overlaps = np.where(overlaps >= thresholds, overlaps, 0.0)
    best = np.argmax(overlaps, axis=1)
    most = overlaps[np.arange(len(boxes)), best]
    return _Nearest(np.where(most > 0, best, NO_INDEX), most)


def _detected(retraced: Retraced, candidates: Candidates) -> Found:
    """The detections as rows of a table, without the classes that are not judged."""
    classes = retraced.judged[candidates.classes]
    rows: Flags = candidates.detected & (classes != NO_INDEX)
    images = np.full(int(rows.sum()), retraced.image, dtype=np.int64)
    return _rows(candidates.boxes[rows], classes[rows], candidates.scores[rows], images)


def _rows(boxes: Boxes, classes: Indices, scores: NDArray[np.float64], images: Indices) -> Found:
    """Detections that come from no file."""
    return Found(boxes, classes, scores, images, xyxy_to_xywh(boxes))
