"""One image as the backbone sees it at several sizes: the maps that proposals and regions share.

Shapes: R regions of one (H, W, 3) uint8 image, of which P make a part; a map is [1, 832, h, w].
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...data.boxes import Boxes
from ...data.images.crops import with_context
from ..googlenet import CELL_SHIFT, Backbone
from .image_pyramid import SHORT_SIDES, nearest_short_sides, resize


class SharedMaps:
    """The maps of inception 4e of one image, each made when a region first needs it and kept."""

    def __init__(self, backbone: Backbone, image: NDArray[np.uint8], short_sides: tuple[float, ...] = SHORT_SIDES):
        self.backbone, self.image, self.short_sides = backbone, image, short_sides
        self._made: dict[int, tuple[Tensor, NDArray[np.float64]]] = {}

    @property
    def device(self) -> torch.device:
        return next(self.backbone.parameters()).device

    def nearest(self, boxes: Boxes) -> NDArray[np.intp]:
        """For each region, (R,), the index of the size at which it comes nearest to the backbone's own 224 x 224."""
        return nearest_short_sides(boxes, self.image.shape, self.short_sides)

    def windows(self, boxes: Boxes) -> Iterator[tuple[NDArray[np.intp], Tensor, Tensor]]:
        """The regions by the map that suits them: places [P] in `boxes`, the map, and windows [P, 4] on it to pool.

        A window is the region with its context, in pixels of the resized image, moved by the shift of Caffe's cells.
        """
        chosen = self.nearest(boxes)  # [R]
        for index in np.unique(chosen):
            feature_map, scale = self._at(int(index))
            places = np.flatnonzero(chosen == index)
            windows = with_context(boxes[places]) * scale - CELL_SHIFT
            yield places, feature_map, torch.as_tensor(windows, dtype=torch.float32, device=self.device)

    def _at(self, index: int) -> tuple[Tensor, NDArray[np.float64]]:
        """The map at a size, and by how much the image grew for it: x y x y."""
        if index not in self._made:
            resized, scale = resize(self.image, self.short_sides[index])
            self._made[index] = self.backbone(as_input(self.backbone, resized[None])), scale
        return self._made[index]


def as_input(backbone: Backbone, images: NDArray[np.uint8]) -> Tensor:
    """uint8 images (N, H, W, 3) as the backbone's input [N, 3, H, W] on its device, channels last in memory."""
    device = next(backbone.parameters()).device
    return backbone.preprocess(torch.from_numpy(images).to(device).permute(0, 3, 1, 2))
