import numpy as np
import pytest

from inception_rcnn.backbone.features.image_pyramid import nearest_short_sides, resize, scale_factor
from inception_rcnn.data.boxes import as_boxes

SIDES = (200, 400, 800)


def test_no_regions_need_no_size():
    assert nearest_short_sides(as_boxes([]), (300, 400), SIDES).shape == (0,)


@pytest.mark.parametrize(
    ("side", "short_side"),
    [
        (380, 200),  # with context 443, in half the size 222
        (192, 400),  # with context exactly 224
        (96, 800),
        (5, 800),  # nothing larger is looked at
        (0, 800),
    ],
)
def test_a_region_is_looked_at_where_it_is_nearest_to_224(side, short_side):
    """In an image of short side 400, so that the sizes are a half, one and twice its own."""
    (index,) = nearest_short_sides(as_boxes([[0, 0, side, side]]), (400, 500, 3), SIDES)
    assert SIDES[index] == short_side


def test_the_best_size_is_the_best_of_all_by_trying():
    rng = np.random.default_rng(0)
    corner, sides = rng.uniform(0, 100, (50, 2)), rng.uniform(2, 300, (50, 2))
    boxes = np.concatenate([corner, corner + sides], axis=1)
    for box, index in zip(boxes, nearest_short_sides(boxes, (350, 500), SIDES), strict=True):
        seen = np.sqrt((box[2] - box[0]) * (box[3] - box[1])) * 224 / 192
        off = [abs(np.log2(seen * short_side / 350 / 224)) for short_side in SIDES]
        assert off[index] == min(off)


@pytest.mark.parametrize(
    ("size", "short_side", "boxes_of_image"),
    [
        ((300, 400), 600, (600, 800)),  # the short side decides
        ((1200, 1600), 600, (600, 800)),
        ((100, 400), 600, (250, 1000)),  # the long side decides
        ((1, 3000), 600, (32, 1000)),  # but the net needs something to pool
        ((1, 1), 200, (200, 200)),
    ],
)
def test_images_grow_or_shrink_to_the_size(size, short_side, boxes_of_image):
    resized, scale = resize(np.zeros((*size, 3), dtype=np.uint8), short_side)
    assert resized.shape == (*boxes_of_image, 3)
    np.testing.assert_allclose(scale, [boxes_of_image[1] / size[1], boxes_of_image[0] / size[0]] * 2)
    if min(boxes_of_image) > 32:
        np.testing.assert_allclose(scale_factor(*size, short_side), scale[0])
