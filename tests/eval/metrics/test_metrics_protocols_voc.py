import csv
import math
import time
from pathlib import Path

import pytest
from image_records import found_of, truth_of, voc2007_test_truths

from inception_rcnn.data.formats.predictions import read_predictions
from inception_rcnn.data.records import GroundTruth, ImageDetections
from inception_rcnn.eval.metrics.evaluation import Evaluation, Outcome
from inception_rcnn.eval.metrics.protocols import evaluate_voc
from inception_rcnn.eval.metrics.table import tabulate

T, F, D, I = Outcome  # noqa: E741
A, B = [0, 0, 10, 10], [100, 0, 110, 10]


def _evaluate(
    images: list[ImageDetections], truths: list[GroundTruth], classes: list[str], metric: str = "voc07"
) -> Evaluation:
    return evaluate_voc(tabulate(images, truths, classes), metric)


def _aps(evaluation: Evaluation) -> dict[str, float]:
    return {one.name: one.ap for one in evaluation.classes}


def test_nothing_at_all() -> None:
    evaluation = _evaluate([], [], [], "voc10")
    assert math.isnan(evaluation.map)
    assert (len(evaluation.table.truths), evaluation.classes) == (0, ())


def test_no_predictions_and_no_objects() -> None:
    evaluation = _evaluate([], [truth_of("a.jpg", ("cat", A)), truth_of("b.jpg")], ["cat", "dog"])
    assert _aps(evaluation)["cat"] == 0
    assert math.isnan(_aps(evaluation)["dog"])  # and not 0, nor 1
    assert (evaluation.map, evaluation.without_objects) == (0, ("dog",))


def test_false_positives_on_an_image_without_objects_count() -> None:
    truth = [truth_of("a.jpg", ("cat", A)), truth_of("empty.jpg")]
    images = [found_of("empty.jpg", ("cat", 0.9, A)), found_of("a.jpg", ("cat", 0.8, A))]
    assert _evaluate(images, truth, ["cat"], "voc10").map == 0.5


def test_both_protocols_by_eye() -> None:
    truth = [truth_of("a.jpg", ("cat", A), ("cat", B))]
    images = [found_of("a.jpg", ("cat", 0.9, A), ("cat", 0.8, [50, 50, 60, 60]), ("cat", 0.7, B))]
    assert _evaluate(images, truth, ["cat"], "voc07").map == pytest.approx((6 + 5 * 2 / 3) / 11)
    assert _evaluate(images, truth, ["cat"], "voc10").map == pytest.approx((1 + 2 / 3) / 2)


def test_outcomes_say_where() -> None:
    truth = [truth_of("x.jpg"), truth_of("a.jpg", ("cat", A), ("cat", B), difficult=[1])]
    images = [
        found_of("a.jpg", ("cat", 0.3, A), ("cat", 0.9, A), ("cat", 0.5, B), ("dog", 1.0, A)),
        found_of("x.jpg", ("cat", 0.7, B)),
    ]
    evaluation = _evaluate(images, truth, ["cat"])
    (cat,), found = evaluation.classes, evaluation.table.found
    assert cat.outcomes.tolist() == [T, F, I, D]
    assert found.images[cat.rows].tolist() == [1, 0, 1, 1]
    assert found.scores[cat.rows].tolist() == [0.9, 0.7, 0.5, 0.3]
    assert found.boxes[cat.rows[0]].tolist() == A
    assert cat.objects.tolist() == [0, -1, 1, 0]
    assert (cat.positives, cat.counts["detections"]) == (1, 4)
    assert cat.recall.tolist() == [1, 1, 1, 1]
    assert cat.precision.tolist() == [1, 1 / 2, 1 / 2, 1 / 3]


def test_only_difficult_objects_leave_a_class_without_any() -> None:
    evaluation = _evaluate(
        [found_of("a.jpg", ("cat", 0.9, A))], [truth_of("a.jpg", ("cat", A), difficult=[0])], ["cat"]
    )
    assert (math.isnan(evaluation.map), evaluation.classes[0].positives) == (True, 0)


@pytest.mark.parametrize("num", [2, 8, 100])
def test_equal_scores_keep_the_order_given(num: int) -> None:
    """All of one score, the true one first: it stays first, whatever a sort does with equals."""
    truth = [truth_of(f"{i}.jpg", *([("cat", A)] if i == 0 else [])) for i in range(num)]
    images = [found_of(f"{i}.jpg", ("cat", 0.5, A)) for i in range(num)]
    assert _evaluate(images, truth, ["cat"], "voc10").map == 1
    assert _evaluate(images[::-1], truth, ["cat"], "voc10").map == pytest.approx(1 / num)


def test_left_out_and_failed_are_counted() -> None:
    truth = [truth_of("a.jpg", ("cat", A)), truth_of("b.jpg", ("cat", A))]
    images = [
        found_of("a", ("cat", 0.9, A)),
        found_of("elsewhere.jpg", ("cat", 0.95, A), ("dog", 0.95, A)),
        ImageDetections("b.jpg", error="truncated"),
        ImageDetections("other.jpg", error="truncated"),
    ]
    evaluation = _evaluate(images, truth, ["cat"], "voc10")
    assert evaluation.map == 0.5
    table = evaluation.table
    assert (table.left_out_images, table.left_out_detections, table.num_failed) == (2, 2, 1)


def test_parts_of_one_image_are_one_image() -> None:
    parts = [found_of("a.jpg", ("cat", 0.9, A)), found_of("a.jpg", ("cat", 0.8, A))]
    (cat,) = _evaluate(parts, [truth_of("a.jpg", ("cat", A))], ["cat"]).classes
    assert cat.outcomes.tolist() == [T, D]


@pytest.fixture(scope="module")
def voc2007_test() -> list[GroundTruth]:
    return voc2007_test_truths()


@pytest.mark.shared
@pytest.mark.parametrize(("metric", "column"), [("voc07", "ap_voc07_11point"), ("voc10", "ap_voc10_area")])
def test_official_numbers(shared: Path, voc2007_test: list[GroundTruth], metric: str, column: str) -> None:
    with (shared / "data" / "voc2007" / "expected_ap.csv").open() as stream:
        expected = {row["class"]: float(row[column]) for row in csv.DictReader(stream)}
    images = read_predictions(shared / "data" / "voc2007" / "detections")
    start = time.perf_counter()
    evaluation = _evaluate(images, voc2007_test, list(expected), metric)
    assert time.perf_counter() - start < 5  # .3 s on an idle machine
    assert len(expected) == 20
    assert _aps(evaluation) == pytest.approx(expected, abs=1e-6)
    assert evaluation.table.left_out_images == 0
