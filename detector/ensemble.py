"""Several networks as one: the mean of their predictions for the same regions, before suppression.

An ensemble is called as one network is, so the pipeline does not depend on which of the two it has: proposals are made
once, and what comes back is refined, clipped and suppressed once.

Shapes: M members, R regions of one (H, W, 3) uint8 image, K classes (0 = background in the logits).
"""

from collections.abc import Sequence
from typing import cast

from torch import nn

from ..backbone.features.shared_maps import SharedMaps
from ..backbone.googlenet import Backbone
from ..backbone.weights import tensors_hash
from ..data.errors import UsageError
from .fusion import Prediction, fuse
from .network import RegionNetwork
from .region_features import Mode, Regions


class Ensemble(nn.Module):
    """(maps, boxes) of images -> logits and deltas of each, as a `RegionNetwork`, through all of its members.

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

    def forward(self, mode: Mode, regions: Regions) -> list[Prediction]:
        """The fused logits [R, K + 1], logarithms of probabilities, and deltas [R, K, 4] of each image's boxes."""
        return [fuse(of_image) for of_image in zip(*self.predictions(mode, regions), strict=True)]

    def predictions(self, mode: Mode, regions: Regions) -> list[list[Prediction]]:
        """Each member's predictions for the boxes of each image, whose maps have its pixels and its pyramid."""
        seen = {id(maps.backbone): regions for maps, _ in regions[:1]}
        predictions = []
        for member in self.members:
            backbone = cast(RegionNetwork, member).backbone
            if id(backbone) not in seen:
                maps = SharedMaps.of_images(backbone, [each.image for each, _ in regions], regions[0][0].short_sides)
                seen[id(backbone)] = list(zip(maps, [boxes for _, boxes in regions], strict=True))
            predictions.append(member(mode, seen[id(backbone)]))
        return predictions


def _share_backbones(members: Sequence[RegionNetwork]) -> None:
    """Give members whose backbones hold the same numbers, in the half precision of files, one backbone."""
    backbones: dict[str, Backbone] = {}
    for member in members:
        member.backbone = backbones.setdefault(tensors_hash(member.backbone), member.backbone)
