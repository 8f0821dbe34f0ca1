"""Non-maximum suppression: of boxes that overlap too much, of one class or of any, only the best stays.

Shapes: R regions, K classes, C candidates.
"""

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import nms

from ..data.boxes import voted_boxes
from ..data.records import Stages
from .result import Detected


def suppress(stages: Stages) -> Detected:
    """Greedy suppression within each class, then box voting: a detector's scores and boxes become detections.

    A box is dropped where its IoU with a better one is above the threshold (R-CNN's `nms.m`), and where the image's
    edge left nothing of it; agnostic of classes, a better one of any class will do. Of equal scores the first region's,
    then the first class's, is the better. Scores below the threshold could suppress nothing that is kept. With a vote
    threshold every box that is kept goes to the mean of those of its class around it, weighted by their scores. The
    weak have votes too, from a score on that does not depend on the threshold: so a higher one leaves fewer detections,
    and moves none.
    """
    scores = torch.from_numpy(stages.probabilities[:, 1:])  # [R, K]
    regions, classes = torch.nonzero(scores >= stages.voting_score, as_tuple=True)
    boxes, scores = torch.from_numpy(stages.boxes)[regions, classes], scores[regions, classes]  # [C, 4], [C]
    whole = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    boxes, classes, scores = boxes[whole], classes[whole], scores[whole]
    order = scores.argsort(descending=True, stable=True)
    boxes, classes, scores = boxes[order], classes[order], scores[order]
    strong = int((scores >= stages.score_threshold).sum())  # the first so many
    groups = torch.zeros_like(classes) if stages.agnostic else classes
    kept = _unsuppressed(boxes[:strong], groups[:strong], scores[:strong], stages.nms_threshold)
    kept = kept[: stages.max_detections].numpy()
    found, numbers, weights = boxes.numpy(), classes.numpy(), scores.numpy()
    placed = found[kept]
    if stages.vote_threshold is not None:
        placed = voted_boxes(found, numbers, weights, kept, stages.vote_threshold)
    return Detected(placed, np.array(stages.classes, dtype=np.str_)[numbers[kept]], weights[kept])


def _unsuppressed(boxes: Tensor, groups: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The candidates, given the best first, that no better one of their group suppresses, in that order."""
    # Group by group: `batched_nms` moves the groups apart instead, which rounds the overlaps.
    parts = [torch.nonzero(groups == number).flatten() for number in torch.unique(groups)]
    kept = [part[nms(boxes[part], scores[part], threshold)] for part in parts]
    return torch.cat([groups.new_zeros(0), *kept]).sort().values
