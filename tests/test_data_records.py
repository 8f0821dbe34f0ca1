import numpy as np
import pytest

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.records import Detections, GroundTruth, Picture, Proposals

BOXES = [[0, 0, 10, 10], [5, 5, 9, 9], [1, 2, 3, 4]]


def make(labels=("cat", "dog", "cat"), scores=(0.9, 0.8, 0.7), boxes=BOXES):
    return Detections(boxes, labels, scores)


def test_nothing_found_is_a_value():
    found = Detections()
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert found.labels.shape == found.scores.shape == (0,)
    assert len(found[found.scores > 0.5]) == 0
    assert Picture("a.jpg").error is None


def test_a_mask_an_index_and_a_slice_pick_whole_rows():
    found = make()
    cats = found[found.labels == "cat"]
    assert cats.scores.tolist() == [0.9, 0.7]
    assert cats.boxes.tolist() == [BOXES[0], BOXES[2]]
    assert found[np.array([2, 0])].labels.tolist() == ["cat", "cat"]
    assert found[:1].scores.tolist() == [0.9]


def test_ground_truth_keeps_its_picture_when_indexed():
    truth = GroundTruth("a.jpg", 20, 10, BOXES, ["a", "b", "c"], [False, True, False])
    kept = truth[~truth.difficult]
    assert (kept.file, kept.width, kept.height, kept.labels.tolist()) == ("a.jpg", 20, 10, ["a", "c"])


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
