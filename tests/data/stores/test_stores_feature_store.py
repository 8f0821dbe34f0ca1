"""Features to disk and back, the room they need, and every file that is not one of ours."""

import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import DataError, SetupError
from inception_rcnn.data.stores import feature_store
from inception_rcnn.data.stores.feature_store import (
    FORMAT,
    RegionFeatures,
    check_room,
    has_shard,
    open_features,
    shard_files,
    write_shard,
)

WIDTH = 3


def image(file, num_regions, num_objects=0, seed=0):
    rng = np.random.default_rng((seed, num_regions))
    corners = rng.integers(0, 50, (num_regions, 2))
    boxes = as_boxes(np.concatenate([corners, corners + 7.5], axis=1))
    return RegionFeatures(file, num_objects, boxes, rng.random((num_regions, WIDTH)).astype(np.float16))


IMAGES = [image("b.jpg", 4, 2), image("none/猫.jpg", 0), image("a.jpg", 1, 1), image("c.jpg", 3, 0, seed=1)]
SHARDS = {"features-00000.safetensors": ["b.jpg", "none/猫.jpg"], "features-00001.safetensors": ["a.jpg", "c.jpg"]}


@pytest.fixture
def folder(tmp_path):
    for name, files in SHARDS.items():
        write_shard(tmp_path / name, [each for each in IMAGES if each.file in files], "0123")
    return tmp_path


def assert_same(a, b):
    assert (a.file, a.num_objects) == (b.file, b.num_objects)
    np.testing.assert_array_equal(a.boxes, b.boxes)
    np.testing.assert_array_equal(a.features, b.features)
    assert (a.boxes.dtype, a.features.dtype) == (np.float64, np.float16)


def test_no_images_are_a_store_too(tmp_path):
    store = open_features(tmp_path, {}, "0123")
    assert (len(store), list(store), list(store.spread(5))) == (0, [], [])


def test_images_come_back_in_order_shard_by_shard(folder):
    store = open_features(folder, SHARDS, "0123")
    assert (len(store), store.width) == (4, WIDTH)
    for found, written in zip(store, IMAGES, strict=True):
        assert_same(found, written)
    assert [each.file for each in store] == [each.file for each in IMAGES]  # and again


@pytest.mark.parametrize(
    ("count", "places"), [(0, []), (1, [0]), (2, [0, 3]), (3, [0, 2, 3]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3])]
)
def test_a_sample_is_spread_over_all_shards(folder, count, places):
    found = list(open_features(folder, SHARDS, "0123").spread(count))
    assert [each.file for each in found] == [IMAGES[place].file for place in places]


def test_one_image_is_read_at_a_time(folder, monkeypatch):
    """A store of any size needs the memory of an image: the second is not touched before it is asked for."""
    made = []
    monkeypatch.setattr(feature_store, "RegionFeatures", lambda file, *rest: made.append(file) or (file, *rest))
    images = iter(open_features(folder, SHARDS, "0123"))
    next(images)
    assert made == ["b.jpg"]


@pytest.mark.parametrize(("regions", "expected"), [(0, 1), (10, 2), (20, 3), (10**9, 5)])
def test_shards_have_about_the_size_wanted(regions, expected, monkeypatch):
    """Ten regions of three features take 10 * (3 * 2 + 16) = 220 bytes an image."""
    monkeypatch.setattr(feature_store, "SHARD_BYTES", 3 * 220 if regions == 10 else 2 * 440)
    files = [f"{number}.jpg" for number in range(5)]
    shards = shard_files(files, regions, WIDTH)
    assert len(shards) == expected
    assert [file for each in shards.values() for file in each] == files


def test_the_room_needed_and_free_is_told_or_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**10, 0, 3 * 10**9))
    told = check_room(tmp_path / "not" / "yet", 1_000_000, 1024)  # 2,064 bytes a region
    assert told == "the features of 1,000,000 regions need 2.06 GB; 3.00 GB are free"
    with pytest.raises(SetupError, match=r"need 4\.13 GB; 3\.00 GB are free at .*fewer --regions"):
        check_room(tmp_path, 2_000_000, 1024)


