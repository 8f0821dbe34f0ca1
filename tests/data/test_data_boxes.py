import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inception_rcnn.data.boxes import (
    as_boxes,
    box_area,
    box_intersection,
    box_iou,
    clip_boxes,
    flip_boxes,
    half_open_to_inclusive,
    inclusive_to_half_open,
    xywh_to_xyxy,
    xyxy_to_xywh,
)

side = st.integers(0, 40)
corners = st.tuples(side, side, side, side).map(
    lambda v: [min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]), max(v[1], v[3])]
)
some_boxes = st.lists(corners, max_size=5).map(as_boxes)


def devkit_iou(a, b):
    """VOCevaldet.m's arithmetic on 1-based inclusive boxes, one pair at a time."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def test_empty_boxes_are_legal_everywhere():
    none, one = as_boxes([]), as_boxes([[0, 0, 2, 2]])
    assert none.shape == (0, 4)
    assert none.dtype == np.float64
    assert box_iou(none, one).shape == (0, 1)
    assert box_iou(one, none).shape == (1, 0)
    for function in (inclusive_to_half_open, half_open_to_inclusive, xywh_to_xyxy, xyxy_to_xywh):
        assert function(none).shape == (0, 4)
    assert clip_boxes(none, 5, 5).shape == flip_boxes(none, 5).shape == (0, 4)
    assert box_area(none).shape == (0,)


def test_overlap_of_known_boxes():
    a = as_boxes([[0, 0, 10, 10]])
    b = as_boxes([[0, 0, 10, 10], [5, 5, 15, 15], [10, 0, 20, 10], [2, 2, 4, 4]])
    assert box_intersection(a, b).tolist() == [[100, 25, 0, 4]]
    np.testing.assert_allclose(box_iou(a, b), [[1, 25 / 175, 0, 4 / 100]])


def test_two_boxes_without_area_do_not_overlap():
    point = as_boxes([[3, 3, 3, 3]])
    assert box_iou(point, point).tolist() == [[0.0]]


@pytest.mark.parametrize("shift", [0, 3, 5, 9])
def test_the_plain_overlap_is_the_devkits_plus_one(shift):
    a, b = [1, 1, 10, 10], [1 + shift, 1, 10 + shift, 10]
    ours = box_iou(inclusive_to_half_open([a]), inclusive_to_half_open([b]))
    assert ours[0, 0] == pytest.approx(devkit_iou(a, b), abs=1e-15)


@given(some_boxes, some_boxes)
def test_overlap_is_symmetric_and_at_most_one(a, b):
    forward = box_iou(a, b)
    np.testing.assert_array_equal(forward, box_iou(b, a).T)
    assert ((forward >= 0) & (forward <= 1)).all()


@given(some_boxes)
def test_conversions_come_back(boxes):
    np.testing.assert_array_equal(inclusive_to_half_open(half_open_to_inclusive(boxes)), boxes)
    np.testing.assert_array_equal(xywh_to_xyxy(xyxy_to_xywh(boxes)), boxes)
    np.testing.assert_array_equal(flip_boxes(flip_boxes(boxes, 50), 50), boxes)


def test_a_mirrored_box_lies_as_far_from_the_other_side():
    assert flip_boxes(as_boxes([[10, 2, 30, 8]]), 100).tolist() == [[70, 2, 90, 8]]


def test_a_box_outside_the_image_is_clipped_to_nothing():
    clipped = clip_boxes(as_boxes([[30, 1, 40, 5], [-9, -9, 5, 5]]), 20, 10)
    assert box_area(clipped).tolist() == [0, 25]
