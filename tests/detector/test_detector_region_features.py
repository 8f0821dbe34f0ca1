import numpy as np
import pytest
import torch

from inception_rcnn.backbone.features import few_shapes
from inception_rcnn.backbone.features.shared_maps import SharedMaps
from inception_rcnn.backbone.googlenet import CELL_SHIFT, STRIDE, Backbone, BoxHead
from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.images.crops import warp_regions
from inception_rcnn.detector import region_features as regions
from inception_rcnn.detector.network import RegionNetwork
from inception_rcnn.detector.region_features import checked_mode, crop_features, region_features, shared_features

SIDES = (200, 400, 800)  # of the image pyramid


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    return Backbone().eval().requires_grad_(False), BoxHead().eval().requires_grad_(False)


@pytest.fixture
def image(rng):
    return rng.integers(0, 255, (150, 200, 3), dtype=np.uint8)


def joined(parts):
    """The features of all regions, in the order of their boxes."""
    indices, features = zip(*parts, strict=True)
    indices = np.concatenate(indices)
    assert sorted(indices) == list(range(len(indices)))
    return torch.cat(features)[np.argsort(indices)]


@pytest.mark.parametrize("mode", regions.MODES)
def test_no_boxes_give_no_features(parts, image, mode):
    assert joined(region_features(mode, parts[1], [(SharedMaps(parts[0], image, SIDES), as_boxes([]))], 7)).shape == (
        0,
        1024,
        7,
        7,
    )


@pytest.mark.parametrize("mode", regions.MODES)
def test_a_region_does_not_depend_on_its_company(parts, image, mode, monkeypatch):
    boxes = as_boxes([[0, 0, 200, 150], [20, 30, 90, 120], [100, 10, 180, 60]])
    together = joined(region_features(mode, parts[1], [(SharedMaps(parts[0], image, SIDES), boxes)], 7))
    monkeypatch.setattr(regions, "CROPS_AT_ONCE", 2)
    monkeypatch.setattr(regions, "REGIONS_AT_ONCE", 2)
    torch.testing.assert_close(
        joined(region_features(mode, parts[1], [(SharedMaps(parts[0], image, SIDES), boxes)], 7)),
        together,
        rtol=1e-3,
        atol=1e-3,
    )
    alone = joined(region_features(mode, parts[1], [(SharedMaps(parts[0], image, SIDES), boxes[1:2])], 7))
    torch.testing.assert_close(alone[0], together[1], rtol=1e-3, atol=1e-3)


def test_a_crop_goes_through_the_whole_net(parts, image):
    backbone, box_head = parts
    boxes = as_boxes([[20, 30, 90, 120]])
    pixels = torch.from_numpy(warp_regions(image, boxes)).permute(0, 3, 1, 2)
    expected = box_head(box_head.pool4(backbone(backbone.preprocess(pixels))))
    torch.testing.assert_close(
        joined(crop_features(box_head, [(SharedMaps(backbone, image, SIDES), boxes)])), expected, rtol=1e-3, atol=1e-3
    )


