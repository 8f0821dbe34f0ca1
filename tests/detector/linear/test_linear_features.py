"""Features of a data set: computed once, found again, gone on with, refused when anything behind them has changed."""

import re
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from inception_rcnn.backbone.features.shared_maps import SharedMaps
from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.errors import DataError, SetupError
from inception_rcnn.data.files.tensor_files import CHECKSUM
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.records import GroundTruth, Proposals
from inception_rcnn.data.stores import feature_store
from inception_rcnn.detector.linear import features
from inception_rcnn.detector.linear.features import cached_features, image_features
from inception_rcnn.detector.network import RegionNetwork

WIDTH = 1024 + 64 * 5 * 5  # features of a region
SIDES = (50, 100, 200)  # of the image pyramid

pytestmark = pytest.mark.usefixtures("small_maps")

NUM_REGIONS = 3  # of the four proposals below


class Counted(RegionNetwork):
    """Remembers how many images it was asked about, and stops where it is told to."""

    def __init__(self):
        super().__init__(1, ("shared", "crops"))
        self.calls, self.stop_at = 0, None

    def pooled_features(self, mode, regions):
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        self.calls += 1
        return super().pooled_features(mode, regions)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Counted().eval()


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Four images with 0, 1, 2 and 0 objects; a shard of the store holds one."""
    monkeypatch.setenv("INCEPTION_RCNN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(feature_store, "SHARD_BYTES", 1)
    rng, truths = np.random.default_rng(0), []
    (tmp_path / "images").mkdir()
    for number, objects in enumerate([0, 1, 2, 0]):
        image = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        (tmp_path / "images" / f"{number}.png").write_bytes(encode_image(image, ".png"))
        boxes = as_boxes([[5 * each, 0, 30 + 5 * each, 40] for each in range(objects)])
        truths.append(GroundTruth(f"{number}.png", 64, 48, boxes, ["cat"] * objects, [False] * objects))
    return Dataset("four", ("cat",), tuple(truths), tmp_path / "images")


@pytest.fixture
def proposals(data):
    boxes = as_boxes([[0, 0, 64, 48], [10, 10, 30, 40], [0, 0, 21, 21], [1, 1, 9, 9]])
    found = {truth.file: Proposals(boxes, np.arange(4.0)[::-1]) for truth in data.images}
    return {**found, "3.png": Proposals(as_boxes([]), np.zeros(0))}


def test_objects_come_first_then_the_best_proposals(network, data, proposals):
    store = cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS)
    assert (len(store), len(store.shards), store.width) == (4, 4, WIDTH)
    for truth, regions in zip(data.images, store, strict=True):
        expected = np.concatenate([truth.boxes, proposals[truth.file].boxes[:NUM_REGIONS]])
        assert (regions.file, regions.num_objects) == (truth.file, len(truth))
        np.testing.assert_array_equal(regions.boxes, expected)
        made = image_features(network, "shared", SIDES, data.read(truth), expected)
        np.testing.assert_array_equal(regions.features, made.astype(np.float16))


@pytest.mark.parametrize("mode", ["shared", "crops"])
def test_the_outputs_read_nothing_but_what_is_kept(network, data, proposals, mode):
    """`judge` of the stored numbers is what the network says itself, to the rounding of half precision."""
    image, boxes = data.read(data.images[1]), proposals["1.png"].boxes[:2]
    stored = torch.from_numpy(image_features(network, mode, SIDES, image, boxes).astype(np.float16)).float()
    with torch.no_grad():
        ((logits, deltas),) = network(mode, [(SharedMaps(network.backbone, image, SIDES), boxes)])
        again_logits, again_deltas = network.box_predictor(mode).predict(stored)
    torch.testing.assert_close(again_logits, logits, rtol=0.02, atol=0.02)
    torch.testing.assert_close(again_deltas, deltas, rtol=0.02, atol=0.02)


def test_what_was_computed_is_found_again(network, data, proposals):
    lines = []
    first = cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS, report=lines.append)
    assert network.calls == 4
    second = cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS, report=lines.append)
    assert network.calls == 4
    assert re.search(r"features of four: the features of 12 regions need 0\.00 GB; .* free; written to", lines[0])
    assert lines[1].startswith("features of four: found in")
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.features, b.features)


def test_a_run_that_was_stopped_goes_on_at_the_next_shard(network, data, proposals, tmp_path):
    whole = cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS, tmp_path / "whole")
    network.calls, network.stop_at = 0, 2
    with pytest.raises(KeyboardInterrupt):
        cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS, tmp_path / "stopped")
    assert len(list((tmp_path / "stopped").iterdir())) == 2
    network.calls, network.stop_at = 0, None
    again = cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS, tmp_path / "stopped")
    assert network.calls == 2
    for a, b in zip(whole, again, strict=True):
        np.testing.assert_array_equal(a.features, b.features)


def _other_backbone(network, data, proposals):
    network.backbone.conv2.weight.data += 1
    return network, data, proposals, "shared"


def _other_reduction(network, data, proposals):
    network.box_predictors["shared"].reduce.weight.data += 1
    return network, data, proposals, "shared"


def _other_mode(network, data, proposals):
    return network, data, proposals, "crops"


def _other_proposals(network, data, proposals):
    moved = Proposals(proposals["0.png"].boxes + 1, proposals["0.png"].scores)
    return network, data, {**proposals, "0.png": moved}, "shared"


def _other_image(network, data, proposals):
    (data.folder / "2.png").write_bytes(encode_image(np.zeros((48, 64, 3), np.uint8), ".png"))
    return network, data, proposals, "shared"


def _other_objects(network, data, proposals):
    images = list(data.images)
    images[1] = replace(images[1], boxes=images[1].boxes + 1)
    return network, replace(data, images=tuple(images)), proposals, "shared"


CHANGES = [_other_backbone, _other_reduction, _other_mode, _other_proposals, _other_image, _other_objects]


@pytest.mark.parametrize("change", CHANGES)
def test_features_of_anything_else_are_refused_with_both_hashes(change, network, data, proposals, tmp_path):
    cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS, tmp_path / "kept")
    asked = network.calls
    network, data, proposals, mode = change(network, data, proposals)
    with pytest.raises(DataError, match=r"parameters [0-9a-f]{16}, which now are [0-9a-f]{16}") as refused:
        cached_features(network, mode, SIDES, data, proposals, NUM_REGIONS, tmp_path / "kept")
    assert len(set(re.findall("[0-9a-f]{16}", str(refused.value)))) == 2
    assert network.calls == asked


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (features, "ALGORITHM", 0),
        (features, "autocast", lambda device: torch.autocast("cpu", torch.bfloat16)),
        (features, "image_releases", lambda: ("Pillow 1", "OpenCV 2")),
    ],
)
def test_features_of_other_releases_or_number_formats_are_refused(
    module, name, value, network, data, proposals, tmp_path, monkeypatch
):
    monkeypatch.setattr(features, "autocast", lambda device: nullcontext())
    cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS, tmp_path / "kept")
    monkeypatch.setattr(module, name, value)
    with pytest.raises(DataError, match="which now are"):
        cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS, tmp_path / "kept")


@pytest.mark.parametrize("change", [{"width": 0}, {"height": 0}, {"upright": True}])
def test_features_of_an_image_turned_otherwise_are_refused(network, data, proposals, tmp_path, change):
    cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS, tmp_path / "kept")
    turned = replace(data, images=tuple(replace(truth, **change) for truth in data.images))
    with pytest.raises(DataError, match="which now are"):
        cached_features(network, "shared", SIDES, turned, proposals, NUM_REGIONS, tmp_path / "kept")


@pytest.mark.parametrize("name", ["num_objects", "boxes", "offsets"])
def test_features_of_other_objects_are_refused_though_their_file_states_no_checksum(
    network, data, proposals, tmp_path, monkeypatch, name
):
    monkeypatch.setattr(feature_store, "SHARD_BYTES", 2**29)
    cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS, tmp_path / "kept")
    (path,) = (tmp_path / "kept").iterdir()
    with safe_open(path, "numpy") as file:
        about = {key: text for key, text in file.metadata().items() if key != CHECKSUM}
    arrays = load_file(path)
    if name == "offsets":
        arrays[name][1] += 1
    elif name == "boxes":
        arrays[name] = arrays[name][::-1].copy()
    else:
        arrays[name][1] = 0
    save_file(arrays, path, about)
    with pytest.raises(DataError, match=r"has other boxes of \d\.png than the data set"):
        cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS, tmp_path / "kept")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (7e4, r"1\.png: a feature is 7e\+04, .* in half precision, up to 65,504"),
        (float("nan"), r"1\.png: the model gives features that are not finite"),
        (float("inf"), r"1\.png: the model gives features that are not finite"),
    ],
)
def test_features_that_cannot_be_stored_say_why(network, data, proposals, monkeypatch, value, words):
    real = features.image_features

    def odd(network, mode, short_sides, image, boxes):
        found = real(network, mode, short_sides, image, boxes)
        if (image == data.read(data.images[1])).all():
            found[0, 5] = value
        return found

    monkeypatch.setattr(features, "image_features", odd)
    with pytest.raises(DataError, match=words):
        cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS)


def test_outputs_may_change_without_a_new_pass(network, data, proposals, tmp_path):
    """Classifier and deltas only read the features."""
    cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS, tmp_path / "kept")
    network.box_predictors["shared"].classifier.weight.data += 1
    cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS, tmp_path / "kept")
    assert network.calls == 4


def test_two_data_sets_may_say_different_things_of_one_file(network, data, proposals):
    twice = replace(data, images=(data.images[2], replace(data.images[1], file="2.png"), data.images[2]))
    store = cached_features(network, "shared", SIDES, twice, proposals, NUM_REGIONS)
    for truth, regions in zip(twice.images, store, strict=True):
        assert regions.num_objects == len(truth)
        np.testing.assert_array_equal(regions.boxes[: len(truth)], truth.boxes)


def test_too_little_room_is_told_before_anything_is_computed(network, data, proposals, monkeypatch):
    def full(folder, regions, width):
        raise SetupError(f"{regions} regions of {width}")

    monkeypatch.setattr(features, "check_room", full)
    with pytest.raises(SetupError, match=f"12 regions of {WIDTH}"):
        cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS)
    assert network.calls == 0


def test_a_missing_image_is_named(network, data, proposals):
    (data.folder / "2.png").unlink()
    with pytest.raises(DataError, match=r"2\.png"):
        cached_features(network, "shared", SIDES, data, proposals, NUM_REGIONS)
