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


@dataclass(frozen=True, eq=False)
class ClassEvaluation:
    """One class: its average precision (NaN without objects to find) and the curve behind it."""

    name: str
    ap: float
    positives: int  # objects to find
    recall: NDArray[np.float64]  # [D], after each detection
    precision: NDArray[np.float64]  # [D]
    outcomes: NDArray[np.uint8]  # [D] of Outcome
    rows: Indices  # [D], into the table's detections
    objects: Indices  # [D], into the table's objects: what a detection is about, or NO_INDEX
    numbers: Mapping[str, float] = field(default_factory=dict)  # the protocol's further numbers, by name

    @property
    def detections(self) -> int:
        return len(self.outcomes)


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

    @cached_property
    def matches(self) -> TableMatches:
        outcomes = np.full(len(self.table.found), NOT_COUNTED, dtype=np.uint8)
        objects, finders = np.full(len(self.table.found), NO_INDEX), np.full(len(self.table.objects), NO_INDEX)
        for one in self.classes:
            outcomes[one.rows], objects[one.rows] = one.outcomes, one.objects
            true = one.outcomes == Outcome.TRUE_POSITIVE
            finders[one.objects[true]] = one.rows[true]
        return TableMatches(outcomes, objects, finders)
