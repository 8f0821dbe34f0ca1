import numpy as np
import pytest
from test_analysis_waterfall import A40, A60, CLASSES, NOWHERE, A, B, _evaluation, _stages, _truth

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections, Stages
from inception_rcnn.eval.metrics.evaluation import Evaluation
from inception_rcnn.eval.metrics.protocols import evaluate
from inception_rcnn.eval.metrics.table import tabulate
from inception_rcnn.eval.report.explanation import draw_explanation, explain

FOUND, WRONG, LOST, UNASKED = (0, 158, 115), (230, 159, 0), (0, 114, 178), (200, 200, 200)


def _judged(found: list[tuple[str, float, list[float]]], *objects: tuple[str, list[float]], **options) -> Evaluation:
    labels, scores, boxes = zip(*found, strict=True) if found else ((), (), ())
    detections = Detections(as_boxes(boxes), np.array(labels, dtype=str), np.array(scores))
    truths = [_truth(*objects, **options), _truth(file="other.jpg")]
    return evaluate(tabulate([ImageDetections("1.jpg", 500, 500, detections)], truths, CLASSES), ["voc10"])[0]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def test_an_empty_image_has_a_story_too() -> None:
    assert explain(_judged([]), "1.jpg") == (
        "1.jpg (500 x 500), mAP (VOC10+, area, IoU 0.5)\n0 of 0 objects found, 0 detections"
    )


def test_what_became_of_objects_without_stages() -> None:
    found = [("cat", 0.7, A60), ("cat", 0.9, A)]
    objects = ("cat", A), ("dog", B), ("cat", [60.0, 0, 160, 100]), ("dog", NOWHERE)
    lines = _lines(explain(_judged(found, *objects, difficult=(3,)), "1.jpg"))
    assert lines[1] == "1 of 3 objects found, 2 detections"
    assert lines[-1].startswith("1 more")
    assert lines[2] == "object 1, cat at 0 0 100 100: found; by detection 1 (score 0.90, overlap 1.00)"
    assert lines[3] == "object 2, dog at 200 0 300 100: missed; no detection of its class touches it"
    assert lines[4].endswith("missed; of its class detection 1 comes closest, with an overlap of 0.25")
    assert lines[5].endswith("not asked for; it counts neither for nor against a detector")


@pytest.mark.parametrize(
    ("label", "box", "words"),
    [
        ("cat", A, "found; it finds object 1"),
        ("cat", A60, "found; it finds object 1"),
        ("cat", A40, "bad place; it overlaps object 1 by 0.40, and that is not enough"),
        ("dog", A40, "background; it overlaps no object by more than 0.40"),
        ("dog", A60, "wrong class; it overlaps object 1 by 0.60, and that is of class cat"),
        ("dog", NOWHERE, "background; it overlaps no object by more than 0.00"),
        ("cat", [0.0, 0, 9, 100], "background; it overlaps no object by more than 0.09"),
        ("dog", B, "not asked for; it is on object 2, which nobody is asked to find"),
    ],
)
def test_what_a_detection_is_about(label: str, box: list[float], words: str) -> None:
    text = explain(_judged([(label, 0.5, box)], ("cat", A), ("dog", B), difficult=(1,)), "1.jpg")
    assert _lines(text)[-1].endswith(f": {words}")


def test_duplicates_and_the_order_of_detections() -> None:
    found = [("cat", 0.5, A), ("cat", 0.9, A60), ("dog", 0.7, B), ("cat", 0.4, NOWHERE)]
    lines = _lines(explain(_judged(found, ("cat", A), ("cat", NOWHERE)), "1.jpg"))
    assert lines[-4:] == [
        "detection 1, cat 0.90 at 0 0 60 100: found; it finds object 1",
        "detection 2, dog 0.70 at 200 0 300 100: background; it overlaps no object by more than 0.00",
        "detection 3, cat 0.50 at 0 0 100 100: duplicate; a better detection has found object 1",
        f"detection 4, cat 0.40 at {' '.join(f'{side:g}' for side in NOWHERE)}: found; it finds object 2",
    ]


def test_detections_too_weak_to_be_used_are_counted_only() -> None:
    """Cats are used from .9 on; dogs find nothing, so nobody knows from where on they are used."""
    found = [("cat", 0.9, A), ("cat", 0.5, B), ("cat", 0.4, A), ("dog", 0.3, B)]
    lines = _lines(explain(_judged(found, ("cat", A)), "1.jpg"))
    assert lines[1] == "1 of 1 objects found, 4 detections"
    assert [line.split(",")[0] for line in lines[3:]] == ["detection 1", "detection 2", "2 more"]
    assert lines[4].startswith("detection 2, dog 0.30")


def test_stages_tell_where_an_object_was_lost() -> None:
    kept = {"1.jpg": _stages((A60, 0.1, 0.8, A), (B, 0.0, 0.9, B))}
    text = explain(_evaluation(kept, [_truth(("cat", A), ("dog", B))]), "1.jpg", kept)
    assert "object 1, cat at 0 0 100 100: wrong class; of 1 regions on it" in text
    assert "object 2, dog at 200 0 300 100: found; by detection 1 (score 0.90, overlap 1.00)" in text


