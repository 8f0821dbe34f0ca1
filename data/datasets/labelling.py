"""Labels of candidate boxes in training: foreground, background, or to be ignored (R-CNN, section 2.3).

Shapes: G objects and P proposals of one image, N = G + P candidates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..boxes import Boxes, box_iou, ignored_overlaps
from ..records import GroundTruth

FOREGROUND_IOU = 0.5
BACKGROUND, IGNORED = 0, -1


@dataclass(frozen=True)
class Candidates:
    """An image's objects and proposals, and what each is."""

    boxes: Boxes  # [N, 4], the objects first
    classes: NDArray[np.int64]  # [N], i + 1 = classes[i], or BACKGROUND, or IGNORED: neither answer would be fair
    targets: Boxes  # [N, 4], the object's box; the candidate's own for background
    ious: NDArray[np.float64]  # [N], with the best object
    unannotated: NDArray[np.int64]  # classes, i + 1 = classes[i], that what is background here may be

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.integer]) -> "Candidates":
        return Candidates(self.boxes[rows], self.classes[rows], self.targets[rows], self.ious[rows], self.unannotated)


def label_candidates(truth: GroundTruth, proposals: Boxes, classes: tuple[str, ...]) -> Candidates:
    """Each candidate is of its best object's class from an IoU of .5 on, else background; objects are among them.

    Objects of other classes are background. What overlaps an object to ignore that much (difficult, or a crowd), and no
    other, is ignored. So is all background of an image whose annotation is not exhaustive, for an object might be
    there. Of classes that an image's data set does not annotate it is known which they are: they are `unannotated`.
    """
    index_of = {name: index + 1 for index, name in enumerate(classes)}
    objects, doubtful = split_objects(truth, classes)
    boxes = np.concatenate([objects.boxes, proposals[_has_area(proposals)]])
    overlaps = box_iou(boxes, objects.boxes)  # [N, G]
    ious = overlaps.max(axis=1, initial=0.0)
    labels, targets = np.full(len(boxes), BACKGROUND, dtype=np.int64), boxes.copy()
    foreground = ious >= FOREGROUND_IOU
    if foreground.any():
        best = overlaps[foreground].argmax(axis=1)
        labels[foreground] = [index_of[label] for label in objects.labels[best]]
        targets[foreground] = objects.boxes[best]
    unfair = ignored_overlaps(boxes, doubtful.boxes, doubtful.crowd) >= FOREGROUND_IOU
    labels[~foreground & (unfair | (not truth.exhaustive))] = IGNORED
    unannotated = [index_of[name] for name in classes if name in truth.ignored_classes]
    return Candidates(boxes, labels, targets, ious, np.array(unannotated, dtype=np.int64))


def split_objects(truth: GroundTruth, classes: tuple[str, ...]) -> tuple[GroundTruth, GroundTruth]:
    """An image's objects of these classes: those to learn, and those that are neither foreground nor background."""
    known = np.isin(truth.labels, classes)
    return truth[known & truth.to_find & _has_area(truth.boxes)], truth[known & truth.to_ignore]


def _has_area(boxes: Boxes) -> NDArray[np.bool_]:
    return np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
