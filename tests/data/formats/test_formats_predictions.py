import codecs
import gzip
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.diagnostics import Notices
from inception_rcnn.data.errors import DataError, InceptionRcnnError
from inception_rcnn.data.formats.coco.annotations import read_coco
from inception_rcnn.data.formats.exports import (
    write_coco,
    write_coco_results,
    write_csv,
    write_label_studio,
    write_voc_results,
    write_yolo,
)
from inception_rcnn.data.formats.ilsvrc.results import write_ilsvrc_results
from inception_rcnn.data.formats.predictions import COCO_NAME, merge_parts, read_categories, read_predictions
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections
from inception_rcnn.data.stores.detections_jsonl import write_ledger

IMAGES = [
    ImageDetections(
        "b.jpg",
        20,
        10,
        Detections(np.array([[0.0, 0, 5, 5], [1, 1, 2, 2]]), np.array(["cat", "dog"]), np.array([0.9, 0.1])),
    ),
    ImageDetections("a.jpg", 20, 10),
]


def _coco(**changes: Any) -> dict[str, Any]:
    content = {
        "images": [{"id": 0, "file_name": "b.jpg", "width": 20, "height": 10}, {"id": "x", "file_name": "a.jpg"}],
        "categories": [{"id": 7, "name": "cat"}],
        "annotations": [
            {"image_id": 0, "category_id": 7, "bbox": [1, 2, 3, 4], "score": 0.25},
            {"image_id": 0, "category_id": 7, "bbox": [0, 0, 3, 4], "score": 0.5},
        ],
    }
    return content | changes


def test_ledger_and_folder_that_holds_one(tmp_path: Path) -> None:
    write_ledger(IMAGES, tmp_path / "detections.jsonl")
    for path in (tmp_path, str(tmp_path / "detections.jsonl")):
        assert [image.file for image in read_predictions(path)] == ["b.jpg", "a.jpg"]


def test_coco_file_with_scores(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps(_coco()))
    first, second = read_predictions(tmp_path / "p.json")
    assert (first.file, first.width, first.height) == ("b.jpg", 20, 10)
    assert first.detections.boxes.tolist() == [[0, 0, 3, 4], [1, 2, 4, 6]]  # the best first
    assert first.detections.labels.tolist() == ["cat", "cat"]
    assert (second.file, second.width, len(second.detections)) == ("a.jpg", 0, 0)


