"""Training steps as R-CNN made them: regions sampled from those of all images.

Shapes: P proposals and G objects of one image, R regions of a step.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...backbone.features.image_pyramid import nearest_short_sides
from ...backbone.training.distributed import own_shard
from ...backbone.training.random_state import seed_of
from ...data.datasets.dataset import Dataset
from ...data.datasets.labelling import BACKGROUND, label_candidates
from ...data.errors import UsageError
from ...data.records import Proposals
from ...data.resources import usable_cores
from ..region_features import Mode
from .batches import Example, mirrored
from .sampling import sample_of


@dataclass(frozen=True)
class Windows:
    """Every region that may be sampled: the index of its image, and of the candidate there."""

    foreground: NDArray[np.int32]  # [F, 2]
    background: NDArray[np.int32]  # [B, 2]


def find_windows(dataset: Dataset, proposals: Mapping[str, Proposals], classes: tuple[str, ...]) -> Windows:
    """All windows of a data set; UsageError without foreground or background."""
    found: tuple[list[NDArray[np.int32]], list[NDArray[np.int32]]] = ([], [])
    for number, truth in enumerate(dataset.images):
        candidates = label_candidates(truth, proposals[truth.file].boxes, classes)
        kinds = candidates.classes > BACKGROUND, candidates.classes == BACKGROUND
        for indices, is_kind in zip(found, kinds, strict=True):
            chosen = np.flatnonzero(is_kind).astype(np.int32)
            indices.append(np.stack([np.full_like(chosen, number), chosen], axis=1))
    empty = np.zeros((0, 2), dtype=np.int32)
    foreground, background = (np.concatenate([empty, *indices]) for indices in found)
    for kind, indices in (("foreground", foreground), ("background", background)):
        if not len(indices):
            raise UsageError(f"no proposal or object of {dataset.name} is {kind}: there is nothing to sample")
    return Windows(foreground, background)


@dataclass(frozen=True)
class WindowBatches:
    """This process's examples of any step, a function of the step's number and the seed alone.

    Every foreground window is as likely as any other, with repeats, and so is every background window (R-CNN's
    `window_data_layer`). A region is mirrored as often as not.
    """

    dataset: Dataset
    proposals: Mapping[str, Proposals]
    classes: tuple[str, ...]
    mode: Mode
    short_sides: tuple[float, ...]
    windows: Windows
    foreground: int  # regions a step
    background: int  # regions a step
    seed: int

    def __call__(self, step: int) -> list[Example]:
        rng = np.random.default_rng((self.seed, step))
        sampled = np.concatenate(
            [rng.choice(self.windows.foreground, self.foreground), rng.choice(self.windows.background, self.background)]
        )  # [R, 2]
        flipped = rng.random(len(sampled)) < 0.5  # [R]
        groups = [
            (int(image), flip, sampled[(sampled[:, 0] == image) & (flipped == flip), 1])
            for image in np.unique(sampled[:, 0])
            for flip in (False, True)
        ]
        numbered = [(number, *group) for number, group in enumerate(groups) if len(group[2])]
        with ThreadPoolExecutor(usable_cores()) as pool:
            made = pool.map(lambda group: self._examples(step, *group), own_shard(numbered))
        return [example for examples in made for example in examples]

    def _examples(self, step: int, number: int, index: int, flip: bool, chosen: NDArray[np.int32]) -> list[Example]:
        """An image's regions: one example, or in shared mode one for each level of the image pyramid."""
        truth = self.dataset.images[index]
        image = self.dataset.read(truth)
        candidates = label_candidates(truth, self.proposals[truth.file].boxes, self.classes)
        boxes = candidates.boxes[chosen]
        levels = nearest_short_sides(boxes, image.shape, self.short_sides) * (self.mode == "shared")
        examples = []
        for level in np.unique(levels):
            part = chosen[levels == level]
            sample = sample_of(candidates[part])
            seen, sample = mirrored(image, sample) if flip else (image, sample)
            seed = seed_of(self.seed, step, number, int(level))
            examples.append(Example(truth.file, seen, sample, (self.short_sides[level],), seed))
        return examples
