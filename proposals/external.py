"""Selective Search of other packages, to choose and to compare with."""

import warnings
from typing import Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.boxes import xywh_to_xyxy
from ..data.errors import SetupError, UsageError
from ..data.records import Proposals
from .common.working_size import checked_image, scored_by_rank, to_working_size


def opencv_selective_search(image: NDArray[np.uint8], mode: Literal["fast", "quality"] = "fast") -> Proposals:
    """Proposals of opencv-contrib's Selective Search at the same working size as ours, scored by rank.

    Its order comes from C's `rand()`, so it changes from call to call; the set of boxes does not.
    """
    if not hasattr(cv2, "ximgproc"):
        raise SetupError("this OpenCV has no ximgproc; install opencv-contrib-python-headless, and no other OpenCV")
    image = checked_image(image)
    working = to_working_size(image)
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(np.ascontiguousarray(working[..., ::-1]))  # BGR
    if mode == "fast":
        search.switchToSelectiveSearchFast()
    elif mode == "quality":
        search.switchToSelectiveSearchQuality()
    else:
        raise UsageError(f"OpenCV's Selective Search has the modes fast and quality, not {mode!r}")
    return scored_by_rank(xywh_to_xyxy(cast(NDArray[np.int32], search.process())), working, image)


def package_selective_search(image: NDArray[np.uint8]) -> Proposals:
    """Proposals of the package `selectivesearch` (AlpacaDB) with its own defaults, at the same working size as ours.

    One strategy only, and its histograms and neighbourhoods are not the paper's.
    """
    try:
        import selectivesearch
    except ImportError as error:
        raise SetupError("this method is a package of its own: pip install 'inception-rcnn[backends]'") from error
    image = checked_image(image)
    working = to_working_size(image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its texture codes are of floats, which scikit-image advises against
        _, regions = selectivesearch.selective_search(working, scale=100, sigma=0.8, min_size=100)
    found = np.unique(np.array([region["rect"] for region in regions], dtype=np.float64).reshape(-1, 4), axis=0)
    # Its widths are differences of inclusive corners: a pixel short.
    return scored_by_rank(xywh_to_xyxy(found + np.array([0, 0, 1, 1])), working, image)
