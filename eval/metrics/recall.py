"""Recall of proposals by overlap and by number of boxes, and average best overlap.

Average best overlap is VOC's (Uijlings et al., section 5: the mean over a class's objects, then over the classes);
average recall is the mean of the recalls at IoU .50, .55 … .95 (Hosang et al., 2016). Objects to ignore
are left out. Shapes: O objects, B budgets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes, box_area, box_iou
from ...data.errors import DataError
from ...data.records import GroundTruth, Proposals
from ...data.terminal import format_columns, printable
from .numbers import format_number, mean

BUDGETS = (1, 3, 10, 30, 100, 200, 300, 500, 1000, 2000, 5000)  # boxes an image, the best first
IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
CURVE = np.linspace(0.5, 1, 26).round(2)  # the overlaps of the plot
SIZES = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, np.inf)}  # square pixels (COCO's limits)


@dataclass(frozen=True)
class Coverage:
    """Recall of some objects; NaN where there are none."""

    objects: int
    recall_50: float
    recall_70: float
    average_recall: float
    mean_best_overlap: float


@dataclass(frozen=True, eq=False)
class RecallEvaluation:
    """One method's proposals on one data set."""

    name: str
    images: int
    boxes: float  # an image
    all: Coverage
    mabo: float  # the mean over the classes of their average best overlap
    classes: Mapping[str, Coverage]
    sizes: Mapping[str, Coverage]  # by the objects' areas
    budgets: Mapping[int, Coverage]  # by the number of boxes an image at most
    by_iou: Sequence[tuple[float, float]]  # overlap, and the recall at it


def evaluate_recall(name: str, proposals: Mapping[str, Proposals], truths: Sequence[GroundTruth]) -> RecallEvaluation:
    """Evaluate the proposals of every image; DataError where an image has none on file, not even an empty row."""
    missing = [truth.file for truth in truths if truth.file not in proposals]
    if missing:
        raise DataError(f"{name} has no proposals for {len(missing)} of {len(truths)} images, as {missing[0]}")
    objects = [truth[truth.to_find] for truth in truths]
    label = np.concatenate([np.zeros(0, np.str_), *(each.labels for each in objects)])  # [O]
    area = np.concatenate([np.zeros(0), *(box_area(each.boxes) for each in objects)])  # [O]
    counts, tables = [], []
    for truth, each in zip(truths, objects, strict=True):
        boxes = proposals[truth.file].boxes  # which may be read only now: not all at once
        counts.append(len(boxes))
        tables.append(best_overlaps(boxes, each.boxes))
    best = np.concatenate([np.zeros((0, len(BUDGETS) + 1)), *tables])  # [O, B + 1]
    overall = best[:, -1]
    classes = {str(each): _coverage(overall[label == each]) for each in np.unique(label)}
    most = max(counts, default=0)
    useful = [i for i, budget in enumerate(BUDGETS) if i == 0 or BUDGETS[i - 1] < most]
    return RecallEvaluation(
        name=name,
        images=len(truths),
        boxes=mean(counts),
        all=_coverage(overall),
        mabo=mean(each.mean_best_overlap for each in classes.values()),
        classes=classes,
        sizes={size: _coverage(overall[(area >= low) & (area < high)]) for size, (low, high) in SIZES.items()},
        budgets={BUDGETS[i]: _coverage(best[:, i]) for i in useful},
        by_iou=[(float(iou), float((overall >= iou).mean())) for iou in CURVE] if len(overall) else [],
    )


def best_overlaps(proposals: Boxes, objects: Boxes) -> NDArray[np.float64]:
    """Each object's best IoU among the first boxes, for every budget and then for all of them, (O, B + 1)."""
    overlaps = np.concatenate([np.zeros((1, len(objects))), box_iou(proposals, objects)])  # [1 + N, O], 0 for no box
    running = np.maximum.accumulate(overlaps, axis=0)
    return running[np.minimum([*BUDGETS, len(proposals)], len(proposals))].T


def _coverage(best: NDArray[np.float64]) -> Coverage:
    if not len(best):
        return Coverage(0, *[float("nan")] * 4)
    recalls = [float((best >= iou).mean()) for iou in IOUS]
    return Coverage(len(best), recalls[0], recalls[IOUS.index(0.7)], float(np.mean(recalls)), float(best.mean()))


def format_recall(evaluations: Sequence[RecallEvaluation]) -> str:
    """The numbers for a terminal: a line for each method."""
    header = ["proposals", "boxes", "recall .5", "recall .7", "AR", "best overlap", "MABO", *(f"AR {s}" for s in SIZES)]
    lines = [header]
    for one in evaluations:
        found, sizes = one.all, [one.sizes[size].average_recall for size in SIZES]
        numbers = [found.recall_50, found.recall_70, found.average_recall, found.mean_best_overlap, one.mabo, *sizes]
        texts = (format_number(number, digits=3) for number in numbers)
        lines.append([printable(one.name), f"{one.boxes:.0f}", *texts])
    return "\n".join(format_columns(lines))