def test_an_image_without_stages_was_not_looked_at_and_stages_of_another_run_are_refused() -> None:
    kept = {"1.jpg": _stages((A, 0.9, 0.0, A))}
    evaluation = _evaluation(kept, [_truth(("cat", A)), _truth(("cat", A), file="2.jpg")])
    assert "not looked at; there are no stages of its image" in explain(evaluation, "2.jpg", kept)
    with pytest.raises(DataError, match="another run"):
        explain(evaluation, "1.jpg", {"1.jpg": _stages((B, 0.9, 0.0, B))})
    with pytest.raises(DataError, match="has detections but no stages"):
        explain(evaluation, "1.jpg", {})


def test_images_are_found_as_predictions_are_and_an_unknown_one_gets_a_hint() -> None:
    evaluation = _judged([], ("cat", A))
    assert explain(evaluation, "photos/1.png") == explain(evaluation, "1") == explain(evaluation, "1.jpg")
    with pytest.raises(UsageError, match=r"'othr.jpg' is not among the 2 that were judged; did you mean 'other.jpg'"):
        explain(evaluation, "othr.jpg")
    with pytest.raises(UsageError, match="as the data set has it"):
        explain(evaluation, "")


def test_what_the_protocol_does_not_look_at() -> None:
    """COCO's takes the best hundred of a class."""
    found = Detections(np.repeat([B], 101, axis=0), np.repeat(["cat"], 101), np.linspace(1, 0.5, 101))
    table = tabulate([ImageDetections("1.jpg", 500, 500, found)], [_truth(("cat", A))], CLASSES)
    text = explain(evaluate(table, ["coco"])[0], "1.jpg")
    assert text.count("not judged; the protocol looks at the best") == 1
    assert "detection 101, cat 0.50 at 200 0 300 100: not judged" in text


def test_a_box_that_cocos_code_does_not_count() -> None:
    """One negative side makes a negative area, which is in none of its ranges."""
    found = Detections(as_boxes([[5, 0, 5, 9]]), np.array(["cat"]), np.ones(1), np.array([[5.0, 0, -4, 9]]))
    table = tabulate([ImageDetections("1.jpg", 500, 500, found)], [_truth(("cat", A))], CLASSES)
    text = explain(evaluate(table, ["coco"])[0], "1.jpg")
    assert _lines(text)[-1].endswith(
        "not asked for; its box is inside out on one side, which the protocol does not count"
    )


IMAGE = np.full((500, 500, 3), 128, dtype=np.uint8)


def _colours(drawn: np.ndarray) -> set[tuple[int, ...]]:
    return {colour for colour in (FOUND, WRONG, LOST, UNASKED) if (drawn == colour).all(axis=2).any()}


def test_a_drawing_shows_each_kind_in_its_colour_and_names_it_below() -> None:
    found = [("cat", 0.9, A), ("dog", 0.8, [200.0, 200, 260, 300])]
    objects = ("cat", A), ("dog", [320.0, 300, 400, 400]), ("dog", NOWHERE)
    drawn = draw_explanation(IMAGE, _judged(found, *objects, difficult=(2,)), "1.jpg")
    assert (IMAGE == 128).all()
    assert drawn.dtype == np.uint8
    assert (drawn.shape[1:], drawn.shape[0] > 500 + 4 * 14) == ((500, 3), True)
    assert _colours(drawn) == {FOUND, WRONG, LOST, UNASKED}
    assert drawn[50, 0].tolist() == list(FOUND)
    assert drawn[250, 200].tolist() == list(WRONG)
    side = {tuple(pixel) for pixel in drawn[300:400, 320].tolist()}
    assert {(255, 255, 255), (20, 20, 20)} <= side  # dashes
    order = [
        next(colour for colour in (FOUND, WRONG, LOST, UNASKED) if (row == colour).all(axis=1).any())
        for row in drawn[500:]
        if _colours(row[None])
    ]
    assert list(dict.fromkeys(order)) == [LOST, UNASKED, FOUND, WRONG]  # lines, from the top


def test_nothing_to_draw_leaves_the_image_as_it_is() -> None:
    assert (draw_explanation(IMAGE, _judged([]), "1.jpg") == IMAGE).all()


@pytest.mark.parametrize("name", ["", "\udcff", "a\nb\x1b", "x" * 300, "猫"])
def test_hostile_names_and_tiny_images(name: str) -> None:
    truth = GroundTruth("1.jpg", 3, 2, as_boxes([[0, 0, 3, 2]]), np.array([name], dtype=str), np.array([False]))
    found = Detections(as_boxes([[5, 5, 9, 9]]), np.array([name], dtype=str), np.array([0.5]))
    evaluation = evaluate(tabulate([ImageDetections("1.jpg", 3, 2, found)], [truth], [name]), ["voc10"])[0]
    text = explain(evaluation, "1.jpg")
    assert text.isprintable() or len(text.splitlines()) == 4
    assert "\x1b" not in text
    text.encode("utf-8")
    drawn = draw_explanation(np.zeros((2, 3, 3), dtype=np.uint8), evaluation, "1.jpg")
    assert drawn.shape[1] >= 3
    assert {LOST, WRONG} <= _colours(drawn)


def test_a_drawing_takes_stages_as_the_text_does() -> None:
    kept: dict[str, Stages] = {"1.jpg": _stages((A40, 0.9, 0.0, A40))}
    evaluation = _evaluation(kept, [_truth(("cat", A))])
    assert (draw_explanation(IMAGE, evaluation, "1.jpg", kept) != IMAGE[:1, :1]).any()
    with pytest.raises(DataError):
        draw_explanation(IMAGE, evaluation, "1.jpg", {})