def test_a_shard_made_otherwise_is_refused_with_both_hashes(folder):
    name, files = next(iter(SHARDS.items()))
    assert has_shard(folder / name, files, "0123")
    for call in (lambda: has_shard(folder / name, files, "4567"), lambda: open_features(folder, SHARDS, "4567")):
        with pytest.raises(
            DataError, match=r"parameters 0123, which now are 4567: it is of an earlier release, or .*delete the folder"
        ):
            call()


def test_a_shard_that_is_not_there_is_not_had_and_cannot_be_opened(folder):
    (folder / "features-00001.safetensors").unlink()
    assert not has_shard(folder / "features-00001.safetensors", ["a.jpg", "c.jpg"], "0123")
    with pytest.raises(DataError, match="features-00001"):
        open_features(folder, SHARDS, "0123")


@pytest.mark.parametrize("content", [b"", b"not safetensors", None])
def test_a_damaged_shard_is_one_sentence(folder, content):
    path = folder / "features-00000.safetensors"
    path.write_bytes(path.read_bytes()[:-5] if content is None else content)
    with pytest.raises(DataError, match="delete it and run the same again"):
        open_features(folder, SHARDS, "0123")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("offsets", np.array([0, 4], np.int64)),  # an image too few
        ("offsets", np.array([0, 5, 4], np.int64)),  # backwards
        ("offsets", np.array([0, 4, 9], np.int64)),  # beyond the end
        ("num_objects", np.array([5, 0], np.int64)),  # more objects than regions
        ("num_objects", np.array([-1, 0], np.int64)),
        ("boxes", np.zeros((3, 4), np.float32)),
        ("features", np.zeros((4,), np.float16)),
    ],
)
def test_numbers_that_do_not_fit_together_are_refused(folder, name, value):
    path = folder / "features-00000.safetensors"
    about = {"format": FORMAT, "parameters": "0123", "files": '["b.jpg", "none/猫.jpg"]'}
    save_file({**load_file(path), name: value}, path, about)
    with pytest.raises(DataError, match="numbers do not fit; delete it and run the same again"):
        open_features(folder, SHARDS, "0123")


@pytest.mark.parametrize(
    "about", [{}, {"format": "other"}, {"format": FORMAT}, {"format": FORMAT, "parameters": "0123", "files": "{"}]
)
def test_other_files_are_refused(folder, about):
    path = folder / "features-00000.safetensors"
    save_file(load_file(path), path, about)
    with pytest.raises(DataError, match="features-00000"):
        open_features(folder, SHARDS, "0123")


def test_other_images_are_refused(folder):
    with pytest.raises(DataError, match="is damaged, or of another data set"):
        open_features(folder, {"features-00000.safetensors": ["b.jpg"]}, "0123")


def test_boxes_are_compared_with_those_that_are_asked_for(folder):
    shard = open_features(folder, SHARDS, "0123").shards[0]
    expected = [(each.num_objects, each.boxes) for each in IMAGES[:2]]
    shard.check_regions(expected)
    boxes = IMAGES[0].boxes
    for other in ((1, boxes), (2, boxes[:3]), (2, boxes[::-1]), (2, np.concatenate([boxes, boxes]))):
        with pytest.raises(DataError, match=r"has other boxes of b\.jpg than .*delete it and run the same again"):
            shard.check_regions([other, expected[1]])
    with pytest.raises(DataError, match="has other boxes of none/猫"):
        shard.check_regions([expected[0], (0, boxes)])


def test_shards_of_different_widths_are_refused(folder):
    wide = RegionFeatures("a.jpg", 0, as_boxes([]), np.zeros((0, WIDTH + 1), np.float16))
    write_shard(folder / "features-00001.safetensors", [wide], "0123")
    with pytest.raises(DataError, match=r"\[3, 4\] features"):
        open_features(folder, {**SHARDS, "features-00001.safetensors": ["a.jpg"]}, "0123")


@pytest.mark.parametrize(
    ("boxes", "num_objects", "features", "message"),
    [
        (np.zeros((2, 4)), 0, np.zeros((3, WIDTH)), "do not fit"),
        (np.zeros((2, 4)), 3, np.zeros((2, WIDTH)), "do not fit"),
        (np.zeros((1, 4)), 0, np.full((1, WIDTH), np.inf), "not a finite number"),
    ],
)
def test_what_cannot_be_features_is_refused(boxes, num_objects, features, message):
    with pytest.raises(DataError, match=message):
        RegionFeatures("a.jpg", num_objects, boxes, features.astype(np.float16))
