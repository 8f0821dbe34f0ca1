"""A data set in memory: its pictures' annotations, its classes and where the picture files are."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..boxes import Size
from ..images.decoding import read_image
from ..images.image_files import picture_size
from ..records import GroundTruth


@dataclass(frozen=True)
class Dataset:
    """One split of a data set. `classes` gives the order in which a classifier or a table lists the names.

    Result files of some kinds have numbers in place of names: `picture_ids` and `class_ids` say which, in the order of
    `pictures` and `classes`; they are empty where names are used.

    Boxes are of the pixels as stored, or, where a picture says `upright`, of it turned upright by its EXIF data, as it
    was shown to whoever drew them; that is its format's habit, and the size that its annotation states goes before it.
    """

    name: str
    classes: tuple[str, ...]
    pictures: tuple[GroundTruth, ...]
    folder: Path  # of the picture files
    picture_ids: tuple[str, ...] = ()
    class_ids: tuple[str, ...] = ()
    annotated: bool = True  # False: a test set, of whose pictures no object is known

    def __len__(self) -> int:
        return len(self.pictures)

    def path(self, picture: GroundTruth) -> Path:
        """Where the file of one of the pictures is."""
        return self.folder / picture.file

    def read(self, picture: GroundTruth) -> NDArray[np.uint8]:
        """The pixels that the boxes are of, RGB (H, W, 3)."""
        return read_truth(self.path(picture), picture)


def read_truth(path: str | Path, truth: GroundTruth) -> NDArray[np.uint8]:
    """The pixels of a file as the boxes are of them, RGB (H, W, 3)."""
    return read_image(path, ignore_exif=not truth.upright, size=(truth.width, truth.height))


def size_of(data: Dataset, picture: GroundTruth) -> Size:
    """Width and height of one of the pictures; those of its file where the annotation states none."""
    stated = (picture.width, picture.height)
    return stated if all(stated) else picture_size(data.path(picture), upright=picture.upright, stated=stated)


def spread(data: Dataset, count: int) -> Dataset:
    """At most `count` of the pictures, evenly spread: the same each time."""
    count = min(count, len(data))
    places = np.linspace(0, len(data) - 1, count).round().astype(int) if count else []
    pictures = tuple(data.pictures[place] for place in places)
    ids = tuple(data.picture_ids[place] for place in places) if data.picture_ids else ()
    return replace(data, name=f"{count} pictures of {data.name}", pictures=pictures, picture_ids=ids)


def picture_at(data: Dataset, seed: int, index: int) -> tuple[GroundTruth, np.random.Generator]:
    """The picture at a place in the endless sequence of epochs, each a new order, and a source of chance of its own."""
    epoch, place = divmod(index, len(data))
    order = np.random.default_rng((seed, epoch)).permutation(len(data))
    return data.pictures[order[place]], np.random.default_rng((seed, epoch, place))


def names_seen(pictures: Iterable[GroundTruth]) -> tuple[str, ...]:
    """The class names on the pictures, each once, sorted."""
    return tuple(sorted({str(label) for picture in pictures for label in picture.labels}))
