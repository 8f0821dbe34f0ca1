"""From files to a report; the numbers of the protocols themselves are tested with `eval/voc.py`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.exports import write_coco
from inception_rcnn.data.ledger import write_ledger
from inception_rcnn.data.records import Detections, GroundTruth, Picture, Proposals
from inception_rcnn.data.results import COCO_NAME
from inception_rcnn.data.specs import open_dataset
from inception_rcnn.data.store import write_proposals
from inception_rcnn.data.voc import write_voc_annotation
from inception_rcnn.eval.judging import Judging

A, B = [0, 0, 10, 10], [50, 0, 60, 10]


def _truth(file: str, **objects: list[int]) -> GroundTruth:
    return GroundTruth(
        file, 100, 50, as_boxes(list(objects.values())), np.array([*objects]), np.zeros(len(objects), bool)
    )


def _found(file: str, *rows: tuple[str, float, list[int]]) -> Picture:
    labels, scores, boxes = zip(*rows, strict=True) if rows else ((), (), ())
    return Picture(file, 100, 50, Detections(as_boxes(boxes), np.array(labels, dtype=str), np.array(scores)))


@pytest.fixture
def data(tmp_path: Path) -> str:
    """Two cats on two pictures and a dog on the second; the third has nothing."""
    folder = tmp_path / "own"
    for truth in (_truth("1.jpg", cat=A), _truth("2.jpg", cat=B, dog=A), _truth("3.jpg")):
        write_voc_annotation(truth, folder / "Annotations" / f"{truth.file[0]}.xml")
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "val.txt").write_text("1\n2\n3\n")
    return f"voc:{folder}:val"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """One cat found, the other one missed, and a cat where there is none."""
    rows = [_found("1.jpg", ("cat", 0.9, A)), _found("2.jpg", ("cat", 0.5, [80, 0, 90, 10])), _found("3.jpg")]
    write_ledger(rows, tmp_path / "found" / "detections.jsonl")
    return tmp_path / "found" / "detections.jsonl"


def _evaluate(predictions, data, metrics, classes, out, proposals=(), **others) -> str:
    return Judging(predictions, data, out, metrics, classes, proposals, **others).execute()


def _report(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


def test_nothing_predicted_is_judged_as_nothing_found(tmp_path: Path, data: str) -> None:
    write_ledger([], tmp_path / "empty.jsonl")
    table = _evaluate(tmp_path / "empty.jsonl", data, "voc10", "cat", tmp_path / "out")
    assert _report(tmp_path / "out")["metrics"]["voc10"]["map"] == 0
    assert "0.0000, 95 % interval 0.000 to 0.000 (mean of 1 classes)" in table


def test_report_and_table_say_the_same(tmp_path: Path, data: str, ledger: Path) -> None:
    table = _evaluate(ledger, data, "voc10,voc07", "", tmp_path / "out")
    report = _report(tmp_path / "out")
    assert list(report["metrics"]) == ["voc10", "voc07"]
    assert report["metrics"]["voc10"]["map"] == 0.5
    assert report["metrics"]["voc07"]["map"] == pytest.approx(6 / 11)
    cat = report["metrics"]["voc10"]["per_class"]["cat"]
    assert (cat["positives"], cat["true_positive"], cat["false_positive"]) == (2, 1, 1)
    assert "mAP (VOC10+, area, IoU 0.5): 0.5000, 95 % interval" in table
    assert "mAP (VOC07, 11-point, IoU 0.5): 0.5455" in table
    assert (tmp_path / "out" / "report.html").is_file()


def test_report_says_what_was_judged(tmp_path: Path, data: str, ledger: Path) -> None:
    _evaluate(ledger, data, "voc10", "", tmp_path / "out")
    assert _report(tmp_path / "out")["run"] == {"predictions": str(ledger), "data": data}


def _classes(tmp_path: Path, predictions: Path, data: str, classes: str = "") -> dict[str, float | None]:
    _evaluate(predictions, data, "voc10", classes, tmp_path / "out")
    rows = _report(tmp_path / "out")["metrics"]["voc10"]["per_class"]
    return {name: row["ap"] for name, row in rows.items()}


def test_classes_are_those_that_the_predictions_name(tmp_path: Path, data: str, ledger: Path) -> None:
    assert _classes(tmp_path, ledger, data) == {"cat": 0.5}


def test_a_class_of_the_detector_counts_though_nothing_of_it_was_found(tmp_path: Path, data: str, ledger: Path) -> None:
    write_coco([], ledger.parent / COCO_NAME, ["dog", "cat", "ant"])
    assert _classes(tmp_path, ledger.parent, data) == {"dog": 0, "cat": 0.5, "ant": None}  # there are no ants


@pytest.mark.parametrize("classes", ["dog,cat", " dog, cat ,", "dog,cat,dog"])
def test_classes_that_are_named_are_those_judged(tmp_path: Path, data: str, ledger: Path, classes: str) -> None:
    assert list(_classes(tmp_path, ledger, data, classes).items()) == [("dog", 0), ("cat", 0.5)]


def test_voc_results_pair_with_the_pictures_by_their_ids(tmp_path: Path, data: str) -> None:
    (tmp_path / "comp4_det_val_cat.txt").write_text("2 .9 51 1 60 10\n1 .8 1 1 10 10\n")
    (tmp_path / "comp4_det_val_dog.txt").write_text("")
    assert _classes(tmp_path, tmp_path, data) == {"cat": 1, "dog": 0}


@pytest.mark.parametrize("metric", ["", ",", "voc", "voc10,coco12", "VOC10"])
def test_an_unknown_metric_is_refused_before_anything_is_written(
    tmp_path: Path, data: str, ledger: Path, metric: str
) -> None:
    with pytest.raises(UsageError, match=r"unknown --metric .*known: voc07, voc10"):
        _evaluate(ledger, data, metric, "", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_metric_named_twice_is_judged_once(tmp_path: Path, data: str, ledger: Path) -> None:
    table = _evaluate(ledger, data, "voc10, voc10", "", tmp_path / "out")
    assert table.count("mAP") == 1


def test_unusable_predictions_and_data_are_named(tmp_path: Path, data: str, ledger: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl"):
        _evaluate(tmp_path / "none.jsonl", data, "voc10", "", tmp_path / "out")
    with pytest.raises(DataError, match="no such split"):
        _evaluate(ledger, data.replace(":val", ":test"), "voc10", "", tmp_path / "out")


def test_a_class_that_nobody_knows_is_a_mistake(tmp_path: Path, data: str, ledger: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'cat'"):
        _evaluate(ledger, data, "voc10", "dog,catt", tmp_path / "out")


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """Of the three objects two are covered; the names have no endings, as in others' files."""
    path = tmp_path / "<b>boxes.csv"
    path.write_text("file,x1,y1,x2,y2,score\n1,0,0,10,10,1\n2,0,0,10,10,1\n2,80,0,90,10,.5\n3\n")
    return path


