import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from random_truths import check_same, data_sets

from inception_rcnn.data.dataset import Dataset
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.exports import write_csv
from inception_rcnn.data.problems import Problem
from inception_rcnn.data.records import Detections, GroundTruth, Picture
from inception_rcnn.data.results import read_predictions
from inception_rcnn.data.tables import read_csv_truth, read_jsonl_truth, write_csv_truth, write_jsonl_truth

HEADER = "file,label,x1,y1,x2,y2,width,height,difficult\n"


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    return path


def test_csv_of_no_pictures(tmp_path: Path) -> None:
    data = read_csv_truth(_write(tmp_path / "val.csv", HEADER), tmp_path)
    assert (data.name, data.classes, data.pictures) == ("val", (), ())


def test_csv(tmp_path: Path) -> None:
    rows = ("cat,b.jpg,2,1,3,4,x", ",none.jpg,,,,,", "dog,a.jpg,0,0,1,1,", "", "cat,b.jpg,0,0,1,1,")
    text = "\n".join(["\ufefflabel,file,y1,x1,x2,y2,note", *rows])
    b, none, a = read_csv_truth(_write(tmp_path / "val.csv", text), tmp_path).pictures
    assert (b.file, b.boxes.tolist(), b.labels.tolist()) == ("b.jpg", [[1, 2, 3, 4], [0, 0, 1, 1]], ["cat", "cat"])
    assert (none.file, none.boxes.shape) == ("none.jpg", (0, 4))
    assert (a.file, a.difficult.tolist(), a.width) == ("a.jpg", [False], 0)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a.jpg,cat,1,2,3,4,20,10", "has 8 cells where the first line has 9"),
        ("a.jpg,cat,3,2,1,4,20,10,0", r"\(cat\): the box is x1 y1 x2 y2 = \[3.0, 2.0, 1.0, 4.0\]: need x1 <= x2"),
        ("a.jpg,cat,1,2,three,4,20,10,0", r"\(cat\): x2 is 'three': need a number"),
        ("a.jpg,cat,1,2,inf,4,20,10,0", r"\(cat\): x2 is 'inf': need a number"),
        ("a.jpg,cat,1,2,,4,20,10,0", r"\(cat\): x2 is '': need a number"),
        ("a.jpg, ,1,2,3,4,20,10,0", "the label is ' '"),
        ("a.jpg,,1,2,3,4,20,10,0", "the label is ''"),
        ("a.jpg,cat,1,2,3,4,20,10,maybe", "difficult is 'maybe': need 0 or 1"),
        ("a.jpg,cat,1,2,3,4,-20,10,0", "width is '-20': need a whole number"),
        ("a.jpg,cat,1,2,3,4,30,10,0", "'a.jpg' is 30 x 10 here and 20 x 10 before"),
        ("../a.jpg,cat,1,2,3,4,20,10,0", r"file is '\.\./a.jpg': need a path below"),
        (",cat,1,2,3,4,20,10,0", "file is ''"),
    ],
)
def test_unusable_csv_row_is_told_of_and_left_out(tmp_path: Path, row: str, words: str) -> None:
    path = _write(tmp_path / "val.csv", f"{HEADER}a.jpg,cat,0,0,1,1,20,10,0\n{row}\na.jpg,dog,0,0,1,1,20,10,1\n")
    with pytest.raises(DataError, match=rf"val\.csv: line 3.* ?{words}"):
        read_csv_truth(path, tmp_path)
    told: list[Problem] = []
    (truth,) = read_csv_truth(path, tmp_path, told.append).pictures
    assert (truth.labels.tolist(), truth.difficult.tolist()) == (["cat", "dog"], [False, True])
    assert len(told) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no column 'file'"),
        ("file;label;x1\n", "has no column 'file'; the first line must name file, label, x1, y1, x2, y2"),
        ("file,label,x1,y1,x2\n", "has no column 'y2'"),
        (HEADER[:-1] + ",file\n", "names two columns alike"),
        (HEADER + "a" * 200_000, "line 2 cannot be read as CSV"),
    ],
)
def test_not_such_a_table(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=rf"x\.csv: {words}"):
        read_csv_truth(_write(tmp_path / "x.csv", text), tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_csv_truth(tmp_path / "none.csv", tmp_path)


def _line(**changes: Any) -> str:
    record = {"file": "a.jpg", "width": 20, "height": 10, "objects": [{"label": "cat", "box": [1, 2, 3, 4]}]}
    return json.dumps(record | changes) + "\n"


def test_jsonl(tmp_path: Path) -> None:
    objects = [
        {"label": "cat", "box": [0, 0, 4, 4], "difficult": True, "area": 5},
        {"label": "ant", "box": [0.5, 0, 1, 1]},
    ]
    text = _line(file="b\u2028.jpg", objects=objects) + "\n" + _line(objects=[])
    data = read_jsonl_truth(_write(tmp_path / "val.jsonl", text), tmp_path)
    b, a = data.pictures
    assert data.classes == ("ant", "cat")
    assert (b.file, b.width, b.height, b.boxes.tolist()) == ("b\u2028.jpg", 20, 10, [[0, 0, 4, 4], [0.5, 0, 1, 1]])
    assert (b.difficult.tolist(), b.areas.tolist()) == ([True, False], [5, 0.5])
    assert (a.file, len(a)) == ("a.jpg", 0)


@pytest.mark.parametrize(
    ("line", "words", "objects"),
    [
        ("{\n", "line 2: is not JSON", 1),
        ("[" * 100_000 + "\n", "line 2: is not JSON", 1),
        ("[]\n", "line 2: is .*need an object with file", 1),
        (_line(objects={}), "line 2: is .*a list of objects", 1),
        (_line(file=7), "line 2: file is 7", 1),
        (_line(width="wide"), "line 2: width is 'wide'", 1),
        (_line(width=1), "line 2: 'a.jpg' is 1 x 10 here and 20 x 10 before", 1),
        (_line(objects=[7]), "line 2: object 1: is 7: need a label and a box", 1),
        (_line(objects=[{"label": "cat", "box": [1, 2, 3]}]), "line 2: object 1: is .*box of four numbers", 1),
        (_line(objects=[{"label": "cat", "box": [1, 2, 3, "4"]}]), "line 2: object 1: is .*box of four numbers", 1),
        (_line(objects=[{"label": "cat", "box": [1, 2, 0, 4]}]), r"line 2: object 1 \(cat\): the box is", 1),
        (_line(objects=[{"label": "cat", "box": [1, 2, None, 4]}]), r"line 2: object 1 \(cat\): x2 is None", 1),
        (_line(objects=[{"label": 1, "box": [1, 2, 3, 4]}]), "line 2: object 1: the label is 1", 1),
        (
            _line(objects=[{"label": "cat", "box": [1, 2, 3, 4], "difficult": "?"}]),
            "difficult is '[?]': need 0 or 1",
            1,
        ),
    ],
)
def test_unusable_json_line_is_told_of_and_left_out(tmp_path: Path, line: str, words: str, objects: int) -> None:
    path = _write(tmp_path / "val.jsonl", _line() + line)
    with pytest.raises(DataError, match=rf"val\.jsonl: .*{words}"):
        read_jsonl_truth(path, tmp_path)
    told: list[Problem] = []
    (truth,) = read_jsonl_truth(path, tmp_path, told.append).pictures
    assert (len(truth), len(told)) == (objects, 1)


@pytest.mark.parametrize("read", [read_csv_truth, read_jsonl_truth])
def test_a_size_that_is_not_stated_is_the_files(tmp_path: Path, read: Any) -> None:
    Image.new("RGB", (7, 3)).save(tmp_path / "a.jpg")
    text = (
        "file,label,x1,y1,x2,y2\na.jpg,,,,,\n" if read is read_csv_truth else _line(width=None, height=None, objects=[])
    )
    (truth,) = read(_write(tmp_path / "x", text), tmp_path).pictures
    assert (truth.width, truth.height) == (7, 3)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data_sets())
