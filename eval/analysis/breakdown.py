"""Average precision and recall by the objects' size, shape and truncation (Hoiem et al., ECCV 2012).

For each group of objects only its own are to be found, a detection that finds one of another group is ignored, and all
false positives, duplicates too, count. A group with few objects then has less precision than one with many, just
because it has few: so precision is also normalised, to what it would be with the mean number of objects of a class.

Sizes and shapes are relative to the class: the lowest tenth of its objects, the next two, the middle four, two, and
the highest tenth. The curve becomes a number as in the evaluation's own protocol; COCO's is taken at an overlap of .5.

Shapes: D detections of one class, the best first, G objects, N values.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.records import Flags
from ...data.values import NO_INDEX
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


def break_down(evaluation: Evaluation) -> dict[str, tuple[Group, ...]]:
    """By size and by shape within the class, by truncation, and by COCO's sizes in square pixels."""
    objects = evaluation.table.objects
    areas, truncated, to_find = objects.areas, objects.truncated, objects.to_find
    width, height = (objects.boxes[:, 2:] - objects.boxes[:, :2]).T
    ratios = np.divide(width, height, out=np.full(len(objects), np.inf), where=height > 0)
    properties = {
        "size": _by_percentile(objects, width * height, RELATIVE_SIZES),
        "aspect ratio": _by_percentile(objects, ratios, SHAPES),
        "truncated": {"no": to_find & ~truncated, "yes": to_find & truncated},
        "area": {name: to_find & (low <= areas) & (areas < high) for name, (low, high) in SIZES.items()},
    }
    return {
        name: tuple(_group(evaluation, label, members) for label, members in groups.items())
        for name, groups in properties.items()
    }


def _by_percentile(objects: Objects, values: NDArray[np.float64], names: tuple[str, ...]) -> dict[str, Flags]:
    groups = np.full(len(values), NO_INDEX)
    for number in np.unique(objects.classes):
        own = objects.to_find & (objects.classes == number)
        groups[own] = np.searchsorted(_PERCENTILES, percentiles(values[own]))
    return {name: groups == i for i, name in enumerate(names)}  # [G] each


def percentiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The fraction of values below each one, (N,); equal values share the middle of theirs.

    >>> percentiles(np.array([30.0, 10.0, 20.0, 20.0])).tolist()
    [0.875, 0.125, 0.5, 0.5]
    """
    ordered = np.sort(values)
    below, upto = np.searchsorted(ordered, values, side="left"), np.searchsorted(ordered, values, side="right")
    return (below + upto) / 2 / max(len(values), 1)


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
