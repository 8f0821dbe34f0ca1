import json
from dataclasses import replace

import numpy as np
import pytest

from inception_rcnn.data.boxes import xyxy_to_xywh
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections, Proposals
from inception_rcnn.data.stores.detections_jsonl import image_to_line

BOXES = [[0, 0, 10, 10], [5, 5, 9, 9], [1, 2, 3, 4]]


def make(labels=("cat", "dog", "cat"), scores=(0.9, 0.8, 0.7), boxes=BOXES, **columns):
    return Detections(boxes, labels, scores, **columns)


def test_nothing_found_is_a_value():
    found = Detections()
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert found.labels.shape == found.scores.shape == (0,)
    assert len(found[found.scores > 0.5]) == 0
    assert ImageDetections("a.jpg").error is None


def test_a_mask_an_index_and_a_slice_pick_whole_rows():
    found = make()
    cats = found[found.labels == "cat"]
    assert cats.scores.tolist() == [0.9, 0.7]
    assert cats.boxes.tolist() == [BOXES[0], BOXES[2]]
    assert found[np.array([2, 0])].labels.tolist() == ["cat", "cat"]
    assert found[:1].scores.tolist() == [0.9]


def test_ground_truth_keeps_its_image_when_indexed():
    truth = GroundTruth("a.jpg", 20, 10, BOXES, ["a", "b", "c"], [False, True, False])
    kept = truth[~truth.difficult]
    assert (kept.file, kept.width, kept.height, kept.labels.tolist()) == ("a.jpg", 20, 10, ["a", "c"])


def test_ground_truth_says_what_is_to_be_found():
    flags = {name: np.arange(5) == i for i, name in enumerate(("difficult", "crowd", "ignore"))}
    truth = GroundTruth("a.jpg", 9, 9, np.zeros((5, 4)), list("aaaab"), ignored_classes=("b",), **flags)
    assert truth.to_ignore.tolist() == [True, True, True, False, True]
    assert truth.to_find.tolist() == [False, False, False, True, False]
    assert truth[truth.to_find].labels.tolist() == ["a"]


def test_an_image_annotates_classes_that_it_is_evaluated_on_if_it_lacks_none():
    truth = GroundTruth("a.jpg", 9, 9, np.zeros((0, 4)), [], [], ignored_classes=("b",))
    assert truth.annotates(["a"])
    assert not truth.annotates(["a", "b"])
    assert not replace(truth, exhaustive=False).annotates(["a"])


def test_the_numbers_of_a_coco_file_travel_beside_the_corners():
    own = np.array([[0.1, 0.2, 0.3, 0.4]] * 3)
    found = make(xywh=own)
    assert found[1:].xywh.tolist() == own[1:].tolist()
    assert make().xywh.tolist() == xyxy_to_xywh(make().boxes).tolist()
    with pytest.raises(DataError, match=r"xywh must have shape \(3, 4\)"):
        make(xywh=own[:2])


def test_records_cannot_be_changed():
    with pytest.raises(AttributeError):
        make().scores = np.zeros(3)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: make(boxes=[[5, 0, 1, 9], *BOXES[1:]]), r"boxes\[0\].*x1 <= x2"),
        (lambda: make(boxes=[BOXES[0], [0, 0, np.nan, 1], BOXES[2]]), r"boxes\[1\]"),
        (lambda: make(boxes=[[1, 2, 3]] * 3), r"\(N, 4\)"),
        (lambda: make(scores=[0.5]), r"scores must have shape \(3,\)"),
        (lambda: make(scores=[0.5, np.inf, 0.1]), r"scores\[1\]"),
        (lambda: make(labels=["cat"]), "labels"),
        (lambda: Proposals(BOXES, [1.0]), "Proposals: scores"),
        (lambda: GroundTruth("b.jpg", 9, 9, [[3, 3, 1, 1]], ["x"], [False]), "b.jpg"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(build, message):
    with pytest.raises(DataError, match=message):
        build()


def test_detections_are_rows_to_a_loop_a_table_in_print_and_plain_values_for_json():
    found = Detections([[10, 20, 110.25, 70], [0, 0, 5, 5]], ["cat", "d\x1b[2Jog"], [0.98, 0.5])
    assert list(found) == [((10, 20, 110.25, 70), "cat", 0.98), ((0, 0, 5, 5), "d\x1b[2Jog", 0.5)]
    assert next((row.label, row.score, row.box[2]) for row in found) == ("cat", 0.98, 110.25)
    lines = str(found).splitlines()
    assert [line.split()[0] for line in lines] == ["class", "cat", "d\\x1b[2Jog"]
    assert len({len(line) for line in lines}) == 1
    assert json.loads(json.dumps(found.to_dict())) == {
        "detections": [
            {"label": "cat", "score": 0.98, "box": [10, 20, 110.25, 70]},
            {"label": "d\x1b[2Jog", "score": 0.5, "box": [0, 0, 5, 5]},
        ]
    }


def test_no_detections_iterate_print_and_convert():
    assert list(Detections()) == []
    assert str(Detections()) == "no detections"
    assert Detections().to_dict() == {"detections": []}


def test_an_image_iterates_prints_and_converts_as_its_line_does():
    found = Detections([[0, 0, 5, 5]], ["cat"], [0.5])
    for image in (
        ImageDetections("a.jpg", 9, 8, found),
        ImageDetections("b.jpg", 9, 8),
        ImageDetections("c.jpg", error="cannot be read"),
    ):
        line = json.loads(image_to_line(image))
        assert {name: line[name] for name in image.to_dict()} == image.to_dict()
        assert list(image) == list(image.detections)
        assert len(image) == len(image.detections)
        assert image  # without detections, too
        assert image.file in str(image)
    assert "a.jpg (9 x 8)\nclass" in str(ImageDetections("a.jpg", 9, 8, found))
    assert str(ImageDetections("c.jpg", error="cannot be read")) == "c.jpg\ncannot be read"


def test_a_detection_has_a_number() -> None:
    found = Detections(np.array([[0, 0, 1, 1], [2, 0, 3, 1.5]]), np.array(["cat", "dog"]), np.array([0.9, 0.5]))
    assert list(found) == [found[0], found[1]]
    assert found[-1] == found[np.int64(1)] == ((2, 0, 3, 1.5), "dog", 0.5)
    assert (
        found[1:].labels.tolist() == found[found.scores < 0.6].labels.tolist() == found[[1]].labels.tolist() == ["dog"]
    )
    with pytest.raises(IndexError):
        found[2]
