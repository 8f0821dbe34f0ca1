"""Size, bounding box, colour and texture histograms of Selective Search's regions (IJCV 2013, section 3.2).

Histograms are kept as counts. Those of two regions add up to those of their union, and the intersection of
normalised histograms can be computed in whole numbers, so nothing depends on the order of a sum.

Shapes: H x W pixels, R regions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ..common.compiling import compiled
from .segmentation import Segmentation

TextureSource = Literal["each channel", "first channel"]

COLOUR_BINS = 25
COLOUR_HISTOGRAMS = 3  # one a channel
TEXTURE_BINS = 10
TEXTURE_HISTOGRAMS = 24  # one a channel and orientation

_AXES = TEXTURE_HISTOGRAMS // 2
_SIGNED_BINS = 2 * TEXTURE_BINS - 1
_TEXTURE_SIGMA = 0.8
# The response to a step from 0 to 1, the strongest there is: the last bin ends here.
_STRONGEST = 0.43


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of one segmentation, ready for grouping."""

    sizes: NDArray[np.int32]  # [R], pixels
    boxes: NDArray[np.int32]  # [R, 4], x1 y1 x2 y2, half-open
    colours: NDArray[np.float32]  # [R, 3 * 25], pixels a bin; the histogram of each channel sums to the size
    textures: NDArray[np.float32]  # [R, 24 * 10], pixels a bin; the histogram of each orientation sums to the size
    neighbours: NDArray[np.int32]  # [P, 2]


def describe(
    segmentations: Sequence[Segmentation], image: NDArray[np.uint8], texture_of: TextureSource = "each channel"
) -> list[Regions]:
    """The regions of every segmentation of one image (H, W, 3), all made from one graph of parts.

    The pixels are counted once, in the cells that all segmentations have in common; regions are sums of cells. The
    authors' code takes the texture of the first channel three times, against the paper; `texture_of="first channel"`
    does so too.
    """
    along, across = _gaussian_derivative()
    textured = image if texture_of == "each channel" else image[..., :1].repeat(3, axis=2)
    right = cv2.sepFilter2D(textured, cv2.CV_32F, along, across, borderType=cv2.BORDER_REPLICATE)  # [H, W, 3]
    down = cv2.sepFilter2D(textured, cv2.CV_32F, across, along, borderType=cv2.BORDER_REPLICATE)  # [H, W, 3]
    cell_of, num_cells = segmentations[0].region_of, segmentations[0].num_regions  # [parts]
    for each in segmentations[1:]:  # cut along the borders of its regions
        pairs, cell_of = np.unique(cell_of * np.int64(each.num_regions) + each.region_of, return_inverse=True)
        num_cells = len(pairs)
    cells = _accumulate(cell_of[segmentations[0].parts], image, right, down, num_cells)
    region_of = np.empty(num_cells, np.int32)
    described = []
    for each in segmentations:
        region_of[cell_of] = each.region_of
        sizes, boxes, colours, signed = _merge_cells(region_of, each.num_regions, *cells)
        described.append(Regions(sizes, boxes, colours, _rectify(signed, sizes), each.neighbours))
    return described


def _gaussian_derivative() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The derivative of a Gaussian along its axis and the smoothing across, for pixels of 0..255."""
    x = np.arange(-3, 4)
    gaussian = np.exp(-(x**2) / (2 * _TEXTURE_SIGMA**2)) / (_TEXTURE_SIGMA * np.sqrt(2 * np.pi))
    derivative = x / _TEXTURE_SIGMA**2 * gaussian / 255
    return derivative.astype(np.float32), (gaussian / gaussian.sum()).astype(np.float32)


@compiled()
def _accumulate(labels, image, right, down, num_regions):
    """Sizes [R], boxes [R, 4], colours [R, 3 * 25] and signed textures [R, 12 * 19] of the labelled pixels.

    Colours are binned by round(v / 255 * 24). An axis of texture stands for two orientations: half-wave rectification
    leaves a response to only one of them. Its 19 bins are the 10 of 0...43 hundredths on either side of bin 9.
    """
    height, width = labels.shape
    sizes = np.zeros(num_regions, np.int32)
    boxes = np.zeros((num_regions, 4), np.int32)
    boxes[:, :2] = max(height, width)
    colours = np.zeros((num_regions, COLOUR_HISTOGRAMS * COLOUR_BINS), np.float32)
    signed = np.zeros((num_regions, _AXES * _SIGNED_BINS), np.float32)
    scale = np.float32(TEXTURE_BINS / _STRONGEST)
    diagonal = np.float32(np.sqrt(0.5)) * scale
    last = np.int32(TEXTURE_BINS - 1)
    for y in range(height):
        for x in range(width):
            region = labels[y, x]
            sizes[region] += 1
            box = boxes[region]
            box[0], box[1] = min(box[0], x), min(box[1], y)
            box[2], box[3] = max(box[2], x + 1), max(box[3], y + 1)
            for c in range(3):
                colours[region, c * COLOUR_BINS + (np.int32(image[y, x, c]) * (COLOUR_BINS - 1) + 127) // 255] += 1
                r, d = right[y, x, c], down[y, x, c]
                zero = 4 * c * _SIGNED_BINS + last
                signed[region, zero + max(-last, min(last, np.int32(r * scale)))] += 1
                zero += _SIGNED_BINS
                signed[region, zero + max(-last, min(last, np.int32((r + d) * diagonal)))] += 1
                zero += _SIGNED_BINS
                signed[region, zero + max(-last, min(last, np.int32(d * scale)))] += 1
                zero += _SIGNED_BINS
                signed[region, zero + max(-last, min(last, np.int32((d - r) * diagonal)))] += 1
    return sizes, boxes, colours, signed


def _merge_cells(region_of, num_regions, sizes, boxes, colours, signed):
    """What `_accumulate` gives, of regions from that of the cells they consist of."""
    order = np.argsort(region_of, kind="stable")
    starts = np.searchsorted(region_of[order], np.arange(num_regions))
    corners = np.minimum.reduceat(boxes[order, :2], starts), np.maximum.reduceat(boxes[order, 2:], starts)
    sums = (np.add.reduceat(counts[order], starts) for counts in (sizes, colours, signed))
    return next(sums), np.concatenate(corners, axis=1), *sums


def _rectify(signed, sizes):
    """Textures [R, 24 * 10] from signed ones [R, 12 * 19]: each axis becomes two orientations, positive first."""
    signed = signed.reshape(-1, _AXES, _SIGNED_BINS)
    sides = np.stack([signed[..., TEXTURE_BINS:], signed[..., TEXTURE_BINS - 2 :: -1]], axis=2)  # [R, 12, 2, 9]
    rest = sizes.astype(np.float32).reshape(-1, 1, 1, 1) - sides.sum(axis=3, keepdims=True)
    return np.concatenate([rest, sides], axis=3).reshape(len(sizes), -1)
