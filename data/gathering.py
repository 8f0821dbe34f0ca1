"""Columns of detections, in any order, become pictures.

Shapes: N detections, P pictures.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .boxes import Boxes
from .errors import DataError
from .picture_files import Size
from .records import Detections, Labels, Picture


def slices_of(places: NDArray[np.int64], num_pictures: int) -> list[slice]:
    """For each picture where its rows are in the sorted `places` [N]."""
    bounds = np.searchsorted(places, np.arange(num_pictures + 1)).tolist()
    return [slice(start, end) for start, end in pairwise(bounds)]


def gather_pictures(
    files: Sequence[str],
    sizes: Sequence[Size],
    places: NDArray[np.int64],
    boxes: Boxes,
    labels: Labels | NDArray[np.object_],
    scores: NDArray[np.float64],
) -> list[Picture]:
    """The pictures [P] with the detections [N] whose `places` point to them; the best first, equal scores as they came.

    A row that is no detection is refused by the name of its picture.
    """
    order = np.lexsort((-scores, places))  # stable
    places, boxes, labels, scores = places[order], boxes[order], labels[order], scores[order]
    pictures = []
    for file, (width, height), rows in zip(files, sizes, slices_of(places, len(files)), strict=True):
        try:
            found = Detections(boxes[rows], labels[rows].astype(np.str_), scores[rows])
        except DataError as error:
            raise DataError(f"predictions for {file}: {error}") from error
        pictures.append(Picture(file, width, height, found))
    return pictures
