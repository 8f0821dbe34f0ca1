"""Evaluations: the mean, and the best F1 against counting anew at every threshold."""

import math
from dataclasses import astuple

import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections
from inception_rcnn.eval.metrics.evaluation import ClassEvaluation, Evaluation, Outcome
from inception_rcnn.eval.metrics.protocols import evaluate_voc
from inception_rcnn.eval.metrics.table import tabulate

A, B, C = [0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]


def _evaluation(*aps: float) -> Evaluation:
    none, nowhere = np.zeros(0), np.zeros(0, dtype=np.int64)
    outcomes = np.zeros(0, dtype=np.uint8)
    classes = [
        ClassEvaluation(f"class{i}", ap, 0, none, none, outcomes, none, nowhere, nowhere) for i, ap in enumerate(aps)
    ]
    return Evaluation("voc07", "mAP (VOC07)", tuple(classes), tabulate([], [], []), np.zeros(0))


@pytest.mark.parametrize(
    ("aps", "expected", "without"),
    [
        ([], float("nan"), ()),
        ([0.5], 0.5, ()),
        ([float("nan")], float("nan"), ("class0",)),
        ([0.5, float("nan"), 0.0], 0.25, ("class1",)),  # 0 counts, nothing to find does not
    ],
)
def test_mean(aps: list[float], expected: float, without: tuple[str, ...]) -> None:
    evaluation = _evaluation(*aps)
    assert evaluation.map == pytest.approx(expected, nan_ok=True)
    assert evaluation.without_objects == without


def _evaluate(objects: list[list[int]], *found: tuple[float, list[int]], difficult: int = 0) -> Evaluation:
    """Cats on one image; the last of the objects are difficult."""
    hard = np.arange(len(objects)) >= len(objects) - difficult
    truth = GroundTruth("a.jpg", 100, 100, as_boxes(objects), np.array(["cat"] * len(objects), dtype=str), hard)
    scores, boxes = np.array([score for score, _ in found]), as_boxes([box for _, box in found])
    labels = np.array(["cat"] * len(found), dtype=str)
    image = ImageDetections("a.jpg", 100, 100, Detections(boxes, labels, scores))
    return evaluate_voc(tabulate([image], [truth], ["cat"]), "voc10")


def _best(evaluation: Evaluation) -> tuple[float, ...]:
    return astuple(evaluation.classes[0].best_f1)


@pytest.mark.parametrize(
    "evaluation",
    [
        _evaluate([]),
        _evaluate([], (0.9, A)),  # nothing to find
        _evaluate([A]),  # nothing found
        _evaluate([A], (0.9, C)),
        _evaluate([A], (0.9, A), difficult=1),
    ],
)
def test_without_anything_found_there_is_no_best_threshold(evaluation: Evaluation) -> None:
    assert all(map(math.isnan, _best(evaluation)))


def test_best_f1_by_eye() -> None:
    # After .9: precision 1, recall 1/2; after .8: 1/2 and 1/2; after .7: 2/3 and 1.
    assert _best(_evaluate([A, B], (0.9, A), (0.8, C), (0.7, B))) == pytest.approx((0.8, 0.7, 2 / 3, 1))


def test_equal_scores_stay_or_go_together() -> None:
    assert _best(_evaluate([A], (0.9, A), (0.9, C))) == pytest.approx((2 / 3, 0.9, 1 / 2, 1))


def test_of_equally_good_thresholds_the_highest() -> None:
    # F1 is 2/3 after the first (1, 1/2) and after the fourth (1/2, 1).
    found = [(0.9, A), (0.8, C), (0.7, C), (0.6, B)]
    assert _best(_evaluate([A, B], *found)) == pytest.approx((2 / 3, 0.9, 1, 1 / 2))


@pytest.mark.parametrize("seed", range(20))
def test_best_f1_is_that_of_counting_anew_at_every_threshold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = [A, B, C, [60, 0, 70, 10]]
    found = [(float(rng.integers(1, 8)) / 8, boxes[rng.integers(4)]) for _ in range(rng.integers(1, 12))]
    evaluation = _evaluate(boxes[:3], *found, difficult=int(rng.integers(2)))
    one = evaluation.classes[0]
    scores = evaluation.table.found.scores[one.rows]
    best = (0.0, math.nan)
    for threshold in sorted(set(scores.tolist()), reverse=True):
        kept = one.outcomes[scores >= threshold]
        true = np.sum(kept == Outcome.TRUE_POSITIVE)
        wrong = np.sum((kept == Outcome.FALSE_POSITIVE) | (kept == Outcome.DUPLICATE))
        f1 = 2 * true / (2 * true + wrong + one.positives - true)
        if f1 > best[0] + 1e-12:
            best = (float(f1), threshold)
    expected = best if best[0] else (math.nan, math.nan)
    assert _best(evaluation)[:2] == pytest.approx(expected, nan_ok=True)


def test_counts_by_eye() -> None:
    evaluation = _evaluate([A, B], (0.9, A), (0.8, A), (0.7, B), (0.6, C), difficult=1)
    assert evaluation.classes[0].counts == {
        **{"positives": 1, "detections": 4},
        **{"true_positive": 1, "false_positive": 1, "duplicate": 1, "ignored": 1},
    }
