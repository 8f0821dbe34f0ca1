"""The images and regions of a training step."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...backbone.features.image_pyramid import nearest_short_sides
from ...backbone.training.distributed import own_shard
from ...backbone.training.random_state import seed_of
from ...data.datasets.dataset import Dataset
from ...data.datasets.image_order import ImageOrder
from ...data.datasets.labelling import label_candidates, split_objects
from ...data.images.augmentation import mirror
from ...data.records import GroundTruth, Proposals
from ..region_features import Mode
from .sampling import RegionSample, sample_regions

OBJECT_FRACTION = 0.6  # of the images get the pyramid's level that suits an object, the others a proposal's
JITTER = 0.25  # octaves of a step's random scale, both ways: objects at many sizes make up for few photos


@dataclass(frozen=True)
class Example:
    """One image of a step, with its sampled regions."""

    file: str
    image: NDArray[np.uint8]  # [H, W, 3]
    sample: RegionSample
    short_sides: tuple[float]  # the one level of the image pyramid, for all its regions
    seed: int = 0  # of dropout

    def __repr__(self) -> str:
        return self.file


@dataclass(frozen=True)
class Batches:
    """This process's examples of any step, a function of the step's number and the seed alone."""

    dataset: Dataset
    proposals: Mapping[str, Proposals]
    classes: tuple[str, ...]
    mode: Mode
    short_sides: tuple[float, ...]
    order: ImageOrder
    images: int  # a step
    regions: int  # an image

    def __call__(self, step: int) -> list[Example]:
        start = step * self.images
        jitter = 2 ** np.random.default_rng(seed_of(self.order.seed, step)).uniform(-JITTER, JITTER)
        return [self._example(index, jitter) for index in own_shard(range(start, start + self.images))]

    def _example(self, index: int, jitter: float) -> Example:
        chosen, rng = self.order.at(index)
        truth = self.dataset.images[chosen]
        image = self.dataset.read(truth)
        candidates = label_candidates(truth, self.proposals[truth.file].boxes, self.classes)
        levels = nearest_short_sides(candidates.boxes, image.shape, self.short_sides)  # [N]
        level = _pick_level(truth, levels, len(split_objects(truth, self.classes)[0]), rng)
        if self.mode == "shared":
            candidates = candidates[levels == level]
        sample = sample_regions(candidates, self.regions, rng)
        if rng.random() < 0.5:
            image, sample = mirrored(image, sample)
        short_sides = (self.short_sides[level] * jitter,)
        return Example(truth.file, image, sample, short_sides, seed_of(self.order.seed, index))


def _pick_level(truth: GroundTruth, levels: NDArray[np.intp], num_objects: int, rng: np.random.Generator) -> int:
    """One level of the image pyramid: that of an object or a proposal picked at random, of candidates' `levels` [N].

    A step pays for one map of an image, so its regions are those that this map suits. Levels without objects have
    their turn too: parts of a large object, and what is around it, must be known as background.
    """
    # Images that are not annotated in full give no background: without an object they would give nothing.
    fraction = OBJECT_FRACTION if truth.exhaustive else 1.0
    of_object = num_objects > 0 and rng.random() < fraction
    levels = levels[:num_objects] if of_object else levels[num_objects:]
    return int(rng.choice(levels)) if len(levels) else 0


def mirrored(image: NDArray[np.uint8], sample: RegionSample) -> tuple[NDArray[np.uint8], RegionSample]:
    """An image and its regions, turned left to right."""
    flipped, boxes = mirror(image, np.concatenate([sample.boxes, sample.targets]))
    return flipped, replace(sample, boxes=boxes[: len(sample)], targets=boxes[len(sample) :])
