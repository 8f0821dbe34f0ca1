"""The error types of TIDE (Bolya et al., ECCV 2020) and their dAP, with the numbers of its own tool.

Matching is COCO's, but only the best 100 detections of an image, of all classes together, count. Each one that finds
nothing has one error. The dAP of a type is how much the mean average precision rises once its errors alone are fixed: a
detection of type Cls or Loc is given the object if it is the best for one that nothing has found, and is removed
otherwise, as are those of the other types; a missed object need no longer be found.

The mean is over 101 recalls, then over all classes that have an object or a detection: one without objects counts as 0.
Difficult objects and crowds are the tool's ignore regions: a detection of their class that finds nothing and lies in
one by more than half does not count. The tool gives it a type all the same, and so does this file.

Shapes: D detections, G objects, R detections that count, F objects to find, K classes.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.errors import UsageError
from ...data.records import Flags, Indices
from ...data.values import NO_INDEX
from ..metrics.average_precision import interpolated_ap, precision_recall
from ..metrics.evaluation import Outcome
from ..metrics.matching import Pairs, best_of_each, match_free, pairs_of
from ..metrics.numbers import mean
from ..metrics.table import Rows, Table, rank_in_group

_MOST = 100  # detections of an image, of all classes together
# Not COCO's linspace(0, 1, 101): its .35, for one, is larger than 35/100, the recall where 35 of 100 are found.
_RECALLS = np.arange(101) / 100


class Label(IntEnum):
    """The error of a detection."""

    NONE = 0  # it finds its object, or does not count
    CLS = 1
    LOC = 2
    BOTH = 3
    DUPE = 4
    BKG = 5


_NAMES = {label: label.name.capitalize() for label in Label if label != Label.NONE}

MEANINGS = {
    "Cls": "On an object, but of another class.",
    "Loc": "Near an object of its class, but not near enough.",
    "Both": "Near an object of another class, but not near enough.",
    "Dupe": "On an object that a better detection has found.",
    "Bkg": "Where there is no object.",
    "Miss": "An object that is not found, and that no error of type Cls or Loc is about.",
    "FP": "Every detection that counts and finds nothing.",
    "FN": "Every object that is not found.",
}


@dataclass(frozen=True)
class ErrorType:
    """One type of error, how often it happens, and the gain of fixing it alone."""

    name: str
    meaning: str
    count: int
    delta_ap: float  # NaN if nothing is left to evaluate once it is fixed


@dataclass(frozen=True, eq=False)
class ErrorTypes:
    """All types, in the tool's order, and where the errors are."""

    ap: float  # at the foreground overlap; NaN if there is nothing at all
    rows: tuple[ErrorType, ...]
    labels: NDArray[np.uint8]  # [D] of Label, for the table's detections
    ignored: Flags  # [D], in a difficult object or a crowd: whatever the label says, it does not count
    missed: Flags  # [G], the table's objects of type `Miss`


@dataclass(frozen=True, eq=False)
class _Detections(Rows):
    """The detections that count, with their errors."""

    classes: Indices  # [R]
    scores: NDArray[np.float64]  # [R]
    labels: NDArray[np.uint8]  # [R] of Label
    ignored: Flags  # [R]
    targets: Indices  # [R], the class of the object that fixing its error gives to a detection, or NO_INDEX


def find_errors(table: Table, foreground: float = 0.5, background: float = 0.1) -> ErrorTypes:
    """The errors at an overlap of `foreground`; up to `background` a detection is on no object."""
    if not 0 < background <= foreground <= 1:
        raise UsageError(f"foreground {foreground} and background {background}: need 0 < background <= foreground <= 1")
    rows, to_find = _best_of_images(table), np.flatnonzero(table.objects.to_find)
    detections, found, missed = _errors(table, rows, to_find, foreground, background)
    # Of those with a label also the ignored ones, as the tool counts.
    flags = {name: detections.labels == label for label, name in _NAMES.items()}
    wrong = (detections.labels != Label.NONE) & ~detections.ignored
    flags |= {"Miss": missed, "FP": wrong, "FN": ~found}
    classes, num_classes = table.objects.classes[to_find], len(table.classes)
    ap, deltas = _deltas(detections, *(np.bincount(classes[w], minlength=num_classes) for w in (..., found, missed)))
    types = (ErrorType(name, meaning, int(flags[name].sum()), deltas[name]) for name, meaning in MEANINGS.items())
    labels, ignored = np.zeros(len(table.found), np.uint8), np.zeros(len(table.found), np.bool_)
    labels[rows], ignored[rows] = detections.labels, detections.ignored
    in_table = np.zeros(len(table.objects), np.bool_)
    in_table[to_find] = missed
    return ErrorTypes(ap, tuple(types), labels, ignored, in_table)


def _best_of_images(table: Table) -> Indices:
    """The best detections of each image, image by image, the best first; equal scores as the predictions have."""
    images, scores = table.found.images, table.found.scores
    rows = np.lexsort((-scores, images))
    return rows[rank_in_group(images[rows]) < _MOST]


