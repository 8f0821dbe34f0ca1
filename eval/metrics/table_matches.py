"""The matches of all classes together, by the rows of the table.

Shapes: D detections, G objects, as in the table.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.records import Indices
from ...data.values import NO_INDEX
from .evaluation import Evaluation, Outcome
from .ilsvrc import overlap_thresholds

NOT_COUNTED = 255  # no Outcome: COCO's protocol counts the best hundred only


@dataclass(frozen=True, eq=False)
class TableMatches:
    """What a protocol made of each detection and object."""

    outcomes: NDArray[np.uint8]  # [D] of Outcome, or NOT_COUNTED
    objects: Indices  # [D], the object that each detection is about, or NO_INDEX
    finders: Indices  # [G], the detection that finds each object, or NO_INDEX
    thresholds: NDArray[np.float64]  # [G], the overlap from which an object counts as found; for COCO that of AP50


def table_matches(evaluation: Evaluation) -> TableMatches:
    """The matches of all classes."""
    table = evaluation.table
    outcomes = np.full(len(table.found), NOT_COUNTED, dtype=np.uint8)
    objects, finders = np.full(len(table.found), NO_INDEX), np.full(len(table.objects), NO_INDEX)
    for one in evaluation.classes:
        outcomes[one.rows], objects[one.rows] = one.outcomes, one.objects
        true = one.outcomes == Outcome.TRUE_POSITIVE
        finders[one.objects[true]] = one.rows[true]
    boxes = table.objects.boxes
    thresholds = overlap_thresholds(boxes) if evaluation.metric == "ilsvrc" else np.full(len(boxes), 0.5)
    return TableMatches(outcomes, objects, finders, thresholds)
