"""The crops of an image over which a classifier's answer is averaged: 1, 10, or the 144 of GoogLeNet (section 7).

Shapes: C crops of 224 x 224 pixels.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from ..images.crops import SIZE

COUNTS = (1, 10, 144)
SHORT_SIDES = (256, 288, 320, 352)  # pixels to which the 144 crops bring the shorter side; the others use the first
# A longer strip is squeezed to this: an image of one by thousands of pixels would fill the memory.
ASPECT_LIMIT = 32


def crops_of(image: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """The crops (C, 224, 224, 3) of an (H, W, 3) image.

    - 1: the centre of the image brought to a shorter side of 256.
    - 10: corners and centre of the square in its middle, and the mirrored ones.
    - 144: four sizes; in each the left, middle and right square (of a standing image the upper, middle and lower);
      of each square the corners, the centre, and all of it resized; and the mirrored ones.
    """
    match count:
        case 1:
            return _centre(resize_shorter(image, SHORT_SIDES[0]))[None]
        case 10:
            square = list(squares(resize_shorter(image, SHORT_SIDES[0])))[1]
            return _with_mirrored(five_crops(square))
        case 144:
            every = [square for side in SHORT_SIDES for square in squares(resize_shorter(image, side))]
            parts = [crops for square in every for crops in (five_crops(square), _resize(square, SIZE, SIZE)[None])]
            return _with_mirrored(np.concatenate(parts))
    raise ValueError(f"crops are {COUNTS}, not {count}")


def resize_shorter(image: NDArray[np.uint8], short_side: int) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    long_side = min(round(short_side * max(height, width) / min(height, width)), short_side * ASPECT_LIMIT)
    wide, high = (short_side, long_side) if width <= height else (long_side, short_side)
    return _resize(image, wide, high)


def squares(image: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The squares at the start, in the middle and at the end of the longer side."""
    height, width = image.shape[:2]
    side = min(height, width)
    for numerator in (0, 1, 2):
        top, left = (height - side) * numerator // 2, (width - side) * numerator // 2
        yield image[top : top + side, left : left + side]


def five_crops(square: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The corners, from left to right and top to bottom, and the centre: (5, 224, 224, 3)."""
    corners = [square[:SIZE, :SIZE], square[:SIZE, -SIZE:], square[-SIZE:, :SIZE], square[-SIZE:, -SIZE:]]
    return np.stack([*corners, _centre(square)])


def _centre(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    top, left = (image.shape[0] - SIZE) // 2, (image.shape[1] - SIZE) // 2
    return image[top : top + SIZE, left : left + SIZE]


def _with_mirrored(crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([crops, crops[:, :, ::-1]])


def _resize(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    shrinks = width * height < image.shape[0] * image.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), dtype=np.uint8)