def _errors(
    table: Table, rows: Indices, to_find: Indices, foreground: float, background: float
) -> tuple[_Detections, Flags, Flags]:
    """The detections `rows` with their errors; which objects are found, [F], and which are of type `Miss`, [F]."""
    pairs = pairs_of(table, rows, to_find)
    same = _same_class(table, rows, to_find, pairs)
    none = np.zeros(len(to_find), np.bool_)
    matches = match_free(pairs[same], len(rows), np.full(len(to_find), foreground), none, none)
    right = matches.outcomes == Outcome.TRUE_POSITIVE
    found = none.copy()
    found[matches.objects[right]] = True
    labels, causes = _label(pairs, same, right, foreground, background)
    fixable = np.flatnonzero(~np.append(found, True)[causes])
    objects, first = np.unique(causes[fixable], return_index=True)  # the best detection of each
    targets = np.full(len(rows), NO_INDEX)
    targets[fixable[first]] = table.objects.classes[to_find[objects]]
    missed = ~found
    missed[objects] = False
    ignored = ~right & _in_ignored(table, rows, foreground)
    best = table.found[rows]
    return _Detections(best.classes, best.scores, labels, ignored, targets), found, missed


def _same_class(table: Table, rows: Indices, objects: Indices, pairs: Pairs) -> Flags:
    return table.found.classes[rows[pairs.detections]] == table.objects.classes[objects[pairs.objects]]


def _in_ignored(table: Table, rows: Indices, foreground: float) -> Flags:
    """Which detections lie in a difficult object or a crowd of their class by more than `foreground`, [R]."""
    objects = np.flatnonzero(~table.objects.to_find)
    pairs = pairs_of(table, rows, objects, np.ones(len(objects), np.bool_))
    inside = _same_class(table, rows, objects, pairs) & (pairs.overlaps > foreground)
    ignored = np.zeros(len(rows), np.bool_)
    ignored[pairs.detections[inside]] = True
    return ignored


def _label(
    pairs: Pairs, same: Flags, right: Flags, foreground: float, background: float
) -> tuple[NDArray[np.uint8], Indices]:
    """Each detection's label, [R], and the object that it would find without that error, or NO_INDEX, [R]."""
    near_own, own = _nearest(pairs[same], len(right))
    near_other, other = _nearest(pairs[~same], len(right))
    cases = {
        Label.NONE: right,
        Label.LOC: (background <= near_own) & (near_own <= foreground),
        Label.CLS: near_other >= foreground,
        Label.DUPE: near_own > foreground,  # and not right, so the object was taken
        Label.BKG: np.maximum(near_own, near_other) <= background,
    }
    labels = np.select(list(cases.values()), list(cases), Label.BOTH).astype(np.uint8)
    causes = np.select([labels == Label.LOC, labels == Label.CLS], [own, other], NO_INDEX)
    return labels, causes


def _nearest(pairs: Pairs, num_detections: int) -> tuple[NDArray[np.float64], Indices]:
    """Each detection's largest overlap, [R], and with which object, [R]; 0 and NO_INDEX without any."""
    best = best_of_each(pairs)
    overlaps, objects = np.zeros(num_detections), np.full(num_detections, NO_INDEX)
    overlaps[best.detections], objects[best.detections] = best.overlaps, best.objects
    return overlaps, objects


def _deltas(
    detections: _Detections, positives: Indices, found: Indices, missed: Indices
) -> tuple[float, dict[str, float]]:
    """The average precision, and how much it rises with each type fixed; of the objects their counts, [K] each."""
    ap = _mean_ap(detections[~detections.ignored], positives)
    # As soon as the tool fixes anything, it puts all errors before what is right among equal scores.
    detections = detections[np.argsort(detections.labels == Label.NONE, kind="stable")]
    counted = detections[~detections.ignored]
    fixed = {name: _mean_ap(_fixed(detections, label), positives) for label, name in _NAMES.items()}
    fixed["Miss"] = _mean_ap(counted, positives - missed)
    deltas = {name: max(value - ap, 0.0) for name, value in fixed.items()}
    right_first = replace(counted, scores=(counted.labels == Label.NONE).astype(np.float64))
    return ap, {**deltas, "FP": _mean_ap(right_first, positives) - ap, "FN": _mean_ap(counted, found) - ap}


def _fixed(detections: _Detections, label: Label) -> _Detections:
    """The detections that are left where one type of error is fixed."""
    of_type = detections.labels == label
    given = of_type & (detections.targets != NO_INDEX)
    classes = np.where(given, detections.targets, detections.classes)
    labels = np.where(given, np.uint8(Label.NONE), detections.labels)
    return replace(detections, classes=classes, labels=labels)[np.where(of_type, given, ~detections.ignored)]


def _mean_ap(detections: _Detections, positives: Indices) -> float:
    """The mean over the classes that have a detection or an object, `positives` [K]; NaN if none has."""
    order = np.lexsort((-detections.scores, detections.classes))
    starts = np.searchsorted(detections.classes[order], np.arange(len(positives) + 1))
    outcomes = np.where(detections.labels == Label.NONE, Outcome.TRUE_POSITIVE, Outcome.FALSE_POSITIVE)[order]
    curves = [outcomes[first:end] for first, end in pairwise(starts)]
    return mean(_ap(curve, int(count)) for curve, count in zip(curves, positives, strict=True) if len(curve) or count)


def _ap(outcomes: NDArray[Any], positives: int) -> float:
    return interpolated_ap(*precision_recall(outcomes, positives), _RECALLS) if positives else 0.0
