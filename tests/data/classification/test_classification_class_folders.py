from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.classification.class_folders import read_class_folders
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.images.decoding import encode_image


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
