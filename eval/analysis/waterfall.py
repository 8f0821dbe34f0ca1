"""Of every object that a detector missed, at which step of the pipeline it was lost, and what a perfect step is worth.

Shapes: G objects, as in the table.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...data.records import NO_INDEX, Indices, Stages
from ..metrics.evaluation import Evaluation
from ..metrics.outcomes import verdicts_of
from ..metrics.protocols import evaluate
from ..metrics.table import Found
from .missed_objects import MEANINGS, NAMES, WHY_NOT_LOOKED_AT, Loss, losses_of_image
from .oracles import joined, with_objects_found, with_perfect_boxes, with_perfect_classifier, with_perfect_suppression
from .stage_table import retrace

# Which step's perfection each loss asks for.
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
    """What became of every object that a detector was asked to find; `str()` of it is a table to read.

    A classifier is perfect if each region is, with probability 1, of the class of the object that it overlaps most, if
    enough; boxes are, if each region's box of a class is that of the object of the class that it overlaps most;
    suppression is, if of each object the best box is kept and its others go. Where proposals or the budget lose an
    object, a perfect step finds it with a score of 1: no proposals could do better, so that is an upper bound.
    """

    protocol: str
    map: float  # as it is
    objects: int
    found: int
    steps: tuple[Step, ...]
    lost: Indices  # [G], the index in `steps`; NO_INDEX where an object is found or nobody is asked to find it
    why: Mapping[int, str]  # for each lost object its row in the table, and in words with numbers what happened

    def __str__(self) -> str:
        rows = [("found", self.found, self.map), *((one.name, one.count, one.map_if_perfect) for one in self.steps)]
        header = f"of {self.objects} objects"
        lines = [f"{header:<32}  share  {self.protocol.partition(' (')[0]} if perfect"]
        for name, count, value in rows:
            share = count / self.objects if self.objects else 0.0
            shown = "n/a" if math.isnan(value) else f"{value:.4f}"
            lines.append(f"{name:<26}{count:>6}  {share:>5.1%}  {shown}" + (" (as it is)" if name == "found" else ""))
        return "\n".join([*lines, self.protocol])


def find_losses(evaluation: Evaluation, stages: Mapping[str, Stages]) -> Waterfall:
    """Where each object was lost that the evaluated detections miss; `stages` of the same run, by the images' names.

    An object is found if a detection of whatever score is its true positive. It is lost at exactly one step: the last
    one that any box reached which could have found it. A box is on an object where it overlaps it as much as the
    protocol asks (COCO: .5). DataError where the stages do not give the detections that were judged.
    """
    table, verdicts = evaluation.table, verdicts_of(evaluation)
    asked = table.objects.asked
    lost = np.where(asked & (verdicts.finders == NO_INDEX), int(Loss.NOT_LOOKED_AT), NO_INDEX)
    why = {int(row): WHY_NOT_LOOKED_AT for row in np.flatnonzero(lost == Loss.NOT_LOOKED_AT)}
    parts: dict[object, list[Found]] = {oracle: [] for oracle in _ORACLES.values()}
    for retraced in retrace(table, verdicts, stages):
        for row, loss, words in losses_of_image(table, verdicts, retraced):
            lost[row], why[row] = loss, words
        for oracle in dict.fromkeys(_ORACLES.values()):
            parts[oracle].append(oracle(retraced))
    perfect = {oracle: _mean(evaluation, joined(found)) for oracle, found in parts.items()}
    steps = []
    for loss in Loss:
        rows = np.flatnonzero(lost == loss)
        value = perfect[_ORACLES[loss]] if loss in _ORACLES else _mean_with_found(evaluation, rows)
        steps.append(Step(NAMES[loss], MEANINGS[loss], len(rows), value))
    found = int((asked & (lost == NO_INDEX)).sum())
    return Waterfall(evaluation.protocol, evaluation.map, int(asked.sum()), found, tuple(steps), lost, why)


def _mean_with_found(evaluation: Evaluation, rows: Indices) -> float:
    """The mean if the objects in these rows of the table were found too."""
    if not len(rows):
        return evaluation.map
    objects = evaluation.table.objects
    boxes, classes, images = objects.boxes[rows], objects.classes[rows], objects.images[rows]
    return _mean(evaluation, with_objects_found(evaluation.table.found, boxes, classes, images))


def _mean(evaluation: Evaluation, found: Found) -> float:
    """The mean that the same protocol gives other detections."""
    return evaluate(replace(evaluation.table, found=found), [evaluation.metric])[0].map
