"""Precision-recall curves and average precision, as VOC's devkits compute them.

Shapes: D detections of one class, the best first.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...data.records import Indices
from ...data.values import NO_INDEX
from .evaluation import ClassEvaluation, Outcome
from .matching import Matches
from .table import Table

Curve = NDArray[np.float64]

# As MATLAB's colon makes 0:.1:1: counted up from 0 to the middle, then down from 1. The thresholds .6 and .7 are then
# the numbers that 6/10 and 7/10 give; k * .1 lies above both, and a class with 7 of 10 objects found loses an eleventh.
RECALL_THRESHOLDS = np.array([k * 0.1 if k <= 5 else 1 - (10 - k) * 0.1 for k in range(11)])


def class_evaluation(
    table: Table,
    number: int,
    rows: Indices,
    matches: Matches,
    average_precision: Callable[[Curve, Curve], float],
    numbers: Mapping[str, float] | None = None,
) -> ClassEvaluation:
    """A class's evaluation from the matches between its detections (`rows`) and its objects."""
    objects = table.objects_of(number)
    positives = int(table.objects.to_find[objects].sum())
    precision, recall = precision_recall(matches.outcomes, positives)
    return ClassEvaluation(
        name=table.classes[number],
        ap=average_precision(precision, recall) if positives else float("nan"),
        positives=positives,
        recall=recall,
        precision=precision,
        outcomes=matches.outcomes,
        scores=table.found.scores[rows],
        rows=rows,
        objects=np.append(objects, NO_INDEX)[matches.objects],
        numbers=numbers or {},
    )


def precision_recall(outcomes: NDArray[np.uint8], positives: int) -> tuple[Curve, Curve]:
    """Precision and recall after each detection, (D,) each; NaN recall where there is nothing to find.

    Before the first detection that counts at all, precision is 0: the devkit's 0/0, which its maximum skips.
    """
    true = np.cumsum(outcomes == Outcome.TRUE_POSITIVE, dtype=np.float64)
    counted = np.cumsum(outcomes != Outcome.IGNORED, dtype=np.float64)
    precision = np.divide(true, counted, out=np.zeros_like(true), where=counted > 0)
    recall = true / positives if positives else np.full_like(true, np.nan)
    return precision, recall


def eleven_point_ap(precision: Curve, recall: Curve) -> float:
    """VOC2007: the mean over eleven thresholds of the best precision at that recall or a higher one.

    >>> found = np.arange(1, 8)  # 7 of 10 objects, nothing else: full precision at 0, .1, ... .7
    >>> round(eleven_point_ap(np.ones(7), found / 10) * 11)
    8
    """
    return interpolated_ap(precision, recall, RECALL_THRESHOLDS)


def area_ap(precision: Curve, recall: Curve) -> float:
    """VOC2010 and later: the area under the curve once precision is made to fall only.

    >>> area_ap(np.array([1.0, 0.5]), np.array([0.5, 0.5]))
    0.5
    """
    steps = np.diff(recall, prepend=0.0)
    return float(steps @ _envelope(precision))


def interpolated_ap(precision: Curve, recall: Curve, recalls: Curve) -> float:
    """The mean over `recalls` of the best precision at that recall or a higher one, 0 where no detection gets there."""
    envelope = np.append(_envelope(precision), 0.0)
    return float(envelope[np.searchsorted(recall, recalls, side="left")].mean())


def _envelope(precision: Curve) -> Curve:
    """The best precision from each detection on."""
    return np.maximum.accumulate(precision[::-1])[::-1]


# By protocol, the average precision of a class's curve; COCO's is the mean of that over ten overlaps.
AP_OF_CURVE: dict[str, Callable[[Curve, Curve], float]] = {
    "voc07": eleven_point_ap,
    "voc10": area_ap,
    "ilsvrc": area_ap,
    "coco": partial(interpolated_ap, recalls=np.linspace(0.0, 1.0, 101)),
}
