"""Predictions and ground truth of the same images as columns: what every protocol and analysis starts from.

Classes and images are numbers here, into the names that the table holds; images are those of the ground truth.

Shapes: D detections, G objects.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes
from ...data.images.pairing import pair_files
from ...data.records import NO_INDEX, Detections, Flags, GroundTruth, ImageDetections, Indices


class _Rows:
    """Columns of equal length; an index in brackets picks rows of all."""

    boxes: Boxes

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, eq=False)
class Found(_Rows):
    """All detections, in the order of the predictions: it decides between equal scores."""

    boxes: Boxes  # [D, 4]
    classes: Indices  # [D]
    scores: NDArray[np.float64]  # [D]
    images: Indices  # [D]
    xywh: Boxes  # [D, 4], for COCO's code


@dataclass(frozen=True, eq=False)
class Objects(_Rows):
    """All objects, image by image."""

    boxes: Boxes  # [G, 4]
    classes: Indices  # [G]
    images: Indices  # [G]
    difficult: Flags  # [G]
    crowd: Flags  # [G]
    ignore: Flags  # [G]
    truncated: Flags  # [G]
    areas: NDArray[np.float64]  # [G], square pixels
    xywh: Boxes  # [G, 4], for COCO's code

    @property
    def asked(self) -> Flags:
        """Those that a detector has to find, [G]."""
        return ~(self.difficult | self.crowd | self.ignore)


@dataclass(frozen=True, eq=False)
class Table:
    """What is judged, and what was left out of it."""

    classes: tuple[str, ...]
    truths: tuple[GroundTruth, ...]  # the images
    found: Found
    objects: Objects
    paired: tuple[tuple[ImageDetections, int], ...]  # predictions, and the number of the image that each is about
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
        """The objects of a class."""
        return np.flatnonzero(self.objects.classes == number)


def tabulate(images: Sequence[ImageDetections], truths: Sequence[GroundTruth], classes: Sequence[str]) -> Table:
    """Pair predictions with the ground truth. Other classes than `classes` are left out on both sides.

    So are, on both sides, the classes that an image is not judged on (`ignored_classes`).
    """
    names = {name: number for number, name in enumerate(classes)}
    paired = pair_files([image.file for image in images], [truth.file for truth in truths])
    left_out = [image for image, place in zip(images, paired, strict=True) if place == NO_INDEX]
    kept = [(image, place) for image, place in zip(images, paired.tolist(), strict=True) if place != NO_INDEX]
    unjudged = {(place, names[name]) for place, truth in enumerate(truths) for name in truth.unjudged if name in names}
    return Table(
        classes=tuple(classes),
        truths=tuple(truths),
        found=_found(kept, names, ignored),
        objects=_objects(truths, names, ignored),
        paired=tuple(kept),
        num_failed=sum(image.error is not None for image, _ in kept),
        left_out_images=len({image.file for image in left_out}),
        left_out_detections=sum(len(image.detections) for image in left_out),
        example_outside=left_out[0].file if left_out else "",
        left_out_labels=_others(kept, names),
    )


def _others(kept: Sequence[tuple[ImageDetections, int]], names: dict[str, int]) -> dict[str, int]:
    """How many detections there are of each class that is not among the names."""
    counts = Counter[str]()
    for image, _ in kept:
        counts.update(label for label in image.detections.labels.tolist() if label not in names)
    return dict(counts)


def _found(
    kept: Sequence[tuple[ImageDetections, int]], names: dict[str, int], ignored: Iterable[tuple[int, int]]
) -> Found:
    found = [Detections(), *(image.detections for image, _ in kept)]  # so that there is always something to join
    classes = _numbers([label for one in found for label in one.labels.tolist()], names)
    images = np.repeat([place for _, place in kept], [len(one) for one in found[1:]]).astype(np.int64)
    rows = _judged(classes, images, ignored)
    boxes, scores, xywh = (
        np.concatenate([getattr(one, name) for one in found])[rows] for name in ("boxes", "scores", "xywh")
    )
    return Found(boxes, classes[rows], scores, images[rows], xywh)


def _objects(truths: Sequence[GroundTruth], names: dict[str, int], ignored: Iterable[tuple[int, int]]) -> Objects:
    empty = GroundTruth("", 0, 0, np.zeros((0, 4)), np.zeros(0, np.str_), np.zeros(0, np.bool_))
    joined = [empty, *truths]
    classes = _numbers([label for truth in joined for label in truth.labels.tolist()], names)
    images = np.repeat(np.arange(len(truths)), [len(truth) for truth in truths]).astype(np.int64)
    rows = _judged(classes, images, ignored)
    boxes, difficult, crowd, ignore, truncated, areas, xywh = (
        np.concatenate([getattr(truth, name) for truth in joined])[rows]
        for name in ("boxes", "difficult", "crowd", "ignore", "truncated", "areas", "xywh")
    )
    return Objects(boxes, classes[rows], images[rows], difficult, crowd, ignore, truncated, areas, xywh)


def _numbers(labels: list[str], names: dict[str, int]) -> Indices:
    return np.array([names.get(label, -1) for label in labels], dtype=np.int64)


def _judged(classes: Indices, images: Indices, ignored: Iterable[tuple[int, int]]) -> Indices:
    """The rows of known classes that the images are judged on."""
    width = int(classes.max(initial=0)) + 1
    skipped = [image * width + number for image, number in ignored if number < width]
    return np.flatnonzero((classes >= 0) & ~np.isin(images * width + classes, skipped))
