"""The protocols by name: mean average precision as the devkits of VOC and ILSVRC compute it, and COCO's of `coco.py`.

VOC's of 2007 and of 2010 and later differ in how a curve becomes a number; matching, difficult objects and ties are the
same. A crowd, which only COCO knows, is taken for a difficult object.

ILSVRC (`eval_detection.m`, 2014): an object is found from an overlap on that grows with its size: a box around a small
one need not be as exact, see `overlap_thresholds`. A detection takes the free object that it overlaps most of those
whose own threshold it reaches. Classes on the blacklist of an image are ignored there (the table has left them out).
Difficult objects and crowds, which ILSVRC does not know, are neither missed nor false.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes
from ...data.errors import UsageError
from .average_precision import AP_OF_CURVE, area_ap, class_evaluation
from .coco import evaluate_coco
from .evaluation import Evaluation
from .matching import match_free, match_voc, pairs_of
from .table import Table

_VOC_OVERLAP = 0.5
_VOC_NAMES = {"voc07": "mAP (VOC07, 11-point, IoU 0.5)", "voc10": "mAP (VOC10+, area, IoU 0.5)"}
_ILSVRC_TOLERANCE = 10.0  # pixels, that a box may be off


def evaluate_voc(table: Table, metric: str = "voc07") -> Evaluation:
    """Evaluate by `metric`, `voc07` or `voc10`; equal scores keep the order of the predictions."""
    classes = []
    for number in range(len(table.classes)):
        rows, objects = table.found_of(number), table.objects_of(number)
        ignored = ~table.objects.to_find[objects]
        matches = match_voc(pairs_of(table, rows, objects), len(rows), ignored, _VOC_OVERLAP)
        classes.append(class_evaluation(table, number, rows, matches, AP_OF_CURVE[metric]))
    thresholds = np.full(len(table.objects), _VOC_OVERLAP)
    return Evaluation(metric, _VOC_NAMES[metric], tuple(classes), table, thresholds)


def evaluate_ilsvrc(table: Table) -> Evaluation:
    """Evaluate by ILSVRC's protocol; equal scores are taken image by image in the order of the ground truth."""
    classes, thresholds = [], overlap_thresholds(table.objects.boxes)
    for number in range(len(table.classes)):
        rows, objects = table.found_of(number, by_image=True), table.objects_of(number)
        ignored, crowd = ~table.objects.to_find[objects], table.objects.crowd[objects]
        matches = match_free(pairs_of(table, rows, objects), len(rows), thresholds[objects], ignored, crowd)
        classes.append(class_evaluation(table, number, rows, matches, area_ap))
    aps = [one.ap for one in classes if not np.isnan(one.ap)]
    numbers = {"median": float(np.median(aps)) if aps else float("nan")}
    name = "mAP (ILSVRC DET, area, IoU 0.5 or less by size)"
    return Evaluation("ilsvrc", name, tuple(classes), table, thresholds, numbers)


def overlap_thresholds(boxes: Boxes) -> NDArray[np.float64]:
    """The overlap from which ILSVRC counts each object as found, (N,): .5, or less if it is small.

    >>> overlap_thresholds(np.array([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 100.0, 100.0]])).tolist()
    [0.25, 0.5]
    """
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return np.minimum(0.5, width * height / ((width + _ILSVRC_TOLERANCE) * (height + _ILSVRC_TOLERANCE)))


PROTOCOLS: dict[str, Callable[[Table], Evaluation]] = {
    **{name: partial(evaluate_voc, metric=name) for name in _VOC_NAMES},
    "ilsvrc": evaluate_ilsvrc,
    "coco": evaluate_coco,
}


def checked_metrics(metrics: Sequence[str]) -> tuple[str, ...]:
    """The protocols' names, if all are known and there is at least one."""
    for name in metrics or ("",):
        if name not in PROTOCOLS:
            raise UsageError(f"unknown --metric {name!r}; known: {', '.join(PROTOCOLS)}")
    return tuple(metrics)


def evaluate(table: Table, metrics: Sequence[str]) -> list[Evaluation]:
    """Evaluate by each of the protocols, whatever data set the table is from."""
    return [PROTOCOLS[name](table) for name in checked_metrics(metrics)]
