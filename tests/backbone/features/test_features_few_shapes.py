import numpy as np
import pytest
import torch

from inception_rcnn.backbone.features import few_shapes
from inception_rcnn.backbone.features.few_shapes import pad_images, pad_rows
from inception_rcnn.backbone.features.shared_maps import SharedMaps
from inception_rcnn.backbone.googlenet import MEAN, Backbone, map_side


@pytest.fixture
def like_a_gpu(monkeypatch):
    monkeypatch.setattr(few_shapes, "DEVICES", ("cpu",))


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return Backbone().eval().requires_grad_(False)


def test_images_lie_in_the_corner_of_larger_ones(rng):
    images = [rng.integers(0, 255, size, dtype=np.uint8) for size in ((100, 200, 3), (130, 90, 3))]
    padded = pad_images(images)
    assert padded.shape == (2, 256, 256, 3)
    for row, image in zip(padded, images, strict=True):
        height, width = image.shape[:2]
        np.testing.assert_array_equal(row[:height, :width], image)
        assert (row[height:] == MEAN).all()
        assert (row[:, width:] == MEAN).all()


@pytest.mark.parametrize(("rows", "padded"), [(0, 0), (1, 1), (2, 2), (3, 4), (5, 8), (64, 64), (65, 128)])
def test_rows_of_zeros_come_after_the_own(rows, padded, like_a_gpu):
    x = torch.rand(rows, 4, 3, 3).to(memory_format=torch.channels_last)
    more = pad_rows(x)
    assert len(more) == padded
    assert torch.equal(more[:rows], x)
    assert not more[rows:].any()
    assert more.is_contiguous(memory_format=torch.channels_last)


def test_the_cpu_computes_no_more_than_asked(rng):
    x = torch.rand(3, 4)
    assert pad_rows(x) is x


def test_the_side_of_a_map_is_told_before_it_is_made():
    with torch.device("meta"):
        network = Backbone()
        for pixels in (32, 33, 47, 48, 49, 224, 225, 375, 480, 511, 640, 801):
            assert network(torch.zeros(1, 3, pixels, 64)).shape[2] == map_side(pixels)


def test_padding_changes_the_last_cells_of_a_map_alone(backbone, rng, monkeypatch):
    images = [rng.integers(0, 255, size, dtype=np.uint8) for size in ((240, 330, 3), (300, 240, 3))]
    exact = [each.at(0)[0] for each in SharedMaps.of_images(backbone, images, (240,))]
    monkeypatch.setattr(few_shapes, "DEVICES", ("cpu",))
    shapes = []
    handle = backbone.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(inputs[0].shape)))
    padded = [each.at(0)[0] for each in SharedMaps.of_images(backbone, images, (240,))]
    handle.remove()
    assert shapes == [(2, 3, 384, 384)]
    for one, other in zip(exact, padded, strict=True):
        assert one.shape == other.shape
        near, far = one[:, :, :4, :4], other[:, :, :4, :4]
        torch.testing.assert_close(near, far, rtol=1e-3, atol=1e-3 * float(one.abs().max()))
        assert not torch.allclose(one[:, :, -1], other[:, :, -1], rtol=1e-3)
