"""The network of a detector: one trunk, and for each way of looking at regions a tail and a head of its own.

Shapes: R regions of one (H, W, 3) uint8 image, K classes (0 = background in the logits, absent from the deltas).
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from ..backbone.features.shared_maps import SharedMaps
from ..backbone.googlenet import Tail, Trunk
from ..data.boxes import Boxes
from .heads import Head
from .region_features import Mode, region_features


class RegionNetwork(nn.Module):
    """(maps, boxes) -> logits and deltas, through the trunk and the tail and head of one mode."""

    def __init__(self, num_classes: int, modes: Sequence[Mode]):
        super().__init__()
        self.trunk = Trunk()
        self.tails = nn.ModuleDict({mode: Tail() for mode in modes})
        self.heads = nn.ModuleDict({mode: Head(num_classes) for mode in modes})
        self.to(memory_format=torch.channels_last)

    def forward(self, mode: Mode, maps: SharedMaps, boxes: Boxes) -> tuple[Tensor, Tensor]:
        """Logits [R, K + 1] and deltas [R, K, 4] of an image's boxes; `maps` are the image seen by the trunk."""
        return cast(Head, self.heads[mode]).judge(self.summarise(mode, maps, boxes))

    def summarise(self, mode: Mode, maps: SharedMaps, boxes: Boxes) -> Tensor:
        """What a mode's outputs read of an image's boxes, [R, 1024 + 3136]."""
        tail, head = cast(Tail, self.tails[mode]), cast(Head, self.heads[mode])
        places, summaries = [], []
        for part, features in region_features(mode, maps, tail, boxes):
            places.append(part)  # [P]
            summaries.append(head.summarise(features))  # of [P, 1024, 7, 7]
        order = np.argsort(np.concatenate(places))  # [R]
        return torch.cat(summaries)[order]
