"""The feature maps of one image at several sizes, which its proposals and its regions share.

Shapes: R regions of one (H, W, 3) uint8 image, P of them on one map; a map is [1, 832, h, w].
"""

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...data.boxes import Boxes
from ...data.images.crops import with_context
from ..googlenet import CELL_SHIFT, Backbone
from .image_pyramid import nearest_short_sides, resize


class _ImageBatch:
    """Images whose maps are computed together, those of equal size in one pass."""

    def __init__(self, backbone: Backbone, images: Sequence[NDArray[np.uint8]], short_sides: tuple[float, ...]):
        self.backbone, self.images, self.short_sides = backbone, images, short_sides
        self._cached: dict[int, list[tuple[Tensor, NDArray[np.float64]]]] = {}

    def at(self, number: int) -> list[tuple[Tensor, NDArray[np.float64]]]:
        """Each image's map at one of the short sides, computed when first needed, and its image's scale."""
        if number not in self._cached:
            resized = [resize(image, self.short_sides[number]) for image in self.images]
            feature_maps: dict[int, Tensor] = {}
            for shape in dict.fromkeys(image.shape for image, _ in resized):
                indices = [index for index, (image, _) in enumerate(resized) if image.shape == shape]
                inputs = as_input(self.backbone, np.stack([resized[index][0] for index in indices]))
                feature_maps.update(zip(indices, self.backbone(inputs).split(1), strict=True))  # of [N, 832, h, w]
            self._cached[number] = [(feature_maps[index], scale) for index, (_, scale) in enumerate(resized)]
        return self._cached[number]


class SharedMaps:
    """The maps of inception 4e of one image, each computed when a region first needs it, and cached."""

    def __init__(self, backbone: Backbone, image: NDArray[np.uint8], short_sides: tuple[float, ...]):
        self.backbone, self.image, self.short_sides = backbone, image, short_sides
        self._batch, self._index = _ImageBatch(backbone, [image], short_sides), 0

    @classmethod
    def of_images(
        cls, backbone: Backbone, images: Sequence[NDArray[np.uint8]], short_sides: tuple[float, ...]
    ) -> list[Self]:
        """The maps of each image (H, W, 3); when one image's are computed, those of the others are too."""
        batch, all_maps = _ImageBatch(backbone, images, short_sides), []
        for index, image in enumerate(images):
            maps = cls(backbone, image, short_sides)
            maps._batch, maps._index = batch, index
            all_maps.append(maps)
        return all_maps

    @property
    def device(self) -> torch.device:
        return next(self.backbone.parameters()).device

    def windows(self, boxes: Boxes) -> Iterator[tuple[NDArray[np.intp], Tensor, Tensor]]:
        """The regions by the map that suits them: indices [P] into `boxes`, the map, and windows [P, 4] on it to pool.

        A window is the region with its context, in pixels of the resized image, moved by the shift of Caffe's cells.
        """
        nearest = nearest_short_sides(boxes, self.image.shape, self.short_sides)  # [R]
        for number in np.unique(nearest):
            feature_map, scale = self.at(int(number))
            indices = np.flatnonzero(nearest == number)
            windows = with_context(boxes[indices]) * scale - CELL_SHIFT
            yield indices, feature_map, torch.as_tensor(windows, dtype=torch.float32, device=self.device)

    def at(self, number: int) -> tuple[Tensor, NDArray[np.float64]]:
        """The map at one of the short sides, and the scale of its image: x y x y."""
        return self._batch.at(number)[self._index]


def as_input(backbone: Backbone, images: NDArray[np.uint8] | Tensor) -> Tensor:
    """Images (N, H, W, 3), 0 to 255, as the backbone's input [N, 3, H, W] on its device, channels last in memory."""
    pixels = torch.from_numpy(images) if isinstance(images, np.ndarray) else images
    return backbone.preprocess(pixels.to(next(backbone.parameters()).device).permute(0, 3, 1, 2))
