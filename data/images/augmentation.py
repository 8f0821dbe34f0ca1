"""Changes to a training image that leave its objects what they are."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from ..boxes import Boxes, flip_boxes

AREA = (0.08, 1.0)  # of the image that a training crop takes, every fraction equally likely (GoogLeNet, section 6)
ASPECT = (3 / 4, 4 / 3)  # width to height of a training crop
TRIES = 10  # at a window inside the image, before the largest one in the middle is taken
ENHANCEMENT = (0.5, 1.5)  # factors of brightness, contrast and colour; 1 changes nothing (Howard 2013)
LIGHTING = 0.1  # standard deviation along each principal colour (Krizhevsky et al. 2012, section 4.1)

# In equal measure, as in the paper, which has no proof that it helps.
INTERPOLATIONS = (cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_NEAREST, cv2.INTER_CUBIC)

# The principal components of ImageNet's RGB pixels in 0-1, a column each, and the deviations along them.
PRINCIPAL_COLOURS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
PRINCIPAL_DEVIATIONS = np.array([0.2175, 0.0188, 0.0045])
_ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


def mirror(image: NDArray[np.uint8], boxes: Boxes) -> tuple[NDArray[np.uint8], Boxes]:
    """The (H, W, 3) image and its boxes mirrored left to right; doing it twice changes nothing."""
    return np.ascontiguousarray(image[:, ::-1]), flip_boxes(boxes, image.shape[1])


def training_crop(image: NDArray[np.uint8], size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A random part of an (H, W, 3) image as GoogLeNet was trained on, distorted: (size, size, 3)."""
    x, y, width, height = random_window(image.shape[1], image.shape[0], rng)
    interpolation = INTERPOLATIONS[rng.integers(len(INTERPOLATIONS))]
    part = image[y : y + height, x : x + width]
    crop = np.asarray(cv2.resize(part, (size, size), interpolation=interpolation), dtype=np.uint8)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    return distort_colours(np.ascontiguousarray(crop), rng)


def random_window(width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A random part of an image: x, y, width and height in whole pixels.

    The area is uniform in `AREA` and the aspect in the logarithm in `ASPECT`, so that lying and standing are alike. In
    a strip that is too narrow for such a window, it is the largest in the middle.
    """
    for _ in range(TRIES):
        area = rng.uniform(*AREA) * width * height
        aspect = math.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        wide, high = max(round(math.sqrt(area * aspect)), 1), max(round(math.sqrt(area / aspect)), 1)
        if wide <= width and high <= height:
            return int(rng.integers(width - wide + 1)), int(rng.integers(height - high + 1)), wide, high
    wide, high = min(width, max(round(height * ASPECT[1]), 1)), min(height, max(round(width / ASPECT[0]), 1))
    return (width - wide) // 2, (height - high) // 2, wide, high


def distort_colours(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Brightness, contrast and colour by a random factor each, in random order, then lighting noise (Howard 2013)."""
    enhanced = Image.fromarray(image)
    for index in rng.permutation(len(_ENHANCERS)):
        enhanced = _ENHANCERS[index](enhanced).enhance(float(rng.uniform(*ENHANCEMENT)))
    return add_light(np.asarray(enhanced), rng.normal(0, LIGHTING, 3))


def add_light(image: NDArray[np.uint8], amounts: NDArray[np.float64]) -> NDArray[np.uint8]:
    """An RGB image under another light: every pixel moved by these deviations along the principal colours."""
    shift = 255 * PRINCIPAL_COLOURS @ (amounts * PRINCIPAL_DEVIATIONS)  # [3]
    table = np.clip(np.rint(np.arange(256)[:, None] + shift), 0, 255).astype(np.uint8)  # [256, 3]
    return np.stack([table[image[..., channel], channel] for channel in range(3)], axis=-1)
