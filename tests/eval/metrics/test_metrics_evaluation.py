import numpy as np
import pytest

from inception_rcnn.eval.metrics.evaluation import ClassEvaluation, Evaluation
from inception_rcnn.eval.metrics.table import tabulate


def _evaluation(*aps: float) -> Evaluation:
    none, nowhere = np.zeros(0), np.zeros(0, dtype=np.int64)
    outcomes = np.zeros(0, dtype=np.uint8)
    classes = [ClassEvaluation(f"class{i}", ap, 0, none, none, outcomes, nowhere, nowhere) for i, ap in enumerate(aps)]
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
