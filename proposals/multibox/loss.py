"""What MultiBox is asked for in training: a matched prior for its object's place, every box for how well it fits.

Shapes: R boxes of one image, G objects.
"""

from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import box_iou

from ...backbone.features.shared_maps import SharedMaps
from ...backbone.googlenet import Backbone
from ...backbone.training.distributed import totals
from ...data.boxes import ignored_overlaps
from ..common.box_coding import decode, encode
from .batches import MultiBoxExample
from .network import MultiBoxHead

NO_FIT = 0.3  # IoU from which on a box begins to count as sure


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


def overlap_target(overlaps: Tensor) -> Tensor:
    """What confidence is asked for at an IoU: 0 up to .3, then evenly up to 1."""
    return ((overlaps - NO_FIT) / (1 - NO_FIT)).clamp(min=0)


def multibox_loss(network: MultiBoxNetwork, batch: list[MultiBoxExample], alpha: float) -> dict[str, Tensor]:
    """`alpha` times the location loss, a mean over matched priors, plus the confidence loss, a mean over boxes.

    The means are over all processes' images, and this gives the part of them that `batch` has.

    The location loss is that of Erhan et al., ½ of the squared distance, in the prior's deltas (a unit is a tenth of
    its side; of the logarithm of a side, a fifth), linear beyond 1 so that far priors do not rule. The confidence
    loss is the logistic one, asked not for 1 but for the overlap that the moved box reaches (as Kim et al., "Learning
    Open-World Object Proposals": it ranks better), so a twin of a matched prior is not called background. "fit" is
    the same of all boxes as they are.
    """
    device = next(network.parameters()).device
    location = confidence = fit = torch.zeros((), device=device)
    for example in batch:
        sure, deltas, fits = network(example)
        boxes, objects = (
            torch.as_tensor(each, dtype=torch.float32, device=device) for each in (example.boxes, example.objects)
        )
        matched = torch.as_tensor(example.matched, device=device)
        places = torch.nonzero(matched >= 0)[:, 0]
        wanted = encode(boxes[places], objects[matched[places]])
        location = location + F.smooth_l1_loss(deltas[places], wanted, reduction="sum")
        priors = slice(0, example.num_priors)
        moved = decode(boxes[priors], deltas[priors].detach())
        confidence = confidence + _overlap_loss(sure[priors], moved, objects, example)
        fit = fit + _overlap_loss(fits, boxes, objects, example)
    counts = totals(
        sum(int((each.matched >= 0).sum()) for each in batch),
        sum(each.num_priors for each in batch),
        sum(len(each.boxes) for each in batch),
    )
    sums = {"location": location, "confidence": confidence, "fit": fit}
    means = {name: sums[name] / max(count, 1) for name, count in zip(sums, counts, strict=True)}
    loss = alpha * means["location"] + means["confidence"] + means["fit"]
    nothing = {name: loss * torch.nan for name, count in zip(sums, counts, strict=True) if not count}
    return {"loss": loss, **means, **nothing}


def _overlap_loss(logits: Tensor, boxes: Tensor, objects: Tensor, example: MultiBoxExample) -> Tensor:
    """The logistic loss of logits [R] against how well boxes [R, 4] overlap an object, summed over the fair ones.

    Fair are those that overlap an object, and background where every object is annotated and none is to be ignored.
    """
    best = torch.cat([box_iou(boxes, objects), boxes.new_zeros(len(boxes), 1)], dim=1).amax(dim=1)  # [R]
    doubtful = ignored_overlaps(boxes.detach().double().cpu().numpy(), example.unfair, example.crowd)
    background = torch.from_numpy((doubtful < NO_FIT) & example.complete).to(boxes.device)
    weights = ((best >= NO_FIT) | background).to(logits.dtype)
    return F.binary_cross_entropy_with_logits(logits, overlap_target(best), weights, reduction="sum")
