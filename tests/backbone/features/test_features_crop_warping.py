"""The crops made on a device are those that OpenCV makes, to a level of rounding."""

import numpy as np
import pytest
import torch

from inception_rcnn.backbone.features.crop_warping import warp_on_device
from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.images.crops import FILL, warp_regions


@pytest.mark.parametrize("size", [(60, 80), (7, 300), (1, 1), (400, 350)])
def test_crops_are_those_of_the_cpu(size, rng):
    height, width = size
    image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    corner = rng.uniform(-0.3, 0.9, (40, 2)) * [width, height]
    boxes = np.concatenate([corner, corner + rng.uniform(0, 1.2, (40, 2)) * [width, height]], axis=1)
    boxes = np.concatenate([boxes, [[0, 0, width, height], [3, 3, 3, 3], [-90, -90, -50, -50]]])
    expected = warp_regions(image, boxes)
    crops = warp_on_device(torch.from_numpy(image), boxes)
    assert crops.shape == (43, 224, 224, 3)
    assert crops.dtype == torch.float32
    off = np.abs(crops.numpy() - expected)
    assert off.max() <= 1
    assert (off > 0).mean() < 0.1
    filled = (expected == FILL).all(axis=-1)
    assert (crops.numpy()[filled] == FILL).mean() > 0.99


def test_no_regions_give_no_crops():
    image = torch.zeros(5, 5, 3, dtype=torch.uint8)
    assert warp_on_device(image, as_boxes([])).shape == (0, 224, 224, 3)


def test_crops_stay_on_the_device_of_the_image():
    image = torch.zeros(5, 5, 3, dtype=torch.uint8)
    assert warp_on_device(image, as_boxes([[0, 0, 5, 5]]), size=8, context=1).device == image.device
