import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from random_truths import check_same, data_sets

from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.diagnostics import Problem
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.formats.exports import write_csv
from inception_rcnn.data.formats.predictions import read_predictions
from inception_rcnn.data.formats.tables import read_csv_truth, read_jsonl_truth, write_csv_truth, write_jsonl_truth
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections

HEADER = "file,label,x1,y1,x2,y2,width,height,difficult\n"


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    return path


def test_csv_of_no_images(tmp_path: Path) -> None:
    data = read_csv_truth(_write(tmp_path / "val.csv", HEADER), tmp_path)
    assert (data.name, data.classes, data.images) == ("val", (), ())


def test_csv(tmp_path: Path) -> None:
    rows = ("cat,b.jpg,2,1,3,4,x", ",none.jpg,,,,,", "dog,a.jpg,0,0,1,1,", "", "cat,b.jpg,0,0,1,1,")
    text = "\n".join(["\ufefflabel,file,y1,x1,x2,y2,note", *rows])
    b, none, a = read_csv_truth(_write(tmp_path / "val.csv", text), tmp_path).images
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
    (truth,) = read_csv_truth(path, tmp_path, told.append).images
    assert (truth.labels.tolist(), truth.difficult.tolist()) == (["cat", "dog"], [False, True])
    assert len(told) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no column 'file'"),
        (
            "file;label;x1\n",
            "has no column 'y1', its first line is 'file,label,x1'; the first line must name file,label,x1,y1,x2,y2",
        ),
        ("file,bbox\n", "has the box in one cell"),
        ("file,region_shape_attributes\n", "is VIA's table"),
        ("file,label,x1,y1,x2\n", "has no column 'y2'"),
        (HEADER[:-1] + ",file\n", "names two columns alike"),
        (HEADER + "a" * 200_000, "line 2 cannot be read as CSV"),
        ("a" * 200_000, "has no column 'file'"),
        ("\0", "has no column 'file'"),
        ("images/a.jpg,1,2,3,4,cat\n", "is a row and names no columns; write file,x1,y1,x2,y2,label above it"),
        ("images/a.jpg,cat,1,2,3,4\n", "write file,label,x1,y1,x2,y2 above it"),
        ("ImageID,LabelName,XMin,XMax,YMin,YMax\na,/m/1,.1,.5,.2,1\n", "all its boxes lie within 0 and 1: need pixels"),
        ("filename,width,height,class,xmin,ymin,xmax,ymax\na,9,9,c,0.0,0.1,1,1\n", "multiply them by width and height"),
    ],
)
def test_not_such_a_table(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=rf"x\.csv: .*{words}"):
        read_csv_truth(_write(tmp_path / "x.csv", text), tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_csv_truth(tmp_path / "none.csv", tmp_path)


NONSENSE = [
    ("width", "wide"),
    ("height", -1),
    ("width", 10**30),
    ("width", "640.5"),
    ("difficult", "maybe"),
    ("crowd", "-"),
    ("truncated", "nan"),
    ("area", "big"),
    ("area", -1),
]


@pytest.mark.parametrize(("name", "value"), NONSENSE)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_field_that_is_not_needed_never_costs_a_box(tmp_path: Path, kind: str, name: str, value: object) -> None:
    if kind == "csv":
        columns = {"file": "a.jpg", "label": "cat", "x1": 1, "y1": 2, "x2": 3, "y2": 4, "width": 20, "height": 10}
        columns |= {name: value}
        text, read = ",".join(columns) + "\n" + ",".join(map(str, columns.values())), read_csv_truth
    else:
        of_image = name in ("width", "height")
        found = {"label": "cat", "box": [1, 2, 3, 4]} | ({} if of_image else {name: value})
        text, read = _line(objects=[found], **({name: value} if of_image else {})), read_jsonl_truth
    path = _write(tmp_path / "x", text)
    told: list[Problem] = []
    (truth,) = read(path, tmp_path, told.append).images
    assert (truth.boxes.tolist(), truth.difficult.tolist(), truth.areas.tolist()) == ([[1, 2, 3, 4]], [False], [4])
    assert [problem.minor for problem in told] == [True]
    assert len(read(path, tmp_path).images) == 1


TF = "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,20,10,cat,1,2,3,4\nb.jpg,20,10,dog,0,0,20,10\n"


@pytest.mark.parametrize(
    "text",
    [
        TF,
        TF.replace(",", ";"),
        TF.replace(",", "\t"),
        TF.replace(",", "|"),
        TF.replace(",", ", "),
        TF.replace("\n", "\r\n"),
        TF.replace("\n", "\r"),
        TF.replace("\n", ",\n"),
        TF + ",,,,,,,\n\n",
        "\ufeff" + TF,
        "sep=;\n" + TF.replace(",", ";"),
        TF.replace("filename", "image_id").replace("xmin", "x_min").replace("class", "Label Name"),
        TF.replace("filename", "Image Path").replace("xmin", "X Min").replace("ymax", "Y-MAX"),
        TF.replace("filename", '"path"').replace("xmin", "bbox_x1").replace("class", "category"),
        TF.replace("filename", "IMAGE").replace("width", "image_width").replace("height", "image_height"),
        TF.replace("filename", ",filename").replace("a.jpg", "0,a.jpg").replace("b.jpg", "1,b.jpg"),  # pandas' index
        TF.replace(",", ";").replace("1;2;3;4", "1,0;2,0;3,0;4,0"),  # numbers as in German
        TF.replace("filename", "image,filename").replace("a.jpg", "7,a.jpg").replace("b.jpg", "8,b.jpg"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_csv_of_other_tools(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "val.csv").write_bytes(text.removeprefix("\ufeff").encode(encoding))
    a, b = read_csv_truth(tmp_path / "val.csv", tmp_path).images
    assert (a.file, a.width, a.height, a.labels.tolist(), a.boxes.tolist()) == (
        "a.jpg",
        20,
        10,
        ["cat"],
        [[1, 2, 3, 4]],
    )
    assert (b.file, b.labels.tolist(), b.boxes.tolist()) == ("b.jpg", ["dog"], [[0, 0, 20, 10]])


def test_boxes_in_our_own_columns_may_lie_within_a_pixel(tmp_path: Path) -> None:
    path, told = _write(tmp_path / "x.csv", "file,label,x1,y1,x2,y2\na.jpg,cat,.1,.2,.3,.4\n"), list[Problem]()
    assert read_csv_truth(path, tmp_path, told.append).images[0].boxes.tolist() == [[0.1, 0.2, 0.3, 0.4]]
    assert [(problem.kind, problem.minor) for problem in told] == [("boxes within 0 and 1", True)]


def test_names_of_one_image_are_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "caf\xe9.jpg").touch()
    names = [
        "caf\xe9.jpg",
        "cafe\u0301.JPG",
        "caf\xe9",
        "images\\caf\xe9.jpg",
        "./caf\xe9.jpg",
        "D:\\x\\images\\caf\xe9.jpg",
    ]
    path = _write(tmp_path / "x.csv", HEADER + "".join(f"{name},cat,0,0,1,1,,,\n" for name in names))
    assert [len(truth) for truth in read_csv_truth(path, tmp_path / "images").images] == [6]


def test_two_images_are_not_taken_for_one(tmp_path: Path) -> None:
    for name in ("images/1.jpg", "all/train/1.jpg", "all/val/1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    rows = [
        "C:\\data\\train\\1.jpg,cat,0,0,1,1,,,",
        "C:/data/train/1.jpg,cat,0,0,1,1,,,",
        "/data/val/1.jpg,dog,0,0,1,1,,,",
    ]
    path = _write(tmp_path / "x.csv", HEADER + "\n".join(rows))
    with pytest.raises(DataError, match=r"line 4: file is '/data/val/1.jpg' here and .* only '1.jpg'; give the folder"):
        read_csv_truth(path, tmp_path / "images")
    data = read_csv_truth(path, tmp_path / "all")
    assert [(truth.file, len(truth)) for truth in data.images] == [("train/1.jpg", 2), ("val/1.jpg", 1)]


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
    b, a = data.images
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
        (_line(width=1), "line 2: 'a.jpg' is 1 x 10 here and 20 x 10 before", 1),
        (_line(objects=[7]), "line 2: object 1: is 7: need a label and a box", 1),
        (_line(objects=[{"label": "cat", "box": [1, 2, 3]}]), "line 2: object 1: is .*box of four numbers", 1),
        (_line(objects=[{"label": "cat", "box": [1, 2, 3, "4x"]}]), r"line 2: object 1 \(cat\): y2 is '4x'", 1),
        (_line(objects=[{"label": "cat", "box": [1, 2, 0, 4]}]), r"line 2: object 1 \(cat\): the box is", 1),
        (_line(objects=[{"label": "cat", "box": [1, 2, None, 4]}]), r"line 2: object 1 \(cat\): x2 is None", 1),
        (_line(objects=[{"label": 1, "box": [1, 2, 3, 4]}]), "line 2: object 1: the label is 1", 1),
    ],
)
def test_unusable_json_line_is_told_of_and_left_out(tmp_path: Path, line: str, words: str, objects: int) -> None:
    path = _write(tmp_path / "val.jsonl", _line() + line)
    with pytest.raises(DataError, match=rf"val\.jsonl: .*{words}"):
        read_jsonl_truth(path, tmp_path)
    told: list[Problem] = []
    (truth,) = read_jsonl_truth(path, tmp_path, told.append).images
    assert (len(truth), len(told)) == (objects, 1)


@pytest.mark.parametrize("read", [read_csv_truth, read_jsonl_truth])
def test_a_size_that_is_not_stated_is_the_files(tmp_path: Path, read: Any) -> None:
    Image.new("RGB", (7, 3)).save(tmp_path / "a.jpg")
    text = (
        "file,label,x1,y1,x2,y2\na.jpg,,,,,\n" if read is read_csv_truth else _line(width=None, height=None, objects=[])
    )
    (truth,) = read(_write(tmp_path / "x", text), tmp_path).images
    assert (truth.width, truth.height) == (7, 3)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data_sets())
