"""Coordinates of the report's curves and plots of recall (110 wide, 70 high, recall upward), by eye."""

import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections, Proposals
from inception_rcnn.eval.metrics.evaluation import ClassEvaluation
from inception_rcnn.eval.metrics.protocols import evaluate_voc
from inception_rcnn.eval.metrics.recall import RecallEvaluation, evaluate_recall
from inception_rcnn.eval.metrics.table import tabulate
from inception_rcnn.eval.report.plots import COLOURS, curve_points, recall_plots

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


@pytest.mark.slow
def test_curve_of_many_detections_has_few_points_with_both_ends() -> None:
    num = 5000
    boxes = as_boxes([[20 * i, 0, 20 * i + 10, 10] for i in range(num)])
    labels = np.array(["cat"] * num)
    truth = GroundTruth("a.jpg", 99, 99, boxes, labels, np.zeros(num, bool))
    found = ImageDetections("a.jpg", 99, 99, Detections(boxes, labels, np.linspace(1, 0, num)))
    points = curve_points(evaluate_voc(tabulate([found], [truth], ["cat"])).classes[0])
    assert len(points) == 200
    assert (points[0], points[-1]) == ("0.0,0.0", "100.0,0.0")


def _recall(*boxes: list[int], objects: int = 2) -> RecallEvaluation:
    """Two objects; by the boxes it depends which are found."""
    truth = GroundTruth("a.jpg", 99, 99, as_boxes([[0, 0, 10, 10], [50, 0, 60, 10]]), ["a", "b"], np.zeros(2))  # pyright: ignore
    return evaluate_recall("x", {"a.jpg": Proposals(as_boxes(boxes), np.zeros(len(boxes)))}, [truth[:objects]])


def test_nothing_evaluated_has_no_plots() -> None:
    assert recall_plots([]) == []


def test_recall_rises_with_the_boxes_and_falls_with_the_overlap() -> None:
    one = _recall([0, 0, 10, 6], [50, 0, 60, 10])
    at_50, at_70, average, over_iou = (plot["lines"] for plot in recall_plots([one]))
    assert at_50 == ["0.0,35.0 14.2,0.0"]  # one box, three boxes: half of the objects, all
    assert at_70 == ["0.0,70.0 14.2,35.0"]
    assert average == [
        "0.0,59.5 14.2,24.5"
    ]  # recall .15 and .65: overlaps of .5, .55 and .6 of ten are enough for the first
    points = over_iou[0].split()
    assert points[:7] == [*(f"{x:.1f},0.0" for x in (0, 4.4, 8.8, 13.2, 17.6, 22)), "26.4,35.0"]
    assert (len(points), points[-1]) == (26, "110.0,35.0")


def test_every_method_has_a_line_in_every_plot_in_order() -> None:
    plots = recall_plots([_recall(), _recall([0, 0, 10, 10])])
    assert [plot["lines"] for plot in plots[:3]] == [["0.0,70.0", "0.0,35.0"]] * 3
    assert [len(plot["lines"]) for plot in plots] == [2] * 4
    assert len(set(COLOURS)) == len(COLOURS)


def test_no_objects_draw_no_line() -> None:
    assert [plot["lines"] for plot in recall_plots([_recall([0, 0, 1, 1], objects=0)])] == [[""]] * 4


@pytest.mark.parametrize("plot", range(4))
def test_marks_span_the_plot(plot: int) -> None:
    marks = recall_plots([_recall()])[plot]
    ends = {"1": 0, "5000": 110} if plot < 3 else {"0.5": 0, "1.0": 110}
    assert {text: marks["columns"][text] for text in ends} == ends
    assert list(marks["rows"].items())[::4] == [("0", 70), ("1", 0)]
