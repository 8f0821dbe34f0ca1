"""The result of every protocol: for each class the average precision and the matches behind it.

Shapes: D detections of one class, the best first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from .numbers import mean
from .table import Table


class Outcome(IntEnum):
    """What a protocol makes of a detection."""

    TRUE_POSITIVE = 0
    FALSE_POSITIVE = 1  # on no object of its class
    DUPLICATE = 2  # of an object that a better detection has found: a false positive as well
    IGNORED = 3  # on an object to ignore: counts neither for nor against the detector


@dataclass(frozen=True, eq=False)
class ClassEvaluation:
    """One class: its average precision (NaN without objects to find) and the curve behind it."""

    name: str
    ap: float
    positives: int  # objects to find
    recall: NDArray[np.float64]  # [D], after each detection
    precision: NDArray[np.float64]  # [D]
    outcomes: NDArray[np.uint8]  # [D] of Outcome
    rows: NDArray[np.int64]  # [D], into the table's detections
    objects: NDArray[np.int64]  # [D], into the table's objects: what a detection is about, or NO_INDEX
    numbers: Mapping[str, float] = field(default_factory=dict)  # the protocol's further numbers, by name

    @property
    def detections(self) -> int:
        return len(self.outcomes)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores that one protocol gives a table of predictions and ground truth."""

    metric: str  # its key in a report, as `voc07`
    protocol: str  # its name for people, to stand beside every number
    classes: tuple[ClassEvaluation, ...]
    table: Table
    numbers: Mapping[str, float] = field(default_factory=dict)  # the protocol's further numbers, by name

    @property
    def map(self) -> float:
        """The plain mean over the classes that have objects; NaN if none has."""
        return mean(one.ap for one in self.classes)

    @property
    def without_objects(self) -> tuple[str, ...]:
        """The classes that the mean leaves out."""
        return tuple(one.name for one in self.classes if np.isnan(one.ap))
