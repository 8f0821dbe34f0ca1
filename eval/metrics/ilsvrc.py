"""Mean average precision as ILSVRC's detection devkit computes it (`eval_detection.m`, 2014).

An object is found from an overlap on that grows with its size: a box around a small one need not be as exact, see
`overlap_thresholds`. A detection takes the free object that it overlaps most of those whose own threshold it reaches.
Classes on the blacklist of an image are ignored there (the table has left them out). Difficult objects and crowds,
which ILSVRC does not know, are neither missed nor false.
"""

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes
from .average_precision import area_ap, class_evaluation
from .evaluation import Evaluation
from .matching import match_free, pairs_of
from .table import Table

ILSVRC_PROTOCOL = "mAP (ILSVRC DET, area, IoU 0.5 or less by size)"

_TOLERANCE = 10.0  # pixels, that a box may be off


def evaluate_ilsvrc(table: Table) -> Evaluation:
    """Evaluate by ILSVRC's protocol; equal scores are taken image by image in the order of the ground truth."""
    classes, thresholds = [], overlap_thresholds(table.objects.boxes)
    for number in range(len(table.classes)):
        rows, objects = table.found_of(number, by_image=True), table.objects_of(number)
        ignored, crowd = ~table.objects.to_find[objects], table.objects.crowd[objects]
        matches = match_free(pairs_of(table, rows, objects), len(rows), thresholds[objects], ignored, crowd)
        classes.append(class_evaluation(table, number, rows, matches, area_ap))
    aps = [one.ap for one in classes if not np.isnan(one.ap)]
    numbers = {"median": float(np.median(aps)) if aps else float("nan")}
    return Evaluation("ilsvrc", ILSVRC_PROTOCOL, tuple(classes), table, thresholds, numbers)


def overlap_thresholds(boxes: Boxes) -> NDArray[np.float64]:
    """The overlap from which each object counts as found, (N,): .5, or less if it is small.

    >>> overlap_thresholds(np.array([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 100.0, 100.0]])).tolist()
    [0.25, 0.5]
    """
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return np.minimum(0.5, width * height / ((width + _TOLERANCE) * (height + _TOLERANCE)))
