"""From files to a report; the numbers of the protocols themselves are tested with `eval/metrics/protocols.py`."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_records import found_of
from PIL import Image

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.formats.exports import write_coco, write_csv
from inception_rcnn.data.formats.predictions import COCO_NAME
from inception_rcnn.data.formats.specs import open_dataset
from inception_rcnn.data.formats.voc.annotations import write_voc_annotation
from inception_rcnn.data.records import GroundTruth, ImageDetections, Proposals, Stages
from inception_rcnn.data.stores.detections_jsonl import read_ledger, write_ledger
from inception_rcnn.data.stores.proposal_writers import write_proposals
from inception_rcnn.data.stores.stage_files import write_stages
from inception_rcnn.eval.evaluate import EvaluationOptions, evaluate_files

A, B = [0, 0, 10, 10], [50, 0, 60, 10]
_found = partial(found_of, size=(100, 50))


def _truth(file: str, **objects: list[int]) -> GroundTruth:
    return GroundTruth(
        file, 100, 50, as_boxes(list(objects.values())), np.array([*objects]), np.zeros(len(objects), bool)
    )


@pytest.fixture
def data(tmp_path: Path) -> str:
    """Two cats on two images and a dog on the second; the third has nothing."""
    folder = tmp_path / "own"
    for truth in (_truth("1.jpg", cat=A), _truth("2.jpg", cat=B, dog=A), _truth("3.jpg")):
        write_voc_annotation(truth, folder / "Annotations" / f"{truth.file[0]}.xml")
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "val.txt").write_text("1\n2\n3\n")
    return f"voc:{folder}:val"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """One cat found, the other one missed, and a cat where there is none, by a detector of cats."""
    rows = [_found("1.jpg", ("cat", 0.9, A)), _found("2.jpg", ("cat", 0.5, [80, 0, 90, 10])), _found("3.jpg")]
    write_ledger(rows, tmp_path / "found" / "detections.jsonl")
    write_coco(rows, tmp_path / "found" / COCO_NAME, ["cat"])
    return tmp_path / "found" / "detections.jsonl"


def _evaluate(predictions, data, metrics, classes, out, proposals=(), **others) -> str:
    return evaluate_files(EvaluationOptions(predictions, data, metrics, classes, proposals, **others), out)


def _report(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


def test_nothing_predicted_is_evaluated_as_nothing_found(tmp_path: Path, data: str) -> None:
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


def test_report_says_what_was_evaluated(tmp_path: Path, data: str, ledger: Path) -> None:
    _evaluate(ledger, data, "voc10", "", tmp_path / "out")
    run = _report(tmp_path / "out")["run"]
    assert (run["predictions"], run["data"]) == (str(ledger), data)
    assert "Python" in run
    assert "detector: mode" not in run
    (ledger.parent / "run.json").write_text('{"settings": {"mode": "shared", "weights": 1}}')
    _evaluate(ledger, data, "coco", "", tmp_path / "out")
    run = _report(tmp_path / "out")["run"]
    assert (run["detector: mode"], run["detector: weights"]) == ('"shared"', "1")
    assert run["COCO's numbers by"] in ("pycocotools", "faster-coco-eval")


def _classes(tmp_path: Path, predictions: Path, data: str, classes: str = "") -> dict[str, float | None]:
    _evaluate(predictions, data, "voc10", classes, tmp_path / "out")
    rows = _report(tmp_path / "out")["metrics"]["voc10"]["per_class"]
    return {name: row["ap"] for name, row in rows.items()}


def test_classes_are_those_that_the_predictions_name(tmp_path: Path, data: str, ledger: Path) -> None:
    assert _classes(tmp_path, ledger, data) == {"cat": 0.5}


def test_a_class_that_was_never_predicted_stays_in_the_mean(tmp_path: Path, data: str, ledger: Path) -> None:
    """Where predictions state no list of classes those of the data set count: else fewer of them raise the mean."""
    (ledger.parent / COCO_NAME).unlink()
    table = _csv_of(ledger, tmp_path / "p.csv")
    (tmp_path / "comp4_det_val_cat.txt").write_text("1 .9 1 1 10 10\n2 .5 81 1 90 10\n")
    for predictions in (ledger, ledger.parent, table, tmp_path):
        text = _evaluate(predictions, data, "voc10", "", tmp_path / "out")
        report = _report(tmp_path / "out")
        assert report["metrics"]["voc10"]["map"] == 0.25
        assert {
            name: row["ap"] for name, row in report["metrics"]["voc10"]["per_class"].items() if row["positives"]
        } == {
            "cat": 0.5,
            "dog": 0,
        }
        assert text.endswith("Nothing was left out.")


def _csv_of(ledger: Path, path: Path) -> Path:
    write_csv(read_ledger(ledger), path)
    return path


def test_one_line_says_what_was_left_out(tmp_path: Path, data: str, ledger: Path) -> None:
    text = _evaluate(ledger, data, "voc10", "", tmp_path / "out")
    line = "1 class (dog) of the data set with 1 objects, which the predictions are not about"
    assert text.splitlines()[-1] == f"Left out or odd: {line}."
    assert _report(tmp_path / "out")["left_out"] == [line]
    assert line in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_what_looks_like_a_mistake_is_a_warning(tmp_path: Path, data: str) -> None:
    write_csv([_found("1.jpg", ("Cat", 0.9, A)), _found("2.jpg", ("Cat", 0.5, B))], tmp_path / "p.csv")
    text = _evaluate(tmp_path / "p.csv", data, "voc10", "", tmp_path / "out")
    (warning,) = _report(tmp_path / "out")["warnings"]
    assert warning.endswith("did you mean 'cat'?")
    assert f"Warning: {warning}" in text
    assert "2 detections of 1 class (Cat) that the data set does not have" in text


def test_a_class_of_the_detector_counts_though_nothing_of_it_was_found(tmp_path: Path, data: str, ledger: Path) -> None:
    write_coco([], ledger.parent / COCO_NAME, ["dog", "cat", "ant"])
    assert _classes(tmp_path, ledger.parent, data) == {"dog": 0, "cat": 0.5, "ant": None}  # there are no ants


@pytest.mark.parametrize("classes", ["dog,cat", " dog, cat ,", "dog,cat,dog"])
def test_classes_that_are_named_are_those_evaluated(tmp_path: Path, data: str, ledger: Path, classes: str) -> None:
    assert list(_classes(tmp_path, ledger, data, classes).items()) == [("dog", 0), ("cat", 0.5)]


def test_voc_results_pair_with_the_images_by_their_ids(tmp_path: Path, data: str) -> None:
    (tmp_path / "comp4_det_val_cat.txt").write_text("2 .9 51 1 60 10\n1 .8 1 1 10 10\n")
    (tmp_path / "comp4_det_val_dog.txt").write_text("")
    found = _classes(tmp_path, tmp_path, data)
    assert {name: ap for name, ap in found.items() if ap is not None} == {"cat": 1, "dog": 0}


@pytest.mark.parametrize("metric", ["", ",", "voc", "voc10,coco12", "VOC10"])
def test_an_unknown_metric_is_refused_before_anything_is_written(
    tmp_path: Path, data: str, ledger: Path, metric: str
) -> None:
    with pytest.raises(UsageError, match=r"unknown --metric .*known: voc07, voc10"):
        _evaluate(ledger, data, metric, "", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_metric_named_twice_is_evaluated_once(tmp_path: Path, data: str, ledger: Path) -> None:
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


def test_proposals_alone_are_evaluated_on_all_objects(tmp_path: Path, data: str, boxes: Path) -> None:
    table = _evaluate(None, data, "voc10", "", tmp_path / "out", [boxes])
    report = _report(tmp_path / "out")
    assert report["metrics"] == {}
    found = report["proposals"][str(boxes)]
    assert (found["images"], found["boxes"]) == (3, 1)
    assert (found["all"]["objects"], found["all"]["recall_50"]) == (3, pytest.approx(2 / 3))
    assert {name: each["mean_best_overlap"] for name, each in found["classes"].items()} == {"cat": 0.5, "dog": 1}
    assert (report["run"]["data"], report["run"]["proposals"]) == (data, str(boxes))
    assert "predictions" not in report["run"]
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


def test_nothing_to_evaluate_is_refused(tmp_path: Path, data: str) -> None:
    with pytest.raises(UsageError, match="give --predictions, --proposals, or both"):
        _evaluate(None, data, "voc10", "", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_proposals_of_other_images_are_named_and_nothing_is_written(tmp_path: Path, data: str, boxes: Path) -> None:
    boxes.write_text("file,x1,y1,x2,y2,score\n1\n4\n")
    with pytest.raises(DataError, match=r"boxes\.csv has no proposals for 2 of 3 images, as 2\.jpg"):
        _evaluate(None, data, "voc10", "", tmp_path / "out", [boxes])
    assert not (tmp_path / "out").exists()


def test_proposals_are_named_by_their_method_where_that_tells_them_apart(tmp_path: Path, data: str) -> None:
    truths = open_dataset(data).images
    empty = {truth.file: Proposals(np.zeros((0, 4)), np.zeros(0)) for truth in truths}
    files = [tmp_path / name for name in ("a.safetensors", "b.safetensors", "c.safetensors")]
    for file, method in zip(files, ("mix", "fast", "fast"), strict=True):
        write_proposals(file, empty, method, ())
    _evaluate(None, data, "voc10", "", tmp_path / "out", files)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert list(report["proposals"]) == ["mix", str(files[1]), str(files[2])]


@pytest.fixture
def stages(ledger: Path) -> Path:
    """What a detector with one region an image would have kept: on the second image it looks at nothing."""
    found = [([A], [[0.1, 0.9]], [[A]]), ([[80, 0, 90, 10]], [[0.5, 0.5]], [[[80, 0, 90, 10]]]), ([], [], [])]
    for i, (proposals, probabilities, boxes) in enumerate(found, 1):
        stages = Stages(
            proposals=as_boxes(proposals),
            probabilities=np.array(probabilities).reshape(-1, 2),
            boxes=np.array(boxes, dtype=float).reshape(-1, 1, 4),
            classes=("cat",),
            score_threshold=0.05,
            nms_threshold=0.3,
            max_detections=100,
        )
        write_stages(ledger.parent, f"{i}.jpg", stages)
    return ledger.parent


def test_kept_stages_tell_where_objects_are_lost(tmp_path: Path, data: str, ledger: Path, stages: Path) -> None:
    for predictions in (stages, ledger):
        _evaluate(predictions, data, "voc10", "", tmp_path / "out")
        waterfall = _report(tmp_path / "out")["waterfall"]
        assert (waterfall["objects"], waterfall["found"]) == (2, 1)
        assert {step["name"]: step["count"] for step in waterfall["steps"] if step["count"]} == {"not proposed": 1}
    assert "Where objects are lost" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_one_image_is_explained(tmp_path: Path, data: str, ledger: Path) -> None:
    text = _evaluate(ledger, data, "voc10", "", tmp_path / "out", explain="2")
    assert "0 of 1 objects found, 1 detections" in text  # the dog is of no class that is evaluated
    assert "missed" in text
    assert not (tmp_path / "out" / "explained").exists()
    folder = Path(data.split(":")[1]) / "JPEGImages"
    folder.mkdir()
    Image.new("RGB", (100, 50)).save(folder / "2.jpg")
    text = _evaluate(ledger, data, "voc10", "", tmp_path / "out", explain="2.jpg")
    drawn = tmp_path / "out" / "explained" / "2.jpg"
    assert text.endswith(f"drawn in {drawn}")
    assert Image.open(drawn).width >= 100


def test_the_kept_stages_are_in_the_story(tmp_path: Path, data: str, stages: Path) -> None:
    assert "not proposed" in _evaluate(stages, data, "voc10", "", tmp_path / "out", explain="2.jpg")


def test_an_image_that_is_not_there_cannot_be_explained(tmp_path: Path, data: str, ledger: Path) -> None:
    with pytest.raises(UsageError, match=r"'12\.jpg' is not among the 3 of the data set; did you mean '2\.jpg'\?"):
        _evaluate(ledger, data, "voc10", "", tmp_path / "out", explain="12.jpg")
    with pytest.raises(UsageError, match="--explain needs --predictions"):
        _evaluate(None, data, "voc10", "", tmp_path / "out", [ledger], explain="2.jpg")


def test_only_ilsvrc_has_a_blacklist(tmp_path: Path, data: str, ledger: Path) -> None:
    (tmp_path / "black.txt").write_text("1 n02084071\n")
    with pytest.raises(UsageError, match="only a data set as ilsvrc:ROOT:SPLIT has a blacklist"):
        _evaluate(ledger, data, "voc10", "", tmp_path / "out", blacklist=tmp_path / "black.txt")


def test_failures_and_intervals_are_reported(tmp_path: Path, data: str) -> None:
    write_ledger([_found("1.jpg", ("cat", 0.9, A)), ImageDetections("2.jpg", error="cut off")], tmp_path / "some.jsonl")
    table = _evaluate(tmp_path / "some.jsonl", data, "voc10", "cat", tmp_path / "out")
    report = _report(tmp_path / "out")
    assert report["failures"] == [{"file": "2.jpg", "reason": "cut off"}]
    low, high = report["metrics"]["voc10"]["interval"]
    assert 0 <= low < 0.5 < high <= 1
    assert "95 % interval" in table
    assert {row["name"] for row in report["errors"]["rows"]} >= {"Cls", "Loc", "Miss"}
    assert [one["name"] for one in report["breakdowns"]] == ["size", "aspect ratio", "truncated", "area"]


def test_any_protocol_on_any_data(tmp_path: Path, data: str, ledger: Path) -> None:
    metrics = "coco,ilsvrc,voc07,voc10"
    _evaluate(ledger, data, metrics, "", tmp_path / "out")
    found = _report(tmp_path / "out")["metrics"]
    assert list(found) == metrics.split(",")
    assert found["ilsvrc"]["map"] == found["voc10"]["map"] == 0.5
    assert found["ilsvrc"]["numbers"] == {"median": 0.5}
    assert found["coco"]["numbers"]["AP50"] == pytest.approx(51 / 101)
    assert found["coco"]["numbers"]["APl"] is None


@pytest.mark.parametrize("content", ["[]", "1", '{"settings": []}', '{"settings": 1}', "[" * 100_000, "{", "\xff"])
def test_a_run_that_cannot_be_read_is_of_something_else(tmp_path: Path, data: str, ledger: Path, content: str) -> None:
    (ledger.parent / "run.json").write_text(content, "latin-1")
    _evaluate(ledger, data, "voc10", "", tmp_path / "out")
    assert not any(name.startswith("detector") for name in _report(tmp_path / "out")["run"])
