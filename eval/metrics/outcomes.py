"""What a protocol made of each of the table's detections and objects, whatever their classes.

Shapes: D detections, G objects, as in the table.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.records import NO_INDEX, Indices
from .evaluation import Evaluation, Outcome
from .ilsvrc import overlap_thresholds

NOT_COUNTED = 255  # no Outcome: COCO's protocol looks at the best hundred only


@dataclass(frozen=True, eq=False)
class Verdicts:
    """The judgement, by the rows of the table."""

    outcomes: NDArray[np.uint8]  # [D] of Outcome, or NOT_COUNTED
    objects: Indices  # [D], the object that each detection is about, or NO_INDEX
    finders: Indices  # [G], the detection that finds each object, or NO_INDEX
    thresholds: NDArray[np.float64]  # [G], the overlap from which an object counts as found; for COCO that of AP50


def verdicts_of(evaluation: Evaluation) -> Verdicts:
    """The judgement of all classes together."""
    table = evaluation.table
    outcomes = np.full(len(table.found), NOT_COUNTED, dtype=np.uint8)
    objects, finders = np.full(len(table.found), NO_INDEX), np.full(len(table.objects), NO_INDEX)
    for one in evaluation.classes:
        outcomes[one.rows], objects[one.rows] = one.outcomes, one.objects
        true = one.outcomes == Outcome.TRUE_POSITIVE
        finders[one.objects[true]] = one.rows[true]
    boxes = table.objects.boxes
    thresholds = overlap_thresholds(boxes) if evaluation.metric == "ilsvrc" else np.full(len(boxes), 0.5)
    return Verdicts(outcomes, objects, finders, thresholds)
