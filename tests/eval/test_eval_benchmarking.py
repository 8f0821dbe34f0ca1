"""The synthetic set is what it says, and every way gives its protocol's number."""

import time

import pytest

from inception_rcnn.data.errors import SetupError, UsageError
from inception_rcnn.eval import benchmarking
from inception_rcnn.eval.benchmarking import benchmark_evaluation, class_names, synthetic
from inception_rcnn.eval.metrics.coco import evaluate_coco
from inception_rcnn.eval.metrics.evaluation import Evaluation
from inception_rcnn.eval.metrics.protocols import evaluate_voc
from inception_rcnn.eval.metrics.table import Table, tabulate


def test_synthetic_sets_have_the_size_asked_for_and_are_the_same_each_time() -> None:
    images, truths = synthetic(30, 4, 500)
    assert (len(images), len(truths)) == (30, 30)
    assert sum(len(image.detections) for image in images) == 500
    assert {str(label) for truth in truths for label in truth.labels} == set(class_names(4))
    again = synthetic(30, 4, 500)[0]
    assert all((a.detections.boxes == b.detections.boxes).all() for a, b in zip(images, again, strict=True))


def test_rows() -> None:
    rows = benchmark_evaluation(40, 3, 600, ["voc10", "ilsvrc", "coco:pycocotools"])
    assert [row.way for row in rows] == ["table", "voc10", "ilsvrc", "coco:pycocotools"]
    assert [(row.images, row.classes, row.detections) for row in rows] == [(40, 3, 600)] * 4
    table = tabulate(*synthetic(40, 3, 600), class_names(3))
    assert rows[3].map == evaluate_coco(table, "pycocotools").map
    assert 0.2 < rows[3].map < rows[1].map < 1


def test_seconds_are_those_of_the_evaluation_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU and wall time by clocks that stand still but during the evaluation."""
    clocks = {"cpu": 0.0, "wall": 0.0}

    def slow(table: Table) -> Evaluation:
        clocks["cpu"] += 3
        clocks["wall"] += 5
        return evaluate_voc(table)

    monkeypatch.setattr(time, "process_time", lambda: clocks["cpu"])
    monkeypatch.setattr(time, "perf_counter", lambda: clocks["wall"])
    monkeypatch.setitem(benchmarking._WAYS, "slow", slow)
    table, row = benchmark_evaluation(3, 1, 9, ["slow"])
    assert (table.cpu_seconds, table.wall_seconds, row.cpu_seconds, row.wall_seconds) == (0, 0, 3, 5)


def test_unknown_ways_and_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="unknown protocol 'voc12'; known: voc07"):
        benchmark_evaluation(1, 1, 1, ["voc12"])
    monkeypatch.setitem(__import__("sys").modules, "faster_coco_eval", None)
    with pytest.raises(SetupError, match=r"inception-rcnn\[coco\]"):
        benchmark_evaluation(3, 1, 9, ["coco:faster-coco-eval"])
    assert benchmark_evaluation(3, 1, 9, ["coco:pycocotools"])[1].map >= 0
