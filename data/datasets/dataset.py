"""A data set in memory: its images' annotations, its classes and where the image files are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..boxes import Size
from ..class_names import hint
from ..diagnostics import listed
from ..errors import UsageError
from ..images.decoding import read_image
from ..images.image_files import image_size, size_if_there
from ..images.sources import Source
from ..records import GroundTruth
from ..terminal import Report


@dataclass(frozen=True)
class Dataset:
    """One split of a data set. `classes` gives the order in which a classifier or a table lists the names.

    `image_ids` and `class_ids`, in the order of `images` and `classes`, are what result files have in place of names;
    empty where those are used. Boxes are of the pixels as stored or, where an image says `upright`, as turned by its
    EXIF data: that is its format's habit, and the size that an annotation states goes before it.
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
        return self.folder / image.file

    def source(self, image: GroundTruth) -> Source:
        """The image to read, as the boxes are of it."""
        return Source(self.path(image), image.file, not image.upright, image.size)

    def read(self, image: GroundTruth) -> NDArray[np.uint8]:
        """The pixels that the boxes are of, RGB (H, W, 3)."""
        return read_truth(self.path(image), image)


def read_truth(path: str | Path, truth: GroundTruth) -> NDArray[np.uint8]:
    """The pixels of a file as the boxes are of them, RGB (H, W, 3)."""
    return read_image(path, ignore_exif=not truth.upright, size=truth.size)


def size_of(data: Dataset, image: GroundTruth) -> Size:
    """Width and height of one of the images; those of its file where the annotation states none."""
    return image.size if all(image.size) else image_size(data.path(image), upright=image.upright, stated=image.size)


def size_or_unknown(data: Dataset, image: GroundTruth) -> Size:
    """The same, unknown where the file is not there either."""
    return image.size if all(image.size) else size_if_there(data.path(image), upright=image.upright)


def with_sizes(data: Dataset) -> Dataset:
    """The data set with the sizes of the files of those images for which none is stated."""
    sizes = [size_or_unknown(data, truth) for truth in data.images]
    sized = [replace(truth, width=size[0], height=size[1]) for truth, size in zip(data.images, sizes, strict=True)]
    return replace(data, images=tuple(sized))


def rename_classes(data: Dataset, names: Mapping[str, str]) -> Dataset:
    """The data set with other names for some classes; two that get one name become one class.

    The objects of a class without a name are to be ignored.
    """
    if names.keys().isdisjoint(data.classes):
        return data
    images = tuple(_renamed(truth, names) for truth in data.images)
    classes = tuple(dict.fromkeys(names.get(name, name) for name in data.classes))
    return replace(data, classes=tuple(filter(None, classes)), images=images, class_ids=())


def _renamed(truth: GroundTruth, names: Mapping[str, str]) -> GroundTruth:
    labels = [names.get(label, label) for label in truth.labels.tolist()]
    return replace(
        truth,
        labels=np.array(labels, dtype=np.str_),
        ignore=truth.ignore | np.array([not label for label in labels], dtype=np.bool_),
        ignored_classes=tuple(filter(None, (names.get(name, name) for name in truth.ignored_classes))),
    )


def select_classes(data: Dataset, classes: Sequence[str]) -> Dataset:
    """The data set with the objects of some of its classes only; those of others are as if they were not annotated."""
    require_classes(data.name, data.classes, classes)
    images = tuple(
        replace(
            truth[np.isin(truth.labels, ["", *classes])],  # without a name: to be ignored by all
            ignored_classes=tuple(name for name in truth.ignored_classes if name in classes),
        )
        for truth in data.images
    )
    return replace(data, classes=tuple(classes), images=images, class_ids=())


def of_classes(data: Dataset, classes: Sequence[str]) -> Dataset:
    """The data set as one of these classes, of which it may lack some: it does not annotate those."""
    missing = [name for name in classes if name not in data.classes]
    own = select_classes(data, [name for name in classes if name in data.classes])
    images = tuple(
        replace(truth, ignored_classes=tuple(dict.fromkeys([*truth.ignored_classes, *missing]))) for truth in own.images
    )
    return replace(own, classes=tuple(classes), images=images)


def require_classes(name: str, known: Sequence[str], wanted: Iterable[str]) -> None:
    """UsageError where the data set of that name, whose classes are the `known`, lacks one that is wanted."""
    for each in wanted:
        if each not in known:
            raise UsageError(
                f"class {each!r} is not in {name}; {hint(each, known, 'its classes: ' + ', '.join(known))}"
            )


def evenly_spaced(length: int, count: int) -> NDArray[np.int64]:
    """At most `count` indices into `length` entries, evenly spaced from the first to the last, in order.

    >>> evenly_spaced(9, 3).tolist(), evenly_spaced(2, 3).tolist(), evenly_spaced(0, 3).tolist()
    ([0, 4, 8], [0, 1], [])
    """
    return np.linspace(0, max(length - 1, 0), min(count, length)).round().astype(np.int64)


def subset(data: Dataset, indices: Iterable[int], name: str) -> Dataset:
    """Some of the images as a data set, in the order of the indices."""
    indices = list(indices)
    images = tuple(data.images[index] for index in indices)
    ids = tuple(data.image_ids[index] for index in indices) if data.image_ids else ()
    return replace(data, name=name, images=images, image_ids=ids)


def spread(data: Dataset, count: int) -> Dataset:
    """At most `count` of the images, evenly spaced: the same each time."""
    indices = evenly_spaced(len(data), count)
    return subset(data, indices, f"{len(indices)} images of {data.name}")


def names_seen(images: Iterable[GroundTruth]) -> tuple[str, ...]:
    return tuple(sorted({str(label) for image in images for label in image.labels}))


def require_objects(
    data: Dataset, classes: Sequence[str], purpose: str, report: Report, *, of_each: bool = False
) -> None:
    """UsageError where no class, or not each, has an object `purpose`, as in "to learn from"; lacks are reported."""
    found = {str(label) for truth in data.images for label in truth.labels[truth.to_find]}
    missing = [name for name in classes if name not in found]
    if missing and (of_each or len(missing) == len(classes)):
        raise UsageError(f"{data.name}: no object {purpose}, of {listed(missing)}; choose other images or classes")
    if missing:
        report(f"{data.name}: no object {purpose} of {len(missing)} of {len(classes)} classes: {listed(missing)}")
