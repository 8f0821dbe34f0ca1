"""The feature maps of one image at several sizes, which its proposals and its regions share.

Shapes: R regions of one (H, W, 3) uint8 image, P of them on one map; a map is [1, 832, h, w].
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...data.boxes import Boxes
from ...data.images.crops import with_context
from ..googlenet import CELL_SHIFT, Backbone
from .image_pyramid import nearest_short_sides, resize


class SharedMaps:
    """The maps of inception 4e of one image, each computed when a region first needs it, and cached."""

    def __init__(self, backbone: Backbone, image: NDArray[np.uint8], short_sides: tuple[float, ...]):
        self.backbone, self.image, self.short_sides = backbone, image, short_sides
        self._cached: dict[int, tuple[Tensor, NDArray[np.float64]]] = {}

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
        if number not in self._cached:
            _compute([self], number)
        return self._cached[number]

    def set(self, number: int, feature_map: Tensor, scale: NDArray[np.float64]) -> None:
        """Cache the map at one of the short sides."""
        self._cached[number] = feature_map, scale


def maps_of_images(
    backbone: Backbone, images: Sequence[NDArray[np.uint8]], short_sides: tuple[float, ...]
) -> list[SharedMaps]:
    """The maps of each image (H, W, 3); those of several are computed at once, equally large ones in one pass."""
    all_maps = [SharedMaps(backbone, image, short_sides) for image in images]
    if len(images) > 1:
        for number in range(len(short_sides)):
            _compute(all_maps, number)
    return all_maps


def _compute(all_maps: Sequence[SharedMaps], number: int) -> None:
    """Compute the map at one of the short sides for images of one backbone."""
    resized = [resize(maps.image, maps.short_sides[number]) for maps in all_maps]
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for index, (image, _) in enumerate(resized):
        by_shape.setdefault(image.shape, []).append(index)
    backbone = all_maps[0].backbone
    for indices in by_shape.values():
        features = backbone(as_input(backbone, np.stack([resized[index][0] for index in indices])))  # [N, 832, h, w]
        for index, feature_map in zip(indices, features.split(1), strict=True):
            all_maps[index].set(number, feature_map, resized[index][1])


def as_input(backbone: Backbone, images: NDArray[np.uint8] | Tensor) -> Tensor:
    """Images (N, H, W, 3), 0 to 255, as the backbone's input [N, 3, H, W] on its device, channels last in memory."""
    pixels = torch.from_numpy(images) if isinstance(images, np.ndarray) else images
    return backbone.preprocess(pixels.to(next(backbone.parameters()).device).permute(0, 3, 1, 2))
