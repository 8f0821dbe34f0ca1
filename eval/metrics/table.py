"""Predictions and ground truth of the same pictures as columns: what every protocol and analysis starts from.

Classes and pictures are numbers here, into the names that the table holds; pictures are those of the ground truth.

Shapes: D detections, G objects.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes
from ...data.images.pairing import NOT_PAIRED, pair_files
from ...data.records import Detections, GroundTruth, Picture

Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]


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
    pictures: Indices  # [D]
    xywh: Boxes  # [D, 4], for COCO's code


@dataclass(frozen=True, eq=False)
class Objects(_Rows):
    """All objects, picture by picture."""

    boxes: Boxes  # [G, 4]
    classes: Indices  # [G]
    pictures: Indices  # [G]
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
    truths: tuple[GroundTruth, ...]  # the pictures
    found: Found
    objects: Objects
    paired: tuple[tuple[Picture, int], ...]  # predictions, and the number of the picture that each is about
    num_failed: int  # pictures that predictions say could not be read
    left_out_pictures: int  # predicted, but not in the ground truth
    left_out_detections: int  # on those
    example_outside: str  # the first of those, if any
    left_out_labels: Mapping[str, int]  # detections of other classes, by name

    def found_of(self, number: int, *, by_picture: bool = False) -> Indices:
        """The detections of a class, the best first; equal scores in the order of the predictions.

        Or, as ILSVRC and COCO have it, `by_picture`: in the order of the ground truth's pictures.
        """
        rows = np.flatnonzero(self.found.classes == number)
        if by_picture:
            rows = rows[np.argsort(self.found.pictures[rows], kind="stable")]
        return rows[np.argsort(-self.found.scores[rows], kind="stable")]

    def objects_of(self, number: int) -> Indices:
        """The objects of a class."""
        return np.flatnonzero(self.objects.classes == number)


def tabulate(pictures: Sequence[Picture], truths: Sequence[GroundTruth], classes: Sequence[str]) -> Table:
    """Pair predictions with the ground truth. Other classes than `classes` are left out on both sides.

    So are, on both sides, the classes that a picture is not judged on (`unjudged`).
    """
    names = {name: number for number, name in enumerate(classes)}
    paired = pair_files([picture.file for picture in pictures], [truth.file for truth in truths])
    left_out = [picture for picture, place in zip(pictures, paired, strict=True) if place == NOT_PAIRED]
    kept = [(picture, place) for picture, place in zip(pictures, paired.tolist(), strict=True) if place != NOT_PAIRED]
    unjudged = {(place, names[name]) for place, truth in enumerate(truths) for name in truth.unjudged if name in names}
    return Table(
        classes=tuple(classes),
        truths=tuple(truths),
        found=_found(kept, names, unjudged),
        objects=_objects(truths, names, unjudged),
        paired=tuple(kept),
        num_failed=sum(picture.error is not None for picture, _ in kept),
        left_out_pictures=len({picture.file for picture in left_out}),
        left_out_detections=sum(len(picture.detections) for picture in left_out),
        example_outside=left_out[0].file if left_out else "",
        left_out_labels=_others(kept, names),
    )


def _others(kept: Sequence[tuple[Picture, int]], names: dict[str, int]) -> dict[str, int]:
    """How many detections there are of each class that is not among the names."""
    counts = Counter[str]()
    for picture, _ in kept:
        counts.update(label for label in picture.detections.labels.tolist() if label not in names)
    return dict(counts)


def _found(kept: Sequence[tuple[Picture, int]], names: dict[str, int], unjudged: Iterable[tuple[int, int]]) -> Found:
    found = [Detections(), *(picture.detections for picture, _ in kept)]  # so that there is always something to join
    classes = _numbers([label for one in found for label in one.labels.tolist()], names)
    pictures = np.repeat([place for _, place in kept], [len(one) for one in found[1:]]).astype(np.int64)
    rows = _judged(classes, pictures, unjudged)
    boxes, scores, xywh = (
        np.concatenate([getattr(one, name) for one in found])[rows] for name in ("boxes", "scores", "xywh")
    )
    return Found(boxes, classes[rows], scores, pictures[rows], xywh)


def _objects(truths: Sequence[GroundTruth], names: dict[str, int], unjudged: Iterable[tuple[int, int]]) -> Objects:
    empty = GroundTruth("", 0, 0, np.zeros((0, 4)), np.zeros(0, np.str_), np.zeros(0, np.bool_))
    joined = [empty, *truths]
    classes = _numbers([label for truth in joined for label in truth.labels.tolist()], names)
    pictures = np.repeat(np.arange(len(truths)), [len(truth) for truth in truths]).astype(np.int64)
    rows = _judged(classes, pictures, unjudged)
    boxes, difficult, crowd, ignore, truncated, areas, xywh = (
        np.concatenate([getattr(truth, name) for truth in joined])[rows]
        for name in ("boxes", "difficult", "crowd", "ignore", "truncated", "areas", "xywh")
    )
    return Objects(boxes, classes[rows], pictures[rows], difficult, crowd, ignore, truncated, areas, xywh)


def _numbers(labels: list[str], names: dict[str, int]) -> Indices:
    return np.array([names.get(label, -1) for label in labels], dtype=np.int64)


def _judged(classes: Indices, pictures: Indices, unjudged: Iterable[tuple[int, int]]) -> Indices:
    """The rows of known classes that the pictures are judged on."""
    width = int(classes.max(initial=0)) + 1
    skipped = [picture * width + number for picture, number in unjudged if number < width]
    return np.flatnonzero((classes >= 0) & ~np.isin(pictures * width + classes, skipped))
