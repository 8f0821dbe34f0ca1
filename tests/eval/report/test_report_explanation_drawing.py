import numpy as np
import pytest
from test_analysis_image_explanation import evaluation_of
from test_analysis_waterfall import A40, NOWHERE, A, _evaluation, _stages, _truth

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections, Stages
from inception_rcnn.eval.analysis.image_explanation import explain_image
from inception_rcnn.eval.metrics.evaluation import Evaluation
from inception_rcnn.eval.metrics.protocols import evaluate
from inception_rcnn.eval.metrics.table import tabulate
from inception_rcnn.eval.report.explanation_drawing import draw_explanation

FOUND, WRONG, LOST, UNCOUNTED = (0, 158, 115), (230, 159, 0), (0, 114, 178), (200, 200, 200)
IMAGE = np.full((500, 500, 3), 128, dtype=np.uint8)


def _drawn(evaluation: Evaluation, stages: dict[str, Stages] | None = None) -> np.ndarray:
    return draw_explanation(IMAGE, explain_image(evaluation, "1.jpg", stages))


def _colours(drawn: np.ndarray) -> set[tuple[int, ...]]:
    return {colour for colour in (FOUND, WRONG, LOST, UNCOUNTED) if (drawn == colour).all(axis=2).any()}


def test_a_drawing_shows_each_kind_in_its_colour_and_names_it_below() -> None:
    found = [("cat", 0.9, A), ("dog", 0.8, [200.0, 200, 260, 300])]
    objects = ("cat", A), ("dog", [320.0, 300, 400, 400]), ("dog", NOWHERE)
    drawn = _drawn(evaluation_of(found, *objects, difficult=(2,)))
    assert (IMAGE == 128).all()
    assert drawn.dtype == np.uint8
    assert (drawn.shape[1:], drawn.shape[0] > 500 + 4 * 14) == ((500, 3), True)
    assert _colours(drawn) == {FOUND, WRONG, LOST, UNCOUNTED}
    assert drawn[50, 0].tolist() == list(FOUND)
    assert drawn[250, 200].tolist() == list(WRONG)
    side = {tuple(pixel) for pixel in drawn[300:400, 320].tolist()}
    assert {(255, 255, 255), (20, 20, 20)} <= side  # dashes
    order = [
        next(colour for colour in (FOUND, WRONG, LOST, UNCOUNTED) if (row == colour).all(axis=1).any())
        for row in drawn[500:]
        if _colours(row[None])
    ]
    assert list(dict.fromkeys(order)) == [LOST, UNCOUNTED, FOUND, WRONG]  # lines, from the top


def test_nothing_to_draw_leaves_the_image_as_it_is() -> None:
    assert (_drawn(evaluation_of([])) == IMAGE).all()


@pytest.mark.parametrize("name", ["", "\udcff", "a\nb\x1b", "x" * 300, "猫"])
def test_hostile_names_and_tiny_images(name: str) -> None:
    truth = GroundTruth("1.jpg", 3, 2, as_boxes([[0, 0, 3, 2]]), np.array([name], dtype=str), np.array([False]))
    found = Detections(as_boxes([[5, 5, 9, 9]]), np.array([name], dtype=str), np.array([0.5]))
    evaluation = evaluate(tabulate([ImageDetections("1.jpg", 3, 2, found)], [truth], [name]), ["voc10"])[0]
    explanation = explain_image(evaluation, "1.jpg")
    text = str(explanation)
    assert text.isprintable() or len(text.splitlines()) == 4
    assert "\x1b" not in text
    text.encode("utf-8")
    drawn = draw_explanation(np.zeros((2, 3, 3), dtype=np.uint8), explanation)
    assert drawn.shape[1] >= 3
    assert {LOST, WRONG} <= _colours(drawn)


def test_a_drawing_takes_stages_as_the_text_does() -> None:
    kept: dict[str, Stages] = {"1.jpg": _stages((A40, 0.9, 0.0, A40))}
    evaluation = _evaluation(kept, [_truth(("cat", A))])
    assert (_drawn(evaluation, kept) != IMAGE[:1, :1]).any()
    with pytest.raises(DataError):
        _drawn(evaluation, {})
