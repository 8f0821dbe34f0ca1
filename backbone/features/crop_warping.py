"""Regions warped to the network's input on its device: what `data/images/crops.py` does on the CPU.

Shapes: R regions of S x S pixels.
"""

import numpy as np
import torch
from torch import Tensor

from ...data.boxes import Boxes
from ...data.images.crops import CONTEXT, FILL, SIZE, Placement, placements


def warp_on_device(image: Tensor, boxes: Boxes, size: int = SIZE, context: int = CONTEXT) -> Tensor:
    """The regions of a uint8 image [H, W, 3] as crops [R, S, S, 3], float32 of whole numbers, on the image's device.

    OpenCV, on the CPU, interpolates with weights of eleven bits: its values differ by at most 1.
    """
    x, y = placements((image.shape[0], image.shape[1]), boxes, size, context)
    (left, right, across, in_x), (top, bottom, down, in_y) = (_samples(axis, size, image.device) for axis in (x, y))
    down = down[:, :, None, None]  # [R, S, 1, 1]

    def column(index: Tensor) -> Tensor:
        """The pixels at a column for each of a crop's, interpolated down, [R, S, S, 3]."""
        upper, lower = (image[rows[:, :, None], index[:, None, :]].float() for rows in (top, bottom))
        return upper + (lower - upper) * down

    first, second = column(left), column(right)
    crops = (first + (second - first) * across[:, None, :, None]).round()
    inside = in_y[:, :, None, None] & in_x[:, None, :, None]
    return torch.where(inside, crops, torch.tensor(FILL, dtype=crops.dtype, device=image.device))


def _samples(axis: Placement, size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For each pixel of a crop's axis, [R, S] each: the two of the image, the second's weight, and if it is inside."""
    pixels = np.arange(size)
    first, count, start, length = (values[:, None] for values in axis)  # [R, 1]
    points = (pixels - start + 0.5) * (count / length) - 0.5  # of the visible part, as cv2.resize has them
    last = np.maximum(count - 1, 0)
    points = np.clip(points, 0, last)
    low = np.floor(points).astype(np.intp)
    inside = (pixels >= start) & (pixels < start + length) & (count > 0)
    nearest = np.where(count > 0, first, 0)  # of windows outside the image nothing is read
    lower, upper, weight, inside = (
        torch.from_numpy(each).to(device)
        for each in (nearest + low, nearest + np.minimum(low + 1, last), (points - low).astype(np.float32), inside)
    )
    return lower, upper, weight, inside