ANNOTATION = {"image_id": 0, "category_id": 7, "bbox": [1, 2, 3, 4], "score": 0.25}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([ANNOTATION], "bare list of COCO results.*evaluate it with --data coco:.*or give the full file"),
        ([], "bare list"),
        ({}, "categories"),
        ("text", "is not a COCO file"),
        (_coco(annotations=[{k: v for k, v in ANNOTATION.items() if k != "score"}]), "'score'.*ground truth"),
        (_coco(annotations=[ANNOTATION | {"bbox": [1, 2, 3]}]), "entry 1: bbox is .*need four numbers"),
        (_coco(annotations=[ANNOTATION | {"id": 4, "bbox": None}]), "annotation 4: bbox is None"),
        (_coco(annotations=[ANNOTATION | {"bbox": [1, 2, float("inf"), 4]}]), "entry 1: bbox is .*need four numbers"),
        (_coco(annotations=[ANNOTATION | {"score": None}]), "entry 1: score is None: need a number"),
        (_coco(annotations=[ANNOTATION | {"score": float("nan")}]), "entry 1: score is nan: need a number"),
        (_coco(annotations=None), "is not a COCO file"),
    ],
)
def test_unusable_json_says_why(tmp_path: Path, content: Any, words: str) -> None:
    (tmp_path / "p.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"p.json: .*{words}"):
        read_predictions(tmp_path / "p.json")


def test_coco_images_and_categories_keep_the_files_order(tmp_path: Path) -> None:
    images = [{"id": i, "file_name": f"{i}.jpg"} for i in (3, 1, 2)]
    categories = [{"id": 9, "name": "dog"}, {"id": 2, "name": "cat"}]
    annotations = [{"image_id": 1, "category_id": 9, "bbox": [0, 0, 1, 1], "score": 1}]
    (tmp_path / "p.json").write_text(json.dumps(_coco(images=images, categories=categories, annotations=annotations)))
    results = read_predictions(tmp_path / "p.json")
    assert [(image.file, len(image.detections)) for image in results] == [
        ("3.jpg", 0),
        ("1.jpg", 1),
        ("2.jpg", 0),
    ]
    assert results[1].detections.labels.tolist() == ["dog"]
    assert read_categories(tmp_path / "p.json", results) == ("dog", "cat")


DATA = Dataset(
    "mine",
    ("cat", "dog"),
    tuple(
        GroundTruth(file, 20, 10, np.zeros((0, 4)), np.zeros(0, np.str_), np.zeros(0, np.bool_))
        for file in ("a.jpg", "b.jpg", "c.jpg")
    ),
    Path("photos"),
    image_ids=("0", "7", "30"),
    class_ids=("0", "5"),
)


def _list(folder: Path, *changes: Any) -> Path:
    rows = [{"image_id": 7, "category_id": 0, "bbox": [1, 2, 3, 4], "score": 0.5} | change for change in changes]
    (folder / "p.json").write_text(json.dumps(rows))
    return folder / "p.json"


def test_bare_list_means_what_the_data_set_says(tmp_path: Path) -> None:
    path = _list(tmp_path, {}, {"image_id": 0, "category_id": 5}, {"category_id": 5, "score": 0.75}, {"score": 0.75})
    a, b = images = read_predictions(path, DATA)
    assert (a.file, a.width, a.height, a.detections.labels.tolist()) == ("a.jpg", 20, 10, ["dog"])
    assert b.detections.labels.tolist() == ["dog", "cat", "cat"]  # the best first, equal ones in the file's order
    assert b.detections.boxes.tolist() == [[1, 2, 4, 6]] * 3
    assert read_categories(path, images, DATA) == ("cat", "dog")


def test_bare_list_without_results(tmp_path: Path) -> None:
    assert read_predictions(_list(tmp_path), DATA) == []
    assert read_categories(_list(tmp_path), [], DATA) == ("cat", "dog")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bbox": [1, 2, 3]}, "entry 2: bbox is"),
        ({"score": "high"}, "entry 2: score is 'high'"),
    ],
)
def test_broken_entry_of_a_bare_list_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=rf"p\.json: {words}"):
        read_predictions(_list(tmp_path, {}, change), DATA)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_id": 8}, "2 x result of an unknown image, as .*entry 2: image_id is 8, which no image has"),
        ({"category_id": "cat"}, "2 x result of an unknown category, as .*entry 2: category_id is 'cat', which no"),
        ({"category_id": None}, "2 x result of an unknown category"),
    ],
)
def test_results_of_what_the_data_set_lacks_are_left_out_and_counted(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    notices = Notices()
    (found,) = read_predictions(_list(tmp_path, {}, change, {"score": 0.25}, change), DATA, notices)
    assert found.detections.scores.tolist() == [0.5, 0.25]
    (line,) = notices.lines()
    assert re.match(words, line)
    assert len(read_predictions(_list(tmp_path, {}, change), DATA)) == 1  # no reason to refuse the file


def test_coco_results_keep_the_numbers_of_the_file(tmp_path: Path) -> None:
    boxes = [[0.1, 0.2, 0.3, 0.6], [4, 5, -2, 3], [1, 1, 0, 0]]
    notices = Notices()
    (found,) = read_predictions(_list(tmp_path, *({"bbox": box} for box in boxes)), DATA, notices)
    assert found.detections.xywh.tolist() == boxes
    assert found.detections.boxes[1].tolist() == [4, 5, 4, 8]  # inside out: it overlaps nothing
    assert notices.lines()[0].startswith("1 x predicted box that is inside out")


@pytest.mark.parametrize("changes", [{"image_ids": ()}, {"class_ids": ()}])
def test_bare_list_needs_ids_of_both(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"evaluate it with --data coco:FILE\.json:IMAGES"):
        read_predictions(_list(tmp_path, {}), replace(DATA, **changes))


def _yolo_list(folder: Path, *categories: int | str) -> tuple[Path, Dataset]:
    """Results as Ultralytics writes them, and a YOLO data set of three classes."""
    truths = tuple(replace(DATA.images[0], file=f"{name}.jpg") for name in ("000012", "b", "12b"))
    data = Dataset("yolo", ("cat", "dog", "cow"), truths, Path("photos"), class_ids=("0", "1", "2"))
    return _list(folder, *({"image_id": 12, "category_id": number} for number in categories)), data


@pytest.mark.parametrize(
    ("ids", "labels"),
    [((0, 1), ["cat", "dog"]), ((1, 3), ["cat", "cow"]), (("0", 2), ["cat", "cow"]), ((3,), ["cow"]), ((0,), ["cat"])],
)
def test_results_of_a_yolo_data_set_have_numbers_from_0_or_from_1(
    tmp_path: Path, ids: tuple[int | str, ...], labels: list[str]
) -> None:
    path, data = _yolo_list(tmp_path, *ids)
    (found,) = read_predictions(path, data)
    assert (found.file, found.width, found.detections.labels.tolist()) == ("000012.jpg", 20, labels)
    assert read_categories(path, [found], data) == data.classes


def test_results_of_a_yolo_data_set_that_fit_both_ways_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no category_id is 0 or 3, so they may count the 3 classes from 0 or from 1"):
        read_predictions(*_yolo_list(tmp_path, 1, 2))
    assert read_predictions(*_yolo_list(tmp_path)) == []


def test_results_of_a_yolo_data_set_name_images(tmp_path: Path) -> None:
    _, data = _yolo_list(tmp_path)
    path = _list(tmp_path, {"image_id": "b"}, {"image_id": "12b"}, {"image_id": "000012"}, {"image_id": "x"})
    notices = Notices()
    found = read_predictions(path, data, notices)
    assert [image.file for image in found] == ["000012.jpg", "b.jpg", "12b.jpg"]
    assert notices.lines()[0].startswith("1 x result of an unknown image")


@pytest.mark.parametrize("name", ["p.json", "p.jsonl", "p.txt"])
def test_results_may_be_one_a_line(tmp_path: Path, name: str) -> None:
    rows = json.loads(_list(tmp_path, {}, {"score": "0.75"}).read_text())
    path = tmp_path / name
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    (found,) = read_predictions(path, DATA)
    assert (found.file, found.detections.scores.tolist()) == ("b.jpg", [0.75, 0.5])
    assert read_categories(path, [found], DATA) == ("cat", "dog")
    path.write_text(json.dumps(rows[0]) + "\n{\n")
    with pytest.raises(DataError, match=r"line 2: cannot be read as JSON"):
        read_predictions(path, DATA)


def test_bare_list_of_a_data_set_without_images(tmp_path: Path) -> None:
    empty = read_coco(_write_coco(tmp_path), tmp_path)
    with pytest.raises(DataError, match="bare list"):
        read_predictions(_list(tmp_path, {}), empty)


def _write_coco(folder: Path) -> Path:
    (folder / "truth.json").write_text(json.dumps(_coco(images=[], annotations=[])))
    return folder / "truth.json"


@pytest.mark.parametrize("name", ["p.txt", "p.txt.gz"])
def test_ilsvrc_submission_needs_its_data_set(tmp_path: Path, name: str) -> None:
    text = b"7 5 0.5 1 1 10 10\n"
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    with pytest.raises(DataError, match=r"give the data set \(--data ilsvrc:ROOT:SPLIT\)"):
        read_predictions(tmp_path / name)
    images = read_predictions(tmp_path / name, DATA)
    (found,) = (image for image in images if len(image.detections))
    assert (found.file, found.detections.labels.tolist()) == ("b.jpg", ["dog"])
    assert found.detections.boxes.tolist() == [[0, 0, 10, 10]]
    assert read_categories(tmp_path / name, images, DATA) == ("cat", "dog")


def test_categories_of_yolo_predictions_are_their_list(tmp_path: Path) -> None:
    write_yolo(IMAGES, tmp_path, ["dog", "cat", "ant"])
    assert read_categories(tmp_path, read_predictions(tmp_path, DATA), DATA) == ("dog", "cat", "ant")


def test_categories_of_a_table_are_those_of_the_coco_file_beside_it(tmp_path: Path) -> None:
    write_csv(IMAGES, tmp_path / "detections.csv")
    assert _categories(tmp_path / "detections.csv") == ("cat", "dog")
    (tmp_path / COCO_NAME).write_text(json.dumps(_coco(categories=CATEGORIES)))
    assert _categories(tmp_path / "detections.csv") == ("cat", "ant", "dog")


@pytest.mark.slow
def test_half_a_million_results_are_read_in_seconds(tmp_path: Path, rng: np.random.Generator) -> None:
    images = tuple(replace(DATA.images[0], file=f"{number}.jpg") for number in range(1000))
    data = replace(DATA, images=images, image_ids=tuple(map(str, range(1000))))
    row = '{"image_id": %d, "category_id": 5, "bbox": [%.2f, 1.5, 20.25, 30.125], "score": %.4f}'
    rows = (row % values for values in zip(rng.integers(0, 1000, 500_000), *rng.random((2, 500_000)), strict=True))
    (tmp_path / "p.json").write_text("[" + ",\n".join(rows) + "]")
    start = time.process_time()
    found = read_predictions(tmp_path / "p.json", data)
    assert time.process_time() - start < 10  # 2.7 s when measured, 1.6 of them JSON's; other work slows a core down
    assert sum(len(image.detections) for image in found) == 500_000


def _voc(folder: Path, **lines: str) -> Path:
    for label, text in lines.items():
        (folder / f"comp4_det_test_{label}.txt").write_text(text, "utf-8", "surrogateescape")
    return folder


def test_voc_results(tmp_path: Path) -> None:
    _voc(tmp_path, cat="000002 .5 1 1 10 20\n000001 0.25 3.5 4 5 6\n\n000002 .75 2 2 3 3\n", traffic_light="")
    (tmp_path / "comp4_det_test_dog.txt.gz").write_bytes(gzip.compress(b"my dog 1 1e-3 1 1 2 2"))
    (tmp_path / "notes.txt").write_text("not a result file")
    found = {image.file: image for image in read_predictions(tmp_path)}
    assert list(found) == ["000001", "000002", "my dog 1"]
    assert found["000002"].detections.boxes.tolist() == [[1, 1, 3, 3], [0, 0, 10, 20]]
    assert found["000001"].detections.boxes.tolist() == [[2.5, 3, 5, 6]]
    assert found["my dog 1"].detections.labels.tolist() == ["dog"]
    assert found["my dog 1"].width == 0


@pytest.mark.parametrize("competition", ["comp3", "comp4", "comp4-12345", "comp4_0a1b-2c3d"])
def test_voc_results_of_any_competition(tmp_path: Path, competition: str) -> None:
    (tmp_path / f"{competition}_det_test_traffic_light.txt").write_text("a .5 1 1 2 2\n")
    assert read_predictions(tmp_path)[0].detections.labels.tolist() == ["traffic_light"]


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("a  0.5 1.0 2.0 3.0 4.0", "a "),  # as we write it: the second space is the name's
        (" a 0.5 1.0 2.0 3.0 4.0", " a"),
        ("a\t 0.5 1.0 2.0 3.0 4.0", "a\t"),
        ("a  .50 1.0 2.0 3.0 4.0", "a"),  # as others do, to line numbers up
        ("a  0.5 1 2 3 4", "a"),
        (" a  0.5  1.0  2.0  3.0  4.0 ", "a"),
    ],
)
def test_spaces_at_the_ends_of_a_name_in_voc_results(tmp_path: Path, line: str, file: str) -> None:
    (tmp_path / "comp4_det_test_cat.txt").write_text(f"{line}\n")
    assert [image.file for image in read_predictions(tmp_path)] == [file]


