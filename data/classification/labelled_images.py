"""Images that each show one thing: what a classifier learns from and is tested on.

Shapes: N images, K classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..class_names import check_classes
from ..datasets.dataset import evenly_spaced
from ..errors import DataError


@dataclass(frozen=True)
class LabelledImages:
    """Images with a class each. Pixels are read when they are asked for, upright and in any order."""

    name: str
    classes: tuple[str, ...]  # the order in which a classifier has its outputs
    files: tuple[str, ...]  # [N], what results and messages call the images
    targets: NDArray[np.int64]  # [N], indices into `classes`
    read: Callable[[int], NDArray[np.uint8]]  # the pixels of an image by its place, RGB (H, W, 3)

    def __post_init__(self) -> None:
        if self.targets.shape != (len(self.files),):
            raise DataError(f"{self.name}: {len(self.files)} images have targets of shape {self.targets.shape}")
        if len(self) and not 0 <= self.targets.min() <= self.targets.max() < len(self.classes):
            raise DataError(f"{self.name}: a target lies outside the {len(self.classes)} classes")

    def __len__(self) -> int:
        return len(self.files)

    def with_classes(self, classes: tuple[str, ...]) -> "LabelledImages":
        """The same images, their targets indices into other classes, which must have all names in use."""
        used = [self.classes[index] for index in np.unique(self.targets)]
        check_classes(used, classes, self.name)
        places = {name: place for place, name in enumerate(classes)}
        moved = np.array([places.get(name, -1) for name in self.classes], dtype=np.int64)  # [K]
        return replace(self, classes=classes, targets=moved[self.targets])

    def spread(self, count: int) -> "LabelledImages":
        """At most `count` of the images, evenly spread: the same each time."""
        chosen, read = evenly_spaced(len(self), count), self.read
        files = tuple(self.files[index] for index in chosen)
        return replace(self, files=files, targets=self.targets[chosen], read=lambda index: read(int(chosen[index])))


def groups_by_class(images: LabelledImages) -> list[NDArray[np.intp]]:
    """The places of the images of each class that has any."""
    order = np.argsort(images.targets, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(images.targets[order])) + 1)


def sample_index(groups: Sequence[NDArray[np.intp]], seed: int, index: int) -> int:
    """Which image comes at an index of the endless sequence that training goes through.

    A round takes one image of each group, the groups in a new order; each group goes through its own images in
    epochs, each a new order. So a single group of all images gives plain epochs, and a group for each class shows
    rare classes as often as others.
    """
    turn, rank = divmod(index, len(groups))
    group = int(_order(len(groups), seed, turn)[rank]) if len(groups) > 1 else 0
    epoch, place = divmod(turn, len(groups[group]))
    return int(groups[group][_order(len(groups[group]), seed, epoch, group)[place]])


@lru_cache(maxsize=4)
def _order(count: int, *seed: int) -> NDArray[np.intp]:
    """A random order, kept for the many steps of an epoch."""
    return np.random.default_rng(seed).permutation(count)
