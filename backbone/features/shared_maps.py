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
from ..googlenet import CELL_SHIFT, Backbone, map_side
from .few_shapes import pad_images, pad_rows, wants_few_shapes
from .image_pyramid import nearest_short_sides, resize


class _ImageBatch:
    """Images whose maps are computed together."""

    def __init__(self, backbone: Backbone, images: Sequence[NDArray[np.uint8]], short_sides: tuple[float, ...]):
        self.backbone, self.images, self.short_sides = backbone, images, short_sides
        self._cached: dict[int, list[tuple[Tensor, NDArray[np.float64]]]] = {}

    def at(self, number: int) -> list[tuple[Tensor, NDArray[np.float64]]]:
        """Each image's map at one of the short sides, computed when first needed, and its image's scale."""
        if number not in self._cached:
            resized = [resize(image, self.short_sides[number]) for image in self.images]
            images, scales = zip(*resized, strict=True)
            few_shapes = wants_few_shapes(next(self.backbone.parameters()).device)
            feature_maps = (_maps_of_padded if few_shapes else _maps_of)(self.backbone, images)
            self._cached[number] = list(zip(feature_maps, scales, strict=True))
        return self._cached[number]


def _maps_of(backbone: Backbone, images: Sequence[NDArray[np.uint8]]) -> list[Tensor]:
    """The map [1, 832, h, w] of each image (H, W, 3), those of equal size computed in one pass."""
    feature_maps: dict[int, Tensor] = {}
    for shape in dict.fromkeys(image.shape for image in images):
        indices = [index for index, image in enumerate(images) if image.shape == shape]
        inputs = as_input(backbone, np.stack([images[index] for index in indices]))
        feature_maps.update(zip(indices, backbone(inputs).split(1), strict=True))  # of [N, 832, h, w]
    return [feature_maps[index] for index in range(len(images))]


def _maps_of_padded(backbone: Backbone, images: Sequence[NDArray[np.uint8]]) -> list[Tensor]:
    """The same of all images in one pass, padded to one size. A map's last cells see some of the padding."""
    maps = backbone(pad_rows(as_input(backbone, pad_images(images))))  # [N', 832, h', w']
    sizes = [[map_side(side) for side in image.shape[:2]] for image in images]
    return [maps[index : index + 1, :, :height, :width] for index, (height, width) in enumerate(sizes)]


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