class Ramp(torch.nn.Module):
    """A backbone whose map says where each cell looks: channel 0 its centre's x in the input, channel 1 its y."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.sizes = []

    @staticmethod
    def preprocess(images):
        return images.float()

    def forward(self, images):
        height, width = images.shape[2:]
        self.sizes.append((height, width))
        y, x = (STRIDE * torch.arange(side // STRIDE) + STRIDE / 2 + CELL_SHIFT for side in (height, width))
        return torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))])[None]


def test_a_region_is_pooled_from_the_cells_that_see_it():
    """The middle of the 7 x 7 window must look at the middle of the box, in the pixels of the resized image."""
    image = np.zeros((300, 400, 3), dtype=np.uint8)  # looked at in twice the size
    boxes = as_boxes([[100, 80, 200, 180], [150, 100, 320, 220]])
    windows = joined(
        shared_features(torch.nn.Identity(), [(SharedMaps(Ramp(), image, (600,)), boxes)], 7)
    )  # [2, 2, 7, 7]
    centres = windows[:, :, 3, 3]
    torch.testing.assert_close(centres, torch.tensor([[300.0, 260.0], [470.0, 320.0]]))
    # With 16 of 224 pixels of context on each side, neighbouring cells are a seventh of 7/6 box sides apart.
    torch.testing.assert_close(windows[0, 0, 3, 4] - windows[0, 0, 3, 3], torch.tensor(200 * 7 / 6 / 7))


def test_each_region_is_pooled_from_the_map_that_suits_it():
    """Asked region by region or all at once, and only maps that a region needs are made."""
    image = np.zeros((300, 400, 3), dtype=np.uint8)
    boxes = as_boxes([[10, 10, 390, 290], [100, 100, 150, 150], [0, 0, 380, 300], [50, 60, 200, 220]])
    backbone = Ramp()
    together = joined(shared_features(torch.nn.Identity(), [(SharedMaps(backbone, image, SIDES), boxes)], 7))
    assert backbone.sizes == [(200, 267), (400, 533), (800, 1067)]
    alone = [
        joined(shared_features(torch.nn.Identity(), [(SharedMaps(backbone, image, SIDES), boxes[i : i + 1])], 7))
        for i in range(4)
    ]
    torch.testing.assert_close(together, torch.cat(alone))
    small = Ramp()
    joined(shared_features(torch.nn.Identity(), [(SharedMaps(small, image, SIDES), boxes[1:2])], 7))
    assert small.sizes == [(800, 1067)]


@pytest.mark.parametrize("mode", regions.MODES)
def test_regions_of_several_images_are_those_of_each(parts, image, mode, monkeypatch):
    monkeypatch.setattr(regions, "REGIONS_TOGETHER", {"cpu": 3})  # those of both images in one pass
    first, second = as_boxes([[0, 0, 200, 150], [20, 30, 90, 120]]), as_boxes([[100, 10, 180, 60]])
    other = image[::-1].copy()
    images = [(SharedMaps(parts[0], image, SIDES), first), (SharedMaps(parts[0], other, SIDES), second)]
    together = joined(region_features(mode, parts[1], images, 7))
    each = [joined(region_features(mode, parts[1], [one], 7)) for one in images]
    torch.testing.assert_close(together, torch.cat(each), rtol=1e-3, atol=1e-3)


def test_crops_padded_to_few_shapes_are_the_same(parts, image, monkeypatch):
    images = [(SharedMaps(parts[0], image, SIDES), as_boxes([[0, 0, 200, 150], [20, 30, 90, 120], [100, 10, 180, 60]]))]
    exact = joined(region_features("crops", parts[1], images, 7))
    monkeypatch.setattr(few_shapes, "DEVICES", ("cpu",))
    torch.testing.assert_close(joined(region_features("crops", parts[1], images, 7)), exact, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (3000, 2)])
@pytest.mark.parametrize("mode", regions.MODES)
def test_images_of_any_shape_have_features(parts, size, mode):
    image = np.zeros((*size, 3), dtype=np.uint8)
    features = joined(
        region_features(mode, parts[1], [(SharedMaps(parts[0], image, SIDES), as_boxes([[0, 0, size[1], size[0]]]))], 7)
    )
    assert features.shape == (1, 1024, 7, 7)
    assert torch.isfinite(features).all()


def test_an_unknown_mode_is_refused():
    assert checked_mode("crops") == "crops"
    with pytest.raises(UsageError, match="did you mean 'crops'"):
        checked_mode("croops")
    with pytest.raises(UsageError, match="known: shared, crops"):
        checked_mode("whole")


@pytest.mark.parametrize("mode", regions.MODES)
def test_features_are_on_the_device_of_the_network(mode, image):
    """On a device without memory: a tensor made on the CPU would not go with the others."""
    network = RegionNetwork(2, (mode,)).to("meta")
    for boxes in ([], [[0, 0, 90, 80], [20, 30, 60, 70]]):
        maps = SharedMaps(network.backbone, image, SIDES)
        for _, features in region_features(mode, network.box_head(mode), [(maps, as_boxes(boxes))], 7):
            assert features.device.type == "meta"
        ((logits, deltas),) = network(mode, [(maps, as_boxes(boxes))])
        assert (logits.shape, deltas.shape) == ((len(boxes), 3), (len(boxes), 2, 4))
        assert {(each.device.type, each.dtype) for each in (logits, deltas)} == {("meta", torch.float32)}
