"""The images of a classifier's training step.

Shapes: N crops of S x S pixels.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.classification.labelled_images import LabelledImages, sample_index
from ...data.images.augmentation import training_crop
from ...data.images.crops import SIZE
from ...data.resources import usable_cores
from ..training.distributed import own_shard


@dataclass(frozen=True)
class CropBatch:
    """The crops of a step and their classes."""

    files: tuple[str, ...]
    crops: NDArray[np.uint8]  # [N, S, S, 3]
    targets: NDArray[np.int64]  # [N]

    def __repr__(self) -> str:
        return ", ".join(self.files)


@dataclass(frozen=True)
class ClassificationBatches:
    """This process's shard of any step's crops, made from the step's number and the seed alone."""

    images: LabelledImages
    groups: Sequence[NDArray[np.intp]]  # one of all images for plain epochs, or one a class: see `sample_index`
    size: int  # crops a step, of all processes
    seed: int

    def __call__(self, step: int) -> CropBatch:
        indices = own_shard(range(step * self.size, (step + 1) * self.size))
        chosen = [sample_index(self.groups, self.seed, index) for index in indices]

        def crop(index: int, image: int) -> NDArray[np.uint8]:
            return training_crop(self.images.read(image), SIZE, np.random.default_rng((self.seed, 1, index)))

        with ThreadPoolExecutor(usable_cores()) as pool:
            crops = list(pool.map(crop, indices, chosen))
        return CropBatch(
            tuple(self.images.files[image] for image in chosen), np.stack(crops), self.images.targets[chosen]
        )
