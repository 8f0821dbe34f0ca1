"""Sampling of labelled candidates as the regions of a training step (R-CNN, section 2.3).

Shapes: N candidates, R sampled regions.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes
from ...data.datasets.labelling import BACKGROUND, Candidates

FOREGROUND_FRACTION = 0.25  # R-CNN's 32 of 128
PARTIAL_IOU = 0.1  # from here to FOREGROUND_IOU a region holds part of an object (Fast R-CNN's lower limit)
PARTIAL_FRACTION = 0.5  # of the background: most proposals are far from any object, most errors are parts of one


@dataclass(frozen=True)
class RegionSample:
    """Regions to train on, the foreground first."""

    boxes: Boxes  # [R, 4]
    classes: NDArray[np.int64]  # [R], 0 = background, i + 1 = classes[i]
    targets: Boxes  # [R, 4], the object's box; the region's own for background
    unannotated: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # what background may be

    def __len__(self) -> int:
        return len(self.boxes)


def sample_regions(candidates: Candidates, num_regions: int, rng: np.random.Generator) -> RegionSample:
    """Up to `num_regions` of an image's candidates: a quarter foreground, the rest background.

    Half of the background holds part of an object. Where there is too little of one kind, background of the other fills
    up.
    """
    foreground = np.flatnonzero(candidates.classes > BACKGROUND)
    background = np.flatnonzero(candidates.classes == BACKGROUND)
    foreground = _pick(foreground, round(num_regions * FOREGROUND_FRACTION), rng)
    background = _pick_background(background, candidates.ious, num_regions - len(foreground), rng)
    return sample_of(candidates[np.concatenate([foreground, background])])


def sample_of(candidates: Candidates) -> RegionSample:
    """Candidates that were picked, as what a step trains on."""
    return RegionSample(candidates.boxes, candidates.classes, candidates.targets, candidates.unannotated)


def _pick_background(
    background: NDArray[np.int64], best: NDArray[np.float64], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """`count` of the background's indices, some of them parts of objects by `best`, their IoU with one."""
    partial = background[best[background] >= PARTIAL_IOU]
    clear = background[best[background] < PARTIAL_IOU]
    partial = _pick(partial, max(round(count * PARTIAL_FRACTION), count - len(clear)), rng)
    return np.concatenate([partial, _pick(clear, count - len(partial), rng)])


def _pick(indices: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`count` of the indices at random without repeats, or all where there are fewer."""
    return rng.permutation(indices)[:count]
