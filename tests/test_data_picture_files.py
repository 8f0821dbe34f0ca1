from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.images import read_image
from inception_rcnn.data.picture_files import find_pictures, picture_name, picture_size, size_if_there
from inception_rcnn.eval.pairing import NOT_PAIRED, pair_files


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
        ("/photosets/a.jpg", None),
        ("sub/../../a.jpg", None),
        ("..", None),
        (".", None),
        ("", None),
        (" ", None),
        ("a\0.jpg", None),
        (None, None),
        (7, None),
    ],
)
def test_names_stay_below_the_folder(stated: object, name: str | None) -> None:
    assert picture_name(stated, Path("/photos")) == name


def test_sizes(tmp_path: Path) -> None:
    Image.new("RGB", (7, 3)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:10])
    assert picture_size(tmp_path / "a.png") == size_if_there(tmp_path / "a.png") == (7, 3)
    for name in ("b.png", "none.png", "."):
        with pytest.raises(DataError, match=name):
            picture_size(tmp_path / name)
        assert size_if_there(tmp_path / name) == (0, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.png", "a.webp"])
def test_sizes_are_those_that_the_decoder_gives(tmp_path: Path, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", (9, 4), (200, 10, 60)).save(tmp_path / name, exif=exif)
    for upright in (False, True):
        height, width, _ = read_image(tmp_path / name, ignore_exif=not upright).shape
        assert picture_size(tmp_path / name, upright=upright) == (width, height)
        for stated in ((9, 4), (4, 9), (18, 8)):
            height, width, _ = read_image(tmp_path / name, ignore_exif=not upright, size=stated).shape
            assert picture_size(tmp_path / name, upright=upright, stated=stated) == (width, height)


STEMS = st.from_regex(r"([xy]/)?[a-c]", fullmatch=True)
FILES = st.tuples(STEMS, st.sampled_from([".jpg", ".png"])).map("".join)


@settings(deadline=None)
@given(st.lists(STEMS, unique=True, max_size=5), st.lists(FILES, unique=True, max_size=5))
def test_pictures_are_found_as_an_evaluation_pairs_them(named: list[str], files: list[str]) -> None:
    expected = [None if place == NOT_PAIRED else place for place in pair_files(named, files).tolist()]
    assert find_pictures(named, files) == expected
