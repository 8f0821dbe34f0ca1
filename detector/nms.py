"""Non-maximum suppression: of boxes of one class that overlap too much, only the best stays.

Shapes: R regions, K classes, C candidates.
"""

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import nms

from ..data.records import Detections, Stages


def suppress(stages: Stages) -> Detections:
    """Greedy suppression within each class: the decision that turns what a detector thinks into detections.

    Scores below the threshold go before the overlaps are looked at: they could suppress nothing better, and most scores
    are low. A box is dropped where its IoU with a better one is above the threshold (R-CNN's `nms.m`), and where the
    picture's edge left nothing of it. Of equal scores the first region's, then the first class's, is the better.
    """
    scores = torch.from_numpy(stages.probabilities[:, 1:])  # [R, K]
    regions, classes = torch.nonzero(scores >= stages.score_threshold, as_tuple=True)
    boxes, scores = torch.from_numpy(stages.boxes)[regions, classes], scores[regions, classes]  # [C, 4], [C]
    whole = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    boxes, classes, scores = boxes[whole], classes[whole], scores[whole]
    kept = _unsuppressed(boxes, classes, scores, stages.nms_threshold)[: stages.max_detections]
    labels = np.array(stages.classes, dtype=np.str_)[classes[kept].numpy()]
    return Detections(boxes[kept].numpy(), labels, scores[kept].numpy())


def _unsuppressed(boxes: Tensor, classes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The candidates that no better one of their class suppresses, the best first."""
    # Class by class: `batched_nms` moves the classes apart instead, which rounds the overlaps.
    parts = [torch.nonzero(classes == number).flatten() for number in torch.unique(classes)]
    kept = [part[nms(boxes[part], scores[part], threshold)] for part in parts]
    order = torch.cat([classes.new_zeros(0), *kept]).sort().values
    return order[scores[order].argsort(descending=True, stable=True)]
