"""Predictions and ground truth of the same images as columns: what every protocol and analysis starts from.

Classes and images are indices into what the table holds; images are those of the ground truth.

Shapes: D detections, G objects.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes
from ...data.images.pairing import pair_files
from ...data.records import Detections, Flags, GroundTruth, ImageDetections, Indices
from ...data.values import NO_INDEX


class Rows:
    """Columns of equal length; an index in brackets picks rows of all."""

    def __len__(self) -> int:
        return len(next(iter(vars(self).values())))

    def __getitem__(self, index: Any) -> Self:
        return type(self)(**{name: column[index] for name, column in vars(self).items()})


@dataclass(frozen=True, eq=False)
class Found(Rows):
    """All detections, in the order of the predictions: it decides between equal scores."""

    boxes: Boxes  # [D, 4]
    classes: Indices  # [D]
    scores: NDArray[np.float64]  # [D]
    images: Indices  # [D]
    xywh: Boxes  # [D, 4], for COCO's code


@dataclass(frozen=True, eq=False)
class Objects(Rows):
    """All objects, image by image."""

    boxes: Boxes  # [G, 4]
    classes: Indices  # [G]
    images: Indices  # [G]
    to_find: Flags  # [G], those that count; others are neither missed nor false
    difficult: Flags  # [G]
    crowd: Flags  # [G]
    truncated: Flags  # [G]
    areas: NDArray[np.float64]  # [G], square pixels
    xywh: Boxes  # [G, 4], for COCO's code


@dataclass(frozen=True, eq=False)
class Table:
    """What is evaluated, and what was left out of it."""

    classes: tuple[str, ...]
    truths: tuple[GroundTruth, ...]  # the images
    found: Found
    objects: Objects
    paired: tuple[tuple[ImageDetections, int], ...]  # predictions, and the index of the image of each
    num_failed: int  # images that predictions say could not be read
    left_out_images: int  # predicted, but not in the ground truth
    left_out_detections: int  # on those
    example_outside: str  # the first of those, if any
    left_out_labels: Mapping[str, int]  # detections of other classes, by name

    def found_of(self, number: int, *, by_image: bool = False) -> Indices:
        """The detections of a class, the best first; equal scores in the order of the predictions.

        Or, as ILSVRC and COCO have it, `by_image`: in the order of the ground truth's images.
        """
        rows = np.flatnonzero(self.found.classes == number)
        if by_image:
            rows = rows[np.argsort(self.found.images[rows], kind="stable")]
        return rows[np.argsort(-self.found.scores[rows], kind="stable")]

    def objects_of(self, number: int) -> Indices:
        return np.flatnonzero(self.objects.classes == number)


def tabulate(images: Sequence[ImageDetections], truths: Sequence[GroundTruth], classes: Sequence[str]) -> Table:
    """Pair predictions with ground truth. Other classes are left out on both sides, as are an image's ignored ones."""
    numbers = {name: number for number, name in enumerate(classes)}
    indices = pair_files([image.file for image in images], [truth.file for truth in truths]).tolist()
    outside = [image for image, index in zip(images, indices, strict=True) if index == NO_INDEX]
    paired = [(image, index) for image, index in zip(images, indices, strict=True) if index != NO_INDEX]
    ignored = [(i, numbers.get(name, NO_INDEX)) for i, truth in enumerate(truths) for name in truth.ignored_classes]
    labels = (label for image, _ in paired for label in image.detections.labels.tolist())
    found = [(image.detections, index) for image, index in paired]
    objects = [(truth, index) for index, truth in enumerate(truths)]
    return Table(
        classes=tuple(classes),
        truths=tuple(truths),
        found=_joined(Found, [(Detections(), 0), *found], numbers, ignored),
        objects=_joined(Objects, [(_EMPTY, 0), *objects], numbers, ignored),
        paired=tuple(paired),
        num_failed=sum(image.error is not None for image, _ in paired),
        left_out_images=len({image.file for image in outside}),
        left_out_detections=sum(len(image.detections) for image in outside),
        example_outside=outside[0].file if outside else "",
        left_out_labels=Counter(label for label in labels if label not in numbers),
    )


def rank_in_group(groups: Indices) -> Indices:
    """For each row of sorted groups how many before it are of the same one.

    >>> rank_in_group(np.array([0, 0, 3, 3, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    return np.arange(len(groups)) - np.searchsorted(groups, groups)


_EMPTY = GroundTruth("", 0, 0, np.zeros((0, 4)), np.zeros(0, np.str_), np.zeros(0, np.bool_))  # so that columns join
Joined = TypeVar("Joined", Found, Objects)


def _joined(
    kind: type[Joined],
    parts: Sequence[tuple[Any, int]],
    numbers: Mapping[str, int],
    ignored: Sequence[tuple[int, int]],
) -> Joined:
    """Records and the indices of their images, joined, without classes that are unknown or `ignored` on an image."""
    labels = [label for part, _ in parts for label in part.labels.tolist()]
    classes = np.array([numbers.get(label, NO_INDEX) for label in labels], dtype=np.int64)
    images = np.repeat([index for _, index in parts], [len(part) for part, _ in parts]).astype(np.int64)
    columns: dict[str, NDArray[Any]] = {"classes": classes, "images": images}
    for name in {field.name for field in fields(kind)} - columns.keys():
        columns[name] = np.concatenate([getattr(part, name) for part, _ in parts])
    width = int(classes.max(initial=0)) + 1
    skipped = [image * width + number for image, number in ignored if 0 <= number < width]
    return kind(**columns)[(classes >= 0) & ~np.isin(images * width + classes, skipped)]
