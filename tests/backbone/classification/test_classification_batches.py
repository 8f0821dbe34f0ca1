import numpy as np
import pytest

from inception_rcnn.backbone.classification.batches import ClassificationBatches
from inception_rcnn.backbone.training import distributed
from inception_rcnn.data.classification.labelled_images import LabelledImages, groups_by_class
from inception_rcnn.data.errors import DataError


def images(targets, read=lambda place: np.full((40, 50, 3), 10 * place, dtype=np.uint8)):
    files = tuple(f"{place}.jpg" for place in range(len(targets)))
    return LabelledImages("test", ("a", "b"), files, np.array(targets, dtype=np.int64), read)


def test_a_step_is_the_same_whenever_it_is_made_and_no_other_is():
    data = images([0, 1, 0, 1, 0])
    batches = ClassificationBatches(data, [np.arange(5)], 4, seed=0)
    first, again = batches(3), ClassificationBatches(data, [np.arange(5)], 4, seed=0)(3)
    np.testing.assert_array_equal(first.crops, again.crops)
    assert first.files == again.files
    assert first.crops.shape == (4, 224, 224, 3)
    assert not np.array_equal(first.crops, batches(4).crops)
    other = ClassificationBatches(data, [np.arange(5)], 4, seed=1)
    assert not np.array_equal(first.crops, other(3).crops)


def test_an_epoch_goes_through_all_images_and_their_crops_change():
    batches = ClassificationBatches(images([0, 1, 0, 1]), [np.arange(4)], 2, seed=0)
    steps = [batches(step) for step in range(4)]
    shown = [file for step in steps for file in step.files]
    assert sorted(shown[:4]) == sorted(shown[4:]) == [f"{place}.jpg" for place in range(4)]
    crops = {}
    for step in steps:
        for file, crop, target in zip(step.files, step.crops, step.targets, strict=True):
            assert target == int(file[0]) % 2
            crops.setdefault(file, []).append(crop)
    assert all(not np.array_equal(*two) for file, two in crops.items() if file != "0.jpg")  # black stays nearly black


def test_processes_share_a_step(monkeypatch):
    batches = ClassificationBatches(images([0, 1, 0, 1, 0]), [np.arange(5)], 5, seed=0)
    whole = batches(2)
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    for rank in (0, 1):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        share = batches(2)
        assert share.files == whole.files[rank::2]
        np.testing.assert_array_equal(share.crops, whole.crops[rank::2])


def test_balanced_groups_reach_the_batch():
    data = images([0] * 9 + [1])
    batch = ClassificationBatches(data, groups_by_class(data), 10, seed=0)(0)
    assert np.bincount(batch.targets).tolist() == [5, 5]


def test_it_is_told_by_its_files_and_a_broken_image_by_its_error():
    def broken(place):
        raise DataError(f"{place}.jpg: is empty")

    assert repr(ClassificationBatches(images([0, 1]), [np.arange(2)], 2, seed=0)(0)).split(", ")[0].endswith(".jpg")
    with pytest.raises(DataError, match="is empty"):
        ClassificationBatches(images([0, 1], broken), [np.arange(2)], 2, seed=0)(0)