def test_what_is_written_reads_back(tmp_path: Path, data: Dataset) -> None:
    write_csv_truth(data, tmp_path / "x.csv")
    write_jsonl_truth(data, tmp_path / "x.jsonl")
    table, lines = read_csv_truth(tmp_path / "x.csv", data.folder), read_jsonl_truth(tmp_path / "x.jsonl", data.folder)
    assert table.classes == lines.classes == data.classes
    check_same(table, data, ())
    for one, other in zip(table.images, data.images, strict=True):
        assert one.difficult.tolist() == (other.difficult | other.ignore).tolist()
    check_same(lines, data, ("difficult", "crowd", "ignore", "truncated", "areas"))


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
    images = []
    for file in dict.fromkeys(file for file, *_ in rows):
        own = sorted((row for row in rows if row[0] == file), key=lambda row: -row[2])
        boxes = np.arange(4.0 * len(own)).reshape(-1, 4) / 7
        scores = np.array([score for *_, score in own])
        images.append(ImageDetections(file, 9, 9, Detections(boxes, np.array([label for _, label, _ in own]), scores)))
    write_csv(images, tmp_path / "p.csv")
    back = read_predictions(tmp_path / "p.csv")
    assert [each.file for each in back] == [each.file for each in images]
    for one, other in zip(back, images, strict=True):
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


