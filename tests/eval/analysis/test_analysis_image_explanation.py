"""What the text says of objects and detections, with and without stages."""

import numpy as np
import pytest
from image_records import found_of
from test_analysis_waterfall import A40, A60, CLASSES, NOWHERE, A, B, _evaluation, _stages, _truth

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.records import Detections, ImageDetections
from inception_rcnn.eval.analysis.image_explanation import explain_image
from inception_rcnn.eval.metrics.evaluation import Evaluation
from inception_rcnn.eval.metrics.protocols import evaluate
from inception_rcnn.eval.metrics.table import tabulate


def _explain(evaluation: Evaluation, file: str, stages=None) -> str:
    return str(explain_image(evaluation, file, stages))


def evaluation_of(
    found: list[tuple[str, float, list[float]]], *objects: tuple[str, list[float]], **options
) -> Evaluation:
    truths = [_truth(*objects, **options), _truth(file="other.jpg")]
    return evaluate(tabulate([found_of("1.jpg", *found, size=(500, 500))], truths, CLASSES), ["voc10"])[0]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def test_an_empty_image_is_explained_too() -> None:
    assert _explain(evaluation_of([]), "1.jpg") == (
        "1.jpg (500 x 500), mAP (VOC10+, area, IoU 0.5)\n0 of 0 objects found, 0 detections"
    )


def test_objects_without_stages() -> None:
    found = [("cat", 0.7, A60), ("cat", 0.9, A)]
    objects = ("cat", A), ("dog", B), ("cat", [60.0, 0, 160, 100]), ("dog", NOWHERE)
    lines = _lines(_explain(evaluation_of(found, *objects, difficult=(3,)), "1.jpg"))
    assert lines[1] == "1 of 3 objects found, 2 detections"
    assert lines[-1].startswith("1 more")
    assert lines[2] == "object 1, cat at 0 0 100 100: found; by detection 1 (score 0.90, overlap 1.00)"
    assert lines[3] == "object 2, dog at 200 0 300 100: missed; no detection of its class touches it"
    assert lines[4].endswith("missed; of its class detection 1 is closest, with an overlap of 0.25")
    assert lines[5].endswith("ignored; it counts neither for nor against a detector")


@pytest.mark.parametrize(
    ("label", "box", "words"),
    [
        ("cat", A, "found; it finds object 1"),
        ("cat", A60, "found; it finds object 1"),
        ("cat", A40, "bad localisation; it overlaps object 1 by 0.40, which is not enough"),
        ("dog", A40, "background; it overlaps no object by more than 0.40"),
        ("dog", A60, "wrong class; it overlaps object 1 by 0.60, which is of class cat"),
        ("dog", NOWHERE, "background; it overlaps no object by more than 0.00"),
        ("cat", [0.0, 0, 9, 100], "background; it overlaps no object by more than 0.09"),
        ("dog", B, "ignored; it is on object 2, which need not be found"),
    ],
)
def test_errors_of_detections(label: str, box: list[float], words: str) -> None:
    text = _explain(evaluation_of([(label, 0.5, box)], ("cat", A), ("dog", B), difficult=(1,)), "1.jpg")
    assert _lines(text)[-1].endswith(f": {words}")


def test_duplicates_and_the_order_of_detections() -> None:
    found = [("cat", 0.5, A), ("cat", 0.9, A60), ("dog", 0.7, B), ("cat", 0.4, NOWHERE)]
    lines = _lines(_explain(evaluation_of(found, ("cat", A), ("cat", NOWHERE)), "1.jpg"))
    assert lines[-4:] == [
        "detection 1, cat 0.90 at 0 0 60 100: found; it finds object 1",
        "detection 2, dog 0.70 at 200 0 300 100: background; it overlaps no object by more than 0.00",
        "detection 3, cat 0.50 at 0 0 100 100: duplicate; a better detection has found object 1",
        f"detection 4, cat 0.40 at {' '.join(f'{side:g}' for side in NOWHERE)}: found; it finds object 2",
    ]


def test_detections_too_weak_to_be_used_are_counted_only() -> None:
    """Cats are used from .9 on; dogs find nothing, so nobody knows from where on they are used."""
    found = [("cat", 0.9, A), ("cat", 0.5, B), ("cat", 0.4, A), ("dog", 0.3, B)]
    lines = _lines(_explain(evaluation_of(found, ("cat", A)), "1.jpg"))
    assert lines[1] == "1 of 1 objects found, 4 detections"
    assert [line.split(",")[0] for line in lines[3:]] == ["detection 1", "detection 2", "2 more"]
    assert lines[4].startswith("detection 2, dog 0.30")


def test_with_stages_the_step_is_known_at_which_an_object_was_lost() -> None:
    kept = {"1.jpg": _stages((A60, 0.1, 0.8, A), (B, 0.0, 0.9, B))}
    text = _explain(_evaluation(kept, [_truth(("cat", A), ("dog", B))]), "1.jpg", kept)
    assert "object 1, cat at 0 0 100 100: wrong class; of 1 regions on it" in text
    assert "object 2, dog at 200 0 300 100: found; by detection 1 (score 0.90, overlap 1.00)" in text


def test_an_image_may_have_no_stages_and_stages_of_another_run_are_refused() -> None:
    kept = {"1.jpg": _stages((A, 0.9, 0.0, A))}
    evaluation = _evaluation(kept, [_truth(("cat", A)), _truth(("cat", A), file="2.jpg")])
    assert "no stages; there are no stages of its image" in _explain(evaluation, "2.jpg", kept)
    with pytest.raises(DataError, match="another run"):
        _explain(evaluation, "1.jpg", {"1.jpg": _stages((B, 0.9, 0.0, B))})
    with pytest.raises(DataError, match="has detections but no stages"):
        _explain(evaluation, "1.jpg", {})


def test_images_are_found_as_predictions_are_and_an_unknown_one_gets_a_hint() -> None:
    evaluation = evaluation_of([], ("cat", A))
    assert _explain(evaluation, "photos/1.png") == _explain(evaluation, "1") == _explain(evaluation, "1.jpg")
    with pytest.raises(UsageError, match=r"'othr.jpg' is not among the 2 of the data set; did you mean 'other.jpg'"):
        _explain(evaluation, "othr.jpg")
    with pytest.raises(UsageError, match="as the data set has it"):
        _explain(evaluation, "")


def test_what_the_protocol_does_not_count() -> None:
    """COCO's takes the best hundred of a class."""
    found = Detections(np.repeat([B], 101, axis=0), np.repeat(["cat"], 101), np.linspace(1, 0.5, 101))
    table = tabulate([ImageDetections("1.jpg", 500, 500, found)], [_truth(("cat", A))], CLASSES)
    text = _explain(evaluate(table, ["coco"])[0], "1.jpg")
    assert text.count("not counted; the protocol counts the best") == 1
    assert "detection 101, cat 0.50 at 200 0 300 100: not counted" in text


def test_a_box_that_cocos_code_does_not_count() -> None:
    """One negative side makes a negative area, which is in none of its ranges."""
    found = Detections(as_boxes([[5, 0, 5, 9]]), np.array(["cat"]), np.ones(1), np.array([[5.0, 0, -4, 9]]))
    table = tabulate([ImageDetections("1.jpg", 500, 500, found)], [_truth(("cat", A))], CLASSES)
    text = _explain(evaluate(table, ["coco"])[0], "1.jpg")
    assert _lines(text)[-1].endswith("ignored; its box is inside out on one side, which the protocol does not count")
