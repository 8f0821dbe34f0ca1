"""Columns of detections, in any order, become images.

Shapes: N detections, P images.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .boxes import Boxes, Size
from .diagnostics import OnProblem, Problem, refuse
from .errors import DataError
from .records import Detections, ImageDetections, Labels


def slices_of(indices: NDArray[np.int64], num_images: int) -> list[slice]:
    """For each image where its rows are in the sorted `indices` [N]."""
    bounds = np.searchsorted(indices, np.arange(num_images + 1)).tolist()
    return [slice(start, end) for start, end in pairwise(bounds)]


def images_from_columns(
    files: Sequence[str],
    sizes: Sequence[Size],
    indices: NDArray[np.int64],
    boxes: Boxes,
    labels: Labels | NDArray[np.object_],
    scores: NDArray[np.float64],
    *,
    xywh: Boxes | None = None,
    owner: object = "predictions",
    on_problem: OnProblem = refuse,
) -> list[ImageDetections]:
    """The images [P] with the detections [N] whose `indices` are theirs; the best first, equal scores as they came.

    A row that is no detection is refused by the name of its image; `owner` is what messages call the file. A box that
    is inside out becomes an empty one, which overlaps nothing and counts as false, as official code has it.
    """
    order = np.lexsort((-scores, indices))  # stable
    indices, labels, scores = indices[order], labels[order], scores[order]
    boxes = emptied(boxes[order], owner, on_problem)
    xywh = None if xywh is None else xywh[order]
    images = []
    for file, (width, height), rows in zip(files, sizes, slices_of(indices, len(files)), strict=True):
        try:
            own = {} if xywh is None else {"xywh": xywh[rows]}
            found = Detections(boxes[rows], labels[rows].astype(np.str_), scores[rows], **own)
        except DataError as error:
            raise DataError(f"predictions for {file}: {error}") from error
        images.append(ImageDetections(file, width, height, found))
    return images


def emptied(boxes: Boxes, owner: object, on_problem: OnProblem) -> Boxes:
    """Predicted boxes (N, 4) where those that are inside out are empty ones, reported with their number."""
    inside_out = (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
    if not inside_out.any():
        return boxes
    what = "x2 < x1 or y2 < y1 in a predicted box, which is false (COCO's code skips it if one side alone is negative)"
    count = int(inside_out.sum())
    on_problem(Problem("predicted box that is inside out", str(owner), what, minor=True, count=count))
    return np.concatenate([boxes[:, :2], np.maximum(boxes[:, 2:], boxes[:, :2])], axis=1)
