"""A picture's stages beside its part of an evaluation's table: the same classes, objects and detections.

Shapes: O objects and D judged detections of one picture, K classes of the detector, C candidates.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.boxes import Boxes
from ..data.errors import DataError
from ..data.records import GroundTruth, Stages
from .pairing import pair_files
from .suppression import Candidates, suppress_again
from .table import Indices, Table
from .verdicts import Verdicts

NOT_JUDGED = -1
NOT_KNOWN = -1
NOT_DETECTED = -1
_OTHER_RUN = "they are of another run; give the stages and the predictions of one"
# Predictions that went through another format come back with a rounding error.
_SAME_PIXELS, _SAME_SCORE = 1e-3, 1e-6


@dataclass(frozen=True, eq=False)
class Retraced:
    """One picture: what was thought of it, and what was judged."""

    picture: int  # in the table
    stages: Stages
    candidates: Candidates
    judged: Indices  # [K], the table's number of each of the detector's classes, or NOT_JUDGED
    rows: Indices  # [C], the table's detection that each candidate became, or NOT_DETECTED
    objects: Indices  # [O], in the table
    boxes: Boxes  # [O, 4]
    classes: Indices  # [O], the detector's number of each object's class, or NOT_KNOWN
    thresholds: NDArray[np.float64]  # [O], the overlap from which each object counts as found


def retrace(table: Table, verdicts: Verdicts, stages: Mapping[str, Stages]) -> Iterator[Retraced]:
    """Each picture of the table that has stages, one at a time.

    Refuses stages that do not give the detections that were judged: they are of another run.
    """
    names = _names(table, stages)
    if table.truths and not names:
        raise DataError("the stages are of none of the pictures that were judged: give those of the same run")
    objects = _rows_by_picture(table.objects.pictures, len(table.truths))
    found = _rows_by_picture(table.found.pictures, len(table.truths))
    for picture in range(len(table.truths)):
        part = _Part(table, verdicts, picture, objects[picture], found[picture])
        if _has_stages(part, names):
            yield _retrace_one(part, stages[names[picture]])


def retrace_picture(table: Table, verdicts: Verdicts, stages: Mapping[str, Stages], picture: int) -> Retraced | None:
    """One picture of the table with its stages, if it has any."""
    names = _names(table, stages)
    objects, found = (np.flatnonzero(column.pictures == picture) for column in (table.objects, table.found))
    part = _Part(table, verdicts, picture, objects, found)
    return _retrace_one(part, stages[names[picture]]) if _has_stages(part, names) else None


@dataclass(frozen=True, eq=False)
class _Part:
    """One picture's part of the table."""

    table: Table
    verdicts: Verdicts
    picture: int
    objects: Indices  # [O]
    found: Indices  # [D]

    @property
    def truth(self) -> GroundTruth:
        return self.table.truths[self.picture]


def _has_stages(part: _Part, names: Mapping[int, str]) -> bool:
    if part.picture not in names and len(part.found):
        raise DataError(f"{part.truth.file} has detections but no stages: run detect with --keep-stages again")
    return part.picture in names


def _rows_by_picture(pictures: Indices, count: int) -> list[Indices]:
    """The rows of each of `count` pictures, in their order."""
    order = np.argsort(pictures, kind="stable")
    return np.split(order, np.searchsorted(pictures[order], np.arange(1, count))) if count else []


def _names(table: Table, stages: Mapping[str, Stages]) -> dict[int, str]:
    """What the stages call each of the table's pictures."""
    paired = pair_files(list(stages), [truth.file for truth in table.truths]).tolist()
    return {picture: name for picture, name in zip(paired, stages, strict=True) if picture >= 0}


def _retrace_one(part: _Part, stages: Stages) -> Retraced:
    table, candidates = part.table, suppress_again(stages)
    numbers = {name: number for number, name in enumerate(table.classes) if name not in part.truth.unjudged}
    judged = np.array([numbers.get(name, NOT_JUDGED) for name in stages.classes], dtype=np.int64)
    known = {name: number for number, name in enumerate(stages.classes)}
    classes = [known.get(table.classes[number], NOT_KNOWN) for number in table.objects.classes[part.objects]]
    return Retraced(
        picture=part.picture,
        stages=stages,
        candidates=candidates,
        judged=judged,
        rows=_table_rows(part, candidates, judged),
        objects=part.objects,
        boxes=table.objects.boxes[part.objects],
        classes=np.array(classes, dtype=np.int64),
        thresholds=part.verdicts.thresholds[part.objects],
    )


def _table_rows(part: _Part, candidates: Candidates, judged: Indices) -> Indices:
    """The detection of the table that each candidate became, [C]."""
    numbers, file, columns = judged[candidates.classes], part.truth.file, part.table.found
    again, found = np.flatnonzero(candidates.detected & (numbers != NOT_JUDGED)), part.found
    if len(again) != len(found):
        raise DataError(f"{file}: its stages give {len(again)} detections and {len(found)} were judged: {_OTHER_RUN}")
    again = again[_order(numbers[again], candidates.scores[again], candidates.boxes[again])]
    found = found[_order(columns.classes[found], columns.scores[found], columns.boxes[found])]
    same = (
        (numbers[again] == columns.classes[found]).all()
        and np.allclose(candidates.scores[again], columns.scores[found], rtol=0, atol=_SAME_SCORE)
        and np.allclose(candidates.boxes[again], columns.boxes[found], rtol=0, atol=_SAME_PIXELS)
    )
    if not same:
        raise DataError(f"{file}: its stages give other detections than were judged: {_OTHER_RUN}")
    rows = np.full(len(candidates), NOT_DETECTED)
    rows[again] = found
    return rows


def _order(classes: Indices, scores: NDArray[np.float64], boxes: Boxes) -> Indices:
    return np.lexsort((*boxes.T, scores, classes))
