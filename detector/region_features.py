"""Region features by two modes, behind one interface: images with boxes -> features, part by part.

`crops` is the paper: every region is warped and runs through the whole net. `shared` runs the backbone over the whole
image, at a few sizes, and pools each region from one of the maps, in place of pool4: an order of magnitude less work.

Shapes: R regions of all images, of which P make a part; features [P, 1024, size, size].
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..backbone.features.crop_warping import warp_on_device
from ..backbone.features.few_shapes import pad_rows
from ..backbone.features.shared_maps import SharedMaps, as_input
from ..backbone.googlenet import FEATURE_CHANNELS, STRIDE, BoxHead
from ..backbone.roi_align import roi_align
from ..data.boxes import Boxes
from ..data.class_names import require_known
from ..data.images.crops import warp_regions

Mode = Literal["shared", "crops", "both"]
MODES: tuple[Mode, ...] = ("shared", "crops")  # each has a box head and a box predictor
BOTH: Mode = "both"  # at detection, the mean of the predictions by both
POOLED_SIZE = 5  # cells along a side of a region pooled from a shared map: half the work of 7, at equal mAP
CROP_SIZE = 7  # cells along a side of a crop's features
CROPS_AT_ONCE = 64  # a crop takes about 8 MB on its way through conv1 and conv2
REGIONS_AT_ONCE = 64  # take 50 MB between the two products of the pooling
REGIONS_TOGETHER = {"cuda": 1024}  # through the box head, of several images; elsewhere as many as are pooled at once

Regions = Sequence[tuple[SharedMaps, Boxes]]  # the images, each with its boxes (N, 4)
Part = tuple[NDArray[np.intp], Tensor]  # indices [P] into the boxes of all images, and those regions' features


def checked_mode(name: str) -> Mode:
    """The mode of that name; UsageError for another."""
    require_known("mode", name, MODES)
    return cast(Mode, name)


def region_features(mode: Mode, box_head: BoxHead, regions: Regions, size: int) -> Iterator[Part]:
    """The features of every box, `size` cells along a side, in parts that bound the memory: one at least, maybe empty.

    Parts need not follow the order of the boxes. The maps of all images are of one backbone.
    """
    if any(len(boxes) for _, boxes in regions):
        if mode == "crops":
            yield from crop_features(box_head, regions)
        else:
            yield from shared_features(box_head, regions, size)
    else:
        device = next(box_head.parameters()).device
        yield np.empty(0, dtype=np.intp), torch.zeros(0, FEATURE_CHANNELS, size, size, device=device)


def crop_features(box_head: BoxHead, regions: Regions) -> Iterator[Part]:
    """Every region warped to 224 x 224 with 16 pixels of context and run through backbone, pool4 and box head."""
    backbone = regions[0][0].backbone
    flat = [(maps, box) for maps, boxes in regions for box in boxes]
    for start in range(0, len(flat), CROPS_AT_ONCE):
        part = flat[start : start + CROPS_AT_ONCE]
        by_image = groupby(part, key=itemgetter(0))
        crops = torch.cat([_warped(maps, np.stack([box for _, box in some])) for maps, some in by_image])
        features = backbone(pad_rows(as_input(backbone, crops)))  # of [P or more, 3, 224, 224]
        yield np.arange(start, start + len(part)), box_head(box_head.pool4(features))[: len(part)]


def _warped(maps: SharedMaps, boxes: Boxes) -> Tensor:
    """The regions' crops [R, 224, 224, 3], warped where the network is: on a GPU, or by OpenCV."""
    if maps.device.type == "cuda":
        return warp_on_device(torch.from_numpy(maps.image).to(maps.device), boxes)
    return torch.from_numpy(warp_regions(maps.image, boxes))


def shared_features(box_head: BoxHead, regions: Regions, size: int) -> Iterator[Part]:
    """Each region pooled from the map that suits it, in place of pool4, and run through the box head."""
    waiting: list[Part] = []
    together = REGIONS_TOGETHER.get(regions[0][0].device.type, REGIONS_AT_ONCE)
    for indices, pooled in _pooled(regions, size):
        waiting.append((indices, pooled))
        if sum(len(each) for each, _ in waiting) >= together:
            yield _through(box_head, waiting)
            waiting = []
    if waiting:
        yield _through(box_head, waiting)


def _pooled(regions: Regions, size: int) -> Iterator[Part]:
    """The regions [P, 832, size, size] of an image's map, for each of the maps."""
    first = 0
    for maps, boxes in regions:
        for indices, feature_map, windows in maps.windows(boxes):
            for start in range(0, len(indices), REGIONS_AT_ONCE):
                part = slice(start, start + REGIONS_AT_ONCE)
                yield first + indices[part], roi_align(feature_map, windows[part], STRIDE, size)
        first += len(boxes)


def _through(box_head: BoxHead, parts: list[Part]) -> Part:
    indices = np.concatenate([own for own, _ in parts])  # [P]
    return indices, box_head(pad_rows(torch.cat([pooled for _, pooled in parts])))[: len(indices)]