def test_proposals_alone_are_judged_on_all_objects(tmp_path: Path, data: str, boxes: Path) -> None:
    table = _evaluate(None, data, "voc10", "", tmp_path / "out", [boxes])
    report = _report(tmp_path / "out")
    assert report["metrics"] == {}
    found = report["proposals"][str(boxes)]
    assert (found["pictures"], found["boxes"]) == (3, 1)
    assert (found["all"]["objects"], found["all"]["recall_50"]) == (3, pytest.approx(2 / 3))
    assert {name: each["mean_best_overlap"] for name, each in found["classes"].items()} == {"cat": 0.5, "dog": 1}
    assert report["run"] == {"data": data, "proposals": str(boxes)}
    assert table.splitlines()[1].split()[-8:-1] == ["0.667", "0.667", "0.667", "0.667", "0.750", "0.667", "n/a"]
    html = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "<h2>Proposals</h2>" in html
    assert "<b>boxes" not in html
    assert "&lt;b&gt;boxes.csv" in html


def test_predictions_and_several_files_of_proposals_make_one_report(
    tmp_path: Path, data: str, ledger: Path, boxes: Path
) -> None:
    none = tmp_path / "none.json"
    none.write_text(json.dumps({str(i): {"boxes": []} for i in (1, 2, 3)}))
    table = _evaluate(ledger, data, "voc10", "", tmp_path / "out", [boxes, none])
    report = _report(tmp_path / "out")
    assert report["metrics"]["voc10"]["map"] == 0.5
    assert {name: each["all"]["objects"] for name, each in report["proposals"].items()} == {
        str(boxes): 3,
        str(none): 3,
    }
    assert report["run"]["proposals"] == f"{boxes}, {none}"
    assert table.index("mAP (VOC10+") < table.index("MABO") < table.index("none.json")


def test_nothing_to_judge_is_refused(tmp_path: Path, data: str) -> None:
    with pytest.raises(UsageError, match="give --predictions, --proposals, or both"):
        _evaluate(None, data, "voc10", "", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_proposals_of_other_pictures_are_named_and_nothing_is_written(tmp_path: Path, data: str, boxes: Path) -> None:
    boxes.write_text("file,x1,y1,x2,y2,score\n1\n4\n")
    with pytest.raises(DataError, match=r"boxes\.csv has no proposals for 2 of 3 pictures, as 2\.jpg"):
        _evaluate(None, data, "voc10", "", tmp_path / "out", [boxes])
    assert not (tmp_path / "out").exists()


def test_proposals_are_named_by_their_method_where_that_tells_them_apart(tmp_path: Path, data: str) -> None:
    truths = open_dataset(data).pictures
    empty = {truth.file: Proposals(np.zeros((0, 4)), np.zeros(0)) for truth in truths}
    files = [tmp_path / name for name in ("a.safetensors", "b.safetensors", "c.safetensors")]
    for file, method in zip(files, ("mix", "fast", "fast"), strict=True):
        write_proposals(file, empty, method, ())
    _evaluate(None, data, "voc10", "", tmp_path / "out", files)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert list(report["proposals"]) == ["mix", str(files[1]), str(files[2])]
