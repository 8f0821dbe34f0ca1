"""Which detections of one class find an object, by the rules of the devkits.

VOC: each detection, the best first, is matched with the object of its class and image that it overlaps most, among all
of them: also those marked difficult, also those found already. Below the threshold it is a false positive; on a
difficult object it does not count; on an object found already it is a duplicate, even if another object is still free.

ILSVRC and COCO: each detection, the best first, takes the object that it overlaps most among those still free.

Shapes: D detections, given the best first, G objects, P pairs of a detection and an object that overlap.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes, paired_overlaps
from ...data.records import Flags, Indices
from ...data.values import NO_INDEX
from .evaluation import Outcome
from .table import Rows, Table

_PAIRS_AT_ONCE = 1_000_000  # take some 200 MB


@dataclass(frozen=True, eq=False)
class Pairs(Rows):
    """Every detection and object of one image that overlap at all, by detection, then by object."""

    detections: Indices  # [P]
    objects: Indices  # [P]
    overlaps: NDArray[np.float64]  # [P], intersection over union


@dataclass(frozen=True, eq=False)
class Matches:
    """The outcome of each detection, and the object that it is about."""

    outcomes: NDArray[np.uint8]  # [D] of Outcome
    objects: Indices  # [D], or NO_INDEX


def overlapping_pairs(
    boxes: Boxes,
    images: Indices,
    object_boxes: Boxes,
    object_images: Indices,
    crowd: Flags | None = None,
    overlaps_of: Callable[[Boxes, Boxes, Flags | None], NDArray[np.float64]] = paired_overlaps,
) -> Pairs:
    """The overlapping pairs of detections and objects on the same image.

    The overlap with a `crowd` is the fraction of the detection that lies in it, as COCO has it; `overlaps_of` gives the
    overlaps of boxes in the same row of two arrays.
    """
    by_image = np.argsort(object_images, kind="stable")
    sorted_images = object_images[by_image]
    first = np.searchsorted(sorted_images, images, side="left")
    count = np.searchsorted(sorted_images, images, side="right") - first
    parts = []
    for rows in _batches(count):
        detections = np.repeat(rows, count[rows])
        within = np.arange(len(detections)) - np.repeat(np.cumsum(count[rows]) - count[rows], count[rows])
        objects = by_image[np.repeat(first[rows], count[rows]) + within]
        of_first = None if crowd is None else crowd[objects]
        overlaps = overlaps_of(boxes[detections], object_boxes[objects], of_first)
        near = overlaps > 0
        parts.append((detections[near], objects[near], overlaps[near]))
    return Pairs(*map(np.concatenate, zip(*parts, strict=True)))


def _batches(count: Indices) -> list[Indices]:
    """The rows in batches that have no more than `_PAIRS_AT_ONCE` pairs, or one row; one batch at least."""
    starts = np.unique(np.cumsum(count) // _PAIRS_AT_ONCE, return_index=True)[1][1:]
    return np.split(np.arange(len(count)), starts)


def pairs_of(table: Table, rows: Indices, objects: Indices, crowd: Flags | None = None) -> Pairs:
    """The overlapping pairs of some of a table's detections with some of its objects, as indices into these."""
    found, truth = table.found, table.objects
    return overlapping_pairs(found.boxes[rows], found.images[rows], truth.boxes[objects], truth.images[objects], crowd)


def match_voc(pairs: Pairs, num_detections: int, difficult: Flags, threshold: float = 0.5) -> Matches:
    """The matches by VOC's rule; of objects overlapped equally a detection takes the first."""
    best = best_of_each(pairs)
    best = best[best.overlaps >= threshold]  # `>=`, as the devkit; its ports to Python often have `>`
    outcomes = np.full(num_detections, Outcome.FALSE_POSITIVE, dtype=np.uint8)
    objects = np.full(num_detections, NO_INDEX)
    _, first = np.unique(best.objects, return_index=True)
    outcomes[best.detections] = Outcome.DUPLICATE
    outcomes[best.detections[first]] = Outcome.TRUE_POSITIVE
    outcomes[best.detections[difficult[best.objects]]] = Outcome.IGNORED
    objects[best.detections] = best.objects
    return Matches(outcomes, objects)


def best_of_each(pairs: Pairs) -> Pairs:
    """Of each detection's pairs the one with the largest overlap, the first of equal ones."""
    if not len(pairs):
        return pairs
    starts = np.flatnonzero(np.diff(pairs.detections, prepend=-1))
    best = np.maximum.reduceat(pairs.overlaps, starts)
    counts = np.diff(starts, append=len(pairs))
    largest = np.flatnonzero(pairs.overlaps == np.repeat(best, counts))
    _, first = np.unique(pairs.detections[largest], return_index=True)
    return pairs[largest[first]]


def match_free(
    pairs: Pairs,
    num_detections: int,
    thresholds: NDArray[np.float64],
    ignored: Flags,
    crowd: Flags,
    *,
    last_of_equal: bool = False,
) -> Matches:
    """The matches where a detection takes the free object that it overlaps most, from the object's threshold on.

    An `ignored` object is only taken where no other is left, and a `crowd` any number of times. Of equal overlaps
    the first object is taken, or the last, as COCO's code does.
    """
    near = pairs[pairs.overlaps >= thresholds[pairs.objects]]
    preference = -near.objects if last_of_equal else near.objects
    near = near[np.lexsort((preference, -near.overlaps, ignored[near.objects], near.detections))]
    outcomes = np.full(num_detections, Outcome.FALSE_POSITIVE, dtype=np.uint8)
    outcomes[near.detections] = Outcome.DUPLICATE
    objects = np.full(num_detections, NO_INDEX)
    objects[near.detections[::-1]] = near.objects[::-1]  # its first choice, also where that is taken
    taken, last = [False] * len(thresholds), -1
    again = crowd.tolist()
    for detection, chosen in zip(near.detections.tolist(), near.objects.tolist(), strict=True):
        if detection == last or (taken[chosen] and not again[chosen]):
            continue
        taken[chosen], last = True, detection
        objects[detection] = chosen
        outcomes[detection] = Outcome.IGNORED if ignored[chosen] else Outcome.TRUE_POSITIVE
    return Matches(outcomes, objects)
