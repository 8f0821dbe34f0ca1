"""The working size of Selective Search: it is not scale invariant, so its authors fix the image's width.

Shapes: N boxes.
"""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes, clip_boxes
from ...data.errors import DataError
from ...data.records import Proposals

# The authors' width: k and the smallest sides in pixels are meant at it.
WORKING_WIDTH = 500
# At the working width an image exceeds this only if it is over twice as high as wide. Keeps a 3 x 30000 strip cheap.
MAX_PIXELS = 500_000
# Without a working width: pixels are counted in float32 histograms, which are exact up to 2**24.
MAX_PIXELS_UNSCALED = 1 << 24


def checked_image(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image with three channels, (H, W, 3); DataError where it is none."""
    shaped = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not shaped or image.size == 0:
        raise DataError(
            f"expected a uint8 image of shape (H, W, 3), RGB, or (H, W), grey; got {image.dtype} {image.shape}"
        )
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


def to_working_size(image: NDArray[np.uint8], target_width: int | None = WORKING_WIDTH) -> NDArray[np.uint8]:
    """The image (H, W, 3) enlarged or reduced to the target width, or less where it would exceed `MAX_PIXELS`.

    Without a target width it stays as it is up to `MAX_PIXELS_UNSCALED`.
    """
    height, width = image.shape[:2]
    if target_width is None:
        scale = min(1.0, (MAX_PIXELS_UNSCALED / (width * height)) ** 0.5)
    else:
        scale = min(target_width / width, (MAX_PIXELS / (width * height)) ** 0.5)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        return np.ascontiguousarray(image)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cast(NDArray[np.uint8], cv2.resize(image, size, interpolation=interpolation))


def to_original_size(boxes: Boxes, working: NDArray[np.uint8], original: NDArray[np.uint8]) -> Boxes:
    """Boxes (N, 4) of the image at working size in pixels of the original; its edges map exactly onto edges.

    >>> small, large = np.zeros((375, 500, 3), np.uint8), np.zeros((3000, 4000, 3), np.uint8)
    >>> to_original_size(np.array([[0.0, 0, 500, 375]]), small, large).tolist()
    [[0.0, 0.0, 4000.0, 3000.0]]
    """
    (working_height, working_width), (height, width) = working.shape[:2], original.shape[:2]
    scaled = boxes * (width, height, width, height) / (working_width, working_height, working_width, working_height)
    return clip_boxes(scaled, width, height)


def scored_by_rank(boxes: Boxes, working: NDArray[np.uint8], original: NDArray[np.uint8]) -> Proposals:
    """Boxes (N, 4) of the image at working size as proposals in the original, with evenly spaced scores from 1 down."""
    return Proposals(to_original_size(boxes, working, original), 1 - np.arange(len(boxes)) / max(1, len(boxes)))
