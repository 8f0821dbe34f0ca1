"""Two ways to look at a picture's regions, behind one interface: (image, boxes) -> features.

`crops` is the paper: every region is warped and runs through the whole net. `shared` runs the trunk once over the
whole picture and pools each region from its map, in place of pool4: an order of magnitude less work.

Shapes: R regions of one (H, W, 3) uint8 picture; features [R, 1024, 7, 7].
"""

from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import roi_align

from ..backbone.googlenet import CELL_SHIFT, STRIDE, Tail, Trunk
from ..backbone.torchvision_googlenet import TorchvisionTail, TorchvisionTrunk
from ..data.boxes import Boxes
from ..data.crops import warp_regions, with_context
from ..data.errors import UsageError
from .heads import WINDOW

AnyTrunk = Trunk | TorchvisionTrunk
AnyTail = Tail | TorchvisionTail
Mode = Literal["shared", "crops"]
MODES: tuple[Mode, ...] = ("shared", "crops")
SHORT_SIDE, LONG_SIDE = 600, 1000  # pixels, the picture's size for the shared map (Fast R-CNN's)
SHORTEST = 32  # pixels, of an extreme strip's short side: less would leave the last pools nothing
CROPS_AT_ONCE = 64  # bounds the memory: a crop takes about 8 MB on its way through conv1 and conv2
REGIONS_AT_ONCE = 256


def checked_mode(name: str) -> Mode:
    """The mode of that name; UsageError for another."""
    for mode in MODES:
        if name == mode:
            return mode
    raise UsageError(f"unknown mode {name!r}; known: {', '.join(MODES)}")


def region_features(
    mode: Mode, trunk: AnyTrunk, tail: AnyTail, image: NDArray[np.uint8], boxes: Boxes, short_side: int = SHORT_SIDE
) -> Tensor:
    """The features [R, 1024, 7, 7] of each box, on the device of `trunk`; `short_side` matters to `shared` only."""
    if mode == "crops":
        return crop_features(trunk, tail, image, boxes)
    return shared_features(trunk, tail, image, boxes, short_side)


def crop_features(trunk: AnyTrunk, tail: AnyTail, image: NDArray[np.uint8], boxes: Boxes) -> Tensor:
    """Every region warped to 224 x 224 with 16 pixels of context and run through trunk, pool4 and tail."""
    parts = []
    for part in _split(boxes, CROPS_AT_ONCE):
        maps = trunk(_as_input(trunk, warp_regions(image, part)))  # [<= 64, 832, 14, 14]
        parts.append(tail(tail.pool4(maps)))  # [<= 64, 1024, 7, 7]
    return torch.cat(parts)


def shared_features(
    trunk: AnyTrunk, tail: AnyTail, image: NDArray[np.uint8], boxes: Boxes, short_side: int = SHORT_SIDE
) -> Tensor:
    """The trunk once over the picture at `short_side`, then every region, context and all, pooled into the tail."""
    resized, scale = _resize(image, short_side)
    feature_map = trunk(_as_input(trunk, resized[None]))  # [1, 832, h, w]
    windows = torch.as_tensor(with_context(boxes) * scale - CELL_SHIFT, dtype=torch.float32, device=feature_map.device)
    parts = [tail(_pool(feature_map, part)) for part in _split(windows, REGIONS_AT_ONCE)]  # each [<= 256, 1024, 7, 7]
    return torch.cat(parts)


def _pool(feature_map: Tensor, windows: Tensor) -> Tensor:
    """RoIAlign to [R, 832, 7, 7]; it knows only float32, and the tail is twice as fast on channels-last memory."""
    pooled = roi_align(feature_map.float(), [windows], WINDOW, 1 / STRIDE, sampling_ratio=2, aligned=True)
    return pooled.to(feature_map.dtype, memory_format=torch.channels_last)


def _split(items: Boxes | Tensor, size: int) -> list:
    """At most `size` at a time; at least one part, which may be empty."""
    return [items[start : start + size] for start in range(0, max(len(items), 1), size)]


def _resize(image: NDArray[np.uint8], short_side: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The picture at `short_side`, or less where its long side would pass the limit, and the scales as x y x y."""
    height, width = image.shape[:2]
    factor = min(short_side / min(height, width), short_side * (LONG_SIDE / SHORT_SIDE) / max(height, width))
    new_width, new_height = max(round(width * factor), SHORTEST), max(round(height * factor), SHORTEST)
    shrinking = factor < 1
    resized = cv2.resize(
        image, (new_width, new_height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    )
    return resized, np.array([new_width / width, new_height / height] * 2)  # pyright: ignore[reportReturnType]


def _as_input(trunk: AnyTrunk, images: NDArray[np.uint8]) -> Tensor:
    """uint8 pictures (N, H, W, 3) as the trunk's input [N, 3, H, W] on its device, channels last in memory."""
    device = next(trunk.parameters()).device
    return trunk.preprocess(torch.from_numpy(images).to(device).permute(0, 3, 1, 2))
