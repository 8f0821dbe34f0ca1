"""Images with one class each, and folders of them in ImageNet's layout: `FOLDER/CLASS/image.jpg`.

Shapes: N images, K classes.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..class_names import check_classes
from ..datasets.dataset import Dataset, evenly_spaced
from ..errors import DataError
from ..files.folder_walk import files_below, natural_key
from ..images.decoding import read_image
from ..images.image_files import is_image_name
from ..values import NO_INDEX


@dataclass(frozen=True)
class LabelledImages:
    """Images with a class each. Pixels are read when they are needed, upright and in any order."""

    name: str
    classes: tuple[str, ...]  # the order in which a classifier has its outputs
    files: tuple[str, ...]  # [N], what results and messages call the images
    targets: NDArray[np.int64]  # [N], indices into `classes`
    read: Callable[[int], NDArray[np.uint8]]  # the pixels of an image by its index, RGB (H, W, 3)

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
        indices = {name: index for index, name in enumerate(classes)}
        moved = np.array([indices.get(name, NO_INDEX) for name in self.classes], dtype=np.int64)  # [K]
        return replace(self, classes=classes, targets=moved[self.targets])

    def spread(self, count: int) -> "LabelledImages":
        """At most `count` of the images, evenly spread: the same each time."""
        chosen, read = evenly_spaced(len(self), count), self.read
        files = tuple(self.files[index] for index in chosen)
        return replace(self, files=files, targets=self.targets[chosen], read=lambda index: read(int(chosen[index])))


def groups_by_class(images: LabelledImages) -> list[NDArray[np.intp]]:
    order = np.argsort(images.targets, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(images.targets[order])) + 1)


def sample_index(groups: Sequence[NDArray[np.intp]], seed: int, index: int) -> int:
    """The image at an index of the endless sequence of training samples.

    A round takes one image of each group, the groups and the images of each in a new order every time: one group of all
    images gives plain epochs, a group for each class shows rare classes as often as others.
    """
    turn, rank = divmod(index, len(groups))
    group = int(_order(len(groups), seed, turn)[rank]) if len(groups) > 1 else 0
    epoch, i = divmod(turn, len(groups[group]))
    return int(groups[group][_order(len(groups[group]), seed, epoch, group)[i]])


@lru_cache(maxsize=4)
def _order(count: int, *seed: int) -> NDArray[np.intp]:
    """A random order, cached for the many steps of an epoch."""
    return np.random.default_rng(seed).permutation(count)


def read_class_folders(folder: str | Path) -> LabelledImages:
    """The images below each class's folder, in natural order; classes by their names, as ImageNet numbers its synsets.

    Hidden names and files that are no images are left out; a class without images is refused.
    """
    root = Path(folder)
    classes = _class_names(root)
    files: list[str] = []
    targets: list[int] = []
    for index, name in enumerate(classes):
        found = [path for path in files_below(str(root / name), None) if is_image_name(path)]
        if not found:
            raise DataError(f"{root / name}: holds no images of its class; add some or remove the folder")
        files += [os.path.relpath(path, root) for path in sorted(found, key=natural_key)]
        targets += [index] * len(found)
    paths = [str(root / file) for file in files]
    names = tuple(Path(file).as_posix() for file in files)
    return LabelledImages(
        str(root), classes, names, np.array(targets, dtype=np.int64), lambda index: read_image(paths[index])
    )


def labelled_images_of(data: Dataset) -> LabelledImages:
    """The images of a data set of boxes whose objects are all of one class; DataError without any."""
    found = [(truth, {*truth.labels[truth.to_find].tolist()}) for truth in data.images]
    chosen = [(truth, *labels) for truth, labels in found if len(labels) == 1]
    if not chosen:
        raise DataError(f"{data.name}: no image has objects of one class alone, to classify it as")
    truths = [truth for truth, _ in chosen]
    targets = np.array([data.classes.index(label) for _, label in chosen], dtype=np.int64)
    files = tuple(truth.file for truth in truths)
    return LabelledImages(data.name, data.classes, files, targets, lambda index: data.read(truths[index]))


def _class_names(root: Path) -> tuple[str, ...]:
    try:
        entries = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        what = f"cannot be listed ({error.strerror}); give a folder with one folder a class"
        raise DataError(f"{root}: {what}") from error
    if not entries:
        raise DataError(f"{root}: has no folders of classes; looked for CLASS/*.jpg and for *.tar")
    return tuple(entries)
