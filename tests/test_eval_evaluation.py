import numpy as np
import pytest

from inception_rcnn.eval.evaluation import ClassEvaluation, Evaluation


def _evaluation(*aps: float) -> Evaluation:
    nothing = np.zeros(0)
    classes = [
        ClassEvaluation(
            f"class{i}",
            ap,
            0,
            nothing,
            nothing,
            nothing,
            np.zeros((0, 4)),
            nothing.astype(np.uint8),
            nothing.astype(int),
        )
        for i, ap in enumerate(aps)
    ]
    return Evaluation("voc07", "mAP (VOC07)", tuple(classes), 0, 0, 0, 0)


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
