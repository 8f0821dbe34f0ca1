import numpy as np
import pytest

from inception_rcnn.eval.metrics.average_precision import RECALL_THRESHOLDS, area_ap, eleven_point_ap, precision_recall
from inception_rcnn.eval.metrics.evaluation import Outcome

T, F, D, I = Outcome  # noqa: E741


def _slow_eleven_points(precision: list[float], recall: list[float]) -> float:
    total = 0.0
    for t in (0.0, 0.1, 0.2, 0.30000000000000004, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        total += max((p for p, r in zip(precision, recall, strict=True) if r >= t), default=0.0) / 11
    return total


def _slow_area(precision: list[float], recall: list[float]) -> float:
    recall, precision = [0.0, *recall, 1.0], [0.0, *precision, 0.0]
    for i in range(len(precision) - 2, -1, -1):
        precision[i] = max(precision[i], precision[i + 1])
    return sum((recall[i] - recall[i - 1]) * precision[i] for i in range(1, len(recall)))


@pytest.mark.parametrize(
    ("outcomes", "positives", "eleven", "area"),
    [
        ([], 5, 0, 0),
        ([T], 1, 1, 1),
        ([F], 1, 0, 0),
        ([F, T], 1, 0.5, 0.5),
        ([T, F, T], 2, (6 * 1 + 5 * 2 / 3) / 11, 0.5 * 1 + 0.5 * 2 / 3),
        ([T, D], 1, 1, 1),  # a duplicate after the last object costs nothing
        ([D, T], 1, 0.5, 0.5),  # before it, as much as any false positive
        ([I, T], 1, 1, 1),  # an ignored one costs nothing
        ([I], 1, 0, 0),
        ([T] * 7, 10, 8 / 11, 0.7),  # recall .7 reaches the threshold .7
        ([T] * 6, 10, 7 / 11, 0.6),
        ([T] * 3, 10, 3 / 11, 0.3),  # but MATLAB's .3 lies above 3/10
    ],
)
def test_by_eye(outcomes: list[Outcome], positives: int, eleven: float, area: float) -> None:
    precision, recall = precision_recall(np.array(outcomes, dtype=np.uint8), positives)
    assert eleven_point_ap(precision, recall) == pytest.approx(eleven, abs=1e-12)
    assert area_ap(precision, recall) == pytest.approx(area, abs=1e-12)


def test_thresholds_are_matlabs() -> None:
    assert RECALL_THRESHOLDS.tolist() == [0.0, 0.1, 0.2, 0.30000000000000004, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


@pytest.mark.parametrize("seed", range(30))
def test_against_plain_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    outcomes = rng.choice(4, rng.integers(0, 40), p=[0.5, 0.3, 0.1, 0.1]).astype(np.uint8)
    positives = int((outcomes == T).sum()) + int(rng.integers(1, 4))
    precision, recall = precision_recall(outcomes, positives)
    true = false = 0
    for i, outcome in enumerate(outcomes):
        true, false = true + (outcome == T), false + (outcome in (F, D))
        assert recall[i] == true / positives
        assert precision[i] == (true / (true + false) if true + false else 0)
    assert eleven_point_ap(precision, recall) == pytest.approx(_slow_eleven_points(precision.tolist(), recall.tolist()))
    assert area_ap(precision, recall) == pytest.approx(_slow_area(precision.tolist(), recall.tolist()))


def test_nothing_to_find() -> None:
    precision, recall = precision_recall(np.array([F, I], dtype=np.uint8), 0)
    assert np.isnan(recall).all()
    assert precision.tolist() == [0, 0]
