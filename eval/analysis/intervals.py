"""How sure a mean average precision is: bootstrap over images.

Images are drawn anew, as many as there are, with replacement, and every class is judged on each draw. What a
detection is does not depend on other images, so matching is done once; an image that is drawn twice counts twice.

Draws are more jagged than the data, and what precision reaches at best at a recall profits from that: their mean lies
above the value, by a point where classes have few objects. So their spread is laid around the value itself.

Shapes: D detections of a class, the best first, K classes, B draws, P images.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.records import Indices
from ..metrics.average_precision import AVERAGES, Curve
from ..metrics.coco import COCO_OVERLAPS, matches_at
from ..metrics.evaluation import Evaluation, Outcome

LEVEL = 0.95
MOST_DRAWS, FEWEST_DRAWS = 1000, 100
# Draws times detections that are looked at: some seconds. Large sets need fewer draws for the same precision anyway.
_WORK = 5e7


@dataclass(frozen=True)
class Interval:
    """As far below and above a value as 95 % of the draws lie around their mean; NaN where there is none."""

    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """The intervals of one evaluation's numbers."""

    map: Interval
    classes: Mapping[str, Interval]
    draws: int


@dataclass(frozen=True, eq=False)
class _Points:
    """What a class's average precision is made of. Precision and recall matter where an object is found only."""

    images: Indices  # [D], of the detections that count
    found: Indices  # [T], which of them find an object


def find_intervals(evaluation: Evaluation, seed: int = 0) -> Intervals:
    """95 % intervals of the mean and of each class."""
    aps = resampled_aps(evaluation, seed)
    classes = {one.name: _of_average(one.ap, aps[:, i]) for i, one in enumerate(evaluation.classes)}
    return Intervals(_of_average(evaluation.map, mean_of_classes(aps)), classes, len(aps))


def interval(value: float, draws: NDArray[np.float64]) -> Interval:
    """The middle 95 % of the draws that are numbers, moved so that their mean is the value."""
    draws = draws[~np.isnan(draws)]
    if not len(draws):
        return Interval(float("nan"), float("nan"))
    low, high = value - draws.mean() + np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def _of_average(value: float, draws: NDArray[np.float64]) -> Interval:
    """The interval of an average precision, which lies between 0 and 1."""
    found = interval(value, draws)
    return Interval(max(found.low, 0.0), min(found.high, 1.0))


def mean_of_classes(aps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean average precision of each row, (B,), over the classes that have objects in that draw."""
    there = ~np.isnan(aps)
    counts = there.sum(axis=1)
    return np.divide(np.where(there, aps, 0).sum(axis=1), counts, out=np.full(len(aps), np.nan), where=counts > 0)


def resampled_aps(evaluation: Evaluation, seed: int = 0, draws: int | None = None) -> NDArray[np.float64]:
    """The average precision of every class in every draw, (B, K); NaN where a draw has no object of the class.

    The same seed draws the same images, so two evaluations on the same images can be compared draw by draw.
    """
    table = evaluation.table
    draws = num_draws(len(table.found)) if draws is None else draws
    num_images = len(table.truths)
    times = _times_drawn(num_images, draws, seed)
    asked = np.flatnonzero(table.objects.asked)
    aps = np.full((draws, len(evaluation.classes)), np.nan)
    for number in range(len(evaluation.classes)):
        own = asked[table.objects.classes[asked] == number]
        if not len(own):
            continue
        positives = times[:, table.objects.images[own]].sum(axis=1)  # [B]
        average = AVERAGES[evaluation.metric]
        parts = [_ap_of_draws(curve, positives, times, average) for curve in _curves(evaluation, number)]
        aps[:, number] = np.mean(parts, axis=0)
    return aps


def num_draws(num_detections: int) -> int:
    """How many draws are worth their time."""
    return int(np.clip(_WORK / max(num_detections, 1), FEWEST_DRAWS, MOST_DRAWS))


def _times_drawn(num_images: int, draws: int, seed: int) -> NDArray[np.uint8]:
    """How often each image is in each draw, (B, P)."""
    generator = np.random.default_rng(seed)
    times = np.zeros((draws, num_images), np.uint8)  # 255 times the same image: not in the life of the universe
    for row in times:
        row += np.bincount(generator.integers(0, num_images, num_images), minlength=num_images).astype(np.uint8)
    return times


def _curves(evaluation: Evaluation, number: int) -> list[_Points]:
    """A class's curve, or for COCO one for each overlap."""
    table, one = evaluation.table, evaluation.classes[number]
    judged = [(one.rows, one.outcomes)]
    if evaluation.metric == "coco":
        judged = [(rows, matches.outcomes) for o in COCO_OVERLAPS for rows, matches in [matches_at(table, number, o)]]
    curves = []
    for rows, outcomes in judged:
        counted = outcomes != Outcome.IGNORED
        found = np.flatnonzero(outcomes[counted] == Outcome.TRUE_POSITIVE)
        upto = found[-1] + 1 if len(found) else 0
        curves.append(_Points(table.found.images[rows[counted][:upto]], found))
    return curves


def _ap_of_draws(
    curve: _Points, positives: NDArray[np.int64], times: NDArray[np.uint8], average: Callable[[Curve, Curve], float]
) -> NDArray[np.float64]:
    return np.array(
        [
            average(*_redrawn(curve, float(number), drawn)) if number else np.nan
            for number, drawn in zip(positives, times, strict=True)
        ]
    )


def _redrawn(curve: _Points, positives: float, drawn: NDArray[np.uint8]) -> tuple[Curve, Curve]:
    """Precision and recall wherever an object is found, (T,) each, if each image counts as often as it was drawn."""
    weights = drawn[curve.images]
    true = np.cumsum(weights[curve.found], dtype=np.float64)
    counted = np.cumsum(weights, dtype=np.float64)[curve.found]
    return np.divide(true, counted, out=np.zeros_like(true), where=counted > 0), true / positives
