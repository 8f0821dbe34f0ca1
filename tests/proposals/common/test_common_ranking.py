import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes, box_iou
from inception_rcnn.proposals.common.ranking import DECAY, DUPLICATE_IOU, best_first


def iou(a, b):
    shared = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return shared / (sum(areas) - shared) if sum(areas) > shared else 0


def slow_best_first(boxes, scores):
    """Each time the highest score, whose box then lowers those of others and takes its near-duplicates away."""
    waiting, order, worth = dict(enumerate(scores)), [], []
    while waiting:
        best = max(waiting, key=lambda i: (waiting[i], -i))
        order.append(best)
        worth.append(waiting.pop(best))
        for i in list(waiting):
            overlap = iou(boxes[best], boxes[i])
            waiting[i] *= 1 - DECAY * overlap**2
            if overlap > DUPLICATE_IOU:
                del waiting[i]
    return order, worth


A, A_TWIN, HALF, FAR = [0, 0, 100, 100], [0, 0, 100, 95], [0, 0, 100, 50], [200, 200, 300, 300]


@pytest.mark.parametrize(
    ("boxes", "scores", "order", "worth"),
    [
        ([], [], [], []),
        ([A], [0.3], [0], [0.3]),
        ([A, FAR], [0.5, 0.5], [0, 1], [0.5, 0.5]),  # of equals the earlier first
        ([FAR, A, A], [0.2, 0.5, 0.5], [1, 0], [0.5, 0.2]),  # and it alone, where they are the same box
        ([A_TWIN, FAR, A], [0.8, 0.1, 0.9], [2, 1], [0.9, 0.1]),  # a near-duplicate goes
        ([A, HALF, FAR], [0.8, 0.4, 0.38], [0, 2, 1], [0.8, 0.38, 0.37]),  # IoU .5 costs .3 / 4, and the place
        ([A, A, FAR], [0, 0, 0], [0, 2], [0, 0]),  # nothing is worth anything
        ([[5, 5, 5, 9], A, [5, 5, 5, 9]], [0.9, 0.5, 0.7], [0, 2, 1], [0.9, 0.7, 0.5]),  # no area: overlaps nothing
    ],
)
def test_the_best_first(boxes, scores, order, worth):
    found, left = best_first(as_boxes(boxes), np.array(scores, dtype=np.float64))
    assert found.tolist() == order
    np.testing.assert_allclose(left, worth)
    assert (found.dtype.kind, left.dtype) == ("i", np.float64)


@pytest.mark.parametrize("spread", [3, 15, 60])  # pixels: nearly all twins, some, hardly any
@pytest.mark.parametrize("levels", [3, 1000])  # few of them make ties
def test_the_order_is_the_definition_with_loops(rng, spread, levels):
    corner, sides = rng.integers(0, spread, (60, 2)), 40 + rng.integers(0, spread, (60, 2))
    boxes = np.concatenate([corner, corner + sides], axis=1).astype(np.float64)
    scores = rng.integers(1, levels + 1, 60) / levels
    given = scores.copy()
    order, worth = best_first(boxes, scores)
    expected = slow_best_first(boxes.tolist(), scores.tolist())
    assert order.tolist() == expected[0]
    np.testing.assert_allclose(worth, expected[1])
    np.testing.assert_array_equal(scores, given)
    assert (np.diff(worth) <= 0).all()
    kept = box_iou(boxes[order], boxes[order]) - np.eye(len(order))
    assert kept.max() <= DUPLICATE_IOU
    left_out = np.setdiff1d(np.arange(60), order)
    assert (box_iou(boxes[left_out], boxes[order]) > DUPLICATE_IOU).any(axis=1).all()


def test_what_is_gone_stays_so_where_the_scores_left_are_too_small_for_a_number(rng):
    near, far = rng.uniform(0, 80, (600, 2)), 300 - rng.uniform(0, 80, (600, 2))
    boxes = np.concatenate([near, far], axis=1)
    order, worth = best_first(boxes, np.full(600, 1e-322))
    assert worth[-1] < 1e-322
    assert len(set(order.tolist())) == len(order)
    assert (box_iou(boxes[order], boxes[order]) - np.eye(len(order))).max() <= DUPLICATE_IOU