PREDICTED = "file,label,score,x1,y1,x2,y2\na.jpg,cat,.5,1,2,3,4\nb.jpg,,,,,,\n"


@pytest.mark.parametrize(
    "text",
    [
        PREDICTED,
        PREDICTED.replace("score", "Confidence")
        .replace("file", "image_id")
        .replace("x1", "XMin")
        .replace("label", "class"),
        PREDICTED.replace("score", "conf").replace(",", ";").replace(".5", "0,5"),
        PREDICTED.replace(",", "\t").replace("x1", "left").replace("x2", "right"),
        PREDICTED.replace("y2", "y2,width,height").replace("4", "4,wide,9"),
    ],
)
def test_predictions_in_csv_of_other_tools(tmp_path: Path, text: str) -> None:
    a, b = read_predictions(
        _write(tmp_path / "p.csv", text.replace(",,,,,,\n", "," * (text.split("\n")[0].count(",")) + "\n"))
    )
    assert (a.file, a.detections.labels.tolist(), a.detections.scores.tolist()) == ("a.jpg", ["cat"], [0.5])
    assert a.detections.boxes.tolist() == [[1, 2, 3, 4]]
    assert (b.file, len(b.detections)) == ("b.jpg", 0)


def test_predictions_in_parts_of_the_size_are_refused(tmp_path: Path) -> None:
    text = "image,label,score,xmin,ymin,xmax,ymax\na,cat,.5,.1,.1,.5,.5\n"
    with pytest.raises(DataError, match="all its boxes lie within 0 and 1"):
        read_predictions(_write(tmp_path / "p.csv", text))


