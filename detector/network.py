"""The network of a detector: one backbone, and for each mode of region features a box head and a box predictor.

Shapes: R regions of one or more (H, W, 3) uint8 images, K classes (0 = background in the logits, not in the deltas).
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from ..backbone.googlenet import Backbone, BoxHead
from .box_predictor import BoxPredictor
from .fusion import Prediction, fuse
from .region_features import BOTH, CROP_SIZE, MODES, POOLED_SIZE, Mode, Regions, region_features


class RegionNetwork(nn.Module):
    """(maps, boxes) of images -> logits and deltas of each, by a backbone and one mode's box head and box predictor."""

    def __init__(
        self, num_classes: int, modes: Sequence[Mode], pooled_size: int = POOLED_SIZE, class_of: Sequence[int] = ()
    ):
        super().__init__()
        self.backbone = Backbone()
        self.box_heads = nn.ModuleDict({mode: BoxHead() for mode in modes})
        self.box_predictors = nn.ModuleDict(
            {mode: BoxPredictor(num_classes, CROP_SIZE if mode == "crops" else pooled_size, class_of) for mode in modes}
        )
        self.to(memory_format=torch.channels_last)

    def box_head(self, mode: Mode) -> BoxHead:
        return cast(BoxHead, self.box_heads[mode])

    def box_predictor(self, mode: Mode) -> BoxPredictor:
        return cast(BoxPredictor, self.box_predictors[mode])

    def load_mode(self, mode: Mode, other: "RegionNetwork", other_mode: Mode, *, outputs: bool) -> None:
        """Copy the box head and the box predictor of another network.

        The last layers come along with `outputs`, if both modes have features of as many cells.
        """
        self.box_head(mode).load_state_dict(other.box_head(other_mode).state_dict())
        own, theirs = self.box_predictor(mode), other.box_predictor(other_mode)
        if outputs and own.size == theirs.size:
            own.load_state_dict(theirs.state_dict())
        else:
            own.reduce.load_state_dict(theirs.reduce.state_dict())
            if own.subclasses is not None and theirs.subclasses is not None:
                own.subclasses.load_state_dict(theirs.subclasses.state_dict())

    def forward(self, mode: Mode, regions: Regions) -> list[Prediction]:
        """Logits [R, K + 1] and deltas [R, K, 4] of each image's boxes (R, 4); of both modes, their fused ones."""
        if mode == BOTH:
            return [fuse(of_image) for of_image in zip(*(self(each, regions) for each in MODES), strict=True)]
        logits, deltas = self.box_predictor(mode).predict(self.pooled_features(mode, regions))
        counts = [len(boxes) for _, boxes in regions]
        return list(zip(logits.split(counts), deltas.split(counts), strict=True))

    def pooled_features(self, mode: Mode, regions: Regions) -> Tensor:
        """The input of the box predictor's last layers for the boxes of all images, in order, [R, D]."""
        predictor = self.box_predictor(mode)
        indices, pooled = [], []
        for part, features in region_features(mode, self.box_head(mode), regions, predictor.size):
            indices.append(part)  # [P]
            pooled.append(predictor.pool(features))  # of [P, 1024, size, size]
        order = np.argsort(np.concatenate(indices))  # [R]
        return torch.cat(pooled)[order]
