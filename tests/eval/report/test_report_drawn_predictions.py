"""Drawn images as files: where they land, what is on them, and what is left out."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import DataError, SetupError, UsageError
from inception_rcnn.data.formats.exports import write_coco, write_csv, write_label_studio, write_voc_results, write_yolo
from inception_rcnn.data.formats.voc.annotations import write_voc_annotation
from inception_rcnn.data.images.decoding import read_image
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections
from inception_rcnn.data.stores.detections_jsonl import write_ledger
from inception_rcnn.eval.report.drawing import class_colour
from inception_rcnn.eval.report.drawn_files import Drawings
from inception_rcnn.eval.report.drawn_predictions import draw_predictions

GREY = np.full((60, 80, 3), 128, dtype=np.uint8)
BOX = [20, 30, 60, 50]
LEFT_EDGE = (40, 20)  # row and column of a pixel on the box's left line


def _found(file: str, *scores: float) -> ImageDetections:
    boxes, labels = as_boxes([BOX] * len(scores)), np.array(["cat"] * len(scores), dtype=str)
    return ImageDetections(file, 80, 60, Detections(boxes, labels, np.array(scores, dtype=float)))


def _save(path: Path, image: np.ndarray = GREY, orientation: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(path, exif=exif)


def _draw(
    folder: Path, rows: list[ImageDetections], data: str | None = None, score: float = 0.3
) -> tuple[str, list[str], list[str]]:
    """What is said at the end, what on the way, and the files that are there then."""
    write_ledger(rows, folder / "found.jsonl")
    lines: list[str] = []
    said = draw_predictions(folder / "found.jsonl", folder / "photos", folder / "out", data, score, lines.append)
    files = sorted(path.relative_to(folder / "out").as_posix() for path in (folder / "out").rglob("*.*"))
    return said, lines, files


@pytest.mark.parametrize(
    ("file", "written"),
    [
        ("a.jpg", "a.jpg"),
        ("sub/folder/A.PNG", "sub/folder/A.PNG"),
        ("a.jpeg", "a.jpeg"),
        ("a.webp", "a.webp"),
        ("a.gif", "a.gif.jpg"),  # beside a drawn a.jpg
        ("sub/a.TIFF", "sub/a.TIFF.jpg"),
        ("2008.001", "2008.001.jpg"),
        ("a", "a.jpg"),
        ("/absolute/a.png", "absolute/a.png"),
        ("../../a.png", "a.png"),  # never outside of the folder
        ("sub/../../a.png", "sub/a.png"),
        ("猫 [1]*.png", "猫 [1]*.png"),
    ],
)
def test_a_drawing_has_the_images_own_name_below_the_folder(tmp_path: Path, file: str, written: str) -> None:
    path = Drawings(tmp_path / "out").write(file, GREY)
    assert path.relative_to(tmp_path / "out").as_posix() == written
    assert np.abs(read_image(path).astype(int) - 128).max() <= 2
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [path]


@pytest.mark.parametrize(
    ("file", "width", "written"),
    [
        ("a.jpg", 65_500, "a.jpg"),
        ("a.jpg", 65_501, "a.jpg.png"),
        ("a.gif", 65_501, "a.gif.png"),
        ("a.webp", 16_383, "a.webp"),
        ("a.webp", 16_384, "a.webp.png"),
        ("a.png", 65_501, "a.png"),
    ],
)
def test_an_image_too_large_for_its_kind_becomes_a_png(tmp_path: Path, file: str, width: int, written: str) -> None:
    path = Drawings(tmp_path).write(file, np.zeros((1, width, 3), dtype=np.uint8))
    assert path.name == written
    assert read_image(path).shape == (1, width, 3)


def test_no_predictions_make_no_drawings(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert _draw(tmp_path, []) == (f"0 of 0 images drawn, written to {tmp_path / 'out'}", [], [])


def test_an_image_without_detections_is_drawn_as_it_is(tmp_path: Path) -> None:
    _save(tmp_path / "photos" / "a.png")
    said, lines, files = _draw(tmp_path, [_found("a.png")])
    assert (said.split(",")[0], lines, files) == ("1 of 1 images drawn", [], ["a.png"])
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "a.png"), GREY)


def test_subfolders_are_mirrored_with_boxes_on_the_images(tmp_path: Path) -> None:
    files = ["a.png", "sub/a.png", "sub/deep/b.gif"]
    for file in files:
        _save(tmp_path / "photos" / file)
    _, _, written = _draw(tmp_path, [_found(file, 0.9) for file in files])
    assert written == ["a.png", "sub/a.png", "sub/deep/b.gif.jpg"]
    drawn = read_image(tmp_path / "out" / "sub" / "a.png")
    assert tuple(drawn[LEFT_EDGE]) == class_colour("cat")
    np.testing.assert_array_equal(read_image(tmp_path / "photos" / "sub" / "a.png"), GREY)


@pytest.mark.parametrize(("score", "drawn"), [(0.49, True), (0.5, True), (0.51, False)])
def test_weak_detections_are_left_out(tmp_path: Path, score: float, drawn: bool) -> None:
    _save(tmp_path / "photos" / "a.png")
    _draw(tmp_path, [_found("a.png", 0.5, 0.1)], score=score)
    assert (read_image(tmp_path / "out" / "a.png") != 128).any() == drawn


def test_parts_of_an_image_are_drawn_together(tmp_path: Path) -> None:
    _save(tmp_path / "photos" / "a.png")
    said, _, _ = _draw(tmp_path, [_found("a.png", 0.9), _found("a.png")])
    assert said.startswith("1 of 1")
    assert tuple(read_image(tmp_path / "out" / "a.png")[LEFT_EDGE]) == class_colour("cat")


def test_missing_and_broken_images_are_reported_and_left_out(tmp_path: Path) -> None:
    _save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "broken.png").write_bytes(b"")
    rows = [_found(file, 0.9) for file in ("none.png", "a.png", "broken.png", "x" * 300, "nul\0")]
    said, lines, files = _draw(tmp_path, [*rows, ImageDetections("failed.png", error="failed before")])
    assert said.startswith("1 of 5 images drawn")
    assert files == ["a.png"]
    assert len(lines) == 4
    assert lines[0] == f"left out: {tmp_path / 'photos' / 'none.png'}: there is no such file"
    assert "broken.png: is empty" in lines[1]


def test_no_image_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match=r"has none of the 2 images .*check --images"):
        _draw(tmp_path, [_found("a.png"), _found("b.png")])
    assert not (tmp_path / "out").exists()


def test_the_images_are_never_drawn_over(tmp_path: Path) -> None:
    _save(tmp_path / "photos" / "a.png")
    write_ledger([_found("a.png", 0.9)], tmp_path / "found.jsonl")
    (tmp_path / "link").symlink_to("photos")
    with pytest.raises(UsageError, match="would overwrite the images"):
        draw_predictions(tmp_path / "found.jsonl", tmp_path / "photos", tmp_path / "link", None, 0.3)


@pytest.mark.parametrize("name", ["000001.jpg", "000001.PNG", "2008.001.png", "set[1].png"])
def test_voc_results_find_their_images_without_the_extension(tmp_path: Path, name: str) -> None:
    _save(tmp_path / "photos" / name)
    stem = Path(name).stem
    (tmp_path / "photos" / f"{stem}.csv").touch()  # no image, though it comes first in the alphabet
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "comp4_det_val_cat.txt").write_text(f"{stem} .9 21 31 60 50\n")
    draw_predictions(tmp_path / "results", tmp_path / "photos", tmp_path / "out", None, 0.3)
    drawn = read_image(tmp_path / "out" / f"{stem}.jpg")
    assert np.abs(drawn[LEFT_EDGE].astype(int) - class_colour("cat")).max() < 60


def _voc(folder: Path, *files: str, size: tuple[int, int] = (80, 60)) -> str:
    """A data set with one object, and a SPEC of it."""
    for file in files:
        truth = GroundTruth(file, *size, as_boxes([BOX]), np.array(["cat"]), np.array([False]))
        write_voc_annotation(truth, folder / "own" / "Annotations" / f"{Path(file).stem}.xml")
    (folder / "own" / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "own" / "ImageSets" / "Main" / "val.txt").write_text("".join(f"{Path(file).stem}\n" for file in files))
    return f"voc:{folder}/own:val"


def test_ground_truth_of_a_data_set_is_drawn_beside_the_detections(tmp_path: Path) -> None:
    data = _voc(tmp_path, "a.png")
    for file in ("a.png", "other.png"):
        _save(tmp_path / "photos" / file)
    _draw(tmp_path, [_found("a.png"), _found("other.png")], data)
    side = read_image(tmp_path / "out" / "a.png")[30:50, 20]
    assert {tuple(pixel) for pixel in side.tolist()} == {(255, 255, 255), (20, 20, 20)}  # dashes
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "other.png"), GREY)  # not in the data set


def test_images_of_a_data_set_are_drawn_as_stored_and_others_upright(tmp_path: Path) -> None:
    data = _voc(tmp_path, "a.png")
    for file in ("a.png", "other.png"):
        _save(tmp_path / "photos" / file, orientation=6)
    _draw(tmp_path, [_found("a.png"), replace(_found("other.png"), width=0, height=0)], data)
    assert read_image(tmp_path / "out" / "a.png").shape == (60, 80, 3)
    assert read_image(tmp_path / "out" / "other.png").shape == (80, 60, 3)


def test_an_image_is_drawn_as_the_size_of_its_annotation_says(tmp_path: Path) -> None:
    data = _voc(tmp_path, "a.png", size=(60, 80))
    _save(tmp_path / "photos" / "a.png", orientation=6)
    _draw(tmp_path, [_found("a.png")], data)
    assert read_image(tmp_path / "out" / "a.png").shape == (80, 60, 3)


def test_predictions_say_by_their_size_which_way_up_their_image_is(tmp_path: Path) -> None:
    for file in ("a.png", "b.png", "c.png"):
        _save(tmp_path / "photos" / file, orientation=6)
    rows = [replace(_found("a.png"), width=80, height=60), replace(_found("b.png"), width=60, height=80)]
    _draw(tmp_path, [*rows, replace(_found("c.png"), width=0, height=0)])
    shapes = [read_image(tmp_path / "out" / file).shape[:2] for file in ("a.png", "b.png", "c.png")]
    assert shapes == [(60, 80), (80, 60), (80, 60)]


def test_exif_is_ignored_on_request(tmp_path: Path) -> None:
    _save(tmp_path / "photos" / "a.png", orientation=6)
    write_ledger([replace(_found("a.png"), width=60, height=80)], tmp_path / "found.jsonl")
    draw_predictions(tmp_path / "found.jsonl", tmp_path / "photos", tmp_path / "out", None, 0.3, ignore_exif=True)
    assert read_image(tmp_path / "out" / "a.png").shape == (60, 80, 3)


def test_names_of_other_machines_are_found_and_drawn_under_those_of_this_one(tmp_path: Path) -> None:
    _save(tmp_path / "photos" / "sub" / "a.png")
    _save(tmp_path / "photos" / "b.png")
    said, lines, files = _draw(tmp_path, [_found("sub\\a.png", 0.9), _found("C:\\data\\b.png", 0.9)])
    assert (said.split(",")[0], lines) == ("2 of 2 images drawn", [])
    assert files == ["b.png", "sub/a.png"]


ODD = (
    *("back\\slash.png", "back\\dir.png", "back/dir.png", "\\abs.png", "C:\\x.png", "C:/x.png", "~a.png"),
    *("tail .png", "tab\t.png", " lead.png", "u\u3000.png", "dir /a .png", "x 1 2 3 4.png", "sub.png", "sub/x.png"),
    *("a%20b.png", "a?b.png", "a#b.png", "a+b.png", "deadbeef-a.png", "caf\udce9.png", "a.b.png", "noext", "A.Png"),
)
WRITERS: dict[str, Callable[[list[ImageDetections], Path], None]] = {
    "detections.jsonl": write_ledger,
    "p.json": lambda rows, path: write_coco(rows, path, ["cat"]),
    "p.csv": write_csv,
    "tasks.json": write_label_studio,
    "voc": lambda rows, path: write_voc_results(rows, path, ["cat"]),
    "yolo": lambda rows, path: write_yolo(rows, path, ["cat"]),
}


@pytest.mark.skipif(os.name == "nt", reason="these names cannot be had there")
@pytest.mark.parametrize("kind", WRITERS)
def test_odd_names_that_we_wrote_are_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    (tmp_path / "photos" / "back\\slash").mkdir(parents=True)  # a folder, named as an image without its extension
    for file in ODD:
        (tmp_path / "photos" / file).parent.mkdir(exist_ok=True)
        Image.fromarray(GREY).save(tmp_path / "photos" / file, "PNG")
    rows = [replace(_found(file, 0.9 - number / 1000), width=80) for number, file in enumerate(ODD)]
    WRITERS[kind](rows, tmp_path / kind)
    read: list[str] = []

    def spy(path: Path, **how: Any) -> np.ndarray:
        read.append(path.relative_to(tmp_path / "photos").as_posix())
        return read_image(path, **how)

    monkeypatch.setattr("inception_rcnn.eval.report.drawn_predictions.read_image", spy)
    lines: list[str] = []
    draw_predictions(tmp_path / kind, tmp_path / "photos", tmp_path / "out", None, 0.3, lines.append)
    assert lines == []
    assert sorted(read) == sorted(ODD)


@pytest.mark.parametrize("ignore_exif", [False, True])
def test_boxes_of_yolo_are_parts_of_the_sizes_of_the_images_there(tmp_path: Path, ignore_exif: bool) -> None:
    _save(tmp_path / "photos" / "a.png")
    _save(tmp_path / "photos" / "sub" / "turned.png", orientation=6)
    (tmp_path / "photos" / "broken.png").write_bytes(b"")
    turned = replace(_found("sub/turned.png", 0.9), **({} if ignore_exif else {"width": 60, "height": 80}))
    write_yolo([_found("a.png", 0.9), turned, _found("broken.png", 0.9)], tmp_path / "found" / "yolo", ["cat"])
    lines: list[str] = []
    for predictions in (tmp_path / "found" / "yolo", tmp_path / "found" / "yolo" / "labels"):
        how = {"ignore_exif": ignore_exif}
        said = draw_predictions(predictions, tmp_path / "photos", tmp_path / "out", None, 0.3, lines.append, **how)
        assert said.startswith("2 of 3 images drawn")
        assert lines.pop() == f"left out: {tmp_path / 'photos' / 'broken.png'}: is empty (0 bytes); fetch it again"
        assert lines == []
    for name, shape in (("a.png", (60, 80)), ("sub/turned.png", (60, 80) if ignore_exif else (80, 60))):
        drawn = read_image(tmp_path / "out" / name)
        assert drawn.shape[:2] == shape
        assert tuple(drawn[LEFT_EDGE]) == class_colour("cat")
    (tmp_path / "found" / "yolo" / "classes.txt").unlink()
    with pytest.raises(DataError, match=r"has no classes\.txt"):
        draw_predictions(tmp_path / "found" / "yolo", tmp_path / "photos", tmp_path / "out", None, 0.3)


@pytest.mark.parametrize(
    ("images", "out", "message"),
    [
        ("nowhere", "out", "nowhere: there is no such folder; give the folder of the images as --images"),
        ("photos/a.png", "out", "a.png: is no folder; give the folder of the images as --images"),
        ("photos", "photos/a.png", "a.png is a file, so that no drawing can be written there; choose another --out"),
        ("photos", "photos/a.png/b/c", "a.png is a file, so that no drawing can be written there; choose"),
    ],
)
def test_folders_with_which_nothing_can_be_drawn_are_told_once(
    tmp_path: Path, images: str, out: str, message: str
) -> None:
    _save(tmp_path / "photos" / "a.png")
    write_ledger([_found("a.png", 0.9), _found("b.png", 0.9)], tmp_path / "found.jsonl")
    lines: list[str] = []
    with pytest.raises((DataError, SetupError)) as caught:
        draw_predictions(tmp_path / "found.jsonl", tmp_path / images, tmp_path / out, None, 0.3, lines.append)
    assert message in str(caught.value)
    assert lines == []
    assert not (tmp_path / "out").exists()


def test_one_drawing_that_cannot_be_written_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    for file in ("a.png", "sub/a.png"):
        _save(tmp_path / "photos" / file)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").touch()  # in the way of the folder
    said, lines, files = _draw(tmp_path, [_found("sub/a.png"), _found("a.png")])
    assert said.startswith("1 of 2 images drawn")
    assert "cannot be written" in lines[0]
    assert files == ["a.png"]


def test_where_no_drawing_can_be_written_that_is_said(tmp_path: Path) -> None:
    _save(tmp_path / "photos" / "a.png")
    (tmp_path / "out").touch()
    with pytest.raises(SetupError, match="no drawing can be written"):
        _draw(tmp_path, [_found("a.png")])
