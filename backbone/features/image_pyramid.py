"""The image pyramid: the sizes of an image for its shared maps, and which of them suits a region.

The backbone was trained on objects that fill 224 x 224 pixels. So every region is pooled from that map of its image
on which it comes nearest to this size (He et al., "Spatial pyramid pooling", section 4.1), as if it had been cropped.

Shapes: R regions.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes, box_area
from ...data.images.crops import SIZE, with_context

SHORT_SIDES = (240, 480)  # pixels; from map to map the sides double
ASPECT_LIMIT = 5 / 3  # an image longer than that is made smaller, so that no image costs much more than others
SHORTEST = 32  # pixels, of an extreme strip's short side: less would leave the last pools nothing


def scale_factor(height: int, width: int, short_side: float) -> float:
    """The scale at which an image has its short side at `short_side`, or its long side at its limit.

    >>> scale_factor(300, 400, 600), scale_factor(100, 1000, 600)
    (2.0, 1.0)
    """
    return min(short_side / min(height, width), short_side * ASPECT_LIMIT / max(height, width))


def nearest_short_sides(boxes: Boxes, shape: tuple[int, ...], short_sides: tuple[float, ...]) -> NDArray[np.intp]:
    """For each region, (R,), the index of the short side at which it is nearest to 224 x 224, context and all.

    `shape` is the image's: height, width and whatever else.
    """
    height, width = shape[:2]
    sides = np.sqrt(np.maximum(box_area(with_context(boxes)), 1))[:, None]  # [R, 1]
    factors = np.array([scale_factor(height, width, short_side) for short_side in short_sides])
    return np.abs(np.log(sides * factors / SIZE)).argmin(axis=1)


def resize(image: NDArray[np.uint8], short_side: float) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """An (H, W, 3) image at a short side, and its scale: x y x y, to multiply boxes with."""
    height, width = image.shape[:2]
    factor = scale_factor(height, width, short_side)
    new_width, new_height = max(round(width * factor), SHORTEST), max(round(height * factor), SHORTEST)
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    resized = np.asarray(cv2.resize(image, (new_width, new_height), interpolation=interpolation), dtype=np.uint8)
    return resized, np.array([new_width / width, new_height / height] * 2)
