"""The colour spaces that diversify Selective Search (IJCV 2013, section 3.2), each as three uint8 channels."""

from collections.abc import Callable
from typing import Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

ColourSpace = Literal["HSV", "Lab", "rgI", "H", "I", "RGB", "rgb", "C"]
Image = NDArray[np.uint8]  # [H, W, 3]


def _hsv(image: Image) -> Image:
    # FULL spreads the hue over 0..255, as scaling its unit interval does; plain HSV would stop at 179.
    return cast(Image, cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL))


def _intensity(image: Image) -> Image:
    return np.repeat(cast(Image, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[..., None], 3, axis=2)


def _normalized_rgb(image: Image) -> Image:
    """Each channel as a fraction of the sum. Black has no hue: it gets the value of grey, not an end of the scale."""
    total = image.sum(axis=2, dtype=np.float32, keepdims=True)  # [H, W, 1]
    fractions = np.divide(image, total, out=np.full(image.shape, 1 / 3, np.float32), where=total > 0)
    return np.rint(255 * fractions).astype(np.uint8)


def _opponent_without_intensity(image: Image) -> Image:
    """The opponent colours O1 and O2 divided by the intensity O3, from end to end of their ranges, and nothing.

    Geusebroek et al., "Color invariance". Black counts as grey. The third channel stays 0: intensity is divided out.
    """
    red, green, blue = (image[..., channel].astype(np.float32) for channel in range(3))
    total = np.maximum(red + green + blue, 1)
    red_green = (red - green) / total  # -1...1
    yellow_blue = (red + green - 2 * blue) / total  # -2...1
    channels = [255 / 2 * (red_green + 1), 255 / 3 * (yellow_blue + 2), np.zeros_like(red)]
    return np.rint(np.stack(channels, axis=2)).astype(np.uint8)


COLOUR_SPACES: dict[ColourSpace, Callable[[Image], Image]] = {
    "HSV": _hsv,
    "Lab": lambda image: cast(Image, cv2.cvtColor(image, cv2.COLOR_RGB2LAB)),
    "rgI": lambda image: np.concatenate([_normalized_rgb(image)[..., :2], _intensity(image)[..., :1]], axis=2),
    "H": lambda image: np.repeat(_hsv(image)[..., :1], 3, axis=2),
    "I": _intensity,
    "RGB": lambda image: image,
    "rgb": _normalized_rgb,
    "C": _opponent_without_intensity,
}


def to_colour_space(image: Image, space: ColourSpace) -> Image:
    """The RGB image in another colour space, (H, W, 3); spaces of one channel repeat it three times.

    The channels span 0..255, so that distances and histogram bins mean the same in each.

    >>> to_colour_space(np.zeros((1, 1, 3), np.uint8), "rgI").tolist()
    [[[85, 85, 0]]]
    """
    return COLOUR_SPACES[space](image)
