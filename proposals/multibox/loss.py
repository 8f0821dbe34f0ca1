"""MultiBox's losses: location of matched priors, confidence of moved priors, predicted IoU of all boxes.

Shapes: R boxes of one image, G objects.
"""

from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...backbone.features.shared_maps import SharedMaps
from ...backbone.googlenet import Backbone
from ...backbone.training.distributed import totals
from ...data.datasets.labelling import IGNORED, match_boxes
from ..common.box_coding import decode, encode
from .batches import MultiBoxExample
from .network import MultiBoxHead

LOWEST_IOU = 0.3  # up to it the target is 0: a box holds no object


class MultiBoxNetwork(nn.Module):
    """The head on a backbone that stays as it is."""

    def __init__(self, backbone: Backbone, head: MultiBoxHead):
        super().__init__()
        self.backbone, self.head = backbone.eval().requires_grad_(False), head

    def train(self, mode: bool = True) -> Self:
        self.head.train(mode)
        return self

    def forward(self, example: MultiBoxExample) -> tuple[Tensor, Tensor, Tensor]:
        return self.head(SharedMaps(self.backbone, example.image, example.short_sides), example.boxes)


def iou_target(ious: Tensor) -> Tensor:
    """The target of confidence and predicted IoU: 0 up to an IoU of .3, then evenly up to 1."""
    return ((ious - LOWEST_IOU) / (1 - LOWEST_IOU)).clamp(min=0)


def multibox_loss(network: MultiBoxNetwork, batch: list[MultiBoxExample], alpha: float) -> dict[str, Tensor]:
    """`alpha` times the location loss, a mean over matched priors, plus the confidence and IoU losses, over boxes.

    The means are over all processes' images; this gives the summands of `batch`.

    The location loss is that of Erhan et al., ½ of the squared distance, in the prior's deltas (a unit is a tenth of
    its side; of the logarithm of a side, a fifth), linear beyond 1 so that far priors do not rule. The confidence
    loss is the logistic one, its target not 1 but that of the IoU that the moved box reaches (as Kim et al., "Learning
    Open-World Object Proposals": it ranks better), so a twin of a matched prior is not called background. "iou" is
    the same of all boxes as they are.
    """
    device = next(network.parameters()).device
    location = confidence = iou = torch.zeros((), device=device)
    for example in batch:
        confidences, deltas, ious = network(example)
        boxes, objects = (
            torch.as_tensor(each, dtype=torch.float32, device=device) for each in (example.boxes, example.objects)
        )
        matched = torch.as_tensor(example.matched, device=device)
        rows = torch.nonzero(matched >= 0)[:, 0]
        targets = encode(boxes[rows], objects[matched[rows]])
        location = location + F.smooth_l1_loss(deltas[rows], targets, reduction="sum")
        priors = slice(0, example.num_priors)
        moved = decode(boxes[priors], deltas[priors].detach())
        confidence = confidence + _iou_loss(confidences[priors], moved, example)
        iou = iou + _iou_loss(ious, boxes, example)
    counts = totals(
        sum(int((each.matched >= 0).sum()) for each in batch),
        sum(each.num_priors for each in batch),
        sum(len(each.boxes) for each in batch),
    )
    sums = {"location": location, "confidence": confidence, "iou": iou}
    means = {name: sums[name] / max(count, 1) for name, count in zip(sums, counts, strict=True)}
    loss = alpha * means["location"] + means["confidence"] + means["iou"]
    nothing = {name: loss * torch.nan for name, count in zip(sums, counts, strict=True) if not count}
    return {"loss": loss, **means, **nothing}


def _iou_loss(logits: Tensor, boxes: Tensor, example: MultiBoxExample) -> Tensor:
    """The logistic loss of logits [R] against the IoU of boxes [R, 4] with their objects, without ignored boxes."""
    matches = match_boxes(
        boxes.cpu().double().numpy(),  # MPS has no float64
        example.objects,
        example.ignored,
        example.crowd,
        LOWEST_IOU,
        complete=example.complete,
    )
    ious = torch.as_tensor(matches.ious, dtype=torch.float32, device=boxes.device)
    weights = torch.as_tensor(matches.labels != IGNORED, dtype=logits.dtype, device=boxes.device)
    return F.binary_cross_entropy_with_logits(logits, iou_target(ious), weights, reduction="sum")
