"""The report's curves and bars as coordinates for its page.

A precision-recall curve lies in a square of 100 by 100, recall to the right and precision upward; bars are 100 wide. A
plot of the proposals' recall is 110 wide and 70 high, recall upward.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...data.datasets.dataset import evenly_spaced
from ..analysis.waterfall import Waterfall
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


def closed(curve: Sequence[str]) -> list[str]:
    """The curve's points with the corners that make it the upper edge of an area."""
    if not curve:
        return []
    top, right = curve[0].partition(",")[2], curve[-1].partition(",")[0]
    return ["0,100", f"0,{top}", *curve, f"{right},100"]


@dataclass(frozen=True)
class Bar:
    """One row of the waterfall: a bar that hangs where the one above it ends."""

    name: str
    meaning: str
    count: int
    start: float
    width: float  # per cent of all objects
    kind: str  # "all", "lost" or "found"
    map_if_perfect: float


def waterfall_bars(waterfall: Waterfall) -> list[Bar]:
    """All objects, what each step loses of them, and those that are left."""
    scale = 100 / max(waterfall.objects, 1)

    def bar(name: str, meaning: str, count: int, below: int, kind: str, perfect: float = math.nan) -> Bar:
        return Bar(name, meaning, count, below * scale, count * scale, kind, perfect)

    bars, left = [bar("objects", "all that a detector has to find", waterfall.objects, 0, "all")], waterfall.objects
    for step in waterfall.steps:
        left -= step.count
        bars.append(bar(step.name, step.meaning, step.count, left, "lost", step.map_if_perfect))
    return [*bars, bar("found", "objects that a detection finds", waterfall.found, 0, "found")]


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
        curves = [
            [(_by_count(boxes), getattr(coverage, field)) for boxes, coverage in one.budgets.items()]
            for one in evaluations
        ]
        plots.append(_plot(title, {str(boxes): _by_count(boxes) for boxes in BOXES}, curves))
    curves = [[(_by_iou(iou), recall) for iou, recall in one.by_iou] for one in evaluations]
    marks = {f"{iou:.1f}": _by_iou(iou) for iou in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)}
    return [*plots, _plot("Recall over IoU, all boxes", marks, curves)]


def _by_count(boxes: int) -> float:
    return round(WIDTH * math.log(boxes) / math.log(BOXES[-1]), 1)


def _by_iou(iou: float) -> float:
    return round(WIDTH * (iou - 0.5) / 0.5, 1)


def _plot(title: str, columns: Mapping[str, float], curves: Sequence[Sequence[tuple[float, float]]]) -> dict[str, Any]:
    """The coordinates of a plot from those of its vertical marks by text, and the curves as (x, recall)."""

    def y(recall: float) -> float:
        return round(HEIGHT * (1 - recall), 1)

    lines = [" ".join(f"{x:.1f},{y(recall):.1f}" for x, recall in curve if recall == recall) for curve in curves]
    rows = {f"{recall:g}": y(recall) for recall in (0, 0.25, 0.5, 0.75, 1)}
    marks = ([{"at": at, "text": text} for text, at in each.items()] for each in (columns, rows))
    return {"title": title, "lines": lines, **dict(zip(("columns", "rows"), marks, strict=True))}
