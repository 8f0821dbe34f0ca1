from dataclasses import replace

import numpy as np
import pytest

from inception_rcnn.backbone.features.image_pyramid import nearest_short_sides
from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.datasets.image_order import ImageOrder
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.records import GroundTruth, Proposals
from inception_rcnn.detector.training.batches import JITTER, Batches

SIDES = (200, 400, 800)  # of the image pyramid


@pytest.fixture
def batches(tmp_path):
    """Five images, each with a bright object on the left."""
    truths, proposals = [], {}
    for i in range(5):
        image = np.zeros((60, 100, 3), dtype=np.uint8)
        image[10:40, 5:35] = 250
        (tmp_path / f"{i}.png").write_bytes(encode_image(image, ".png"))
        box = as_boxes([[5, 10, 35, 40]])
        truths.append(GroundTruth(f"{i}.png", 100, 60, box, ["cat"], [False]))
        proposals[f"{i}.png"] = Proposals(as_boxes([[60, 10, 90, 50], [6, 11, 34, 39]]), [0.9, 0.8])
    order = ImageOrder(np.ones(5), seed=0)
    data = Dataset("five", ("cat",), tuple(truths), tmp_path)
    return Batches(data, proposals, ("cat",), "shared", SIDES, order, 2, 8)


def test_an_epoch_shows_every_image_once_in_a_new_order(batches):
    files = [example.file for step in range(5) for example in batches(step)]
    assert len(files) == 10
    assert sorted(files[:5]) == sorted(files[5:]) == [f"{i}.png" for i in range(5)]
    assert files[:5] != files[5:]


def test_a_step_is_the_same_whenever_it_is_made(batches):
    first, again = batches(3), batches(3)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.sample.boxes, b.sample.boxes)
        assert a.short_sides == b.short_sides


def test_boxes_stay_on_their_object_when_the_image_is_mirrored(batches, monkeypatch):
    monkeypatch.setattr("inception_rcnn.detector.training.batches.OBJECT_FRACTION", 1.0)
    sides = set()
    for step in range(20):
        for example in batches(step):
            assert example.sample.classes[0] == 1
            x1, y1, x2, y2 = example.sample.targets[0].astype(int)
            assert (example.image[y1:y2, x1:x2] == 250).all()
            assert (example.image == 250).sum() == 30 * 30 * 3
            sides.add(x1)
    assert sides == {5, 65}


def test_an_images_regions_suit_the_size_it_is_looked_at_in(batches):
    """The object is 30 of 60 pixels high: with context 35, which is nearest to 224 at a short side of 400."""
    proposals = {file: Proposals(as_boxes([[6, 11, 34, 39], [60, 10, 68, 18]]), [1, 0.9]) for file in batches.proposals}
    seen = []
    for example in (example for step in range(20) for example in replace(batches, proposals=proposals)(step)):
        index = int(np.abs(np.log(np.array(SIDES) / example.short_sides[0])).argmin())
        assert abs(np.log2(example.short_sides[0] / SIDES[index])) <= JITTER
        assert (nearest_short_sides(example.sample.boxes, (60, 100), SIDES) == index).all()
        seen.append((SIDES[index], example.sample.classes.tolist()))
    assert set(map(str, seen)) == {"(400, [1, 1])", "(800, [0])"}  # the small proposal has its turn, as background
    assert sum(size == 400 for size, _ in seen) > 25


def test_crops_take_regions_of_every_size(batches):
    proposals = {file: Proposals(as_boxes([[0, 0, 99, 59], [60, 10, 68, 18]]), [1, 0.9]) for file in batches.proposals}
    crops = replace(batches, mode="crops", proposals=proposals)
    assert all(len(example.sample) == 3 for step in range(5) for example in crops(step))
    shared = replace(crops, mode="shared")
    assert all(len(example.sample) == 1 for step in range(5) for example in shared(step))


def test_the_images_of_a_step_share_its_scale_so_that_those_of_equal_size_are_one_pass(batches):
    scales = []
    for step in range(10):
        steps_scales = set()
        for example in batches(step):
            index = int(np.abs(np.log(np.array(SIDES) / example.short_sides[0])).argmin())
            steps_scales.add(round(example.short_sides[0] / SIDES[index], 9))
        assert len(steps_scales) == 1
        scales += steps_scales
    assert len(set(scales)) == 10
