"""An image's detections if one step of the pipeline made no mistakes, all others being as they are.

Shapes: R regions, K classes, C candidates, O objects of one image, D detections.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes, box_iou, xyxy_to_xywh
from ...data.records import Indices
from ...data.suppression import Suppression, first_true, suppress
from ...data.values import NO_INDEX
from ..metrics.table import Found, Objects
from .image_stages import ImageStages


def with_perfect_classifier(image: ImageStages) -> Found:
    """The detections where each region is, with probability 1, of the class of the object that it overlaps most.

    Regions on no object are background. All scores are then equal; suppression takes the boxes of the regions with the
    larger overlaps first.
    """
    stages = image.stages
    regions = len(stages.probabilities)
    objects, overlaps = _nearest(stages.proposals[:regions], image.boxes, image.thresholds)
    classes = np.append(image.classes, NO_INDEX)[objects]  # [R]
    certain = np.eye(len(stages.classes) + 1)[classes + 1]  # [R, K + 1]; NO_INDEX is one below the first class
    order = np.argsort(-overlaps, kind="stable")
    proposals = np.concatenate([stages.proposals[order], stages.proposals[regions:]])
    perfect = replace(stages, proposals=proposals, probabilities=certain[order], boxes=stages.boxes[order])
    return _detected(image, suppress(perfect))


def with_perfect_boxes(image: ImageStages) -> Found:
    """The detections where each region's box of a class is that of the object of the class that it overlaps most."""
    stages, boxes = image.stages, image.stages.boxes.copy()
    for number in range(len(stages.classes)):
        own = np.flatnonzero(image.classes == number)
        objects, _ = _nearest(stages.proposals[: len(boxes)], image.boxes[own], image.thresholds[own])
        near = objects != NO_INDEX
        boxes[near, number] = image.boxes[own[objects[near]]]
    return _detected(image, suppress(replace(stages, boxes=boxes)))


def with_perfect_suppression(image: ImageStages) -> Found:
    """The detections where only the best box on each object is left; boxes on no object are as before.

    A box is on the object of its class that it overlaps most, if enough.
    """
    candidates = image.candidates
    kept = candidates.detected.copy()
    for number in np.unique(candidates.classes):
        rows, own = np.flatnonzero(candidates.classes == number), np.flatnonzero(image.classes == number)
        objects, _ = _nearest(candidates.boxes[rows], image.boxes[own], image.thresholds[own])
        near = objects != NO_INDEX
        kept[rows[near]] = False
        _, first = np.unique(objects[near], return_index=True)  # the best: candidates are in that order
        kept[rows[near][first]] = True
    return _detected(image, replace(candidates, detected=first_true(kept, image.stages.max_detections)))


def with_objects_found(found: Found, objects: Objects) -> Found:
    """The detections and, with a score of 1 each, some objects that were lost before any region was classified."""
    return joined([found, _rows(objects.boxes, objects.classes, np.ones(len(objects)), objects.images)])


def joined(parts: list[Found]) -> Found:
    """The detections of all parts, one at least."""
    return Found(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])})


def _nearest(boxes: Boxes, objects: Boxes, thresholds: NDArray[np.float64]) -> tuple[Indices, NDArray[np.float64]]:
    """For each box the object that it overlaps most, if enough, and the overlap; NO_INDEX and 0 where there is none."""
    overlaps = np.append(box_iou(boxes, objects), np.zeros((len(boxes), 1)), axis=1)  # the last for no object
    overlaps = np.where(overlaps >= np.append(thresholds, 0), overlaps, 0.0)
    best = np.argmax(overlaps, axis=1)
    most = overlaps[np.arange(len(boxes)), best]
    return np.where(most > 0, best, NO_INDEX), most


def _detected(image: ImageStages, candidates: Suppression) -> Found:
    """The detections as rows of a table, without the classes that are not evaluated."""
    classes = image.table_classes[candidates.classes]
    rows = candidates.detected & (classes != NO_INDEX)
    images = np.full(int(rows.sum()), image.index, dtype=np.int64)
    return _rows(candidates.boxes[rows], classes[rows], candidates.scores[rows], images)


def _rows(boxes: Boxes, classes: Indices, scores: NDArray[np.float64], images: Indices) -> Found:
    """Detections that come from no file."""
    return Found(boxes, classes, scores, images, xyxy_to_xywh(boxes))
