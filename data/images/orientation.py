"""Which way up the pixels of an image file are: EXIF's orientation, and the size that an annotation states."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from ..boxes import Size

TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height


def is_upright(stored: Size, orientation: Any, stated: Size, *, habit: bool) -> bool:
    """Whether boxes are of the image turned upright, given its size as stored and the one that an annotation states.

    The stated size decides where only one of the two has it; else the `habit` of the annotation's format.

    >>> is_upright((4, 3), 6, (3, 4), habit=False), is_upright((4, 3), 1, (3, 4), habit=False)
    (True, False)
    """
    turned = (stored[1], stored[0]) if orientation in TURNED else stored
    return stated == turned if turned != stored and stated in (turned, stored) else habit


def orientation_of(image: Image.Image) -> Any:
    """The EXIF orientation; 1, as stored, where the metadata is broken: the pixels may still be good."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1


def upright(pixels: NDArray[np.uint8], orientation: Any) -> NDArray[np.uint8]:
    """Pixels turned and mirrored as an EXIF orientation from 1 to 8 asks; any other value leaves them as they are.

    >>> upright(np.array([[1, 2], [3, 4]], dtype=np.uint8), 6).tolist()
    [[3, 1], [4, 2]]
    """
    match orientation:
        case 2:
            turned = pixels[:, ::-1]
        case 3:
            turned = pixels[::-1, ::-1]
        case 4:
            turned = pixels[::-1]
        case 5:
            turned = pixels.swapaxes(0, 1)
        case 6:
            turned = np.rot90(pixels, -1)
        case 7:
            turned = pixels[::-1, ::-1].swapaxes(0, 1)
        case 8:
            turned = np.rot90(pixels, 1)
        case _:
            turned = pixels
    return np.ascontiguousarray(turned)
