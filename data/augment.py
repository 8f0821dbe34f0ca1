"""Changes to a training picture that keep its objects what they are."""

import numpy as np
from numpy.typing import NDArray

from .boxes import Boxes, flip_boxes


def mirror(image: NDArray[np.uint8], boxes: Boxes) -> tuple[NDArray[np.uint8], Boxes]:
    """The (H, W, 3) picture and its boxes mirrored left to right; doing it twice changes nothing."""
    return np.ascontiguousarray(image[:, ::-1]), flip_boxes(boxes, image.shape[1])
