"""The one box convention, and arithmetic on it.

A box is `x1 y1 x2 y2` in pixels of the upright image, x to the right, y down, 0-based and half-open: the whole
image is `0 0 W H`, a box is `x2 - x1` wide. Boxes travel as float64 arrays of shape (N, 4); (0, 4) is legal
everywhere. Files of other conventions are converted where they are read, by a function named after both.

Shapes: N and M boxes.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Boxes = NDArray[np.float64]
Size = tuple[int, int]  # width and height of an image in pixels, 0 where unknown
UNKNOWN_SIZE: Size = (0, 0)


def as_boxes(boxes: ArrayLike) -> Boxes:
    """Give any (N, 4) array-like, or an empty one, as float64 of shape (N, 4).

    >>> as_boxes([]).shape
    (0, 4)
    """
    array = np.asarray(boxes, dtype=np.float64)
    return array.reshape(-1, 4) if array.size == 0 else array


def box_area(boxes: Boxes) -> NDArray[np.float64]:
    """Area of each box in square pixels, (N,)."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def box_iou(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Intersection over union of every pair, (N, M), exactly the devkits' "+1" overlap; 0 where both boxes are empty.

    >>> box_iou(as_boxes([[0, 0, 10, 10]]), as_boxes([[0, 0, 10, 10], [5, 0, 15, 10]])).round(3).tolist()
    [[1.0, 0.333]]
    """
    shared = box_intersection(a, b)
    return _share(shared, box_area(a)[:, None] + box_area(b)[None, :] - shared)


def ignored_overlaps(boxes: Boxes, ignored: Boxes, crowd: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How much each candidate (N, 4) overlaps one of the objects to ignore (M, 4) at most, (N,); 0 without any.

    Of a `crowd` [M], a region with many objects, it is the part of the candidate that lies in the region, as in COCO.

    >>> ignored_overlaps(as_boxes([[0, 0, 5, 4]]), as_boxes([[0, 0, 10, 10]]), np.array([False])).tolist()
    [0.2]
    >>> ignored_overlaps(as_boxes([[0, 0, 5, 4]]), as_boxes([[0, 0, 10, 10]]), np.array([True])).tolist()
    [1.0]
    """
    shared = box_intersection(boxes, ignored)
    own = np.broadcast_to(box_area(boxes)[:, None], shared.shape)
    union = own + box_area(ignored)[None, :] - shared
    return _share(shared, np.where(crowd[None, :], own, union)).max(axis=1, initial=0.0)


def box_intersection(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Area shared by every pair, (N, M)."""
    return _intersection(a[:, None], b[None])


def paired_overlaps(a: Boxes, b: Boxes, of_first: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Intersection over union of the boxes in the same row of two arrays, (N,).

    Where `of_first` [N] is true it is the part of the first box that lies in the second: COCO's overlap with a crowd.
    """
    shared = _intersection(a, b)
    union = box_area(a) + box_area(b) - shared
    return _share(shared, union if of_first is None else np.where(of_first, box_area(a), union))


def _intersection(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    top_left = np.maximum(a[..., :2], b[..., :2])
    bottom_right = np.minimum(a[..., 2:], b[..., 2:])
    sides = np.clip(bottom_right - top_left, 0, None)
    return sides[..., 0] * sides[..., 1]


def _share(shared: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)


def clip_boxes(boxes: Boxes, width: float, height: float) -> Boxes:
    """The boxes cut to an image of the given size; a box outside it becomes empty.

    >>> clip_boxes(as_boxes([[-5, 2, 30, 8]]), 20, 10).tolist()
    [[0.0, 2.0, 20.0, 8.0]]
    """
    return np.clip(boxes, 0, np.array([width, height, width, height], dtype=np.float64))


def flip_boxes(boxes: Boxes, width: float) -> Boxes:
    """The boxes in the image mirrored left to right; flipping twice changes nothing."""
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)


def inclusive_to_half_open(boxes: ArrayLike) -> Boxes:
    """From 1-based inclusive corners (VOC, ILSVRC files) to the convention of this package: 1 off `xmin ymin`.

    >>> inclusive_to_half_open([[1, 1, 500, 375]]).tolist()
    [[0.0, 0.0, 500.0, 375.0]]
    """
    return as_boxes(boxes) - np.array([1.0, 1.0, 0.0, 0.0])


def half_open_to_inclusive(boxes: Boxes) -> Boxes:
    """The inverse of `inclusive_to_half_open`, for writing VOC and ILSVRC files."""
    return boxes + np.array([1.0, 1.0, 0.0, 0.0])


def xywh_to_xyxy(boxes: ArrayLike) -> Boxes:
    """From COCO's `x y width height` to corners.

    >>> xywh_to_xyxy([[10, 20, 5, 6]]).tolist()
    [[10.0, 20.0, 15.0, 26.0]]
    """
    array = as_boxes(boxes)
    return np.concatenate([array[:, :2], array[:, :2] + array[:, 2:]], axis=1)


def xyxy_to_xywh(boxes: Boxes) -> Boxes:
    """The inverse of `xywh_to_xyxy`."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
