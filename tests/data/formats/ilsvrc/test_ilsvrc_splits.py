import csv
import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.formats.ilsvrc.annotations import ILSVRC_CLASSES, read_ilsvrc
from inception_rcnn.data.formats.ilsvrc.splits import (
    Counts,
    balance_of,
    balanced_halves,
    class_counts,
    split_validation,
    write_halves,
)
from inception_rcnn.data.records import GroundTruth


def _dataset(*images: tuple[str, ...], ignored_classes: tuple[tuple[str, ...], ...] = ()) -> Dataset:
    truths = []
    for number, labels in enumerate(images):
        boxes = np.tile([0.0, 0, 9, 9], (len(labels), 1))
        skipped = ignored_classes[number] if ignored_classes else ()
        truth = GroundTruth(
            f"val/p{number}.JPEG", 20, 20, boxes, np.array(labels, np.str_), np.zeros(len(labels), bool)
        )
        truths.append(replace(truth, ignored_classes=skipped))
    ids = tuple(str(10 * number) for number in range(len(images)))
    return Dataset("toy", ("cat", "cow", "dog"), tuple(truths), Path(), ids)


def _largest(counts: Counts, second: np.ndarray) -> float:
    """The largest imbalance of a class, in a plain loop."""
    largest = 0.0
    for column in counts.T:
        a, b = column[~second].sum(), column[second].sum()
        largest = max(largest, abs(a - b) / max(a + b, 1))
    return largest


def test_no_images_have_two_empty_halves() -> None:
    assert balanced_halves(np.zeros((0, 3), dtype=np.int64)).shape == (0,)
    halves = split_validation(_dataset())
    assert [len(half) for half in halves] == [0, 0]
    assert balance_of(*halves).largest == 0


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_images_without_objects_are_shared_out_evenly(count: int) -> None:
    second = balanced_halves(np.zeros((count, 2), dtype=np.int64))
    assert abs(int(second.sum()) - int((~second).sum())) == count % 2


def test_counts() -> None:
    assert class_counts(_dataset(("dog", "cat", "dog"), ())).tolist() == [[1, 0, 2], [0, 0, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_no_image_would_be_better_off_on_the_other_side(seed: int) -> None:
    counts = np.random.default_rng(seed).poisson(0.3, (60, 5))

    def unevenness(second: np.ndarray) -> float:
        total = ((len(second) - 2 * int(second.sum())) / len(second)) ** 2
        for column in counts.T:
            total += ((column[second].sum() - column[~second].sum()) / column.sum()) ** 2
        return total

    found = balanced_halves(counts, seed)
    for image in range(len(counts)):
        moved = found.copy()
        moved[image] ^= True
        assert unevenness(moved) >= unevenness(found) - 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_no_class_is_far_off(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(0.02 + rng.exponential(0.05, 40), (1500, 40))
    second = balanced_halves(counts, seed)
    assert np.abs(counts[second].sum(axis=0) - counts[~second].sum(axis=0)).max() <= 3
    assert abs(second.mean() - 0.5) < 0.01
    assert _largest(counts, second) < _largest(counts, rng.random(len(counts)) < 0.5)


def test_the_seed_decides() -> None:
    counts = np.random.default_rng(0).poisson(0.3, (200, 5))
    np.testing.assert_array_equal(balanced_halves(counts, 1), balanced_halves(counts, 1))
    assert not np.array_equal(balanced_halves(counts, 1), balanced_halves(counts, 2))


def test_every_judged_image_is_in_one_half_in_the_sets_own_order() -> None:
    images = [("cat",), ("cat", "cow"), (), ("dog",), ("dog", "dog"), ("cow",), ("cat",)]
    skipped = ((), (), (), ("cow",), (), (), ())
    first, second = split_validation(_dataset(*images, ignored_classes=skipped))
    assert sorted([*first.image_ids, *second.image_ids], key=int) == ["0", "10", "20", "40", "50", "60"]
    for half in (first, second):
        assert [truth.file for truth in half.images] == [f"val/p{int(number) // 10}.JPEG" for number in half.image_ids]
        assert list(half.image_ids) == sorted(half.image_ids, key=int)


def test_a_class_that_fell_to_one_side_is_all_imbalance() -> None:
    balance = balance_of(_dataset(("cat", "cat"), ("dog",)), _dataset(("dog",)))
    assert (balance.images, balance.objects, balance.largest, balance.median) == ((2, 1), (3, 1), 1.0, 0.5)
    assert str(balance).endswith("imbalance of a class: at most 100.0%, median 50.0%")


def test_the_lists_are_read_back(tmp_path: Path) -> None:
    annotations, lists = tmp_path / "Annotations" / "DET" / "val", tmp_path / "ImageSets" / "DET"
    annotations.mkdir(parents=True)
    lists.mkdir(parents=True)
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    for i in range(6):
        thing = f"<object><name>{('n02084071', 'n02121808')[i % 2]}</name>{box}</object>"
        (annotations / f"p.{i}.xml").write_text(
            f"<annotation><size><width>9</width><height>9</height></size>{thing}</annotation>"
        )
    (lists / "val.txt").write_text("".join(f"p.{i} {i + 3}\n" for i in range(6)))
    balance = write_halves(read_ilsvrc(tmp_path, "val"), lists)
    halves = [read_ilsvrc(tmp_path, name) for name in ("val1", "val2")]
    assert sorted(number for half in halves for number in half.image_ids) == list("345678")
    assert balance_of(*halves) == balance
    assert (balance.objects, balance.images) == ((3, 3), (3, 3))
    with pytest.raises(UsageError, match="no image numbers"):
        write_halves(replace(read_ilsvrc(tmp_path, "val"), image_ids=()), lists)


@pytest.mark.slow
@pytest.mark.shared
def test_the_real_validation_set_agrees_with_what_was_published(shared: Path) -> None:
    """R-CNN's lists have 19,804 images; their halves' classes differ by up to 11 %, in the median by 4 %."""
    folder = shared / "data" / "ilsvrc2014"
    with gzip.open(folder / "val_ground_truth.json.gz", "rt") as stream:
        content = json.load(stream)
    with (Path(read_ilsvrc.__code__.co_filename).with_name("ilsvrc_blacklist.csv")).open() as stream:
        blacklist = dict(list(csv.reader(stream))[1:])
    truths = []
    for name, objects in content.items():
        labels = np.array([ILSVRC_CLASSES[label - 1] for label in objects["labels"]], np.str_)
        boxes = np.array(objects["bboxes"], float).reshape(-1, 4)
        truth = GroundTruth(f"val/{name}.JPEG", 1, 1, boxes, labels, np.zeros(len(labels), bool))
        truths.append(replace(truth, ignored_classes=tuple(blacklist.get(name, "").split())))
    ids = tuple(str(one["index"]) for one in content.values())
    halves = split_validation(Dataset("val", ILSVRC_CLASSES, tuple(truths), folder, ids))
    balance = balance_of(*halves)
    assert sum(balance.images) == 9887 + 9917
    assert abs(balance.images[0] - balance.images[1]) <= 1
    first, second = (class_counts(half).sum(axis=0) for half in halves)
    assert (first + second).min() == 31  # "the smallest class has 31 objects, half have fewer than 110"
    assert np.median(first + second) < 110
    assert np.abs(first - second).max() <= 1  # no split could be more even
    assert balance.largest < 0.11
    assert balance.median < 0.04