def test_empty_voc_results(tmp_path: Path) -> None:
    assert read_predictions(_voc(tmp_path, cat="", dog="\n")) == []


def _line_order(images: list[ImageDetections], label: str) -> list[str]:
    """The images of one class's detections as a stable sort by score leaves them."""
    rows = [
        (image.file, score)
        for image in images
        for name, score in zip(image.detections.labels, image.detections.scores, strict=True)
        if name == label
    ]
    return [file for file, _ in sorted(rows, key=lambda row: -row[1])]


@pytest.mark.parametrize(
    ("cat", "dog", "parts"),
    [
        ("a b", "b c", 3),  # in the order of the names everywhere: nothing to take apart
        ("b a", "b c", 3),  # another order, the same everywhere
        ("b a", "a b", 4),  # the order of equal scores differs between classes
        ("a b a", "", 3),
    ],
)
def test_ties_keep_the_order_of_the_lines(tmp_path: Path, cat: str, dog: str, parts: int) -> None:
    lines = {
        label: "".join(f"{file} .5 1 1 2 2\n" for file in files.split())
        for label, files in (("cat", cat), ("dog", dog))
    }
    images = read_predictions(_voc(tmp_path, **lines))
    assert len(images) == parts
    assert _line_order(images, "cat") == cat.split()
    assert _line_order(images, "dog") == dog.split()
    merged = merge_parts(images)
    assert len(merged) == len({image.file for image in images})
    assert sum(len(image.detections) for image in merged) == len((cat + " " + dog).split())


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    assert read_predictions(_voc(tmp_path, cat="caf\udce9 .5 1 1 2 2"))[0].file == "caf\udce9"


