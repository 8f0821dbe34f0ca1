"""Suppression against its definition with loops and against torchvision's, and the votes."""

from dataclasses import replace

import numpy as np
import pytest
from torchvision_suppression import detections_by_torchvision

from inception_rcnn.data.boxes import as_boxes, box_iou
from inception_rcnn.data.records import VOTING_SCORE, Stages
from inception_rcnn.data.suppression import detections_of, voted_boxes

SIZE = (100, 200)
CLASSES = ("ant", "bee", "cat")


def run(boxes, scores, threshold=0.1, iou=0.3, limit=100):
    """Boxes, classes as numbers, and scores of what stays of boxes [R, K, 4] with scores [R, K]."""
    boxes, scores = np.asarray(boxes, np.float64), np.asarray(scores, np.float64)
    classes = CLASSES[: scores.shape[1]]
    probabilities = np.concatenate([np.zeros((len(scores), 1)), scores], axis=1)
    found = detections_of(Stages(np.zeros((len(scores), 4)), probabilities, boxes, classes, threshold, iou, limit))
    return found.boxes, np.array([classes.index(label) for label in found.labels]), found.scores


def greedy(boxes, scores, threshold, iou):
    """The definition with loops: (score, class, box) of what stays, the best first."""
    kept = []
    for name in range(scores.shape[1]):
        order = np.argsort(-scores[:, name], kind="stable")
        chosen = []
        for region in order[scores[order, name] >= threshold]:
            box = boxes[region, name]
            if all(box_iou(box[None], other[None])[0, 0] <= iou for _, other in chosen):
                chosen.append((scores[region, name], box))
        kept += [(score, name, box) for score, box in chosen]
    return sorted(kept, key=lambda row: -row[0])


def test_nothing_stays_nothing():
    kept, classes, scores = run(np.zeros((0, 3, 4)), np.zeros((0, 3)))
    assert kept.shape == (0, 4)
    assert len(classes) == len(scores) == 0


def test_doubles_go_but_other_classes_stay():
    boxes = [[[10.0, 10, 50, 50]] * 2, [[12, 10, 52, 50]] * 2]
    kept, classes, scores = run(boxes, [[0.9, 0.2], [0.8, 0.6]])
    assert classes.tolist() == [0, 1]
    assert scores.tolist() == [0.9, 0.6]
    assert kept.tolist() == [[10, 10, 50, 50], [12, 10, 52, 50]]


def test_an_overlap_of_exactly_the_threshold_stays():
    boxes = [[[0.0, 0, 10, 10]], [[0.0, 0, 5, 10]]]  # IoU 1/2
    scores = [[0.9], [0.8]]
    assert len(run(boxes, scores, iou=0.5)[0]) == 2
    assert len(run(boxes, scores, iou=0.49)[0]) == 1


def test_boxes_of_which_nothing_is_in_the_image_go():
    boxes = [[[0.0, 0, 30, 40]], [[200, 10, 200, 30]], [[10, 100, 20, 100]]]
    kept, _, _ = run(boxes, [[0.9], [0.9], [0.9]])
    assert kept.tolist() == [[0, 0, 30, 40]]


def test_of_equal_scores_the_first_region_and_then_the_first_class_is_better():
    near, far = [10.0, 10, 50, 50], [100.0, 10, 140, 50]
    kept, classes, _ = run([[near, far], [near, near], [far, far]], [[0.5, 0.5], [0.5, 0.4], [0.5, 0.5]])
    assert classes.tolist() == [0, 1, 0, 1]
    assert kept.tolist() == [near, far, far, near]


def test_the_weak_and_the_many_go():
    boxes = [[[20.0 * i, 0, 20 * i + 10, 10]] for i in range(6)]
    scores = [[0.1], [0.2], [0.3], [0.05], [0.5], [0.6]]
    assert run(boxes, scores, threshold=0.1, limit=3)[2].tolist() == pytest.approx([0.6, 0.5, 0.3])


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_greedy_loop(seed):
    rng = np.random.default_rng(seed)
    corner, side = rng.uniform(-20, 180, (40, 3, 2)), rng.uniform(5, 90, (40, 3, 2))
    boxes = np.concatenate([corner, corner + side], axis=2).round(1).astype(np.float32)
    boxes = np.clip(boxes, 0, [SIZE[1], SIZE[0]] * 2)
    whole = (boxes[..., 2:] > boxes[..., :2]).all(axis=2)
    scores = np.where(whole, rng.permutation(120).reshape(40, 3) / 120, 0)
    kept, classes, found = run(boxes, scores, threshold=0.3)
    expected = greedy(boxes.astype(np.float64), scores, 0.3, 0.3)[:100]
    np.testing.assert_array_equal(found, [score for score, _, _ in expected])
    assert classes.tolist() == [name for _, name, _ in expected]
    np.testing.assert_array_equal(kept, [box for _, _, box in expected])


def test_neighbours_vote_on_the_place_of_what_is_kept():
    boxes = np.array([[[0.0, 0, 10, 10]], [[0, 0, 10, 14]], [[40, 0, 50, 10]]])
    probabilities = np.array([[0.1, 0.9], [0.4, 0.6], [0.2, 0.8]])
    stages = Stages(np.zeros((3, 4)), probabilities, boxes, ("thing",), 0.5, 0.3, 100, vote_threshold=0.5)
    found = detections_of(stages)
    assert found.scores.tolist() == [0.9, 0.8]
    np.testing.assert_allclose(found.boxes, [[0, 0, 10, (0.9 * 10 + 0.6 * 14) / 1.5], [40, 0, 50, 10]])
    again = detections_by_torchvision(stages)
    assert np.array_equal(again.boxes, found.boxes)
    assert again.scores.tolist() == found.scores.tolist()


