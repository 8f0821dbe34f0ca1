"""Several networks as one: the mean of their predictions for the same regions, before suppression.

An ensemble is called as one network is, so the pipeline does not depend on which of the two it has: proposals are made
once, and what comes back is refined, clipped and suppressed once.

Shapes: M members, R regions of one (H, W, 3) uint8 image, K classes (0 = background in the logits).
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ..backbone.features.shared_maps import SharedMaps
from ..backbone.googlenet import Backbone
from ..backbone.weights import tensors_hash
from ..data.boxes import Boxes
from ..data.errors import UsageError
from ..proposals.common.box_coding import DELTA_STD, MAX_LOG_GROWTH
from .network import RegionNetwork
from .region_features import Mode

Prediction = tuple[Tensor, Tensor]  # one network's logits [R, K + 1] and deltas [R, K, 4]


class Ensemble(nn.Module):
    """(maps, boxes) -> logits and deltas, as a `RegionNetwork`, through all of its members.

    Members whose backbones hold the same numbers get one backbone, which then runs once an image for all of them.
    """

    def __init__(self, members: Sequence[RegionNetwork]):
        super().__init__()
        if not members:
            raise UsageError("an ensemble needs at least one member")
        _share_backbones(members)
        self.members = nn.ModuleList(members)

    @property
    def backbone(self) -> Backbone:
        """The first member's, on whose maps MultiBox proposes."""
        return cast(RegionNetwork, self.members[0]).backbone

    def forward(self, mode: Mode, maps: SharedMaps, boxes: Boxes) -> Prediction:
        """The fused logits [R, K + 1], logarithms of probabilities, and deltas [R, K, 4] of an image's boxes."""
        return fuse(self.predictions(mode, maps, boxes))

    def predictions(self, mode: Mode, maps: SharedMaps, boxes: Boxes) -> list[Prediction]:
        """Each member's prediction for the same boxes; `maps` have the image and its pyramid."""
        seen = {id(maps.backbone): maps}
        predictions = []
        for member in self.members:
            backbone = cast(RegionNetwork, member).backbone
            own = seen.setdefault(id(backbone), SharedMaps(backbone, maps.image, maps.short_sides))
            predictions.append(member(mode, own, boxes))
        return predictions


def fuse(predictions: Sequence[Prediction]) -> Prediction:
    """The fused prediction: the mean of the probabilities, and deltas to the mean of the refined boxes.

    The logits that come back are logarithms of probabilities, which a softmax leaves as they are.
    """
    logarithms = torch.stack([logits.log_softmax(dim=1) for logits, _ in predictions])  # [M, R, K + 1]
    logits = logarithms.logsumexp(dim=0) - math.log(len(predictions))  # [R, K + 1]
    return logits, mean_deltas(torch.stack([deltas for _, deltas in predictions]))


def mean_deltas(deltas: Tensor) -> Tensor:
    """Of deltas [M, ..., 4] of the same boxes those, [..., 4], that lead to the mean of the M boxes they lead to.

    The mean's centre is the mean of the centres, and its sides are the means of the sides, whose logarithms deltas are.
    """
    usual = deltas.new_tensor(DELTA_STD)[2:]
    growth = (deltas[..., 2:] * usual).clamp(max=MAX_LOG_GROWTH)  # as decoding limits it
    sides = (growth.logsumexp(dim=0) - math.log(len(deltas))) / usual
    return torch.cat([deltas[..., :2].mean(dim=0), sides], dim=-1)


def _share_backbones(members: Sequence[RegionNetwork]) -> None:
    """Give members whose backbones hold the same numbers, in the half precision of files, one backbone."""
    backbones: dict[str, Backbone] = {}
    for member in members:
        member.backbone = backbones.setdefault(tensors_hash(member.backbone), member.backbone)
