"""An image's stages matched with its rows of an evaluation's table: the same classes, objects and detections.

Shapes: O objects and D evaluated detections of one image, R regions, K classes of the detector, C candidates.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes, box_iou
from ...data.errors import DataError
from ...data.images.pairing import pair_files
from ...data.records import Flags, Indices, Stages
from ...data.suppression import Suppression, all_voted_boxes, suppress
from ...data.values import NO_INDEX
from ..metrics.evaluation import Evaluation
from ..metrics.table import Found

_OTHER_RUN = "they are of another run; give the stages and the predictions of one"
# Predictions that went through another format come back with a rounding error.
_SAME_PIXELS, _SAME_SCORE = 1e-3, 1e-6


@dataclass(frozen=True, eq=False)
class ImageStages:
    """One image: its stages, and its part of the table."""

    index: int  # of the image in the table
    stages: Stages
    candidates: Suppression
    table_classes: Indices  # [K], the table's class of each of the detector's, NO_INDEX where it is not evaluated
    rows: Indices  # [C], the table's detection that each candidate became, or NO_INDEX
    objects: Indices  # [O], in the table
    boxes: Boxes  # [O, 4]
    classes: Indices  # [O], the detector's class of each object, NO_INDEX where it does not know it
    thresholds: NDArray[np.float64]  # [O], the overlap from which each object counts as found


def stages_by_image(
    evaluation: Evaluation, stages: Mapping[str, Stages], indices: Iterable[int] | None = None
) -> Iterator[ImageStages]:
    """Each image of the evaluation's table, or of these `indices` in it, that has stages.

    DataError where stages do not give the evaluated detections: they are of another run.
    """
    table = evaluation.table
    paired = pair_files(list(stages), [truth.file for truth in table.truths]).tolist()
    names = {index: name for index, name in zip(paired, stages, strict=True) if index != NO_INDEX}
    if indices is None and table.truths and not names:
        raise DataError("the stages are of none of the evaluated images: give those of the same run")
    objects, found = (_rows_by_image(rows.images, len(table.truths)) for rows in (table.objects, table.found))
    for index in range(len(table.truths)) if indices is None else indices:
        if index in names:
            yield _image_stages(evaluation, index, objects[index], found[index], stages[names[index]])
        elif len(found[index]):
            file = table.truths[index].file
            raise DataError(f"{file} has detections but no stages: run detect with --keep-stages again")


def _rows_by_image(images: Indices, count: int) -> list[Indices]:
    """The rows of each of `count` images, in their order."""
    order = np.argsort(images, kind="stable")
    return np.split(order, np.searchsorted(images[order], np.arange(1, count))) if count else []


def _image_stages(
    evaluation: Evaluation, index: int, objects: Indices, detections: Indices, stages: Stages
) -> ImageStages:
    table, truth = evaluation.table, evaluation.table.truths[index]
    evaluated = {name: number for number, name in enumerate(table.classes) if name not in truth.ignored_classes}
    table_classes = np.array([evaluated.get(name, NO_INDEX) for name in stages.classes], dtype=np.int64)
    known = {name: number for number, name in enumerate(stages.classes)}
    classes = [known.get(table.classes[number], NO_INDEX) for number in table.objects.classes[objects]]
    candidates, became = _matched(table.found[detections], stages, table_classes, truth.file)
    return ImageStages(
        index=index,
        stages=stages,
        candidates=candidates,
        table_classes=table_classes,
        rows=np.append(detections, NO_INDEX)[became],
        objects=objects,
        boxes=table.objects.boxes[objects],
        classes=np.array(classes, dtype=np.int64),
        thresholds=evaluation.thresholds[objects],
    )


def _matched(found: Found, stages: Stages, table_classes: Indices, file: str) -> tuple[Suppression, Indices]:
    """The candidates after suppression, and which of the `found` detections each became, [C].

    Scores that a detector told apart may be equal in a file with fewer digits. Where their order there gives other
    detections, the evaluated ones decide which came first.
    """
    candidates = suppress(stages)
    became = _became(found, candidates, table_classes)
    if became is None:
        candidates = suppress(stages, _became_detections(found, stages, table_classes))
        became = _became(found, candidates, table_classes)
    if became is not None:
        return candidates, became
    count = int((table_classes[candidates.classes[candidates.detected]] != NO_INDEX).sum())
    if count != len(found):
        raise DataError(f"{file}: its stages give {count} detections and {len(found)} were evaluated: {_OTHER_RUN}")
    raise DataError(f"{file}: its stages give other detections than were evaluated: {_OTHER_RUN}")


def _became(found: Found, candidates: Suppression, table_classes: Indices) -> Indices | None:
    """The detection that each candidate became, [C]; None where they are others."""
    classes = table_classes[candidates.classes]
    detected = np.flatnonzero(candidates.detected & (classes != NO_INDEX))
    same = _same_detection(found, classes[detected], candidates.scores[detected], candidates.boxes[detected])
    became, free = np.full(len(candidates), NO_INDEX), np.ones(len(found), np.bool_)
    if len(detected) != len(free):
        return None
    for candidate, alike in zip(detected.tolist(), same, strict=True):
        first = int(np.argmax(alike & free))
        if not (alike[first] and free[first]):
            return None
        became[candidate], free[first] = first, False
    return became


def _became_detections(found: Found, stages: Stages, table_classes: Indices) -> Flags:
    """The boxes of each class that, if they are not suppressed, are detections of the table, [R, K]."""
    became = np.zeros(stages.boxes.shape[:2], np.bool_)
    scores, boxes = stages.probabilities[:, 1:], all_voted_boxes(stages)
    for k, number in enumerate(table_classes.tolist()):
        same = _same_detection(found, np.full(len(boxes), number), scores[:, k], boxes[:, k])
        if (same.sum(axis=0) > 1).any():
            near = box_iou(stages.boxes[:, k], stages.boxes[:, k]) > stages.nms_threshold
            same = _one_for_each(same, near & (scores[:, k] <= scores[:, k, None]))
        became[:, k] = same.any(axis=1)
    return became


def _one_for_each(same: Flags, suppressed: Flags) -> Flags:
    """Of the boxes that votes make equal only the likeliest to be each detection, [R, D].

    That is the one that suppresses the most others (`suppressed`, [R, R]: by each box), and no other detection.
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


def _same_detection(found: Found, classes: Indices, scores: NDArray[np.float64], boxes: Boxes) -> Flags:
    """Which of N boxes are which of the image's detections but for rounding, [N, D]."""
    same = classes[:, None] == found.classes
    same &= np.abs(scores[:, None] - found.scores) <= _SAME_SCORE
    for side, other in zip(boxes.T, found.boxes.T, strict=True):
        same &= np.abs(side[:, None] - other) <= _SAME_PIXELS
    return same
