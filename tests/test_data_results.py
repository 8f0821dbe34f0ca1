import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.ledger import write_ledger
from inception_rcnn.data.records import Detections, Picture
from inception_rcnn.data.results import COCO_NAME, merge_parts, read_categories, read_predictions

PICTURES = [
    Picture(
        "b.jpg",
        20,
        10,
        Detections(np.array([[0.0, 0, 5, 5], [1, 1, 2, 2]]), np.array(["cat", "dog"]), np.array([0.9, 0.1])),
    ),
    Picture("a.jpg", 20, 10),
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
    write_ledger(PICTURES, tmp_path / "detections.jsonl")
    for path in (tmp_path, str(tmp_path / "detections.jsonl")):
        assert [picture.file for picture in read_predictions(path)] == ["b.jpg", "a.jpg"]


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
        ([ANNOTATION], "bare list of COCO results.*give the full file"),
        ([], "bare list"),
        ({}, "categories"),
        ("text", "is not a COCO file"),
        (_coco(annotations=[{k: v for k, v in ANNOTATION.items() if k != "score"}]), "'score'.*ground truth"),
        (_coco(annotations=[ANNOTATION | {"image_id": 99}]), "missing 99"),
        (_coco(annotations=[ANNOTATION | {"category_id": 1}]), "missing 1"),
        (_coco(annotations=[ANNOTATION | {"bbox": [1, 2, 3]}]), "is not a COCO file"),
        (_coco(annotations=[ANNOTATION | {"bbox": [1, 2, -3, 4]}]), "predictions for b.jpg: .*x1 <= x2"),
        (_coco(annotations=[ANNOTATION | {"score": None}]), "is not a COCO file"),
        (_coco(annotations=None), "is not a COCO file"),
    ],
)
def test_unusable_json_says_why(tmp_path: Path, content: Any, words: str) -> None:
    (tmp_path / "p.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"p.json: .*{words}"):
        read_predictions(tmp_path / "p.json")


def _voc(folder: Path, **lines: str) -> Path:
    for label, text in lines.items():
        (folder / f"comp4_det_test_{label}.txt").write_text(text, "utf-8", "surrogateescape")
    return folder


def test_voc_results(tmp_path: Path) -> None:
    _voc(tmp_path, cat="000002 .5 1 1 10 20\n000001 0.25 3.5 4 5 6\n\n000002 .75 2 2 3 3\n", traffic_light="")
    (tmp_path / "comp4_det_test_dog.txt.gz").write_bytes(gzip.compress(b"my dog 1 1e-3 1 1 2 2"))
    (tmp_path / "notes.txt").write_text("not a result file")
    found = {picture.file: picture for picture in read_predictions(tmp_path)}
    assert list(found) == ["000001", "000002", "my dog 1"]
    assert found["000002"].detections.boxes.tolist() == [[1, 1, 3, 3], [0, 0, 10, 20]]
    assert found["000001"].detections.boxes.tolist() == [[2.5, 3, 5, 6]]
    assert found["my dog 1"].detections.labels.tolist() == ["dog"]
    assert found["my dog 1"].width == 0


def test_empty_voc_results(tmp_path: Path) -> None:
    assert read_predictions(_voc(tmp_path, cat="", dog="\n")) == []


def _line_order(pictures: list[Picture], label: str) -> list[str]:
    """The pictures of one class's detections as a stable sort by score leaves them."""
    rows = [
        (picture.file, score)
        for picture in pictures
        for name, score in zip(picture.detections.labels, picture.detections.scores, strict=True)
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
    pictures = read_predictions(_voc(tmp_path, **lines))
    assert len(pictures) == parts
    assert _line_order(pictures, "cat") == cat.split()
    assert _line_order(pictures, "dog") == dog.split()
    merged = merge_parts(pictures)
    assert len(merged) == len({picture.file for picture in pictures})
    assert sum(len(picture.detections) for picture in merged) == len((cat + " " + dog).split())


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    assert read_predictions(_voc(tmp_path, cat="caf\udce9 .5 1 1 2 2"))[0].file == "caf\udce9"


@pytest.mark.parametrize("line", ["a", "a .5 1 1 2", ".5 1 1 2 2", "a .5 1 1 2 x"])
def test_broken_voc_line_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match=r"det_test_cat\.txt: line 2 .*need id score"):
        read_predictions(_voc(tmp_path, cat=f"a .5 1 1 2 2\n{line}\n"))


@pytest.mark.parametrize("line", ["a .5 3 1 1 2", "a nan 1 1 2 2"])
def test_impossible_voc_value_names_the_picture(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match="predictions for a: "):
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
    for pictures, expected in (([], ()), (PICTURES[1:], ()), ([*PICTURES, *PICTURES], ("cat", "dog"))):
        write_ledger(pictures, ledger)
        assert _categories(tmp_path) == _categories(ledger) == expected


def test_categories_of_a_folder_that_detect_wrote_are_those_of_its_coco_file(tmp_path: Path) -> None:
    write_ledger(PICTURES, tmp_path / "detections.jsonl")
    (tmp_path / COCO_NAME).write_text(json.dumps(_coco(categories=CATEGORIES)))
    assert _categories(tmp_path) == ("cat", "ant", "dog")  # the file's order; no ant was found
    assert _categories(tmp_path / "detections.jsonl") == ("cat", "ant", "dog")
    assert [picture.file for picture in read_predictions(tmp_path)] == ["b.jpg", "a.jpg"]  # still the ledger's


def test_categories_of_a_coco_file_are_its_own(tmp_path: Path) -> None:
    write_ledger(PICTURES, tmp_path / "detections.jsonl")
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
    write_ledger(PICTURES, tmp_path / "detections.jsonl")
    (tmp_path / COCO_NAME).write_text(content)
    with pytest.raises(DataError, match=COCO_NAME.replace(".", r"\.")):
        _categories(tmp_path)
