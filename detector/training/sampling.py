"""Which regions of an image a training step looks at, and what each should answer (R-CNN, section 2.3).

Shapes: P proposals, G objects, R sampled regions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes, box_iou, ignored_overlaps
from ...data.records import GroundTruth

FOREGROUND_IOU = 0.5
FOREGROUND_FRACTION = 0.25  # R-CNN's 32 of 128
PARTIAL_IOU = 0.1  # from here to FOREGROUND_IOU a region holds part of an object (Fast R-CNN's lower limit)
PARTIAL_FRACTION = 0.5  # of the background: most proposals are far from any object, most errors are parts of one


@dataclass(frozen=True)
class RegionSample:
    """Regions to train on, the foreground first."""

    boxes: Boxes  # [R, 4]
    classes: NDArray[np.int64]  # [R], 0 = background, i + 1 = classes[i]
    targets: Boxes  # [R, 4], the object's box; the region's own for background

    def __len__(self) -> int:
        return len(self.boxes)


def sample_regions(
    truth: GroundTruth,
    proposals: Boxes,
    classes: tuple[str, ...],
    num_regions: int,
    rng: np.random.Generator,
    *,
    fits: Callable[[Boxes], NDArray[np.bool_]] = lambda boxes: np.ones(len(boxes), dtype=bool),
) -> RegionSample:
    """Up to `num_regions` of an image's proposals and objects: a quarter foreground, the rest background.

    Foreground overlaps its best object by at least .5 IoU; objects themselves are among the candidates; objects of
    other classes are background. A region that overlaps an object to ignore that much (difficult, or a crowd) is left
    out: neither answer would be fair. Half of the background holds part of an object. Where there is too little of
    one kind, background of the other fills up. `fits` says which candidates, (N, 4) -> (N,), may be picked at all.

    An image that lacks annotations gives no background, for an object might be there: one that is not exhaustive, or
    that has `unjudged` classes among `classes`. Objects of such a class are no foreground either.
    """
    index_of = {name: index + 1 for index, name in enumerate(classes)}
    objects, doubtful = split_objects(truth, classes)
    candidates = np.concatenate([objects.boxes, proposals[_has_area(proposals)]])  # [G + P, 4]
    candidates = candidates[fits(candidates)]
    overlaps = box_iou(candidates, objects.boxes)  # [G + P, G]
    best = overlaps.max(axis=1, initial=0.0)
    unfair = ignored_overlaps(candidates, doubtful.boxes, doubtful.crowd)
    foreground = np.flatnonzero(best >= FOREGROUND_IOU)
    background = np.flatnonzero((best < FOREGROUND_IOU) & (unfair < FOREGROUND_IOU) & truth.annotates(classes))
    foreground = _pick(foreground, round(num_regions * FOREGROUND_FRACTION), rng)
    background = _pick_background(background, best, num_regions - len(foreground), rng)
    return _label(candidates, overlaps, objects, index_of, foreground, background)


def split_objects(truth: GroundTruth, classes: tuple[str, ...]) -> tuple[GroundTruth, GroundTruth]:
    """An image's objects of these classes: those to learn, and those that are neither foreground nor background."""
    known = np.isin(truth.labels, classes)
    return truth[known & truth.to_find & _has_area(truth.boxes)], truth[known & truth.to_ignore]


def _pick_background(
    background: NDArray[np.int64], best: NDArray[np.float64], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """`count` of the background's indices, a share of them parts of objects by `best`, their IoU with one."""
    partial = background[best[background] >= PARTIAL_IOU]
    clear = background[best[background] < PARTIAL_IOU]
    partial = _pick(partial, max(round(count * PARTIAL_FRACTION), count - len(clear)), rng)
    return np.concatenate([partial, _pick(clear, count - len(partial), rng)])


def _label(
    candidates: Boxes,
    overlaps: NDArray[np.float64],
    objects: GroundTruth,
    index_of: dict[str, int],
    foreground: NDArray[np.int64],
    background: NDArray[np.int64],
) -> RegionSample:
    matched = overlaps[foreground].argmax(axis=1) if len(foreground) else np.zeros(0, dtype=np.int64)
    class_indices = np.array([index_of[label] for label in objects.labels[matched]], dtype=np.int64)
    return RegionSample(
        boxes=candidates[np.concatenate([foreground, background])],
        classes=np.concatenate([class_indices, np.zeros(len(background), dtype=np.int64)]),
        targets=np.concatenate([objects.boxes[matched], candidates[background]]),
    )


def _has_area(boxes: Boxes) -> NDArray[np.bool_]:
    return np.all(boxes[:, 2:] > boxes[:, :2], axis=1)


def _pick(indices: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`count` of the indices at random without repeats, or all where there are fewer."""
    return rng.permutation(indices)[:count]