@pytest.mark.parametrize("line", ["a", "a .5 1 1 2", ".5 1 1 2 2", "a .5 1 1 2 x"])
def test_broken_voc_line_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match=r"det_test_cat\.txt: line 2 .*need id score"):
        read_predictions(_voc(tmp_path, cat=f"a .5 1 1 2 2\n{line}\n"))


def test_boxes_of_voc_results_may_be_inside_out_empty_or_outside(tmp_path: Path) -> None:
    notices = Notices()
    lines = "a .5 3 1 1 2\na .4 3 3 2 2\na .3 -9 -9 900 900\na .2 5 9 9 5\n"
    (found,) = read_predictions(_voc(tmp_path, cat=lines), None, notices)
    assert found.detections.boxes.tolist() == [[2, 0, 2, 2], [2, 2, 2, 2], [-10, -10, 900, 900], [4, 8, 9, 8]]
    assert notices.lines()[0].startswith("2 x predicted box that is inside out")


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_does_not_hide_the_best_detection(tmp_path: Path, mark: str) -> None:
    (tmp_path / "comp4_det_test_cat.txt").write_bytes("a .5 1 1 2 2\r\nb .4 1 1 2 2\r\n".encode(mark))
    assert [image.file for image in read_predictions(tmp_path)] == ["a", "b"]


