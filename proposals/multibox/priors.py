"""MultiBox's priors: the boxes where objects usually are in an image.

Priors are fractions of an image's width and height, x1 y1 x2 y2, (K, 4).
"""

import warnings
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from ...data.boxes import Boxes, flip_boxes
from ...data.datasets.dataset import Dataset, size_of
from ...data.errors import DataError


def priors_of(data: Dataset, count: int, seed: int = 0) -> Boxes:
    """The k-means centres of all objects' corners, mirrored ones too; larger ones first.

    Erhan et al., "Scalable Object Detection using Deep Neural Networks", section 4.1. DataError where there are
    fewer objects than centres.
    """
    fractions = [
        truth.boxes[truth.to_find] / np.tile(size_of(data, truth), 2) for truth in data.images if truth.to_find.any()
    ]
    objects = np.concatenate([np.zeros((0, 4)), *fractions])
    objects = np.unique(np.concatenate([objects, flip_boxes(objects, 1.0)]), axis=0)
    if len(objects) < count:
        raise DataError(
            f"{data.name} has {len(objects)} different objects, mirrored ones too: too few for {count} priors"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        centres = KMeans(count, n_init="auto", random_state=seed, max_iter=50).fit(objects).cluster_centers_
    return _ordered(centres.astype(np.float64))


def read_priors(path: str | Path) -> Boxes:
    """The priors of a text file in the format of Google's `ipriors800.txt`: a coordinate a line, its deviation first.

    Four lines make a prior: xmin, ymin, xmax, ymax as fractions. The deviations scaled that network's outputs and are
    not used here.
    """
    try:
        numbers = np.loadtxt(path, ndmin=2)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file of priors") from error
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is not a file of priors ({error}); each line needs a deviation and a mean") from error
    if numbers.shape[1] != 2 or len(numbers) % 4 or not len(numbers):
        raise DataError(f"{path} has {numbers.shape} numbers: need a deviation and a mean a line, four lines a prior")
    boxes = numbers[:, 1].reshape(-1, 4)
    if not (np.isfinite(boxes).all() and (boxes[:, 2:] > boxes[:, :2]).all()):
        raise DataError(f"{path}: a prior has no area; the order of the lines is xmin, ymin, xmax, ymax")
    return _ordered(boxes)


def _ordered(boxes: Boxes) -> Boxes:
    sides = boxes[:, 2:] - boxes[:, :2]
    return boxes[np.argsort(-sides.prod(axis=1), kind="stable")]
