"""Confidence intervals of a mean average precision: bootstrap over images.

Images are resampled with replacement, as many as there are, and every class is evaluated on each bootstrap sample. What
a detection matches does not depend on other images, so matching is done once.

The samples' curves are more jagged than the data's, and the best precision from a recall on profits from that: the mean
of the replicates lies above the value, by a point where classes have few objects. So their spread is laid around the
value itself.

Shapes: D detections of a class, the best first, K classes, B replicates, P images.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.records import Indices
from ..metrics.average_precision import AP_OF_CURVE, Curve
from ..metrics.coco import COCO_OVERLAPS, matches_at
from ..metrics.evaluation import Evaluation, Outcome

LEVEL = 0.95
MOST_REPLICATES, FEWEST_REPLICATES = 1000, 100
# Replicates times detections: some seconds. Large sets need fewer replicates for the same precision anyway.
_WORK = 5e7


@dataclass(frozen=True)
class Interval:
    """As far below and above a value as 95 % of the replicates lie around their mean; NaN where there is none."""

    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """The intervals of one evaluation's numbers."""

    map: Interval
    classes: Mapping[str, Interval]
    replicates: int


def find_intervals(evaluation: Evaluation, seed: int = 0) -> Intervals:
    aps = resampled_aps(evaluation, seed)
    classes = {one.name: _of_ap(one.ap, aps[:, i]) for i, one in enumerate(evaluation.classes)}
    return Intervals(_of_ap(evaluation.map, mean_of_classes(aps)), classes, len(aps))


def interval(value: float, replicates: NDArray[np.float64]) -> Interval:
    """The middle 95 % of the replicates that are numbers, moved so that their mean is the value."""
    replicates = replicates[~np.isnan(replicates)]
    if not len(replicates):
        return Interval(float("nan"), float("nan"))
    low, high = value - replicates.mean() + np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def _of_ap(value: float, replicates: NDArray[np.float64]) -> Interval:
    """The interval of an average precision, which lies between 0 and 1."""
    found = interval(value, replicates)
    return Interval(max(found.low, 0.0), min(found.high, 1.0))


def mean_of_classes(aps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean average precision of each row, (B,), over the classes that have objects in that sample."""
    there = ~np.isnan(aps)
    counts = there.sum(axis=1)
    return np.divide(np.where(there, aps, 0).sum(axis=1), counts, out=np.full(len(aps), np.nan), where=counts > 0)


def resampled_aps(evaluation: Evaluation, seed: int = 0, replicates: int | None = None) -> NDArray[np.float64]:
    """The average precision of every class in every bootstrap sample, (B, K); NaN where it has no object of the class.

    The same seed samples the same images, so two evaluations on the same images can be compared sample by sample.
    """
    table = evaluation.table
    replicates = num_replicates(len(table.found)) if replicates is None else replicates
    counts = image_counts(len(table.truths), replicates, seed)
    objects = table.objects[table.objects.to_find]
    average_precision = AP_OF_CURVE[evaluation.metric]
    aps = np.full((replicates, len(evaluation.classes)), np.nan)
    for number in np.unique(objects.classes).tolist():
        positives = counts[:, objects.images[objects.classes == number]].sum(axis=1)  # [B]
        rankings, there = _rankings(evaluation, number), np.flatnonzero(positives)
        of_rankings = [
            [average_precision(*_curve(*ranking, positives[i], counts[i])) for i in there] for ranking in rankings
        ]
        aps[there, number] = np.mean(of_rankings, axis=0)
    return aps


def num_replicates(num_detections: int) -> int:
    """As many as take some seconds."""
    return int(np.clip(_WORK / max(num_detections, 1), FEWEST_REPLICATES, MOST_REPLICATES))


def image_counts(num_images: int, replicates: int, seed: int) -> NDArray[np.uint8]:
    """How often each image is in each bootstrap sample, (B, P)."""
    generator = np.random.default_rng(seed)
    counts = np.zeros((replicates, num_images), np.uint8)  # 255 times the same image: not in the life of the universe
    for row in counts:
        row += np.bincount(generator.integers(0, num_images, num_images), minlength=num_images).astype(np.uint8)
    return counts


def _rankings(evaluation: Evaluation, number: int) -> list[tuple[Indices, Indices]]:
    """The images of a class's detections that count, [D], and which of these find an object; for COCO by overlap."""
    table, one = evaluation.table, evaluation.classes[number]
    matched = [(one.rows, one.outcomes)]
    if evaluation.metric == "coco":
        matched = [(rows, matches.outcomes) for o in COCO_OVERLAPS for rows, matches in [matches_at(table, number, o)]]
    rankings = []
    for rows, outcomes in matched:
        counted = outcomes != Outcome.IGNORED
        found = np.flatnonzero(outcomes[counted] == Outcome.TRUE_POSITIVE)
        upto = found[-1] + 1 if len(found) else 0
        rankings.append((table.found.images[rows[counted][:upto]], found))
    return rankings


def _curve(images: Indices, found: Indices, positives: float, counts: NDArray[np.uint8]) -> tuple[Curve, Curve]:
    """Precision and recall wherever an object is found, in a sample with these `counts` of the images."""
    weights = counts[images]
    true = np.cumsum(weights[found], dtype=np.float64)
    counted = np.cumsum(weights, dtype=np.float64)[found]
    return np.divide(true, counted, out=np.zeros_like(true), where=counted > 0), true / positives
