import cv2
import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.images.crops import CONTEXT, FILL, SIZE, warp_regions, with_context


def slow_warp(image, box, size=SIZE, context=CONTEXT):
    """R-CNN's recipe the long way: pad the image with the fill colour so far that nothing needs clipping."""
    x1, y1, x2, y2 = np.rint(with_context(as_boxes([box]), size, context))[0].astype(int)
    pad = 600
    canvas = np.full((image.shape[0] + 2 * pad, image.shape[1] + 2 * pad, 3), FILL, dtype=np.uint8)
    canvas[pad:-pad, pad:-pad] = image
    window = canvas[y1 + pad : y2 + pad, x1 + pad : x2 + pad]
    return cv2.resize(window, (size, size), interpolation=cv2.INTER_LINEAR)


@pytest.fixture
def image(rng):
    small = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
    return cv2.resize(small, (320, 240), interpolation=cv2.INTER_CUBIC)


def test_no_boxes_give_no_crops(image):
    assert warp_regions(image, as_boxes([])).shape == (0, 224, 224, 3)


def test_the_box_keeps_sixteen_pixels_around_it():
    image = np.zeros((400, 400, 3), dtype=np.uint8)
    image[100:292, 100:292] = 255  # 192 pixels: one pixel of the image is one of the crop
    crop = warp_regions(image, as_boxes([[100, 100, 292, 292]]))[0]
    assert (crop[16:208, 16:208] == 255).all()
    assert (crop[:15] == 0).all()
    assert (crop[:, 209:] == 0).all()


@pytest.mark.parametrize("box", [[100, 80, 200, 160], [150, 60, 180, 200], [90, 90, 120, 100]])
def test_inside_the_image_it_is_the_slow_recipe(image, box):
    np.testing.assert_array_equal(warp_regions(image, as_boxes([box]))[0], slow_warp(image, box))


@pytest.mark.parametrize("box", [[0, 0, 320, 240], [0, 0, 60, 60], [260, 180, 320, 240], [0, 100, 320, 140]])
def test_across_the_edge_it_is_nearly_the_slow_recipe(image, box):
    """R-CNN resizes only what is visible, so a line of pixels beside the padding may differ."""
    crop, slow = warp_regions(image, as_boxes([box]))[0], slow_warp(image, box)
    difference = np.abs(crop.astype(int) - slow.astype(int)).max(axis=2)
    assert (difference > 12).mean() < 0.04
    assert (crop[0, 0] == FILL).all() == (slow[0, 0] == FILL).all()


@pytest.mark.parametrize("box", [[5, 5, 5, 5], [10, 3, 10.2, 200], [400, 400, 500, 500], [319.6, 0, 320, 1]])
def test_thin_empty_and_far_boxes_give_crops(image, box):
    assert warp_regions(image, as_boxes([box])).shape == (1, 224, 224, 3)


def test_a_box_outside_the_image_is_all_fill(image):
    assert (warp_regions(image, as_boxes([[900, 900, 950, 950]])) == FILL).all()
