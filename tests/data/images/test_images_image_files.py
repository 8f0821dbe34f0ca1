import ntpath
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.images.decoding import read_image
from inception_rcnn.data.images.image_files import image_name, image_size, is_turned, size_if_there


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("a.jpg", "a.jpg"),
        ("sub//./a.jpg", "sub/a.jpg"),
        ("sub/../a.jpg", "a.jpg"),
        ("..a.jpg", "..a.jpg"),
        ("/photos/sub/a.jpg", "sub/a.jpg"),
        ("/photos", None),
        ("/photos/../a.jpg", None),
        ("/photosets/a.jpg", "photosets/a.jpg"),  # of another machine, and nowhere here: it stays below the folder
        ("/etc/passwd", None),  # is there, so that this is not what was meant
        ("sub/../../a.jpg", None),
        ("..", None),
        (".", None),
        ("", None),
        (" ", None),
        ("a\0.jpg", None),
        (None, None),
        (7, None),
        ("a" * 100_000, None),
        ("\ud800.jpg", None),  # JSON can hold half of a pair
        (r"sub\a.jpg", "sub/a.jpg"),
        (r"..\a.jpg", None),
        (r"C:\data\a.jpg", "data/a.jpg"),
        ("C:/data/../../a.jpg", None),
        (r"\\host\share\a.jpg", "host/share/a.jpg"),
        ("c:a.jpg", "c:a.jpg"),
        ("C:\\", None),
    ],
)
def test_names_stay_below_the_folder(stated: object, name: str | None) -> None:
    assert image_name(stated, Path("/photos")) == name


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("a.jpg", "B.JPG", "sub/c.jpg", "x.png", "X.PNG", "cafe\u0301.jpg", "train/images/1.jpg", "1.jpg"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).touch()
    (tmp_path / "outside.jpg").touch()
    return tmp_path / "images"


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("a.jpg", "a.jpg"),
        (r"images\a.jpg", "a.jpg"),
        ("IMAGES/a.jpg", "a.jpg"),
        (r".\sub\c.jpg", "sub/c.jpg"),
        (r"D:\data\images\a.jpg", "a.jpg"),
        ("d:/data/images/sub/c.jpg", "sub/c.jpg"),
        (r"\\host\share\c.jpg\a.jpg", "a.jpg"),
        ("/home/x/a.jpg", "a.jpg"),
        ("/kaggle/input/train/images/1.jpg", "train/images/1.jpg"),  # the longest of two that are there
        ("../images/a.jpg", "a.jpg"),
        (r"..\images\a.jpg", "a.jpg"),
        ("A.JPG", "a.jpg"),
        ("b.jpg", "B.JPG"),
        (r"C:\x\Sub\C.JPG", "sub/c.jpg"),
        ("caf\xe9.jpg", "cafe\u0301.jpg"),  # Macs decompose letters
        ("X.PNG", "X.PNG"),
        ("X.png", "X.png"),  # two files fit
        ("old/a.jpg", "old/a.jpg"),  # another file may have been meant
        ("c.jpg", "c.jpg"),
        ("../outside.jpg", None),
        ("images/../../outside.jpg", None),
        ("images", "images"),
        ("/home/x/missing.jpg", "home/x/missing.jpg"),
        ("a", "a.jpg"),  # an id
        ("sub/C", "sub/c.jpg"),
        ("x", "x"),  # two files fit
        ("a.png", "a.png"),
    ],
)
def test_names_of_another_machine_mean_files_of_the_folder(images: Path, stated: str, name: str | None) -> None:
    assert image_name(stated, images) == name
    assert image_name(stated, Path(os.path.relpath(images))) == name


def test_what_is_there_by_its_very_name_is_meant(images: Path) -> None:
    (images / r"images\a.jpg").touch()
    (images / "images").mkdir()
    (images / "images" / "b.jpg").touch()
    assert image_name(r"images\a.jpg", images) == r"images\a.jpg"
    assert image_name("images/b.jpg", images) == "images/b.jpg"
    assert image_name(str(images / "a.jpg"), images) == "a.jpg"
    assert image_name(str(images.parent / "outside.jpg"), images) is None


def test_no_drive_of_windows_leads_out_of_the_folder(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.splitdrive", ntpath.splitdrive)
    assert [image_name(name, None) for name in ("C:a.jpg", "a.jpg", r"C:\a.jpg")] == [None, "a.jpg", "a.jpg"]


def test_without_a_folder_names_are_only_normalised(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(images)
    assert [image_name(name, None) for name in ("A.JPG", r"images\a.jpg", r"C:\x\a.jpg", "../a.jpg")] == [
        *("A.JPG", "images/a.jpg", "x/a.jpg", None)
    ]


def test_a_folder_is_listed_once_for_all_its_images(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        (images / f"{number}.jpg").touch()
    listed, listdir = [], os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: listed.append(folder) or listdir(folder))
    names = [image_name(rf"images\{number}.JPG", images) for number in range(300)]
    assert names == [f"{number}.jpg" for number in range(300)]
    assert listed == [str(images)]


def test_a_file_is_seen_that_came_after_its_folder_was_listed(images: Path) -> None:
    times = os.stat(images)
    assert image_name(r"new\file.jpg", images) == "new/file.jpg"
    (images / r"new\file.jpg").touch()
    os.utime(images, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert image_name(r"new\file.jpg", images) == r"new\file.jpg"


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from("aA.jpg/\\:C\0 \ud800é"), max_size=12) | st.text(max_size=300))
def test_no_name_leads_out_of_the_folder_or_fails(images: Path, stated: str) -> None:
    for folder in (images, None):
        name = image_name(stated, folder)
        assert name is None or (not Path(name).is_absolute() and ".." not in Path(name).parts)


def test_sizes(tmp_path: Path) -> None:
    Image.new("RGB", (7, 3)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:10])
    assert image_size(tmp_path / "a.png") == size_if_there(tmp_path / "a.png") == (7, 3)
    for name in ("b.png", "none.png", "."):
        with pytest.raises(DataError, match=name):
            image_size(tmp_path / name)
        assert size_if_there(tmp_path / name) == (0, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.png", "a.webp"])
def test_sizes_are_those_that_the_decoder_gives(tmp_path: Path, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", (9, 4), (200, 10, 60)).save(tmp_path / name, exif=exif)
    for upright in (False, True):
        height, width, _ = read_image(tmp_path / name, ignore_exif=not upright).shape
        assert image_size(tmp_path / name, upright=upright) == (width, height)
        for stated in ((9, 4), (4, 9), (18, 8)):
            height, width, _ = read_image(tmp_path / name, ignore_exif=not upright, size=stated).shape
            assert image_size(tmp_path / name, upright=upright, stated=stated) == (width, height)


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.png"])
def test_what_is_turned_has_other_pixels_than_as_stored(tmp_path: Path, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.effect_noise((16, 8), 99).convert("RGB").save(tmp_path / name, exif=exif)
    stored = read_image(tmp_path / name, ignore_exif=True)
    for upright in (False, True):
        for stated in ((0, 0), (16, 8), (8, 16)):
            pixels = read_image(tmp_path / name, ignore_exif=not upright, size=stated)
            turned = is_turned(tmp_path / name, upright=upright, stated=stated)
            assert turned is not np.array_equal(pixels, stored)
    assert not is_turned(tmp_path / "none.jpg", upright=True)