@pytest.mark.parametrize("line", ["a .5 inf 1 1 2", "a nan 1 1 2 2", "a 1e400 1 1 2 2", "a .5 1_0 1 20 2"])
def test_impossible_voc_value_names_the_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match=f"det_test_cat.txt: line 1 is '{line}': need id score"):
        read_predictions(_voc(tmp_path, cat=line))


def test_unusable_places(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither detections\.jsonl nor comp4"):
        read_predictions(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        read_predictions(tmp_path / "none.json")
    (tmp_path / "comp4_det_test_cat.txt.gz").write_bytes(gzip.compress(b"a .5 1 1 2 2")[:-4])
    with pytest.raises(DataError, match="cannot be read"):
        read_predictions(tmp_path)
    _voc(tmp_path, cat="")
    with pytest.raises(DataError, match="several result files of one class"):
        read_predictions(tmp_path)


def _categories(path: Path) -> tuple[str, ...]:
    return read_categories(path, read_predictions(path))


CATEGORIES = [{"id": 7, "name": "cat"}, {"id": 1, "name": "ant"}, {"id": 2, "name": "dog"}]


def test_categories_of_a_ledger_alone_are_the_labels_seen(tmp_path: Path) -> None:
    ledger = tmp_path / "detections.jsonl"
    for images, expected in (([], ()), (IMAGES[1:], ()), ([*IMAGES, *IMAGES], ("cat", "dog"))):
        write_ledger(images, ledger)
        assert _categories(tmp_path) == _categories(ledger) == expected


def test_categories_of_a_folder_that_detect_wrote_are_those_of_its_coco_file(tmp_path: Path) -> None:
    write_ledger(IMAGES, tmp_path / "detections.jsonl")
    (tmp_path / COCO_NAME).write_text(json.dumps(_coco(categories=CATEGORIES)))
    assert _categories(tmp_path) == ("cat", "ant", "dog")  # the file's order; no ant was found
    assert _categories(tmp_path / "detections.jsonl") == ("cat", "ant", "dog")
    assert [image.file for image in read_predictions(tmp_path)] == ["b.jpg", "a.jpg"]  # still the ledger's


def test_categories_of_a_coco_file_are_its_own(tmp_path: Path) -> None:
    write_ledger(IMAGES, tmp_path / "detections.jsonl")
    (tmp_path / COCO_NAME).write_text(json.dumps(_coco(categories=CATEGORIES[:2])))
    (tmp_path / "p.JSON").write_text(json.dumps(_coco(categories=[*CATEGORIES, {"id": 8, "name": "cat"}])))
    assert _categories(tmp_path / "p.JSON") == ("cat", "ant", "dog")  # each name once


def test_categories_of_voc_results_are_their_files(tmp_path: Path) -> None:
    _voc(tmp_path, dog="a .5 1 1 2 2\n", traffic_light="")
    (tmp_path / "comp4_det_test_ant.txt.gz").write_bytes(gzip.compress(b""))
    (tmp_path / "notes.txt").touch()
    assert _categories(tmp_path) == ("ant", "dog", "traffic_light")


@pytest.mark.parametrize("content", ["[]", "{}", "7", '{"categories": [{"id": 1}]}', '{"categories": [5]}', "{"])
def test_a_broken_coco_file_beside_a_ledger_is_named(tmp_path: Path, content: str) -> None:
    write_ledger(IMAGES, tmp_path / "detections.jsonl")
    (tmp_path / COCO_NAME).write_text(content)
    with pytest.raises(DataError, match=COCO_NAME.replace(".", r"\.")):
        _categories(tmp_path)


ROW = '{"file": "a.jpg", "width": 20, "height": 10, "detections": []}\n'


@pytest.mark.parametrize("name", ["p.txt", "p.pred", "p.json", "p.jsonl", "p.csv", "p", "p.gz", "p.txt.gz"])
@pytest.mark.parametrize(
    ("content", "files"),
    [
        ("7 5 0.5 1 1 10 10\n", ["b.jpg"]),
        ("\n 7\t5 0.5 1 1 10 10\r\n", ["b.jpg"]),
        (ROW * 2, ["a.jpg", "a.jpg"]),
        ("file,label,score,x1,y1,x2,y2\na.jpg,cat,.5,0,0,1,1\n", ["a.jpg"]),
        (json.dumps(_coco()), ["b.jpg", "a.jpg"]),
        (json.dumps(_coco(), indent=1), ["b.jpg", "a.jpg"]),
        (json.dumps([ANNOTATION | {"category_id": 5}]), ["a.jpg"]),
        (json.dumps([{"id": 1, "data": {"image": "a.jpg", "width": 20, "height": 10}}]), ["a.jpg"]),
    ],
)
def test_what_a_file_holds_decides_whatever_its_name(tmp_path: Path, name: str, content: str, files: list[str]) -> None:
    for number, data in enumerate((content.encode(), content.encode("utf-8-sig"), content.encode("utf-16"))):
        path = tmp_path / str(number) / name
        path.parent.mkdir()
        path.write_bytes(data)
        found = read_predictions(path, DATA)
        assert [each.file for each in found if len(each.detections) or len(found) < 3] == files


@pytest.mark.parametrize("form", [gzip.compress, bytes])
def test_one_of_vocs_files_is_about_its_class(tmp_path: Path, form: Any) -> None:
    path = tmp_path / "comp4_det_test_cat.txt"
    path.write_bytes(form(b"1 .5 1 1 2 2\n"))
    (found,) = read_predictions(path, DATA)
    assert (found.file, found.detections.labels.tolist()) == ("1", ["cat"])
    assert read_categories(path, [found], DATA) == ("cat",)


@pytest.mark.parametrize("below", ["results/VOC2012/Main", "VOC2007/Main"])
def test_vocs_files_are_found_where_the_devkit_has_them(tmp_path: Path, below: str) -> None:
    (tmp_path / below).mkdir(parents=True)
    _voc(tmp_path / below, cat="a .5 1 1 2 2\n")
    assert [image.file for image in read_predictions(tmp_path)] == ["a"]


def test_classes_are_those_of_the_data_set_where_the_predictions_state_none(tmp_path: Path) -> None:
    """Else a class that was never predicted would leave the mean, and deleting predictions would raise it."""
    one = IMAGES[0]
    cats = [replace(one, detections=one.detections[:1])]
    write_csv(cats, tmp_path / "p.csv")
    write_ledger(cats, tmp_path / "p.jsonl")
    (tmp_path / "voc").mkdir()
    _voc(tmp_path / "voc", cat="b .5 1 1 2 2\n")
    (tmp_path / "ls.json").write_text(json.dumps([{"id": 1, "data": {"image": "a.jpg", "width": 20, "height": 10}}]))
    for name in ("p.csv", "p.jsonl", "voc", "ls.json"):
        assert read_categories(tmp_path / name, read_predictions(tmp_path / name, DATA), DATA) == ("cat", "dog")


def test_a_run_states_its_classes(tmp_path: Path) -> None:
    write_ledger(IMAGES, tmp_path / "detections.jsonl")
    (tmp_path / "run.json").write_text(json.dumps({"settings": {"config": {"classes": ["dog", "cat", "ant"]}}}))
    for path in (tmp_path, tmp_path / "detections.jsonl"):
        assert read_categories(path, IMAGES, DATA) == ("dog", "cat", "ant")
    asked = {"classes": ["dog", "cat", "ant"], "output_classes": ["cat", "dog"]}  # detect --classes cat,dog
    (tmp_path / "run.json").write_text(json.dumps({"settings": {"config": asked}}))
    assert read_categories(tmp_path, IMAGES, DATA) == ("cat", "dog")
    # Another file in that folder is not of the run, nor is one with other classes.
    write_ledger(IMAGES, tmp_path / "other.jsonl")
    assert read_categories(tmp_path / "other.jsonl", IMAGES, DATA) == ("cat", "dog")
    (tmp_path / "run.json").write_text(json.dumps({"settings": {"config": {"classes": ["bird"]}}}))
    assert read_categories(tmp_path, IMAGES, DATA) == ("cat", "dog")


@pytest.mark.parametrize("content", ["", "[", "[]", '{"settings": 5}', '{"settings": {"config": {"classes": [5]}}}'])
def test_a_run_that_states_nothing_leaves_it_to_the_data_set(tmp_path: Path, content: str) -> None:
    write_ledger(IMAGES, tmp_path / "detections.jsonl")
    (tmp_path / "run.json").write_text(content)
    assert read_categories(tmp_path, IMAGES, DATA) == ("cat", "dog")


def _numbered_data(folder: Path, images: int = 2) -> Dataset:
    """A data set whose images and classes have the numbers that COCO's and ILSVRC's results take."""
    none = (np.zeros((0, 4)), np.zeros(0, np.str_), np.zeros(0, np.bool_))
    truths = tuple(GroundTruth(f"sub/{i}.jpg", 20, 10, *none) for i in range(1, images + 1))
    ids = tuple(str(i) for i in range(1, images + 1))
    return Dataset("mine", ("cat", "dog"), truths, folder, image_ids=ids, class_ids=("1", "2"))


@pytest.mark.parametrize("digits", ["1" * 60_000 + "x", "-" + "1" * 60_000, "1." + "1" * 60_000 + "e"])
def test_a_long_row_of_digits_takes_no_time(tmp_path: Path, digits: str) -> None:
    (tmp_path / "r.txt").write_text(f"{digits} 1 1 1 1 1 1\n")
    begin = time.perf_counter()
    with pytest.raises(DataError):
        read_predictions(tmp_path / "r.txt", _numbered_data(tmp_path))
    assert time.perf_counter() - begin < 1


def test_an_image_of_which_ilsvrcs_results_say_nothing_has_no_predictions(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("2 1 .5 1 1 5 5\n")
    (only,) = read_predictions(tmp_path / "r.txt", _numbered_data(tmp_path, images=30))
    assert only.file == "sub/2.jpg"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "file,label,score,x1,y1,x2,y2\na,cat,1,0,0,1e200,1e200\n"),
        (
            "a.jsonl",
            '{"file": "a", "width": 1, "height": 1, '
            '"detections": [{"label": "cat", "score": 1, "box": [0, 0, 1e200, 9]}]}',
        ),
        ("r.json", '[{"image_id": 1, "category_id": 1, "bbox": [0, 0, -1e300, -1e300], "score": 1}]'),
        ("r.pred", "1e300 1 .5 1 1 5 5\n"),
        ("r.pred", "1 1 .5 1 1 1e300 5\n"),
        ("comp4_det_test_cat.txt", "a .5 1 1 1e300 1e300\n"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_numbers_of_no_image_are_refused(tmp_path: Path, name: str, content: str) -> None:
    """Their areas would be infinite, and overlaps no numbers."""
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError):
        read_predictions(tmp_path / name, _numbered_data(tmp_path))


_PIECES = (
    *(b"nan", b"inf", b"1e400", b"1e308", b"-1", b"0", b"1_0", b"9" * 400, b"9223372036854775808", b"\xd9\xa1"),
    *(b"null", b"true", b"[]", b"{}", b'""', b'"x"', b'{"a": 1}', b"[" * 3000, b'{"a":' * 3000, b"x" * 10_000),
    *(b"\xff\xfe", b"\xef\xbb\xbf", b"\x1f\x8b", b"\0", b"\r", b"\n", b",", b";", b" ", b'"', b"\\ud800"),
)


@st.composite
def _mutated(draw: st.DrawFn, files: dict[str, bytes]) -> tuple[str, bytes]:
    """One of the files with one to three places overwritten, cut out or filled."""
    name = draw(st.sampled_from(sorted(files)))
    content = files[name]
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 12)))
        content = content[:start] + draw(st.sampled_from((b"", *_PIECES))) + content[end:]
    return name, content


