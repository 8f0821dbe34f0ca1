"""Suppression and voting by torchvision's own kernel, group by group: an oracle for `data/suppression.py`."""

import numpy as np
import torch
from torchvision.ops import nms

from inception_rcnn.data.records import Detections, Stages
from inception_rcnn.data.suppression import voted_boxes


def detections_by_torchvision(stages: Stages) -> Detections:
    scores = torch.from_numpy(stages.probabilities[:, 1:])
    regions, classes = torch.nonzero(scores >= stages.voting_score, as_tuple=True)
    boxes, scores = torch.from_numpy(stages.boxes)[regions, classes], scores[regions, classes]
    whole = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    boxes, classes, scores = boxes[whole], classes[whole], scores[whole]
    order = scores.argsort(descending=True, stable=True)
    boxes, classes, scores = boxes[order], classes[order], scores[order]
    strong = int((scores >= stages.score_threshold).sum())
    groups = (torch.zeros_like(classes) if stages.agnostic else classes)[:strong]
    parts = [torch.nonzero(groups == number).flatten() for number in torch.unique(groups)]
    left = [part[nms(boxes[part], scores[part], stages.nms_threshold)] for part in parts]
    kept = torch.cat([groups.new_zeros(0), *left]).sort().values[: stages.max_detections].numpy()
    found = boxes.numpy()
    voted = found[kept]
    if stages.vote_threshold is not None:
        voted = voted_boxes(found, classes.numpy(), scores.numpy(), kept, stages.vote_threshold)
    return Detections(voted, np.array(stages.classes, dtype=np.str_)[classes.numpy()[kept]], scores.numpy()[kept])
