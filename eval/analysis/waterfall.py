"""Of every object that a detector missed, at which step of the pipeline it was lost, and the gain of a perfect step.

Shapes: G objects, as in the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...data.records import Indices, Stages
from ...data.values import NO_INDEX
from ..metrics.evaluation import Evaluation
from ..metrics.protocols import evaluate
from ..metrics.table import Found
from .image_stages import stages_by_image
from .missed_objects import WHY_NO_STAGES, Loss, losses_of_image
from .oracles import joined, with_objects_found, with_perfect_boxes, with_perfect_classifier, with_perfect_suppression

# The perfect step that would have found the objects lost there; of other steps the objects themselves are added.
_ORACLES = {
    Loss.WRONG_CLASS: with_perfect_classifier,
    Loss.BELOW_THRESHOLD: with_perfect_classifier,
    Loss.REGRESSED_AWAY: with_perfect_boxes,
    Loss.SUPPRESSED: with_perfect_suppression,
    Loss.CLAIMED: with_perfect_suppression,
}


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

    A classifier is perfect if each region is, with probability 1, of the class of the object that it overlaps most, if
    enough; boxes are, if each region's box of a class is that of the object of the class that it overlaps most;
    suppression is, if only the best box on each object is left. Where proposals or the budget lose an object, a perfect
    step finds it with a score of 1: no proposals could do better, so that is an upper bound.
    """

    protocol: str
    map: float  # as it is
    objects: int
    found: int
    steps: tuple[Step, ...]
    lost: Indices  # [G], the index in `steps`; NO_INDEX where an object is found or need not be
    why: Mapping[int, str]  # for each lost object its row in the table, and in words with numbers what happened


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
    perfect = {oracle: _mean(evaluation, joined([table.found[:0], *found])) for oracle, found in parts.items()}
    steps = []
    for loss in Loss:
        rows = np.flatnonzero(lost == loss)
        if loss in _ORACLES:
            mean = perfect[_ORACLES[loss]]
        elif len(rows):
            mean = _mean(evaluation, with_objects_found(table.found, table.objects[rows]))
        else:
            mean = evaluation.map
        steps.append(Step(loss.label, loss.meaning, len(rows), mean))
    found = int((to_find & (lost == NO_INDEX)).sum())
    return Waterfall(evaluation.protocol, evaluation.map, int(to_find.sum()), found, tuple(steps), lost, why)


def _mean(evaluation: Evaluation, found: Found) -> float:
    """The mean that the same protocol gives other detections."""
    return evaluate(replace(evaluation.table, found=found), [evaluation.metric])[0].map
