"""The report's plots of recall, as coordinates for its page: each 110 wide and 70 high, recall upward."""

import math
from collections.abc import Sequence
from typing import Any

from ..metrics.recall import RecallEvaluation

WIDTH, HEIGHT = 110.0, 70.0
COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#8c8c8c",
)  # told apart by everyone (Okabe)
BOXES = (1, 10, 100, 1000, 5000)


def recall_plots(evaluations: Sequence[RecallEvaluation]) -> list[dict[str, Any]]:
    """Recall against the number of boxes, at IoU .5 and .7 and on average, and against the IoU."""
    if not evaluations:
        return []
    against_boxes = [
        ("Recall at IoU .5 over boxes an image", "recall_50"),
        ("Recall at IoU .7 over boxes an image", "recall_70"),
        ("Average recall over boxes an image", "average_recall"),
    ]
    plots = []
    for title, field in against_boxes:
        lines = [
            _line([(_by_count(boxes), getattr(found, field)) for boxes, found in one.budgets.items()])
            for one in evaluations
        ]
        columns = [{"at": _by_count(boxes), "text": str(boxes)} for boxes in BOXES]
        plots.append({"title": title, "lines": lines, "columns": columns, "rows": _rows()})
    lines = [_line([(_by_iou(iou), recall) for iou, recall in one.by_iou]) for one in evaluations]
    columns = [{"at": _by_iou(iou), "text": f"{iou:.1f}"} for iou in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)]
    plots.append({"title": "Recall over IoU, all boxes", "lines": lines, "columns": columns, "rows": _rows()})
    return plots


def _rows() -> list[dict[str, Any]]:
    return [{"at": round(HEIGHT * (1 - recall), 1), "text": f"{recall:g}"} for recall in (0, 0.25, 0.5, 0.75, 1)]


def _by_count(boxes: int) -> float:
    return round(WIDTH * math.log(boxes) / math.log(BOXES[-1]), 1)


def _by_iou(iou: float) -> float:
    return round(WIDTH * (iou - 0.5) / 0.5, 1)


def _line(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{HEIGHT * (1 - recall):.1f}" for x, recall in points if not math.isnan(recall))
