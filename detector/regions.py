"""Two ways to look at a picture's regions, behind one interface: (image, boxes) -> features, part by part.

`crops` is the paper: every region is warped and runs through the whole net. `shared` runs the trunk over the whole
picture, in a few sizes, and pools each region from one of the maps, in place of pool4: an order of magnitude less work.

Shapes: R regions of one (H, W, 3) uint8 picture, of which P make a part; features [P, 1024, 7, 7].
"""

from collections.abc import Iterator
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
CROPS_AT_ONCE = 64  # a crop takes about 8 MB on its way through conv1 and conv2
REGIONS_AT_ONCE = 64  # take 50 MB between the two products of the pooling

Part = tuple[NDArray[np.intp], Tensor]  # places [P] in the boxes, and those regions' features


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
) -> Iterator[Part]:
    """Every box's features, on the device of `trunk`, in parts that bound the memory: at least one, which may be empty.

    Parts need not follow the order of the boxes; each says which ones it has. `short_sides` matter to `shared` only.
    """
    if len(boxes) == 0:
        nothing = torch.zeros(0, TAIL_CHANNELS, WINDOW, WINDOW, device=next(trunk.parameters()).device)
        yield np.empty(0, dtype=np.intp), nothing
    elif mode == "crops":
        yield from crop_features(trunk, tail, image, boxes)
    else:
        yield from shared_features(trunk, tail, image, boxes, short_sides)


def crop_features(trunk: AnyTrunk, tail: AnyTail, image: NDArray[np.uint8], boxes: Boxes) -> Iterator[Part]:
    """Every region warped to 224 x 224 with 16 pixels of context and run through trunk, pool4 and tail."""
    for part in _split(np.arange(len(boxes)), CROPS_AT_ONCE):
        maps = trunk(_as_input(trunk, warp_regions(image, boxes[part])))  # [P, 832, 14, 14]
        yield part, tail(tail.pool4(maps))


def shared_features(
    trunk: AnyTrunk,
    tail: AnyTail,
    image: NDArray[np.uint8],
    boxes: Boxes,
    short_sides: tuple[float, ...] = SHORT_SIDES,
) -> Iterator[Part]:
    """The trunk once over the picture at each size that a region needs, then each region pooled from its own map."""
    chosen = nearest_short_sides(boxes, image.shape, short_sides)  # [R]
    for index in np.unique(chosen):
        resized, scale = resize(image, short_sides[index])
        feature_map = trunk(_as_input(trunk, resized[None]))  # [1, 832, h, w]
        for part in _split(np.flatnonzero(chosen == index), REGIONS_AT_ONCE):
            windows = torch.as_tensor(with_context(boxes[part]) * scale - CELL_SHIFT, dtype=torch.float32)
            yield part, tail(roi_align(feature_map, windows, STRIDE, WINDOW))


def _split(places: NDArray[np.intp], size: int) -> list[NDArray[np.intp]]:
    return [places[start : start + size] for start in range(0, len(places), size)]


def _as_input(trunk: AnyTrunk, images: NDArray[np.uint8]) -> Tensor:
    """uint8 pictures (N, H, W, 3) as the trunk's input [N, 3, H, W] on its device, channels last in memory."""
    device = next(trunk.parameters()).device
    return trunk.preprocess(torch.from_numpy(images).to(device).permute(0, 3, 1, 2))
