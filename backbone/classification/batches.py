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
    """The crops of a step and what is on them."""

    files: tuple[str, ...]
    crops: NDArray[np.uint8]  # [N, S, S, 3]
    targets: NDArray[np.int64]  # [N]

    def __repr__(self) -> str:
        return ", ".join(self.files)


@dataclass(frozen=True)
class ClassificationBatches:
    """The crops of any step that this process looks at, made from the step's number and the seed alone."""

    images: LabelledImages
    groups: Sequence[NDArray[np.intp]]  # one of all images for plain epochs, or one a class: see `sample_index`
    size: int  # crops a step, of all processes
    seed: int

    def __call__(self, step: int) -> CropBatch:
        indices = own_shard(range(step * self.size, (step + 1) * self.size))
        places = [sample_index(self.groups, self.seed, index) for index in indices]
        with ThreadPoolExecutor(usable_cores()) as pool:
            crops = list(pool.map(self._crop, indices, places))
        files = tuple(self.images.files[place] for place in places)
        return CropBatch(files, np.stack(crops), self.images.targets[places])

    def _crop(self, index: int, place: int) -> NDArray[np.uint8]:
        return training_crop(self.images.read(place), SIZE, np.random.default_rng((self.seed, 1, index)))
