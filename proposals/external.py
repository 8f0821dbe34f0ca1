"""Proposal methods of other packages, as peers to choose and to measure against."""

from typing import Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.boxes import xywh_to_xyxy
from ..data.errors import SetupError, UsageError
from ..data.records import Proposals
from .working_size import checked_picture, to_original_size, to_working_size


def opencv_selective_search(image: NDArray[np.uint8], mode: Literal["fast", "quality"] = "fast") -> Proposals:
    """The boxes of opencv-contrib's Selective Search on the same working size as ours, scored by their rank.

    Its order comes from C's `rand()`, so it changes from call to call; the set of boxes does not.
    """
    if not hasattr(cv2, "ximgproc"):
        raise SetupError("this OpenCV has no ximgproc; install opencv-contrib-python-headless, and no other OpenCV")
    image = checked_picture(image)
    working = to_working_size(image)
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(np.ascontiguousarray(working[..., ::-1]))  # BGR
    if mode == "fast":
        search.switchToSelectiveSearchFast()
    elif mode == "quality":
        search.switchToSelectiveSearchQuality()
    else:
        raise UsageError(f"OpenCV's Selective Search has the modes fast and quality, not {mode!r}")
    boxes = xywh_to_xyxy(cast(NDArray[np.int32], search.process()))
    return Proposals(to_original_size(boxes, working, image), 1 - np.arange(len(boxes)) / max(1, len(boxes)))
