import numpy as np
import pytest
import torch
from test_detector_region_features import Ramp

from inception_rcnn.backbone.features.image_pyramid import nearest_short_sides
from inception_rcnn.backbone.features.shared_maps import SharedMaps, as_input
from inception_rcnn.backbone.googlenet import CELL_SHIFT, MEAN, STRIDE, Backbone
from inception_rcnn.backbone.roi_align import roi_align
from inception_rcnn.data.boxes import as_boxes

SIDES = (200, 400, 800)  # of the image pyramid

IMAGE = np.zeros((300, 400, 3), dtype=np.uint8)
LARGE, MIDDLE, SMALL = [0, 0, 400, 300], [50, 50, 200, 200], [10, 10, 50, 50]


def test_no_region_needs_no_map():
    backbone = Ramp()
    assert list(SharedMaps(backbone, IMAGE, SIDES).windows(as_boxes([]))) == []
    assert backbone.sizes == []


@pytest.mark.parametrize(
    ("boxes", "parts"),
    [
        ([MIDDLE], [(400, [0])]),
        ([MIDDLE, MIDDLE], [(400, [0, 1])]),
        ([SMALL, LARGE, SMALL, MIDDLE], [(200, [1]), (400, [3]), (800, [0, 2])]),  # each on the map that suits it
    ],
)
def test_maps_are_made_once_and_only_when_a_region_needs_them(boxes, parts):
    backbone = Ramp()
    maps = SharedMaps(backbone, IMAGE, SIDES)
    assert [SIDES[index] for index in nearest_short_sides(as_boxes(boxes), IMAGE.shape, SIDES)] == [
        size for i in range(len(boxes)) for size, places in parts if i in places
    ]
    assert backbone.sizes == []  # to say which map suits takes none
    first = list(maps.windows(as_boxes(boxes)))
    assert [places.tolist() for places, _, _ in first] == [places for _, places in parts]
    assert [height for height, _ in backbone.sizes] == [size for size, _ in parts]
    again = list(maps.windows(as_boxes(boxes)))
    assert len(backbone.sizes) == len(parts)
    assert all(a[1] is b[1] for a, b in zip(first, again, strict=True))
    for places, feature_map, windows in first:
        assert windows.shape == (len(places), 4)
        assert feature_map.shape[0] == 1


def test_a_window_is_the_region_with_context_in_the_resized_image_less_the_shift_of_the_cells():
    """192 pixels and a sixth of half of them, 16, on each side; the image is looked at in twice its size."""
    ((_, _, windows),) = SharedMaps(Ramp(), IMAGE, (600,)).windows(as_boxes([[100, 50, 292, 242]]))
    assert (windows + CELL_SHIFT).tolist() == [[2 * 84, 2 * 34, 2 * 308, 2 * 258]]


def test_windows_lie_on_the_cells_that_see_the_region():
    """The middle of what is pooled looks at the middle of the box, in pixels of the resized image."""
    boxes = as_boxes([[100, 80, 200, 180], [150, 100, 320, 220], [30, 200, 90, 280]])
    ((places, feature_map, windows),) = SharedMaps(Ramp(), IMAGE, (600,)).windows(boxes)
    assert places.tolist() == [0, 1, 2]
    middles = roi_align(feature_map, windows, STRIDE, 7)[:, :, 3, 3]
    torch.testing.assert_close(middles, torch.tensor([[300.0, 260.0], [470.0, 320.0], [120.0, 480.0]]))


def test_images_become_the_backbones_input():
    images = np.zeros((2, 5, 7, 3), dtype=np.uint8)
    images[1, 4, 6] = (130, 120, 110)
    pixels = as_input(Backbone(), images)
    assert pixels.shape == (2, 3, 5, 7)
    assert pixels.is_contiguous(memory_format=torch.channels_last)
    assert pixels[0, :, 0, 0].tolist() == [-each for each in MEAN]
    assert pixels[1, :, 4, 6].tolist() == [7, 3, 6]


def test_maps_and_windows_are_on_the_device_of_the_backbone():
    """On a device without memory: a tensor made on the CPU would not go with the others."""
    maps = SharedMaps(Backbone().to("meta"), IMAGE, SIDES)
    assert maps.device.type == "meta"
    for _, feature_map, windows in maps.windows(as_boxes([SMALL, LARGE])):
        assert (feature_map.device.type, windows.device.type, windows.dtype) == ("meta", "meta", torch.float32)
        assert roi_align(feature_map, windows, STRIDE, 7).device.type == "meta"
        assert roi_align(feature_map.bfloat16(), windows, STRIDE, 7).dtype == torch.bfloat16


def test_images_become_float32_on_the_device_of_the_backbone():
    for device in ("meta", "cpu"):
        made = as_input(Backbone().to(device), IMAGE[None])
        assert (made.device.type, made.dtype, made.shape) == (device, torch.float32, (1, 3, 300, 400))


def test_the_maps_of_several_images_are_those_of_each(rng):
    """Two are equally large and pass together; the third is on its own."""
    torch.manual_seed(0)
    backbone, passes = Backbone().eval(), []
    backbone.register_forward_hook(lambda module, inputs, output: passes.append(len(inputs[0])))
    images = [rng.integers(0, 256, (*size, 3)).astype(np.uint8) for size in ((60, 80), (80, 60), (60, 80))]
    boxes = as_boxes([[5, 5, 30, 40], [0, 0, 60, 60]])
    with torch.inference_mode():
        together = SharedMaps.of_images(backbone, images, (200, 400))
        assert passes == []
        list(together[1].windows(boxes))
        assert passes == [2, 1, 2, 1]
        for maps, image in zip(together, images, strict=True):
            alone = SharedMaps(backbone, image, (200, 400))
            for (rows, own, windows), expected in zip(maps.windows(boxes), alone.windows(boxes), strict=True):
                assert rows.tolist() == expected[0].tolist()
                torch.testing.assert_close(own, expected[1], rtol=1e-4, atol=1e-4)
                torch.testing.assert_close(windows, expected[2])
    assert passes[4:] == [1] * 6  # the first passes were not repeated