def test_what_is_written_reads_back(tmp_path: Path, data: Dataset) -> None:
    write_csv_truth(data, tmp_path / "x.csv")
    write_jsonl_truth(data, tmp_path / "x.jsonl")
    table, lines = read_csv_truth(tmp_path / "x.csv", data.folder), read_jsonl_truth(tmp_path / "x.jsonl", data.folder)
    assert table.classes == lines.classes == data.classes
    check_same(table, data, ("difficult",))
    check_same(lines, data, ("difficult", "crowd", "truncated", "areas"))


@pytest.mark.parametrize("file", ["caf\udce9.jpg", 'a",b\r\n.jpg', "a\rb.jpg", "=1+1.jpg"])
def test_odd_names_of_files_read_back(tmp_path: Path, file: str) -> None:
    truth = GroundTruth(file, 5, 5, np.array([[0.1, 0, 5, 5]]), np.array(["a\r,b"]), np.array([True]))
    data = Dataset("x", ("a\r,b",), (truth,), tmp_path)
    write_csv_truth(data, tmp_path / "x.csv")
    write_jsonl_truth(data, tmp_path / "x.jsonl")
    check_same(read_csv_truth(tmp_path / "x.csv", tmp_path), data, ("difficult",))
    check_same(read_jsonl_truth(tmp_path / "x.jsonl", tmp_path), data, ("difficult", "areas"))


