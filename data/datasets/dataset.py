"""A data set in memory: its images' annotations, its classes and where the image files are."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..boxes import Size
from ..images.decoding import read_image
from ..images.image_files import image_size
from ..records import GroundTruth


@dataclass(frozen=True)
class Dataset:
    """One split of a data set. `classes` gives the order in which a classifier or a table lists the names.

    Result files of some kinds have numbers in place of names: `image_ids` and `class_ids` say which, in the order of
    `images` and `classes`; they are empty where names are used.

    Boxes are of the pixels as stored, or, where an image says `upright`, of it turned upright by its EXIF data, as it
    was shown to whoever drew them; that is its format's habit, and the size that its annotation states goes before it.
    """

    name: str
    classes: tuple[str, ...]
    images: tuple[GroundTruth, ...]
    folder: Path  # of the image files
    image_ids: tuple[str, ...] = ()
    class_ids: tuple[str, ...] = ()
    annotated: bool = True  # False: a test set, of whose images no object is known

    def __len__(self) -> int:
        return len(self.images)

    @property
    def pictures(self) -> tuple[GroundTruth, ...]:
        """What release 0.1.0 called `images`, until the next release."""
        return self.images

    def path(self, image: GroundTruth) -> Path:
        """Where the file of one of the images is."""
        return self.folder / image.file

    def read(self, image: GroundTruth) -> NDArray[np.uint8]:
        """The pixels that the boxes are of, RGB (H, W, 3)."""
        return read_truth(self.path(image), image)


def read_truth(path: str | Path, truth: GroundTruth) -> NDArray[np.uint8]:
    """The pixels of a file as the boxes are of them, RGB (H, W, 3)."""
    return read_image(path, ignore_exif=not truth.upright, size=(truth.width, truth.height))


def size_of(data: Dataset, image: GroundTruth) -> Size:
    """Width and height of one of the images; those of its file where the annotation states none."""
    stated = (image.width, image.height)
    return stated if all(stated) else image_size(data.path(image), upright=image.upright, stated=stated)


def spread(data: Dataset, count: int) -> Dataset:
    """At most `count` of the images, evenly spread: the same each time."""
    count = min(count, len(data))
    places = np.linspace(0, len(data) - 1, count).round().astype(int) if count else []
    images = tuple(data.images[place] for place in places)
    ids = tuple(data.image_ids[place] for place in places) if data.image_ids else ()
    return replace(data, name=f"{count} images of {data.name}", images=images, image_ids=ids)


def image_at(data: Dataset, seed: int, index: int) -> tuple[GroundTruth, np.random.Generator]:
    """The image at a place in the endless sequence of epochs, each a new order, and a source of chance of its own."""
    epoch, place = divmod(index, len(data))
    order = np.random.default_rng((seed, epoch)).permutation(len(data))
    return data.images[order[place]], np.random.default_rng((seed, epoch, place))


def names_seen(images: Iterable[GroundTruth]) -> tuple[str, ...]:
    """The class names on the images, each once, sorted."""
    return tuple(sorted({str(label) for image in images for label in image.labels}))
