"""Where drawings go: a file of its own for each image, whatever it is called."""

import os

import numpy as np
import pytest

from inception_rcnn.data.images.decoding import read_image
from inception_rcnn.eval.report import drawn_files as drawings
from inception_rcnn.eval.report.drawn_files import Drawings

GREY = np.full((6, 8, 3), 128, dtype=np.uint8)


def written(folder, files):
    """What is drawn, by the images' names: each image has a grey of its own."""
    places = Drawings(folder, files)
    paths = {file: places.write(file, np.full_like(GREY, 10 * i)) for i, file in enumerate(files, 1)}
    for i, path in enumerate(paths.values(), 1):
        assert np.abs(read_image(path).astype(int) - 10 * i).max() <= 2  # nothing was drawn over
    return paths


@pytest.mark.parametrize(
    "files",
    [
        ["a.gif", "a.gif.jpg"],
        ["a.gif.jpg", "a.gif"],
        ["a", "a.jpg", "a.jpg.png", "a.png"],
        ["../a.png", "a.png", "/a.png", "b/../a.png"],
        ["x" * 255, "x" * 254 + "y", "x" * 251 + ".gif", "x" * 251 + ".png"],
        ["猫" * 85, "猫" * 84 + "犬", "caf\udce9" * 50, "é" * 125 + ".gif"],
        [f"{'d' * 255}/{'e' * 255}/{'f' * 251}.{kind}" for kind in ("jpg", "bmp", "tif")],
        ["/".join(["d" * 250] * 16) + "/a.gif", "/".join(["d" * 250] * 16) + "/b.gif"],
    ],
)
def test_every_image_has_a_drawing_of_its_own(tmp_path, files):
    paths = written(tmp_path / "drawn", files)
    assert len(set(paths.values())) == len(files)
    assert all(path.is_relative_to(tmp_path / "drawn") for path in paths.values())
    assert [*paths.values()] == [*written(tmp_path / "drawn", files).values()]  # the same each time


def test_own_names_stay_where_they_can(tmp_path):
    paths = written(tmp_path, ["a.gif", "a.gif.jpg", "b.gif", "sub/" + "x" * 255, "sub/c.png"])
    names = [path.relative_to(tmp_path).as_posix() for path in paths.values()]
    assert names[1:3] == ["a.gif.jpg", "b.gif.jpg"]
    assert names[0].startswith("a.gif~")
    assert names[3].startswith("sub/xxx")
    assert names[4] == "sub/c.png"


def test_on_a_disk_that_ignores_case_two_names_are_two_drawings(tmp_path, monkeypatch):
    monkeypatch.setattr(drawings, "_ignores_case", lambda folder: True)
    files = ["a.jpg", "A.jpg", "Sub/é.png", "sub/e\u0301.png", "b.gif", "B.gif"]
    places = Drawings(tmp_path, files)
    assert len({places.path(file, 8).as_posix().casefold() for file in files}) == len(files)
    assert places.path("a.jpg", 8).name == "a.jpg"


def test_whether_a_disk_ignores_case(tmp_path):
    assert (
        drawings._ignores_case(tmp_path / "New" / "folder")
        == (tmp_path / "x").with_name(tmp_path.name.swapcase()).exists()
    )


def test_an_image_s_drawing_is_removed_and_no_other_s(tmp_path):
    files = ["a.gif", "a.gif.jpg", "b.png", "x" * 255]
    paths = written(tmp_path, files)
    places = Drawings(tmp_path, files)
    for i, file in enumerate(files):
        places.remove(file)
        assert [path.exists() for path in paths.values()] == [False] * (i + 1) + [True] * (len(files) - i - 1)
    places.remove("never drawn.jpg")
    places.remove("nul\0.jpg")


def test_the_drawing_of_an_image_that_is_gone_goes_and_leaves_its_name_s_new_owner_alone(tmp_path):
    paths = written(tmp_path, ["a.gif", "b.jpg"])
    Drawings(tmp_path, ["b.jpg", "a.gif.jpg"]).remove("a.gif")
    assert paths["a.gif"].exists()  # now that of an image of this very name
    Drawings(tmp_path, ["b.jpg"]).remove("a.gif")
    assert [os.path.exists(path) for path in paths.values()] == [False, True]
