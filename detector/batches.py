"""The pictures and regions of a training step."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.augment import mirror
from ..data.dataset import Dataset
from ..data.images import read_image
from ..data.records import Proposals
from .sampling import RegionSample, sample_regions

SHORT_SIDES = (480, 600)  # pixels: objects at several sizes make up for few photos


@dataclass(frozen=True)
class Example:
    """One picture of a step, as the network sees it."""

    file: str
    image: NDArray[np.uint8]  # [H, W, 3]
    sample: RegionSample
    short_side: int

    def __repr__(self) -> str:
        return self.file


@dataclass(frozen=True)
class Batches:
    """The examples of any step, made from its number and the seed alone."""

    dataset: Dataset
    proposals: Mapping[str, Proposals]
    classes: tuple[str, ...]
    pictures: int  # a step
    regions: int  # a picture
    seed: int

    def __call__(self, step: int) -> list[Example]:
        start = step * self.pictures
        return [self._example(index) for index in range(start, start + self.pictures)]

    def _example(self, index: int) -> Example:
        """The picture at a place in the endless sequence of epochs, each a new order of all pictures."""
        epoch, place = divmod(index, len(self.dataset))
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.dataset))
        truth = self.dataset.pictures[order[place]]
        rng = np.random.default_rng((self.seed, epoch, place))
        image = read_image(self.dataset.path(truth), ignore_exif=True)  # annotations are of the pixels as stored
        sample = sample_regions(truth, self.proposals[truth.file].boxes, self.classes, self.regions, rng)
        if rng.random() < 0.5:
            image, sample = _mirrored(image, sample)
        return Example(truth.file, image, sample, int(rng.choice(SHORT_SIDES)))


def _mirrored(image: NDArray[np.uint8], sample: RegionSample) -> tuple[NDArray[np.uint8], RegionSample]:
    flipped, boxes = mirror(image, np.concatenate([sample.boxes, sample.targets]))
    return flipped, RegionSample(boxes[: len(sample)], sample.classes, boxes[len(sample) :])
