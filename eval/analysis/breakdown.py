"""What a detector finds and what it does not: how average precision depends on an object's size, shape and truncation.

As Hoiem et al. do it (ECCV 2012). Objects are sorted into groups; for each group only its own objects are there to be
found, a detection that finds an object of another group counts neither for nor against, and all false positives,
duplicates too, are held against every group. A group with few objects then has less precision than one with many, just
because it has few: so precision is also normalised, to what it would be with as many objects as a class has on
average.

Sizes and shapes are relative to the class: the lowest tenth of its objects, the next two, the middle four, two, and
the highest tenth. The curve becomes a number as in the evaluation's own protocol; COCO's is taken at an overlap of .5.

Shapes: D detections of one class, the best first, G objects, N values.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes, box_area
from ...data.records import Flags
from ..metrics.average_precision import AP_OF_CURVE, Curve, precision_recall
from ..metrics.evaluation import Evaluation, Outcome
from ..metrics.numbers import mean
from ..metrics.recall import SIZES
from ..metrics.table import Objects

RELATIVE_SIZES = ("XS", "S", "M", "L", "XL")
SHAPES = ("XT", "T", "M", "W", "XW")  # extra tall to extra wide

_PERCENTILES = (0.1, 0.3, 0.7, 0.9)


@dataclass(frozen=True)
class Group:
    """Objects that are alike, of all classes; the average precisions are means over the classes that have any."""

    name: str
    objects: int  # to find
    found: int
    ap: float  # NaN without objects
    normalised_ap: float  # as if every class had the same number of objects in every group

    @property
    def recall(self) -> float:
        return self.found / self.objects if self.objects else float("nan")


@dataclass(frozen=True)
class Breakdown:
    """All objects, by one of their properties."""

    name: str
    groups: tuple[Group, ...]


def break_down(evaluation: Evaluation) -> tuple[Breakdown, ...]:
    """By size and by shape within the class, by truncation, and by COCO's sizes in square pixels."""
    return tuple(
        Breakdown(name, tuple(_group(evaluation, label, members) for label, members in groups.items()))
        for name, groups in _properties(evaluation.table.objects).items()
    )


def _properties(objects: Objects) -> dict[str, Mapping[str, Flags]]:
    """For each property the groups by name, each as flags, [G]."""
    areas, truncated, asked = objects.areas, objects.truncated, objects.to_find
    return {
        "size": _by_percentile(objects, box_area(objects.boxes), RELATIVE_SIZES),
        "aspect ratio": _by_percentile(objects, _aspect_ratios(objects.boxes), SHAPES),
        "truncated": {"no": asked & ~truncated, "yes": asked & truncated},
        "area": {name: asked & (low <= areas) & (areas < high) for name, (low, high) in SIZES.items()},
    }


def _by_percentile(objects: Objects, values: NDArray[np.float64], names: tuple[str, ...]) -> dict[str, Flags]:
    places = np.full(len(values), -1)
    for number in np.unique(objects.classes):
        own = objects.to_find & (objects.classes == number)
        places[own] = np.searchsorted(_PERCENTILES, percentiles(values[own]))
    return {name: places == place for place, name in enumerate(names)}


def percentiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where each value stands among all, (N,), between 0 and 1; equal values stand together, in their middle.

    >>> percentiles(np.array([30.0, 10.0, 20.0, 20.0])).tolist()
    [0.875, 0.125, 0.5, 0.5]
    """
    ordered = np.sort(values)
    below, upto = np.searchsorted(ordered, values, side="left"), np.searchsorted(ordered, values, side="right")
    return (below + upto) / 2 / max(len(values), 1)


def _aspect_ratios(boxes: Boxes) -> NDArray[np.float64]:
    """Width by height, (G,); infinite for a box without height."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return np.divide(width, height, out=np.full(len(boxes), np.inf), where=height > 0)


def _group(evaluation: Evaluation, name: str, members: Flags) -> Group:
    objects = evaluation.table.objects
    counts = np.bincount(objects.classes[members], minlength=len(evaluation.classes)).tolist()
    typical = mean(one.positives or float("nan") for one in evaluation.classes)
    found, aps, normalised = 0, [], []
    for one, count in zip(evaluation.classes, counts, strict=True):
        if count:
            elsewhere = (one.outcomes == Outcome.TRUE_POSITIVE) & ~members[one.objects]
            outcomes = np.where(elsewhere, np.uint8(Outcome.IGNORED), one.outcomes)
            found += int((outcomes == Outcome.TRUE_POSITIVE).sum())
            precision, recall = precision_recall(outcomes, count)
            aps.append(AP_OF_CURVE[evaluation.metric](precision, recall))
            precision = normalised_precision(outcomes, recall, typical)
            normalised.append(AP_OF_CURVE[evaluation.metric](precision, recall))
    return Group(name, sum(counts), found, mean(aps), mean(normalised))


def normalised_precision(outcomes: NDArray[np.uint8], recall: Curve, positives: float) -> Curve:
    """The precision after each detection, [D], if `positives` objects were there and found at the same recall.

    >>> outcomes = np.array([Outcome.TRUE_POSITIVE, Outcome.FALSE_POSITIVE])  # finds the only object: .5 by itself
    >>> normalised_precision(outcomes, np.array([1.0, 1.0]), 9).tolist()
    [1.0, 0.9]
    """
    true = recall * positives
    false = np.cumsum((outcomes == Outcome.FALSE_POSITIVE) | (outcomes == Outcome.DUPLICATE))
    return np.divide(true, true + false, out=np.zeros_like(true), where=true > 0)
