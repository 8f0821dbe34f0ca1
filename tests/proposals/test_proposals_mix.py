import numpy as np

from inception_rcnn.data.boxes import as_boxes, box_iou
from inception_rcnn.data.records import Proposals
from inception_rcnn.proposals.common.ranking import DUPLICATE_IOU
from inception_rcnn.proposals.mix import NUM_OWN, mix


class Scripted:
    """A MultiBox that proposes what it is told to and finds that larger boxes fit better."""

    def __init__(self, boxes, scores):
        self.own, self.asked = (as_boxes(boxes), np.asarray(scores, dtype=np.float64)), []

    def candidates(self, maps):
        self.asked.append(maps)
        return self.own

    def predict_iou(self, maps, boxes):
        assert maps is self.asked[-1]
        return (boxes[:, 2] - boxes[:, 0]) / 1000


def test_without_any_boxes_the_mix_is_empty():
    mixed = mix(Proposals(as_boxes([]), []), Scripted([], []), None)
    assert (mixed.boxes.shape, mixed.scores.shape) == ((0, 4), (0,))


def test_the_mix_is_ordered_by_the_networks_word_on_both_kinds():
    """Selective Search's own scores say nothing; its boxes fit by .1 and .3."""
    searched = Proposals(as_boxes([[0, 0, 100, 100], [500, 0, 800, 50]]), [1, 0.5])
    multibox = Scripted([[0, 200, 100, 300], [0, 0, 100, 95]], [0.2, 0.15])
    mixed = mix(searched, multibox, "maps")
    assert multibox.asked == ["maps"]
    assert mixed.boxes.tolist() == [[500, 0, 800, 50], [0, 200, 100, 300], [0, 0, 100, 95]]  # less the last one's twin
    np.testing.assert_allclose(mixed.scores, [0.3, 0.2, 0.15])


def test_every_distinct_box_of_selective_search_is_kept(rng):
    corner, sides = rng.uniform(0, 200, (300, 2)), rng.uniform(20, 200, (300, 2))
    boxes = np.concatenate([corner, corner + sides], axis=1)
    mixed = mix(Proposals(boxes, np.ones(300)), Scripted(boxes[:50] + 2, np.full(50, 0.5)), None)
    assert (box_iou(boxes, mixed.boxes).max(axis=1) > DUPLICATE_IOU).all()  # itself, or a box as good as it
    alone = mix(Proposals(boxes, np.ones(300)), Scripted([], []), None)
    distinct = (box_iou(boxes, boxes) - np.eye(300)).max(axis=1) <= DUPLICATE_IOU
    assert {tuple(box) for box in boxes[distinct]} <= {tuple(box) for box in alone.boxes}


def test_only_the_best_of_its_own_boxes_are_mixed_in():
    corners = np.arange(NUM_OWN + 50)[:, None] * [20.0, 0]
    own = np.concatenate([corners, corners + 10], axis=1)
    mixed = mix(Proposals(as_boxes([]), []), Scripted(own, np.linspace(0.1, 0.9, len(own))), None)
    assert mixed.boxes.tolist() == own[::-1][:NUM_OWN].tolist()
