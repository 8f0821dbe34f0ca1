"""An image's stages beside its part of an evaluation's table: the same classes, objects and detections.

Shapes: O objects and D judged detections of one image, K classes of the detector, C candidates.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes, box_iou
from ...data.errors import DataError
from ...data.images.pairing import pair_files
from ...data.records import NO_INDEX, Flags, GroundTruth, Indices, Stages
from ...data.suppression import Candidates, all_voted_boxes, suppress
from ..metrics.outcomes import Verdicts
from ..metrics.table import Table

_OTHER_RUN = "they are of another run; give the stages and the predictions of one"
# Predictions that went through another format come back with a rounding error.
_SAME_PIXELS, _SAME_SCORE = 1e-3, 1e-6


@dataclass(frozen=True, eq=False)
class Retraced:
    """One image: what was thought of it, and what was judged."""

    image: int  # in the table
    stages: Stages
    candidates: Candidates
    judged: Indices  # [K], the table's number of each of the detector's classes, or NO_INDEX
    rows: Indices  # [C], the table's detection that each candidate became, or NO_INDEX
    objects: Indices  # [O], in the table
    boxes: Boxes  # [O, 4]
    classes: Indices  # [O], the detector's number of each object's class, or NO_INDEX
    thresholds: NDArray[np.float64]  # [O], the overlap from which each object counts as found


def retrace(table: Table, verdicts: Verdicts, stages: Mapping[str, Stages]) -> Iterator[Retraced]:
    """Each image of the table that has stages, one at a time.

    Refuses stages that do not give the detections that were judged: they are of another run.
    """
    names = _names(table, stages)
    if table.truths and not names:
        raise DataError("the stages are of none of the images that were judged: give those of the same run")
    objects = _rows_by_image(table.objects.images, len(table.truths))
    found = _rows_by_image(table.found.images, len(table.truths))
    for image in range(len(table.truths)):
        part = _Part(table, verdicts, image, objects[image], found[image])
        if _has_stages(part, names):
            yield _retrace_one(part, stages[names[image]])


def retrace_image(table: Table, verdicts: Verdicts, stages: Mapping[str, Stages], image: int) -> Retraced | None:
    """One image of the table with its stages, if it has any."""
    names = _names(table, stages)
    objects, found = (np.flatnonzero(column.images == image) for column in (table.objects, table.found))
    part = _Part(table, verdicts, image, objects, found)
    return _retrace_one(part, stages[names[image]]) if _has_stages(part, names) else None


@dataclass(frozen=True, eq=False)
class _Part:
    """One image's part of the table."""

    table: Table
    verdicts: Verdicts
    image: int
    objects: Indices  # [O]
    found: Indices  # [D]

    @property
    def truth(self) -> GroundTruth:
        return self.table.truths[self.image]


def _has_stages(part: _Part, names: Mapping[int, str]) -> bool:
    if part.image not in names and len(part.found):
        raise DataError(f"{part.truth.file} has detections but no stages: run detect with --keep-stages again")
    return part.image in names


def _rows_by_image(images: Indices, count: int) -> list[Indices]:
    """The rows of each of `count` images, in their order."""
    order = np.argsort(images, kind="stable")
    return np.split(order, np.searchsorted(images[order], np.arange(1, count))) if count else []


def _names(table: Table, stages: Mapping[str, Stages]) -> dict[int, str]:
    """What the stages call each of the table's images."""
    paired = pair_files(list(stages), [truth.file for truth in table.truths]).tolist()
    return {image: name for image, name in zip(paired, stages, strict=True) if image >= 0}


def _retrace_one(part: _Part, stages: Stages) -> Retraced:
    table = part.table
    numbers = {name: number for number, name in enumerate(table.classes) if name not in part.truth.unjudged}
    judged = np.array([numbers.get(name, NO_INDEX) for name in stages.classes], dtype=np.int64)
    known = {name: number for number, name in enumerate(stages.classes)}
    classes = [known.get(table.classes[number], NO_INDEX) for number in table.objects.classes[part.objects]]
    candidates, rows = _matched(part, stages, judged)
    return Retraced(
        image=part.image,
        stages=stages,
        candidates=candidates,
        judged=judged,
        rows=rows,
        objects=part.objects,
        boxes=table.objects.boxes[part.objects],
        classes=np.array(classes, dtype=np.int64),
        thresholds=part.verdicts.thresholds[part.objects],
    )


