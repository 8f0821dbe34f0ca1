"""Two ways to look at an image's regions, behind one interface: (image, boxes) -> features, part by part.

`crops` is the paper: every region is warped and runs through the whole net. `shared` runs the trunk over the whole
image, in a few sizes, and pools each region from one of the maps, in place of pool4: an order of magnitude less work.

Shapes: R regions of one (H, W, 3) uint8 image, of which P make a part; features [P, 1024, 7, 7].
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..backbone.features.shared_maps import SharedMaps, as_input
from ..backbone.googlenet import STRIDE, TAIL_CHANNELS, Tail
from ..backbone.roi_align import roi_align
from ..data.boxes import Boxes
from ..data.errors import UsageError
from ..data.images.crops import warp_regions
from .heads import WINDOW

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


def region_features(mode: Mode, maps: SharedMaps, tail: Tail, boxes: Boxes) -> Iterator[Part]:
    """Every box's features, on the device of the maps, in parts that bound the memory: one at least, maybe empty.

    Parts need not follow the order of the boxes; each says which ones it has.
    """
    if len(boxes) == 0:
        yield np.empty(0, dtype=np.intp), torch.zeros(0, TAIL_CHANNELS, WINDOW, WINDOW, device=maps.device)
    elif mode == "crops":
        yield from crop_features(maps, tail, boxes)
    else:
        yield from shared_features(maps, tail, boxes)


def crop_features(maps: SharedMaps, tail: Tail, boxes: Boxes) -> Iterator[Part]:
    """Every region warped to 224 x 224 with 16 pixels of context and run through trunk, pool4 and tail."""
    for part in _split(np.arange(len(boxes)), CROPS_AT_ONCE):
        crops = as_input(maps.trunk, warp_regions(maps.image, boxes[part]))  # [P, 3, 224, 224]
        yield part, tail(tail.pool4(maps.trunk(crops)))


def shared_features(maps: SharedMaps, tail: Tail, boxes: Boxes) -> Iterator[Part]:
    """Each region pooled from the map that suits it, in place of pool4, and run through the tail."""
    for places, feature_map, windows in maps.windows(boxes):
        for part in _split(np.arange(len(places)), REGIONS_AT_ONCE):
            yield places[part], tail(roi_align(feature_map, windows[part], STRIDE, WINDOW))


def _split(places: NDArray[np.intp], size: int) -> list[NDArray[np.intp]]:
    return [places[start : start + size] for start in range(0, len(places), size)]
