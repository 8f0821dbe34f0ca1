"""Two ways to look at a picture's regions, behind one interface: (image, boxes) -> features.

`crops` is the paper: every region is warped and runs through the whole net. `shared` runs the trunk over the whole
picture, in a few sizes, and pools each region from one of the maps, in place of pool4: an order of magnitude less work.

Shapes: R regions of one (H, W, 3) uint8 picture; features [R, 1024, 7, 7].
"""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..backbone.googlenet import CELL_SHIFT, STRIDE, TAIL_CHANNELS, Tail, Trunk
from ..backbone.torchvision_googlenet import TorchvisionTail, TorchvisionTrunk
from ..data.boxes import Boxes
from ..data.crops import warp_regions, with_context
from ..data.errors import UsageError
from .heads import WINDOW
from .pooling import roi_align
from .scales import SHORT_SIDES, nearest_short_sides, resize

AnyTrunk = Trunk | TorchvisionTrunk
AnyTail = Tail | TorchvisionTail
Mode = Literal["shared", "crops"]
MODES: tuple[Mode, ...] = ("shared", "crops")
CROPS_AT_ONCE = 64  # bounds the memory: a crop takes about 8 MB on its way through conv1 and conv2
REGIONS_AT_ONCE = 64  # takes 50 MB between the two products of the pooling


def checked_mode(name: str) -> Mode:
    """The mode of that name; UsageError for another."""
    for mode in MODES:
        if name == mode:
            return mode
    raise UsageError(f"unknown mode {name!r}; known: {', '.join(MODES)}")


def region_features(
    mode: Mode,
    trunk: AnyTrunk,
    tail: AnyTail,
    image: NDArray[np.uint8],
    boxes: Boxes,
    short_sides: tuple[float, ...] = SHORT_SIDES,
) -> Tensor:
    """The features [R, 1024, 7, 7] of each box, on the device of `trunk`; `short_sides` matter to `shared` only."""
    if mode == "crops":
        return crop_features(trunk, tail, image, boxes)
    return shared_features(trunk, tail, image, boxes, short_sides)


def crop_features(trunk: AnyTrunk, tail: AnyTail, image: NDArray[np.uint8], boxes: Boxes) -> Tensor:
    """Every region warped to 224 x 224 with 16 pixels of context and run through trunk, pool4 and tail."""
    parts = []
    for part in _split(boxes, CROPS_AT_ONCE):
        maps = trunk(_as_input(trunk, warp_regions(image, part)))  # [<= 64, 832, 14, 14]
        parts.append(tail(tail.pool4(maps)))  # [<= 64, 1024, 7, 7]
    return torch.cat(parts)


def shared_features(
    trunk: AnyTrunk,
    tail: AnyTail,
    image: NDArray[np.uint8],
    boxes: Boxes,
    short_sides: tuple[float, ...] = SHORT_SIDES,
) -> Tensor:
    """The trunk once over the picture at each size that a region needs, then each region pooled from its own map."""
    if len(boxes) == 0:
        return torch.zeros(0, TAIL_CHANNELS, WINDOW, WINDOW, device=next(trunk.parameters()).device)
    chosen = nearest_short_sides(boxes, image.shape, short_sides)  # [R]
    order, parts = [], []
    for index in np.unique(chosen):
        members = np.flatnonzero(chosen == index)
        resized, scale = resize(image, short_sides[index])
        feature_map = trunk(_as_input(trunk, resized[None]))  # [1, 832, h, w]
        windows = torch.as_tensor(with_context(boxes[members]) * scale - CELL_SHIFT, dtype=torch.float32)
        parts += [  # [<= 64, 1024, 7, 7] each
            tail(roi_align(feature_map, part, STRIDE, WINDOW)) for part in _split(windows, REGIONS_AT_ONCE)
        ]
        order.append(members)
    return torch.cat(parts)[np.argsort(np.concatenate(order))]


def _split(items: Boxes | Tensor, size: int) -> list:
    """At most `size` at a time; at least one part, which may be empty."""
    return [items[start : start + size] for start in range(0, max(len(items), 1), size)]


def _as_input(trunk: AnyTrunk, images: NDArray[np.uint8]) -> Tensor:
    """uint8 pictures (N, H, W, 3) as the trunk's input [N, 3, H, W] on its device, channels last in memory."""
    device = next(trunk.parameters()).device
    return trunk.preprocess(torch.from_numpy(images).to(device).permute(0, 3, 1, 2))
