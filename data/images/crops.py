"""Regions cut out of an image and warped to the network's input, as R-CNN does it (appendix A, `rcnn_im_crop.m`).

A region is warped to a square whatever its shape, with `context` pixels of surroundings on every side of the warped
frame; what lies outside the image takes the colour that the network's mean subtraction turns to zero.

Shapes: R regions of S x S pixels.
"""

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


def warp_regions(image: NDArray[np.uint8], boxes: Boxes, size: int = SIZE, context: int = CONTEXT) -> NDArray[np.uint8]:
    """The regions of an (H, W, 3) image as (R, S, S, 3) crops, resized bilinearly and without antialiasing."""
    crops = np.full((len(boxes), size, size, 3), FILL, dtype=np.uint8)
    for crop, window in zip(crops, np.rint(with_context(boxes, size, context)).astype(int), strict=True):
        _warp_into(crop, image, window)
    return crops


def _warp_into(crop: NDArray[np.uint8], image: NDArray[np.uint8], window: NDArray[np.int_]) -> None:
    height, width = image.shape[:2]
    size = crop.shape[0]
    left, top, right, bottom = window
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    x1, y1, x2, y2 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if x1 >= x2 or y1 >= y2:
        return
    scale_x, scale_y = size / (right - left), size / (bottom - top)
    start_x, start_y = (min(round(v), size - 1) for v in ((x1 - left) * scale_x, (y1 - top) * scale_y))
    wide, high = max(round((x2 - x1) * scale_x), 1), max(round((y2 - y1) * scale_y), 1)
    wide, high = min(wide, size - start_x), min(high, size - start_y)
    visible = cv2.resize(image[y1:y2, x1:x2], (wide, high), interpolation=cv2.INTER_LINEAR)
    crop[start_y : start_y + high, start_x : start_x + wide] = visible
