"""The report's curves and bars as coordinates for its page; those of proposals are in `recall_plots.py`.

A curve lies in a square of 100 by 100, recall to the right and precision upward; bars are 100 wide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..metrics.evaluation import ClassEvaluation, Outcome

if TYPE_CHECKING:
    from ..analysis.waterfall import Waterfall

# Enough for a curve as wide as a hand; a class with 100,000 detections would otherwise make a page of megabytes.
_CURVE_POINTS = 200


def curve_points(one: ClassEvaluation) -> list[str]:
    """The precision-recall curve as `x,y` of an SVG polyline."""
    steps = np.flatnonzero(one.outcomes == Outcome.TRUE_POSITIVE)  # elsewhere recall stands still
    if not one.positives or not len(steps):
        return []
    picked = steps[np.unique(np.linspace(0, len(steps) - 1, _CURVE_POINTS).astype(int))]
    points = zip(one.recall[picked] * 100, 100 - one.precision[picked] * 100, strict=True)
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
    share: float  # of all objects
    start: float
    width: float
    kind: str  # "all", "lost" or "found"
    map_if_perfect: float


def waterfall_bars(waterfall: "Waterfall") -> list[Bar]:
    """All objects, what each step loses of them, and those that are left."""
    scale = 100 / waterfall.objects if waterfall.objects else 0.0

    def bar(name: str, meaning: str, count: int, below: int, kind: str, perfect: float = float("nan")) -> Bar:
        return Bar(name, meaning, count, count * scale / 100, below * scale, count * scale, kind, perfect)

    bars = [bar("objects", "all that a detector has to find", waterfall.objects, 0, "all")]
    left = waterfall.objects
    for step in waterfall.steps:
        left -= step.count
        bars.append(bar(step.name, step.meaning, step.count, left, "lost", step.map_if_perfect))
    return [*bars, bar("found", "objects that a detection finds", waterfall.found, 0, "found")]
