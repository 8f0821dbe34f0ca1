"""The size at which images are searched, and the way back."""

import numpy as np
import pytest

from inception_rcnn.proposals.common import working_size
from inception_rcnn.proposals.common.working_size import MAX_PIXELS, to_original_size, to_working_size


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (375, 500, (375, 500)),  # a VOC photo stays as it is
        (3000, 4000, (375, 500)),
        (50, 100, (250, 500)),  # small ones are enlarged
        (1, 1, (500, 500)),
        (3, 30000, (1, 500)),
        (1000, 500, (1000, 500)),  # just half a megapixel
        (2000, 500, (1414, 354)),  # beyond
    ],
)
def test_sizes(height, width, expected):
    working = to_working_size(np.zeros((height, width, 3), np.uint8))
    assert working.shape == (*expected, 3)


def test_without_a_width_an_image_stays_as_it_is_up_to_a_limit(monkeypatch):
    assert to_working_size(np.zeros((30, 1000, 3), np.uint8), None).shape == (30, 1000, 3)
    monkeypatch.setattr(working_size, "MAX_PIXELS_UNSCALED", 10_000)
    assert to_working_size(np.zeros((100, 400, 3), np.uint8), None).shape == (50, 200, 3)


def test_no_strip_exceeds_the_limit():
    working = to_working_size(np.zeros((30000, 3, 3), np.uint8))
    assert working.shape[0] * working.shape[1] <= 1.2 * MAX_PIXELS  # the width is a whole number of pixels


@pytest.mark.parametrize(("height", "width"), [(375, 500), (3, 30000), (333, 77), (4000, 2999), (1, 1)])
def test_the_whole_image_maps_back_exactly(height, width):
    image = np.zeros((height, width, 3), np.uint8)
    working = to_working_size(image)
    whole = np.array([[0, 0, working.shape[1], working.shape[0]]], float)
    assert to_original_size(whole, working, image).tolist() == [[0, 0, width, height]]


def test_boxes_keep_their_place():
    image = np.zeros((600, 1000, 3), np.uint8)
    image[200:400, 300:700] = 255
    working = to_working_size(image)
    ys, xs = np.nonzero(working[..., 0])
    box = np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]], float)
    assert to_original_size(box, working, image).tolist() == [[300, 200, 700, 400]]


def test_no_boxes():
    image = np.zeros((5, 5, 3), np.uint8)
    assert to_original_size(np.zeros((0, 4)), image, image).shape == (0, 4)


def test_reduction_averages():
    """One-pixel stripes turn grey; a method that picks pixels would keep every other one."""
    image = np.zeros((10, 1000, 3), np.uint8)
    image[:, ::2] = 200
    assert (to_working_size(image) == 100).all()
