import json
from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections
from inception_rcnn.detector.inference.formats import FORMATS, RECORD_NAME, Formats, formats_named, remove_formats


def found(file, *labels):
    boxes, scores = np.tile([2.0, 1.0, 6.0, 4.0], (len(labels), 1)), np.full(len(labels), 0.5)
    return ImageDetections(file, 20, 10, Detections(boxes, np.array(labels, dtype=str), scores))


def data_of(*files, classes=("cat",), image_ids=None):
    truths = tuple(
        GroundTruth(file, 20, 10, np.zeros((0, 4)), np.zeros(0, np.str_), np.zeros(0, np.bool_)) for file in files
    )
    ids = tuple(str(i + 7) for i in range(len(files))) if image_ids is None else image_ids
    return Dataset("mine", classes, truths, Path(), ids, tuple(str(i + 1) for i in range(len(classes))))


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_names_of_formats():
    assert formats_named("coco, csv,", []).names == ("coco", "csv")
    assert formats_named("csv,csv", []).names == ("coco", "csv")
    for text in ("", " ", ",", "pdf"):
        with pytest.raises(UsageError, match="unknown --format"):
            formats_named(text, [])


@pytest.mark.parametrize("rows", [[], [found("a.jpg", "cat"), found("sub/b.jpg")]])
def test_what_was_written_goes_and_nothing_else(tmp_path, rows):
    formats = Formats(FORMATS, data_of("a.jpg", "sub/b.jpg"))
    mine = ("notes.csv", "yolo/labels/mine.txt", "voc/comp4_det_val_cat.txt")
    for name in mine:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    assert formats.write(rows, tmp_path, ["cat"]).failures == ()
    assert len(files_in(tmp_path)) == len(mine) + len(FORMATS) + 1 + len(rows)  # the record, YOLO's classes
    (tmp_path / "detections.csv").unlink()
    assert remove_formats(tmp_path) == [name for name in FORMATS if name not in ("coco", "csv")]
    assert files_in(tmp_path) == {*mine, "predictions.coco.json"}
    assert remove_formats(tmp_path) == []


@pytest.mark.parametrize("paths", [["../x"], ["{}/x"], ["\0", "a" * 5000, "", "."]])
def test_a_record_removes_nothing_elsewhere(tmp_path, paths):
    (tmp_path / "x").write_text("")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / RECORD_NAME).write_text(json.dumps({"csv": [path.format(tmp_path) for path in paths]}))
    assert remove_formats(tmp_path / "out") == []
    assert (tmp_path / "x").exists()


@pytest.mark.parametrize("content", ["", "{", "7", "[]", '{"csv": 3}', '{"csv": [3]}'])
def test_a_damaged_record_is_none(tmp_path, content):
    (tmp_path / RECORD_NAME).write_text(content)
    assert remove_formats(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "file", "label"),
    [("voc", "a\nb.jpg", "c"), ("yolo", "..", "c"), ("voc", "a", "c/d"), ("coco", "a", "\r")],
)
def test_names_are_checked_before(name, file, label):
    with pytest.raises((DataError, UsageError), match="rename"):
        Formats((name,)).check([file], [label])


def test_a_format_that_fails_keeps_no_other_away(tmp_path):
    rows = [found("a\nb.jpg", "cat"), found("c.jpg")]
    failures = Formats(("coco", "voc", "yolo", "csv")).write(rows, tmp_path, ["cat"]).failures
    assert ["line break" in str(error) for error in failures] == [True, True]
    assert files_in(tmp_path) == {"predictions.coco.json", "detections.csv", RECORD_NAME}
    unsized = ImageDetections("a.jpg", 0, 0, found("a.jpg", "cat").detections)
    failures = Formats(("label-studio", "csv")).write([unsized], tmp_path, ["cat"]).failures
    assert ["size" in str(error) for error in failures] == [True]


@pytest.mark.parametrize("name", ["coco-results", "ilsvrc"])
def test_what_a_data_set_has_no_number_for_is_left_out_and_told(tmp_path, name):
    formats = Formats((name,), data_of("a.jpg"))
    (line,) = formats.check(["a.jpg"], ["cat", "cow"])
    assert line.startswith(f"classes that the data set mine does not have, cow: left out of {name}; --classes")
    assert formats.check(["a.jpg"], ["cat"]) == []
    rows = [found("a.jpg", "cow", "cat", "cow"), found("b.jpg", "cat"), ImageDetections("c.jpg", error="empty")]
    written = formats.write(rows, tmp_path, ["cat", "cow"])
    assert written.failures == ()
    assert written.notices == (
        f"2 detections of a class that the data set does not have, as 'cow': left out of {name}",
        f"1 image that the data set does not have, as 'b.jpg': left out of {name}",
    )
    with pytest.raises(UsageError, match=r"none of the detector's classes \(cow\) is one of the data set mine \(cat\)"):
        formats.check(["a.jpg"], ["cow"])


def test_ids_that_are_no_numbers_are_told_before():
    data = data_of("a.jpg", image_ids=("x7",))
    assert Formats(("coco-results",), data).check(["a.jpg"], ["cat"]) == []
    with pytest.raises(UsageError, match="have no numbers"):
        Formats(("ilsvrc",), data).check(["a.jpg"], ["cat"])