CELLS = st.sampled_from(["", "a.jpg", "..", "cat", "1", "2.5", "1e400", "-1", "nan", "9" * 5_000, '"', "\0", "é", "\r"])
CSV_ROWS = st.lists(st.lists(CELLS, max_size=9).map(",".join), max_size=5).map("\n".join)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([HEADER, PREDICTED, TF, ""]), CSV_ROWS | st.text())
def test_no_table_ends_in_a_traceback(tmp_path: Path, header: str, rows: str) -> None:
    path, told = tmp_path / "x.csv", list[Problem]()
    path.write_text(header + rows, errors="surrogatepass")
    for read in (
        lambda: read_csv_truth(path, tmp_path, told.append),
        lambda: read_predictions(path),
        lambda: read_jsonl_truth(path, tmp_path, told.append),
    ):
        with contextlib.suppress(DataError):
            read()
    assert all(len(str(problem)) < 1000 for problem in told)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["a.jpg", "cat", "\0", "\ud800", "x" * 300]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["file", "label", "width", "height", "objects", "box", "difficult", "area"]),
            inner,
            max_size=6,
        )
    ),
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(JSON | st.fixed_dictionaries({"file": JSON, "objects": st.lists(JSON, max_size=3)}), max_size=4))
def test_no_json_line_ends_in_a_traceback(tmp_path: Path, records: list[Any]) -> None:
    told: list[Problem] = []
    text = "\n".join(map(json.dumps, records))
    with contextlib.suppress(DataError):
        read_jsonl_truth(_write(tmp_path / "x.jsonl", text), tmp_path, told.append)
    assert all(len(str(problem)) < 1000 for problem in told)


@pytest.mark.parametrize("depth", [10, 100, 200, 300, 400, 500, 700, 900, 990, 5_000])
def test_nesting_that_is_too_deep_takes_a_sentence(tmp_path: Path, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    for line in (nested, f'{{"file": {nested}, "objects": []}}', f'{{"file": "a", "objects": [{nested}]}}'):
        with pytest.raises(DataError, match="line 1: ") as caught:
            read_jsonl_truth(_write(tmp_path / "x.jsonl", line), tmp_path)
        assert len(str(caught.value)) < 1000


@pytest.mark.slow
def test_one_long_label_does_not_take_memory_for_all(tmp_path: Path) -> None:
    rows = "".join(f"a{number},cat,.5,0,0,1,1\n" for number in range(50_000))
    text = f"file,label,score,x1,y1,x2,y2\nlong,{'x' * 100_000},.5,0,0,1,1\n{rows}"  # 20 GB as one array of text
    images = read_predictions(_write(tmp_path / "p.csv", text))
    assert len(images) == 50_001
    assert len(images[0].detections.labels[0]) == 100_000