@pytest.mark.parametrize("write", [write_csv_truth, write_jsonl_truth])
def test_a_blank_class_is_refused(tmp_path: Path, write: Any) -> None:
    truth = GroundTruth("a.jpg", 5, 5, np.array([[0.0, 0, 5, 5]]), np.array([" "]), np.array([False]))
    with pytest.raises(DataError, match=r"a\.jpg: .*rename the class"):
        write(Dataset("x", (" ",), (truth,), tmp_path), tmp_path / "x")


LABELS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
ROWS = st.lists(st.tuples(st.sampled_from(["a.jpg", "猫,\r.jpg", "c d"]), LABELS, st.sampled_from([0.1, 1 / 3, 0.9])))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_predictions_in_csv_read_back(tmp_path: Path, rows: list[tuple[str, str, float]]) -> None:
    pictures = []
    for file in dict.fromkeys(file for file, *_ in rows):
        own = sorted((row for row in rows if row[0] == file), key=lambda row: -row[2])
        boxes = np.arange(4.0 * len(own)).reshape(-1, 4) / 7
        scores = np.array([score for *_, score in own])
        pictures.append(Picture(file, 9, 9, Detections(boxes, np.array([label for _, label, _ in own]), scores)))
    write_csv(pictures, tmp_path / "p.csv")
    back = read_predictions(tmp_path / "p.csv")
    assert [each.file for each in back] == [each.file for each in pictures]
    for one, other in zip(back, pictures, strict=True):
        assert one.detections.boxes.tolist() == other.detections.boxes.tolist()
        assert one.detections.labels.tolist() == other.detections.labels.tolist()
        assert one.detections.scores.tolist() == other.detections.scores.tolist()
        assert (one.width, one.height) == (0, 0)


def test_predictions_in_csv_with_sizes(tmp_path: Path) -> None:
    rows = ("a,cat,.5,0,0,1,1,20,10", "b,cat,.5,0,0,1,1,,", "a,cat,.75,0,0,2,1,20,10")
    text = "\n".join(["file,label,score,x1,y1,x2,y2,width,height", *rows])
    a, b = read_predictions(_write(tmp_path / "p.CSV", text))
    assert (a.width, a.height, b.width) == (20, 10, 0)
    assert a.detections.scores.tolist() == [0.75, 0.5]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a,cat,.5,0,0,1", "line 3: has 6 cells"),
        ("a,cat,high,0,0,1,1", "line 3: score is 'high': need a number"),
        ("a,cat,nan,0,0,1,1", "line 3: score is 'nan'"),
        ("a,cat,.5,0,0,1,", "line 3: y2 is ''"),
        ("a,cat,.5,inf,0,1,1", "line 3: x1 is 'inf'"),
    ],
)
def test_broken_prediction_in_csv_is_named(tmp_path: Path, row: str, words: str) -> None:
    path = _write(tmp_path / "p.csv", f"file,label,score,x1,y1,x2,y2\na,cat,.5,0,0,1,1\n{row}\n")
    with pytest.raises(DataError, match=words):
        read_predictions(path)


def test_one_long_label_does_not_take_memory_for_all(tmp_path: Path) -> None:
    rows = "".join(f"a{number},cat,.5,0,0,1,1\n" for number in range(50_000))
    text = f"file,label,score,x1,y1,x2,y2\nlong,{'x' * 100_000},.5,0,0,1,1\n{rows}"  # 20 GB as one array of text
    pictures = read_predictions(_write(tmp_path / "p.csv", text))
    assert len(pictures) == 50_001
    assert len(pictures[0].detections.labels[0]) == 100_000
