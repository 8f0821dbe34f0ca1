from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.classification.labelled_images import (
    LabelledImages,
    groups_by_class,
    read_class_folders,
    sample_index,
)
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.images.decoding import encode_image


def labelled(targets: list[int], classes: tuple[str, ...] = ("a", "b", "c")) -> LabelledImages:
    files = tuple(f"{i}.png" for i in range(len(targets)))
    return LabelledImages(
        "test", classes, files, np.array(targets, dtype=np.int64), lambda i: np.full((1, 1, 3), i, dtype=np.uint8)
    )


def test_a_single_group_gives_each_image_once_an_epoch_in_new_orders() -> None:
    groups = [np.arange(7)]
    places = [sample_index(groups, 0, index) for index in range(21)]
    epochs = [places[:7], places[7:14], places[14:]]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert [sample_index(groups, 0, index) for index in (20, 3)] == [places[20], places[3]]  # whenever it is asked
    assert [sample_index(groups, 1, index) for index in range(21)] != places


def test_balanced_groups_show_each_class_equally_and_each_of_its_images_equally() -> None:
    images = labelled([0] * 8 + [2] * 2 + [1])
    groups = groups_by_class(images)
    places = [sample_index(groups, 3, index) for index in range(3 * 16)]
    for start in range(0, len(places), 3):
        assert sorted(images.targets[places[start : start + 3]]) == [0, 1, 2]
    counts = Counter(places)
    assert {counts[place] for place in range(8)} == {2}
    assert {counts[place] for place in (8, 9)} == {8}
    assert counts[10] == 16


def test_groups_leave_out_classes_without_images() -> None:
    assert [group.tolist() for group in groups_by_class(labelled([2, 0, 2]))] == [[1], [0, 2]]


def test_targets_follow_the_names_into_other_classes() -> None:
    moved = labelled([0, 2, 0]).with_classes(("c", "x", "a"))
    assert moved.targets.tolist() == [2, 0, 2]
    assert moved.classes == ("c", "x", "a")
    with pytest.raises(DataError, match="'c'"):
        labelled([0, 2]).with_classes(("a", "b"))
    labelled([0, 1]).with_classes(("a", "b"))  # the missing c is on no image


@pytest.mark.parametrize(
    ("count", "expected"), [(0, []), (1, [0]), (3, [0, 4, 8]), (9, list(range(9))), (99, list(range(9)))]
)
def test_a_spread_sample_keeps_files_targets_and_pixels_together(count: int, expected: list[int]) -> None:
    sample = labelled([i % 3 for i in range(9)]).spread(count)
    assert sample.files == tuple(f"{i}.png" for i in expected)
    assert sample.targets.tolist() == [i % 3 for i in expected]
    assert [int(sample.read(place)[0, 0, 0]) for place in range(len(sample))] == expected
    assert len(labelled([]).spread(5)) == 0


def test_targets_that_cannot_be_are_refused() -> None:
    for targets in ([3], [-1]):
        with pytest.raises(DataError, match="outside the 3 classes"):
            labelled(targets)
    with pytest.raises(DataError, match="shape"):
        LabelledImages("t", ("a",), ("1.png",), np.zeros(2, dtype=np.int64), lambda i: np.zeros((1, 1, 3), np.uint8))


def write_image(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_image(np.full((3, 4, 3), value, dtype=np.uint8), ".png"))


def test_images_have_their_folders_class_and_natural_order(tmp_path: Path) -> None:
    names = ["n02/10.png", "n02/9.png", "n02/deep/1.png", "n01/a.png", "Z/b.png"]
    for value, name in enumerate(names):
        write_image(tmp_path / name, value)
    (tmp_path / "readme.txt").write_text("no class")
    (tmp_path / "n02" / "notes.txt").write_text("no image")
    write_image(tmp_path / ".hidden" / "1.png", 9)
    images = read_class_folders(tmp_path)
    assert images.classes == ("Z", "n01", "n02")  # as ImageNet's synsets are numbered: by characters
    assert images.files == ("Z/b.png", "n01/a.png", "n02/9.png", "n02/10.png", "n02/deep/1.png")
    assert images.targets.tolist() == [0, 1, 2, 2, 2]
    assert [int(images.read(place)[0, 0, 0]) for place in range(5)] == [4, 3, 1, 0, 2]


def test_a_folder_without_classes_or_with_an_empty_one_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "1.png", 0)
    with pytest.raises(DataError, match="no folders of classes"):
        read_class_folders(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match="cat: holds no images"):
        read_class_folders(tmp_path)
    for name in ("nothing", "1.png"):
        with pytest.raises(DataError, match="cannot be listed"):
            read_class_folders(tmp_path / name)


def test_a_broken_image_is_named_when_it_is_read(tmp_path: Path) -> None:
    write_image(tmp_path / "cat" / "1.png", 0)
    (tmp_path / "cat" / "2.jpg").write_bytes(b"")
    images = read_class_folders(tmp_path)
    with pytest.raises(DataError, match=r"cat/2\.jpg: is empty"):
        images.read(1)