def crowded(rng, regions=80, classes=2):
    """Stages with many boxes of which most overlap others, and scores from below the voting score to 1."""
    corner, side = rng.uniform(0, 60, (regions, classes, 2)), rng.uniform(20, 60, (regions, classes, 2))
    boxes = np.concatenate([corner, corner + side], axis=2)
    scores = 10.0 ** rng.uniform(-4, 0, (regions, classes)) * rng.permutation(
        np.eye(classes)[np.arange(regions) % classes]
    )
    probabilities = np.concatenate([1 - scores.sum(axis=1, keepdims=True), scores], axis=1)
    return Stages(boxes[:, 0], probabilities, boxes, CLASSES[:classes], VOTING_SCORE, 0.3, 100, vote_threshold=0.5)


@pytest.mark.parametrize("threshold", [0.002, 0.05, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_a_higher_threshold_leaves_fewer_detections_and_moves_none(seed, threshold):
    stages = crowded(np.random.default_rng(seed))
    everything = detections_of(stages)
    expected = everything[everything.scores >= threshold]
    assert 0 < len(expected) < len(everything)
    for found in (
        detections_of(replace(stages, score_threshold=threshold)),
        detections_by_torchvision(replace(stages, score_threshold=threshold)),
    ):
        assert found.labels.tolist() == expected.labels.tolist()
        np.testing.assert_array_equal(found.scores, expected.scores)
        np.testing.assert_array_equal(found.boxes, expected.boxes)
    assert not np.array_equal(
        expected.boxes, detections_of(replace(stages, vote_threshold=None)).boxes[: len(expected)]
    )


def test_a_threshold_below_the_voting_score_lets_weaker_ones_vote():
    boxes = np.array([[[0.0, 0, 10, 10]], [[0, 0, 10, 20]]])
    stages = Stages(boxes[:, 0], np.array([[0.9995, 0.0005], [0.9997, 0.0003]]), boxes, ("thing",), 0.0, 0.3, 9, 0.5)
    np.testing.assert_allclose(detections_of(stages).boxes, [[0, 0, 10, (5 * 10 + 3 * 20) / 8]])
    assert len(detections_of(replace(stages, score_threshold=0.001))) == 0


def stages_of(boxes, scores, **rules):
    boxes, scores = np.asarray(boxes, np.float64), np.asarray(scores, np.float64)
    probabilities = np.concatenate([np.zeros((len(scores), 1)), scores], axis=1)
    rules = {"score_threshold": 0.1, "nms_threshold": 0.3, "max_detections": 100, **rules}
    return Stages(np.zeros((len(scores), 4)), probabilities, boxes, CLASSES[: scores.shape[1]], **rules)


def test_agnostic_of_classes_a_better_box_of_another_class_suppresses():
    boxes = [[[10.0, 10, 50, 50]] * 2, [[12, 10, 52, 50]] * 2, [[100, 10, 150, 50]] * 2]
    stages = stages_of(boxes, [[0.9, 0.2], [0.3, 0.6], [0.2, 0.4]], agnostic=True)
    found = detections_of(stages)
    assert found.labels.tolist() == ["ant", "bee"]
    assert found.scores.tolist() == [0.9, 0.4]


@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_with_ties_and_votes_it_is_torchvisions(seed, agnostic):
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, [150, 60], (60, 2))
    boxes = np.concatenate([corners, corners + rng.integers(1, 8, (60, 2)) * 10], axis=1)
    boxes = np.repeat(boxes[:, None], 3, axis=1) + rng.integers(-2, 3, (60, 3, 4)) * [1, 1, 0, 0]
    stages = stages_of(
        boxes, rng.integers(0, 10, (60, 3)) / 10, agnostic=agnostic, vote_threshold=0.5, max_detections=9
    )
    found, again = detections_of(stages), detections_by_torchvision(stages)
    assert 1 < len(found) <= 9
    assert found.labels.tolist() == again.labels.tolist()
    np.testing.assert_array_equal(found.boxes, again.boxes)
    np.testing.assert_array_equal(found.scores, again.scores)


def test_votes_of_one_group_move_the_kept_boxes():
    boxes = as_boxes([[0, 0, 10, 10], [0, 0, 10, 12], [0, 0, 10, 30], [0, 0, 10, 12], [50, 0, 60, 10]])
    groups, weights, kept = np.array([0, 0, 0, 1, 0]), np.array([0.9, 0.3, 0.2, 0.8, 0.5]), np.array([0, 3, 4])
    moved = voted_boxes(boxes, groups, weights, kept, 0.5)
    assert moved[0] == pytest.approx([0, 0, 10, (0.9 * 10 + 0.3 * 12) / 1.2])  # the third is too far, the fourth else
    assert moved[1:] == pytest.approx(boxes[[3, 4]])


@pytest.mark.parametrize("seed", range(5))
def test_votes_as_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 40, (30, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 40, (30, 2))], axis=1)
    groups, weights = rng.integers(0, 3, 30), rng.random(30) * (rng.random(30) < 0.8)  # some weigh nothing
    kept = rng.permutation(30)[:8]
    for found, i in zip(voted_boxes(boxes, groups, weights, kept, 0.4), kept, strict=True):
        voters = [j for j in range(30) if groups[j] == groups[i] and box_iou(boxes[i : i + 1], boxes[j : j + 1]) >= 0.4]
        total = sum(weights[j] for j in voters)
        assert found == pytest.approx(sum(weights[j] * boxes[j] for j in voters) / total if total else boxes[i])


def test_no_votes():
    nobody = np.zeros(0, np.int64)
    assert voted_boxes(as_boxes([]), nobody, np.zeros(0), nobody, 0.5).shape == (0, 4)