def _matched(part: _Part, stages: Stages, judged: Indices) -> tuple[Candidates, Indices]:
    """What suppression makes of the boxes, and the detection of the table that each candidate became, [C].

    Scores that a detector told apart may be equal in a file that keeps fewer digits. Where the order in which they
    stand there gives other detections, those that were judged say which came first.
    """
    candidates = suppress(stages)
    rows = _table_rows(part, candidates, judged)
    if rows is None:
        candidates = suppress(stages, _became_detections(part, stages, judged))
        rows = _table_rows(part, candidates, judged)
    if rows is not None:
        return candidates, rows
    again, found = int((judged[candidates.classes[candidates.detected]] != NO_INDEX).sum()), len(part.found)
    if again != found:
        raise DataError(f"{part.truth.file}: its stages give {again} detections and {found} were judged: {_OTHER_RUN}")
    raise DataError(f"{part.truth.file}: its stages give other detections than were judged: {_OTHER_RUN}")


def _table_rows(part: _Part, candidates: Candidates, judged: Indices) -> Indices | None:
    """The detection of the table that each candidate became, [C]; None where they are others."""
    numbers = judged[candidates.classes]
    again = np.flatnonzero(candidates.detected & (numbers != NO_INDEX))
    same = _same_detection(part, numbers[again], candidates.scores[again], candidates.boxes[again])
    rows, free = np.full(len(candidates), NO_INDEX), np.ones(len(part.found), np.bool_)
    if len(again) != len(free):
        return None
    for candidate, alike in zip(again.tolist(), same, strict=True):
        place = int(np.argmax(alike & free))
        if not (alike[place] and free[place]):
            return None
        rows[candidate], free[place] = part.found[place], False
    return rows


def _became_detections(part: _Part, stages: Stages, judged: Indices) -> Flags:
    """The boxes of each class that, if they are kept, are detections of the table, [R, K]."""
    became = np.zeros(stages.boxes.shape[:2], np.bool_)
    scores, boxes = stages.probabilities[:, 1:], all_voted_boxes(stages)
    for place, number in enumerate(judged.tolist()):
        numbers = np.full(len(boxes), number)
        same = _same_detection(part, numbers, scores[:, place], boxes[:, place])
        if (same.sum(axis=0) > 1).any():
            near = box_iou(stages.boxes[:, place], stages.boxes[:, place]) > stages.nms_threshold
            same = _one_for_each(same, near & (scores[:, place] <= scores[:, place, None]))
        became[:, place] = same.any(axis=1)
    return became


def _one_for_each(same: Flags, suppressed: Flags) -> Flags:
    """Of the boxes that votes bring to the same place only the likeliest to be each detection, [R, D].

    That is the one by which the most others go (`suppressed`, [R, R]: by each box), and no other detection.
    """
    same = same.copy()
    for detection in np.flatnonzero(same.sum(axis=0) > 1).tolist():
        options = np.flatnonzero(same[:, detection])
        of_others = np.delete(same, detection, axis=1).any(axis=1)
        dropped = suppressed[options]
        gains = dropped[:, ~of_others].sum(axis=1) - len(same) * dropped[:, of_others & ~same[:, detection]].sum(axis=1)
        same[:, detection] = False
        same[options[np.argmax(gains)], detection] = True
    return same


def _same_detection(part: _Part, classes: Indices, scores: NDArray[np.float64], boxes: Boxes) -> NDArray[np.bool_]:
    """Which of N boxes are which of the image's detections but for rounding, [N, D]."""
    found = part.table.found
    same = classes[:, None] == found.classes[part.found]
    same &= np.abs(scores[:, None] - found.scores[part.found]) <= _SAME_SCORE
    for side, other in zip(boxes.T, found.boxes[part.found].T, strict=True):
        same &= np.abs(side[:, None] - other) <= _SAME_PIXELS
    return same
