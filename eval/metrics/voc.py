"""Mean average precision as PASCAL VOC's devkits compute it, of 2007 and of 2010 and later.

The two differ in how a curve becomes a number; matching, difficult objects and ties are the same. A crowd, which only
COCO knows, is taken for a difficult object.
"""

import numpy as np

from .average_precision import AP_OF_CURVE, class_evaluation
from .evaluation import Evaluation
from .matching import match_voc, pairs_of
from .table import Table

_OVERLAP = 0.5
VOC_PROTOCOLS = {"voc07": "mAP (VOC07, 11-point, IoU 0.5)", "voc10": "mAP (VOC10+, area, IoU 0.5)"}


def evaluate_voc(table: Table, metric: str = "voc07") -> Evaluation:
    """Evaluate by `metric`, `voc07` or `voc10`; equal scores keep the order of the predictions."""
    classes = []
    for number in range(len(table.classes)):
        rows, objects = table.found_of(number), table.objects_of(number)
        ignored = ~table.objects.to_find[objects]
        matches = match_voc(pairs_of(table, rows, objects), len(rows), ignored, _OVERLAP)
        classes.append(class_evaluation(table, number, rows, matches, AP_OF_CURVE[metric]))
    thresholds = np.full(len(table.objects), _OVERLAP)
    return Evaluation(metric, VOC_PROTOCOLS[metric], tuple(classes), table, thresholds)