def _files_of_every_form(folder: Path, data: Dataset) -> dict[str, bytes]:
    found = Detections(np.array([[0.0, 0, 5, 5], [1, 1, 2.5, 2]]), np.array(["cat", "dog"]), np.array([0.9, 0.1]))
    images = [ImageDetections(truth.file, 20, 10, found) for truth in data.images]
    write_coco(images, folder / "whole.json", data.classes)
    write_coco_results(images, folder / "list.json", data)
    write_ledger(images, folder / "a.jsonl")
    write_csv(images, folder / "a.csv")
    write_ilsvrc_results(images, folder / "r.txt", data)
    write_label_studio(images, folder / "tasks.json")
    write_voc_results(images, folder, data.classes)
    write_yolo(images, folder / "yolo", data.classes)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def every_form(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Dataset, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("forms")
    data = _numbered_data(folder)
    return folder, data, _files_of_every_form(folder, data)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
@pytest.mark.filterwarnings("error")
def test_whatever_the_bytes_there_are_predictions_or_one_short_sentence(
    every_form: tuple[Path, Dataset, dict[str, bytes]], data: st.DataObject
) -> None:
    folder, truth, files = every_form
    name, content = data.draw(_mutated(files))
    path = folder / name
    path.write_bytes(content)
    try:
        images = read_predictions(folder / "yolo" if name.startswith("yolo") else path, truth, Notices())
        read_categories(folder / "yolo" if name.startswith("yolo") else path, images, truth)
    except InceptionRcnnError as error:
        assert len(str(error)) < 1500  # noqa: PT017 (any other error is a failure by itself)
    finally:
        path.write_bytes(files[name])


def _as_rows(images: list[ImageDetections]) -> list[tuple[Any, ...]]:
    return sorted(
        (image.file, label, score, *box)
        for image in images
        for label, score, box in zip(
            image.detections.labels.tolist(),
            image.detections.scores.tolist(),
            image.detections.boxes.tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        lambda text: gzip.compress(codecs.BOM_UTF8 + text.encode()),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.rstrip("\n").encode(),
        lambda text: (text + "\n\n").encode(),
    ],
    ids=[
        "mark",
        "UTF-16",
        "UTF-16 from the other end",
        "gzip",
        "Windows",
        "old Mac",
        "no last line end",
        "blank lines",
    ],
)
def test_every_form_in_the_encodings_and_line_ends_of_all_systems(
    every_form: tuple[Path, Dataset, dict[str, bytes]], encode: Any
) -> None:
    folder, data, files = every_form
    for name, content in files.items():
        path = folder / name
        target = folder / "yolo" if name.startswith("yolo") else path
        expected = _as_rows(read_predictions(target, data))
        path.write_bytes(encode(content.decode()))
        try:
            assert _as_rows(read_predictions(target, data)) == expected, name
        finally:
            path.write_bytes(content)


def test_an_empty_list_of_categories_states_none(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps(_coco(categories=[], annotations=[])))
    assert read_categories(tmp_path / "p.json", [], _numbered_data(tmp_path)) == ("cat", "dog")


def test_blank_lines_above_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\n\nfile,label,score,x1,y1,x2,y2\n\na,cat,.5,0,0,9,9\n")
    assert [image.file for image in read_predictions(tmp_path / "a.csv")] == ["a"]
    (tmp_path / "a.csv").write_text("\n\nfile,label,score,x1,y1,x2,y2\na,cat,x,0,0,9,9\n")
    with pytest.raises(DataError, match="line 4: score is 'x'"):
        read_predictions(tmp_path / "a.csv")


@pytest.mark.parametrize("image", ["b", "b.jpg"])
def test_results_may_name_an_image_in_place_of_its_id(tmp_path: Path, image: str) -> None:
    (found,) = read_predictions(_list(tmp_path, {"image_id": image}), DATA)
    assert found.file == "b.jpg"


def test_a_list_without_any_category_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps([{"image_id": 7, "instances": []}] * 3))
    with pytest.raises(DataError, match="no entry has a category_id"):
        read_predictions(tmp_path / "p.json", DATA)


@pytest.mark.parametrize("columns", ["class,class_name", "class_name,class", "label,category_name"])
def test_of_the_number_and_the_name_of_a_class_the_name_counts(tmp_path: Path, columns: str) -> None:
    cells = ",".join("cat" if "name" in column else "0" for column in columns.split(","))
    (tmp_path / "p.csv").write_text(f"filename,{columns},score,xmin,ymin,xmax,ymax\na.jpg,{cells},.5,0,0,9,9\n")
    (found,) = read_predictions(tmp_path / "p.csv", DATA)
    assert found.detections.labels.tolist() == ["cat"]
