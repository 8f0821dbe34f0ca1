"""Labels of candidate boxes in training: foreground, background, or ignored (R-CNN, section 2.3).

Shapes: N boxes of one image, G objects and I objects to ignore, P proposals.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..boxes import Boxes, box_iou, ignored_overlaps
from ..records import GroundTruth

FOREGROUND_IOU = 0.5
FOREGROUND, BACKGROUND, IGNORED = 1, 0, -1


@dataclass(frozen=True)
class Matches:
    """The best object of each box, and the label that follows."""

    labels: NDArray[np.int64]  # [N], FOREGROUND, BACKGROUND or IGNORED
    objects: NDArray[np.intp]  # [N], index of the object with the highest IoU, 0 without any
    ious: NDArray[np.float64]  # [N], with it


def match_boxes(
    boxes: Boxes, objects: Boxes, ignored: Boxes, crowd: NDArray[np.bool_], iou: float, *, complete: bool = True
) -> Matches:
    """Label boxes (N, 4) against objects (G, 4): foreground from an IoU of `iou` on, else background or ignored.

    Ignored is what overlaps an object to ignore (I, 4) that much, see `ignored_overlaps` for those that are a `crowd`
    [I], and all that would be background where the annotation is not `complete`, for an object might be there.
    """
    overlaps = box_iou(boxes, objects)  # [N, G]
    ious = overlaps.max(axis=1, initial=0.0)
    labels = np.full(len(boxes), BACKGROUND, dtype=np.int64)
    labels[(ignored_overlaps(boxes, ignored, crowd) >= iou) | (not complete)] = IGNORED
    labels[ious >= iou] = FOREGROUND
    best = overlaps.argmax(axis=1) if len(objects) else np.zeros(len(boxes), dtype=np.intp)
    return Matches(labels, best, ious)


def match_class(truth: GroundTruth, name: str, boxes: Boxes, iou: float) -> Matches:
    """Label boxes (N, 4) against an image's objects of one class."""
    objects, ignored = split_objects(truth, (name,))
    return match_boxes(boxes, objects.boxes, ignored.boxes, ignored.crowd, iou, complete=truth.annotates((name,)))


@dataclass(frozen=True)
class Candidates:
    """An image's objects and proposals, and the class of each."""

    boxes: Boxes  # [N, 4], the objects first
    classes: NDArray[np.int64]  # [N], i + 1 = classes[i], or BACKGROUND, or IGNORED
    targets: Boxes  # [N, 4], the object's box; the candidate's own for background
    ious: NDArray[np.float64]  # [N], with the best object
    unannotated: NDArray[np.int64]  # classes, i + 1 = classes[i], that what is background here may be

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.integer]) -> "Candidates":
        return Candidates(self.boxes[rows], self.classes[rows], self.targets[rows], self.ious[rows], self.unannotated)


def label_candidates(truth: GroundTruth, proposals: Boxes, classes: tuple[str, ...]) -> Candidates:
    """Label an image's objects and proposals (P, 4) with the class of their best object, from an IoU of .5 on.

    Objects of other classes are background.
    """
    index_of = {name: index + 1 for index, name in enumerate(classes)}
    objects, ignored = split_objects(truth, classes)
    boxes = np.concatenate([objects.boxes, proposals[_has_area(proposals)]])
    matches = match_boxes(boxes, objects.boxes, ignored.boxes, ignored.crowd, FOREGROUND_IOU, complete=truth.exhaustive)
    labels, targets = matches.labels.copy(), boxes.copy()
    foreground = labels == FOREGROUND
    best = objects[matches.objects[foreground]]
    labels[foreground] = [index_of[label] for label in best.labels]
    targets[foreground] = best.boxes
    unannotated = [index_of[name] for name in classes if name in truth.ignored_classes]
    return Candidates(boxes, labels, targets, matches.ious, np.array(unannotated, dtype=np.int64))


def split_objects(truth: GroundTruth, classes: Sequence[str]) -> tuple[GroundTruth, GroundTruth]:
    """An image's objects of these classes: those to learn, and those that are neither foreground nor background.

    Objects without a name, which may be of any class, are among the latter.
    """
    known = np.isin(truth.labels, ["", *classes])
    return truth[known & truth.to_find & _has_area(truth.boxes)], truth[known & truth.to_ignore]


def _has_area(boxes: Boxes) -> NDArray[np.bool_]:
    return np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
