"""Regions cut out of an image and warped to the network's input, as R-CNN does it (appendix A, `rcnn_im_crop.m`).

A region is warped to a square whatever its shape, with `context` pixels of surroundings on every side of the warped
frame; what lies outside the image takes the colour that the network's mean subtraction turns to zero.

Shapes: R regions of S x S pixels.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..boxes import Boxes

SIZE = 224
CONTEXT = 16  # pixels of the warped frame; 3 to 5 mAP better than none (R-CNN, appendix A)
FILL = (123, 117, 104)  # RGB, the mean that BVLC's networks subtract


def with_context(boxes: Boxes, size: int = SIZE, context: int = CONTEXT) -> Boxes:
    """The boxes grown about their centres so that, warped to `size`, they have `context` pixels on every side.

    >>> with_context(np.array([[0.0, 0.0, 192.0, 96.0]])).tolist()
    [[-16.0, -8.0, 208.0, 104.0]]
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    margin = sides * (context / (size - 2 * context))
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


class Placement(NamedTuple):
    """Along one axis, what each window shows of the image and where that lies in the crop; integers, [R] each."""

    first: NDArray[np.intp]  # pixel of the image
    visible: NDArray[np.intp]  # pixels of the image, 0 where the window lies outside it
    start: NDArray[np.intp]  # pixel of the crop
    length: NDArray[np.intp]  # pixels of the crop


def placements(
    image_size: tuple[int, int], boxes: Boxes, size: int = SIZE, context: int = CONTEXT
) -> tuple[Placement, Placement]:
    """Where the regions (R, 4) of an image of that height and width lie in their crops: along x, and along y."""
    windows = np.rint(with_context(boxes, size, context)).astype(np.intp)
    height, width = image_size
    left, top, right, bottom = np.moveaxis(windows, 1, 0)
    return _placement(left, right, width, size), _placement(top, bottom, height, size)


def _placement(low: NDArray[np.intp], high: NDArray[np.intp], length: int, size: int) -> Placement:
    high = np.maximum(high, low + 1)
    first, last = np.maximum(low, 0), np.minimum(high, length)
    scale = size / (high - low)
    start = np.minimum(np.rint((first - low) * scale), size - 1).astype(np.intp)
    filled = np.maximum(np.rint((last - first) * scale), 1).astype(np.intp)
    return Placement(first, np.maximum(last - first, 0), start, np.minimum(filled, size - start))


def warp_regions(image: NDArray[np.uint8], boxes: Boxes, size: int = SIZE, context: int = CONTEXT) -> NDArray[np.uint8]:
    """The regions of an (H, W, 3) image as (R, S, S, 3) crops, resized bilinearly and without antialiasing."""
    crops = np.full((len(boxes), size, size, 3), FILL, dtype=np.uint8)
    x, y = placements((image.shape[0], image.shape[1]), boxes, size, context)
    for index in np.flatnonzero((x.visible > 0) & (y.visible > 0)):
        (left, wide, start_x, new_wide), (top, high, start_y, new_high) = (
            [int(values[index]) for values in axis] for axis in (x, y)
        )
        visible = image[top : top + high, left : left + wide]
        resized = cv2.resize(visible, (new_wide, new_high), interpolation=cv2.INTER_LINEAR)
        crops[index, start_y : start_y + new_high, start_x : start_x + new_wide] = resized
    return crops
