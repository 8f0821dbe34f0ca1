"""The result of every protocol: for each class the average precision and the matches behind it.

Shapes: D detections of one class, the best first, or all of the table's; G objects of the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...data.records import Indices
from ...data.values import NO_INDEX
from .numbers import mean
from .table import Table


class Outcome(IntEnum):
    """What a protocol makes of a detection."""

    TRUE_POSITIVE = 0
    FALSE_POSITIVE = 1  # on no object of its class
    DUPLICATE = 2  # of an object that a better detection has found: a false positive as well
    IGNORED = 3  # on an object to ignore: counts neither for nor against the detector


NOT_COUNTED = 255  # no Outcome: COCO's protocol counts the best hundred only


@dataclass(frozen=True)
class BestF1:
    """Where precision and recall are best balanced; all NaN where there is nothing to find or nothing is found."""

    f1: float = float("nan")  # the harmonic mean of the two
    score: float = float("nan")  # the threshold: detections of at least this
    precision: float = float("nan")
    recall: float = float("nan")


@dataclass(frozen=True, eq=False)
class ClassEvaluation:
    """One class: its average precision (NaN without objects to find) and the curve behind it."""

    name: str
    ap: float
    positives: int  # objects to find
    recall: NDArray[np.float64]  # [D], after each detection
    precision: NDArray[np.float64]  # [D]
    outcomes: NDArray[np.uint8]  # [D] of Outcome
    scores: NDArray[np.float64]  # [D]
    rows: Indices  # [D], into the table's detections
    objects: Indices  # [D], into the table's objects: what a detection is about, or NO_INDEX
    numbers: Mapping[str, float] = field(default_factory=dict)  # the protocol's further numbers, by name

    @cached_property
    def counts(self) -> dict[str, int]:
        """Objects to find, detections, and these by outcome."""
        by_outcome = {outcome.name.lower(): int((self.outcomes == outcome).sum()) for outcome in Outcome}
        return {"positives": self.positives, "detections": len(self.outcomes), **by_outcome}

    @cached_property
    def best_f1(self) -> BestF1:
        """At the score threshold with the largest F1, of equal ones the highest; equal scores are on one side of it."""
        if not self.positives or not (self.outcomes == Outcome.TRUE_POSITIVE).any():
            return BestF1()
        ends = np.flatnonzero(np.append(np.diff(self.scores) != 0, True))  # the last detection of each score
        precision, recall = self.precision[ends], self.recall[ends]
        both = precision + recall
        f1 = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)
        best = int(np.argmax(f1))
        return BestF1(*(float(column[best]) for column in (f1, self.scores[ends], precision, recall)))


@dataclass(frozen=True, eq=False)
class TableMatches:
    """The matches of all classes, by the rows of the table."""

    outcomes: NDArray[np.uint8]  # [D] of Outcome, or NOT_COUNTED
    objects: Indices  # [D], the object that each detection is about, or NO_INDEX
    finders: Indices  # [G], the detection that finds each object, or NO_INDEX


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores that one protocol gives a table of predictions and ground truth."""

    metric: str  # its key in a report, as `voc07`
    protocol: str  # its name for people, to stand beside every number
    classes: tuple[ClassEvaluation, ...]
    table: Table
    thresholds: NDArray[np.float64]  # [G], the overlap from which an object counts as found; for COCO that of AP50
    numbers: Mapping[str, float] = field(default_factory=dict)  # the protocol's further numbers, by name

    @property
    def map(self) -> float:
        """The plain mean over the classes that have objects; NaN if none has."""
        return mean(one.ap for one in self.classes)

    @property
    def without_objects(self) -> tuple[str, ...]:
        """The classes that the mean leaves out."""
        return tuple(one.name for one in self.classes if np.isnan(one.ap))

    @property
    def best_f1_scores(self) -> NDArray[np.float64]:
        """The threshold with the best F1 of each class, NaN where it has none."""
        return np.array([one.best_f1.score for one in self.classes], dtype=np.float64)

    @cached_property
    def matches(self) -> TableMatches:
        outcomes = np.full(len(self.table.found), NOT_COUNTED, dtype=np.uint8)
        objects, finders = np.full(len(self.table.found), NO_INDEX), np.full(len(self.table.objects), NO_INDEX)
        for one in self.classes:
            outcomes[one.rows], objects[one.rows] = one.outcomes, one.objects
            true = one.outcomes == Outcome.TRUE_POSITIVE
            finders[one.objects[true]] = one.rows[true]
        return TableMatches(outcomes, objects, finders)
