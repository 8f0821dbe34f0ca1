"""The report's curves as coordinates for its page.

A precision-recall curve lies in a square of 100 by 100, recall to the right and precision upward; a plot
of the proposals' recall is 110 wide and 70 high, recall upward.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...data.datasets.dataset import evenly_spaced
from ..metrics.evaluation import ClassEvaluation, Outcome
from ..metrics.recall import RecallEvaluation

WIDTH, HEIGHT = 110.0, 70.0  # of a plot of recall
BOXES = (1, 10, 100, 1000, 5000)  # marks on its axis
# Okabe and Ito's colours and a grey, told apart with any kind of colour vision.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c")

# Enough for a curve as wide as a hand; a class with 100,000 detections would otherwise make a page of megabytes.
_CURVE_POINTS = 200


def curve_points(one: ClassEvaluation) -> list[str]:
    """The precision-recall curve as `x,y` of an SVG polyline."""
    steps = np.flatnonzero(one.outcomes == Outcome.TRUE_POSITIVE)  # elsewhere recall stands still
    if not one.positives or not len(steps):
        return []
    steps = steps[evenly_spaced(len(steps), _CURVE_POINTS)]
    points = zip(one.recall[steps] * 100, 100 - one.precision[steps] * 100, strict=True)
    return [f"{x:.1f},{y:.1f}" for x, y in points]


def recall_plots(evaluations: Sequence[RecallEvaluation]) -> list[dict[str, Any]]:
    """Recall against the number of boxes, at IoU .5 and .7 and on average, and against the IoU."""
    if not evaluations:
        return []
    against_boxes = {
        "Recall at IoU .5 over boxes an image": "recall_50",
        "Recall at IoU .7 over boxes an image": "recall_70",
        "Average recall over boxes an image": "average_recall",
    }
    plots = []
    for title, field in against_boxes.items():
        curves = [[(n, getattr(coverage, field)) for n, coverage in one.budgets.items()] for one in evaluations]
        plots.append(_plot(title, {str(n): n for n in BOXES}, curves, lambda n: math.log(n) / math.log(BOXES[-1])))
    marks = {f"{iou:.1f}": iou for iou in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)}
    over_iou = _plot("Recall over IoU, all boxes", marks, [one.by_iou for one in evaluations], lambda iou: 2 * iou - 1)
    return [*plots, over_iou]


def _plot(
    title: str,
    columns: Mapping[str, float],
    curves: Sequence[Sequence[tuple[float, float]]],
    scale: Callable[[float], float],
) -> dict[str, Any]:
    """A plot's coordinates from its vertical marks by text and its curves as (value, recall); `scale` gives 0 to 1."""

    def x(value: float) -> float:
        return round(WIDTH * scale(value), 1)

    def y(recall: float) -> float:
        return round(HEIGHT * (1 - recall), 1)

    return {
        "title": title,
        "lines": [" ".join(f"{x(v):.1f},{y(r):.1f}" for v, r in curve if not math.isnan(r)) for curve in curves],
        "columns": {text: x(value) for text, value in columns.items()},
        "rows": {f"{recall:g}": y(recall) for recall in (0, 0.25, 0.5, 0.75, 1)},
    }
