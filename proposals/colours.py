"""The colour spaces that diversify Selective Search (IJCV 2013, section 3.2), each as three uint8 channels."""

from collections.abc import Callable
from typing import Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

ColourSpace = Literal["HSV", "Lab", "rgI", "H", "I"]
Image = NDArray[np.uint8]  # [H, W, 3]


def _hsv(image: Image) -> Image:
    # FULL spreads the hue over 0..255, as scaling its unit interval does; plain HSV would stop at 179.
    return cast(Image, cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL))


def _lab(image: Image) -> Image:
    return cast(Image, cv2.cvtColor(image, cv2.COLOR_RGB2LAB))


def _hue(image: Image) -> Image:
    return np.repeat(_hsv(image)[..., :1], 3, axis=2)


def _intensity(image: Image) -> Image:
    return np.repeat(cast(Image, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[..., None], 3, axis=2)


def _normalised_red_green_intensity(image: Image) -> Image:
    total = image.sum(axis=2, dtype=np.float32, keepdims=True)  # [H, W, 1]
    # Black has no hue: it takes the value of grey, a third, rather than one end of the scale.
    shares = np.divide(image[..., :2], total, out=np.full((*image.shape[:2], 2), 1 / 3, np.float32), where=total > 0)
    return np.concatenate([np.rint(255 * shares).astype(np.uint8), _intensity(image)[..., :1]], axis=2)


COLOUR_SPACES: dict[ColourSpace, Callable[[Image], Image]] = {
    "HSV": _hsv,
    "Lab": _lab,
    "rgI": _normalised_red_green_intensity,
    "H": _hue,
    "I": _intensity,
}


def to_colour_space(image: Image, space: ColourSpace) -> Image:
    """The RGB picture in another colour space, (H, W, 3); spaces of one channel repeat it three times.

    The channels span 0..255, so that distances and histogram bins mean the same in each.

    >>> to_colour_space(np.zeros((1, 1, 3), np.uint8), "rgI").tolist()
    [[[85, 85, 0]]]
    """
    return COLOUR_SPACES[space](image)
