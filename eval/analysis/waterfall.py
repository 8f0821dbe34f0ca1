"""Of every object that a detector missed, at which step of the pipeline it was lost, and the gain of a perfect step.

Shapes: G objects, as in the table; of one image R regions, K classes, O objects.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes, box_iou, xyxy_to_xywh
from ...data.records import Indices, Stages
from ...data.suppression import Suppression, first_true, suppress
from ...data.values import NO_INDEX
from ..metrics.evaluation import Evaluation
from ..metrics.protocols import evaluate
from ..metrics.table import Found
from .image_stages import ImageStages, stages_by_image
from .missed_objects import WHY_NO_STAGES, Loss, losses_of_image


@dataclass(frozen=True)
class Step:
    """One step of the pipeline and what is lost there."""

    name: str
    meaning: str
    count: int  # objects
    map_if_perfect: float  # the protocol's mean if this step made no mistakes; NaN without objects


@dataclass(frozen=True, eq=False)
class Waterfall:
    """Where each object that the detector was to find was found or lost.

    What a perfect classifier, box regressor and suppression are, `with_perfect_…` say. Where proposals or the budget
    lose an object, a perfect step finds it with a score of 1: no proposals could do better, so that is an upper bound.
    """

    protocol: str
    map: float  # as it is
    objects: int
    found: int
    steps: tuple[Step, ...]
    lost: Indices  # [G], the index in `steps`; NO_INDEX where an object is found or need not be
    why: Mapping[int, str]  # for each lost object its row in the table, and in words with numbers what happened


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


def _nearest(boxes: Boxes, objects: Boxes, thresholds: NDArray[np.float64]) -> tuple[Indices, NDArray[np.float64]]:
    """For each box the object that it overlaps most, if enough, and the overlap; NO_INDEX and 0 where there is none."""
    overlaps = np.append(box_iou(boxes, objects), np.zeros((len(boxes), 1)), axis=1)  # the last for no object
    overlaps = np.where(overlaps >= np.append(thresholds, 0), overlaps, 0.0)
    best = np.argmax(overlaps, axis=1)
    most = overlaps[np.arange(len(boxes)), best]
    return np.where(most > 0, best, NO_INDEX), most


def _detected(image: ImageStages, candidates: Suppression) -> Found:
    """As rows of the table, without the classes that are not evaluated."""
    classes = image.table_classes[candidates.classes]
    rows = candidates.detected & (classes != NO_INDEX)
    images, boxes = np.full(int(rows.sum()), image.index, dtype=np.int64), candidates.boxes[rows]
    return Found(boxes, classes[rows], candidates.scores[rows], images, xyxy_to_xywh(boxes))


# The perfect step that would have found the objects lost there; of other steps the objects themselves are added.
_ORACLES = {
    Loss.WRONG_CLASS: with_perfect_classifier,
    Loss.BELOW_THRESHOLD: with_perfect_classifier,
    Loss.REGRESSED_AWAY: with_perfect_boxes,
    Loss.SUPPRESSED: with_perfect_suppression,
    Loss.CLAIMED: with_perfect_suppression,
}


def find_losses(evaluation: Evaluation, stages: Mapping[str, Stages]) -> Waterfall:
    """Where each object was lost that the evaluated detections miss; `stages` of the same run, by the images' names.

    An object is found if a detection of whatever score is its true positive. It is lost at exactly one step: the last
    one that any box reached which could have found it. A box is on an object where it overlaps it as much as the
    protocol demands (COCO: .5). DataError where the stages do not give the evaluated detections.
    """
    table, matches = evaluation.table, evaluation.matches
    to_find = table.objects.to_find
    lost = np.where(to_find & (matches.finders == NO_INDEX), int(Loss.NO_STAGES), NO_INDEX)
    why = {int(row): WHY_NO_STAGES for row in np.flatnonzero(lost == Loss.NO_STAGES)}
    parts: dict[object, list[Found]] = {oracle: [] for oracle in _ORACLES.values()}
    for image in stages_by_image(evaluation, stages):
        for row, loss, words in losses_of_image(evaluation, image):
            lost[row], why[row] = loss, words
        for oracle in dict.fromkeys(_ORACLES.values()):
            parts[oracle].append(oracle(image))
    perfect = {oracle: _mean(evaluation, [table.found[:0], *found]) for oracle, found in parts.items()}
    steps = []
    for loss in Loss:
        rows = np.flatnonzero(lost == loss)
        if loss in _ORACLES:
            mean = perfect[_ORACLES[loss]]
        elif len(rows):
            missed = table.objects[rows]
            added = Found(missed.boxes, missed.classes, np.ones(len(rows)), missed.images, xyxy_to_xywh(missed.boxes))
            mean = _mean(evaluation, [table.found, added])
        else:
            mean = evaluation.map
        steps.append(Step(loss.label, loss.meaning, len(rows), mean))
    found = int((to_find & (lost == NO_INDEX)).sum())
    return Waterfall(evaluation.protocol, evaluation.map, int(to_find.sum()), found, tuple(steps), lost, why)


def _mean(evaluation: Evaluation, parts: list[Found]) -> float:
    """The mean that the same protocol gives other detections, all parts joined."""
    found = Found(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])})
    return evaluate(replace(evaluation.table, found=found), [evaluation.metric])[0].map
