"""Coordinates of the report's curves and bars, by eye."""

import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections
from inception_rcnn.eval.analysis.waterfall import Step, Waterfall
from inception_rcnn.eval.metrics.evaluation import ClassEvaluation
from inception_rcnn.eval.metrics.table import tabulate
from inception_rcnn.eval.metrics.voc import evaluate_voc
from inception_rcnn.eval.report.plots import closed, curve_points, waterfall_bars

A, B = [0, 0, 10, 10], [20, 0, 30, 10]


def _cat(num_objects: int, *boxes: list[int]) -> ClassEvaluation:
    labels = np.array(["cat"] * len(boxes), dtype=str)
    truth = GroundTruth("a.jpg", 99, 99, as_boxes([A, B]), np.array(["cat"] * 2), np.zeros(2, bool))[:num_objects]
    found = ImageDetections("a.jpg", 99, 99, Detections(as_boxes(boxes), labels, -np.arange(len(boxes), dtype=float)))
    return evaluate_voc(tabulate([found], [truth], ["cat"])).classes[0]


@pytest.mark.parametrize(
    ("cat", "points"),
    [
        (_cat(0), []),
        (_cat(0, A), []),  # nothing to find
        (_cat(2), []),
        (_cat(2, [50, 50, 60, 60]), []),  # nothing found
        (_cat(2, A), ["50.0,0.0"]),  # recall .5 at precision 1, which is at the top
        (_cat(2, A, [50, 50, 60, 60], B), ["50.0,0.0", "100.0,33.3"]),
    ],
)
def test_curve(cat: ClassEvaluation, points: list[str]) -> None:
    assert curve_points(cat) == points


def test_curve_of_many_detections_has_few_points_with_both_ends() -> None:
    num = 5000
    boxes = as_boxes([[20 * i, 0, 20 * i + 10, 10] for i in range(num)])
    labels = np.array(["cat"] * num)
    truth = GroundTruth("a.jpg", 99, 99, boxes, labels, np.zeros(num, bool))
    found = ImageDetections("a.jpg", 99, 99, Detections(boxes, labels, np.linspace(1, 0, num)))
    points = curve_points(evaluate_voc(tabulate([found], [truth], ["cat"])).classes[0])
    assert len(points) == 200
    assert (points[0], points[-1]) == ("0.0,0.0", "100.0,0.0")


def test_area_reaches_down_and_to_the_left() -> None:
    assert closed([]) == []
    assert closed(["50.0,20.0", "80.0,40.0"]) == ["0,100", "0,20.0", "50.0,20.0", "80.0,40.0", "80.0,100"]


def _waterfall(objects: int, found: int, *counts: int) -> Waterfall:
    steps = tuple(Step(f"step {i}", "why", count, 0.5 + i / 10) for i, count in enumerate(counts))
    return Waterfall("mAP", 0.4, objects, found, steps, np.zeros(0, np.int64), {})


def test_bars_hang_where_the_one_above_ends() -> None:
    bars = waterfall_bars(_waterfall(200, 100, 20, 80))
    assert [(bar.kind, bar.count, bar.start, bar.width) for bar in bars] == [
        ("all", 200, 0, 100),
        ("lost", 20, 90, 10),
        ("lost", 80, 50, 40),
        ("found", 100, 0, 50),
    ]
    assert [bar.share for bar in bars] == [1, 0.1, 0.4, 0.5]
    assert [bar.map_if_perfect for bar in bars[1:3]] == [0.5, 0.6]


def test_bars_without_objects_have_no_width() -> None:
    assert {bar.width for bar in waterfall_bars(_waterfall(0, 0, 0))} == {0}
