"""The images and regions of a training step."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...backbone.features.image_pyramid import SHORT_SIDES, nearest_short_sides
from ...backbone.training.distributed import own_shard
from ...backbone.training.random_state import seed_of
from ...data.boxes import Boxes
from ...data.datasets.dataset import Dataset, image_at
from ...data.datasets.labelling import split_objects
from ...data.images.augmentation import mirror
from ...data.records import GroundTruth, Proposals
from ..region_features import Mode
from .sampling import RegionSample, sample_regions

OBJECT_SHARE = 0.6  # of the images are looked at in the size that suits an object, the others in a proposal's
JITTER = 0.25  # octaves that an image's size is off at random, both ways: objects at many sizes make up for few photos


@dataclass(frozen=True)
class Example:
    """One image of a step, as the network sees it."""

    file: str
    image: NDArray[np.uint8]  # [H, W, 3]
    sample: RegionSample
    short_sides: tuple[float]  # the one size it is looked at in, for all its regions
    seed: int = 0  # of the chance in the network, as dropout's

    def __repr__(self) -> str:
        return self.file


@dataclass(frozen=True)
class Batches:
    """The examples of any step that this process looks at, made from the step's number and the seed alone."""

    dataset: Dataset
    proposals: Mapping[str, Proposals]
    classes: tuple[str, ...]
    mode: Mode
    images: int  # a step
    regions: int  # an image
    seed: int

    def __call__(self, step: int) -> list[Example]:
        start = step * self.images
        return [self._example(index) for index in own_shard(range(start, start + self.images))]

    def _example(self, index: int) -> Example:
        truth, rng = image_at(self.dataset, self.seed, index)
        image = self.dataset.read(truth)
        proposals = self.proposals[truth.file].boxes
        size = _pick_size(truth, self.classes, proposals, image.shape, rng)

        def fits(boxes: Boxes) -> NDArray[np.bool_]:
            return (self.mode == "crops") | (nearest_short_sides(boxes, image.shape, SHORT_SIDES) == size)

        sample = sample_regions(truth, proposals, self.classes, self.regions, rng, fits=fits)
        if rng.random() < 0.5:
            image, sample = mirrored(image, sample)
        short_sides = (SHORT_SIDES[size] * 2 ** rng.uniform(-JITTER, JITTER),)
        return Example(truth.file, image, sample, short_sides, seed_of(self.seed, index))


def _pick_size(
    truth: GroundTruth, classes: tuple[str, ...], proposals: Boxes, shape: tuple[int, ...], rng: np.random.Generator
) -> int:
    """The index of the size to look at an image in: the one that suits an object or a proposal picked at random.

    A step pays for one map of an image, so its regions are those that this map suits. Sizes without objects have
    their turn too: parts of a large object, and what is around it, must be known as background.
    """
    # Images that are not annotated in full give no background: without an object in sight they would give nothing.
    objects, _ = split_objects(truth, classes)
    wanted = OBJECT_SHARE if truth.exhaustive else 1.0
    boxes = objects.boxes if len(objects) and rng.random() < wanted else proposals
    indices = nearest_short_sides(boxes, shape, SHORT_SIDES)
    return int(rng.choice(indices)) if len(indices) else 0


def mirrored(image: NDArray[np.uint8], sample: RegionSample) -> tuple[NDArray[np.uint8], RegionSample]:
    """An image and its regions, turned left to right."""
    flipped, boxes = mirror(image, np.concatenate([sample.boxes, sample.targets]))
    return flipped, replace(sample, boxes=boxes[: len(sample)], targets=boxes[len(sample) :])
