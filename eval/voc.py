"""Mean average precision as PASCAL VOC's devkits compute it, of 2007 and of 2010 and later.

The two differ in how a curve becomes a number; matching, difficult objects and ties are the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.boxes import Boxes
from ..data.errors import UsageError
from ..data.records import Detections, GroundTruth, Picture
from .average_precision import area_ap, eleven_point_ap, precision_recall
from .evaluation import ClassEvaluation, Evaluation
from .matching import match_voc
from .pairing import NOT_PAIRED, pair_files

PROTOCOLS = {"voc07": "mAP (VOC07, 11-point, IoU 0.5)", "voc10": "mAP (VOC10+, area, IoU 0.5)"}

_AVERAGES = {"voc07": eleven_point_ap, "voc10": area_ap}


@dataclass(frozen=True, eq=False)
class _Rows:
    """All boxes of many pictures, one after the other. `values` holds scores, or which objects are difficult."""

    boxes: Boxes  # [N, 4]
    labels: NDArray[np.str_]  # [N]
    values: NDArray[np.float64]  # [N]
    pictures: NDArray[np.int64]  # [N], into the ground truth

    def of(self, name: str) -> "_Rows":
        rows = np.flatnonzero(self.labels == name)
        return _Rows(self.boxes[rows], self.labels[rows], self.values[rows], self.pictures[rows])


def evaluate_voc(
    pictures: Sequence[Picture], ground_truth: Sequence[GroundTruth], classes: Sequence[str], metric: str = "voc07"
) -> Evaluation:
    """Judge predictions by `metric`, `voc07` or `voc10`; detections of other classes than `classes` are not looked at.

    Equal scores keep the order of `pictures`, and within one picture of its detections.
    """
    if metric not in PROTOCOLS:
        raise UsageError(f"metric {metric!r} is not known; known are {', '.join(PROTOCOLS)}")
    paired = pair_files([picture.file for picture in pictures], [truth.file for truth in ground_truth])
    found = _gather_detections(pictures, paired)
    objects = _gather_objects(ground_truth)
    left_out = [picture for picture, i in zip(pictures, paired, strict=True) if i == NOT_PAIRED]
    return Evaluation(
        metric=metric,
        protocol=PROTOCOLS[metric],
        classes=tuple(_evaluate_class(name, found.of(name), objects.of(name), metric) for name in classes),
        num_pictures=len(ground_truth),
        num_failed=sum(picture.error is not None for picture in pictures) - sum(p.error is not None for p in left_out),
        left_out_pictures=len({picture.file for picture in left_out}),
        left_out_detections=sum(len(picture.detections) for picture in left_out),
    )


def _evaluate_class(name: str, found: _Rows, objects: _Rows, metric: str) -> ClassEvaluation:
    order = np.argsort(-found.values, kind="stable")
    scores, boxes, pictures = found.values[order], found.boxes[order], found.pictures[order]
    difficult = objects.values.astype(np.bool_)
    outcomes = match_voc(boxes, pictures, objects.boxes, objects.pictures, difficult)
    positives = int((~difficult).sum())
    precision, recall = precision_recall(outcomes, positives)
    ap = _AVERAGES[metric](precision, recall) if positives else float("nan")
    return ClassEvaluation(name, ap, positives, recall, precision, scores, boxes, outcomes, pictures)


def _gather_detections(pictures: Sequence[Picture], paired: NDArray[np.int64]) -> _Rows:
    kept = [picture.detections for picture, i in zip(pictures, paired, strict=True) if i != NOT_PAIRED]
    lengths = [len(found) for found in kept]
    found = [Detections(), *kept]  # so that there is always something to join
    return _Rows(
        np.concatenate([one.boxes for one in found]),
        np.concatenate([one.labels for one in found]),
        np.concatenate([one.scores for one in found]),
        np.repeat(paired[paired != NOT_PAIRED], lengths),
    )


def _gather_objects(ground_truth: Sequence[GroundTruth]) -> _Rows:
    nothing = Detections()
    return _Rows(
        np.concatenate([nothing.boxes, *(truth.boxes for truth in ground_truth)]),
        np.concatenate([nothing.labels, *(truth.labels for truth in ground_truth)]),
        np.concatenate([nothing.scores, *(truth.difficult.astype(np.float64) for truth in ground_truth)]),
        np.repeat(np.arange(len(ground_truth)), [len(truth) for truth in ground_truth]),
    )
