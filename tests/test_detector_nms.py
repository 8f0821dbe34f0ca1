import numpy as np
import pytest
import torch

from inception_rcnn.data.boxes import box_iou
from inception_rcnn.detector.nms import suppress

SIZE = (100, 200)


def run(boxes, scores, threshold=0.1, iou=0.3, limit=100):
    return suppress(boxes, scores, size=SIZE, score_threshold=threshold, iou_threshold=iou, max_detections=limit)


def greedy(boxes, scores, threshold, iou):
    """The definition with loops: (score, class, box) of what stays, the best first."""
    kept = []
    for name in range(scores.shape[1]):
        order = np.argsort(-scores[:, name], kind="stable")
        chosen = []
        for region in order[scores[order, name] >= threshold]:
            box = np.clip(boxes[region, name], 0, [SIZE[1], SIZE[0], SIZE[1], SIZE[0]])
            if all(box_iou(box[None], other[None])[0, 0] <= iou for _, other in chosen):
                chosen.append((scores[region, name], box))
        kept += [(score, name, box) for score, box in chosen]
    return sorted(kept, key=lambda row: -row[0])


def test_nothing_stays_nothing():
    kept, classes, scores = run(torch.zeros(0, 3, 4), torch.zeros(0, 3))
    assert kept.shape == (0, 4)
    assert len(classes) == len(scores) == 0


def test_doubles_go_but_other_classes_stay():
    box = torch.tensor([[10.0, 10, 50, 50], [12, 10, 52, 50]])
    boxes = box[:, None].expand(2, 2, 4)
    kept, classes, scores = run(boxes, torch.tensor([[0.9, 0.2], [0.8, 0.6]]))
    assert classes.tolist() == [0, 1]
    torch.testing.assert_close(scores, torch.tensor([0.9, 0.6]))
    assert kept.tolist() == [[10, 10, 50, 50], [12, 10, 52, 50]]


def test_an_overlap_of_exactly_the_threshold_stays():
    boxes = torch.tensor([[[0.0, 0, 10, 10]], [[0.0, 0, 5, 10]]])  # IoU 1/2
    scores = torch.tensor([[0.9], [0.8]])
    assert len(run(boxes, scores, iou=0.5)[0]) == 2
    assert len(run(boxes, scores, iou=0.49)[0]) == 1


def test_boxes_are_clipped_and_those_outside_go():
    boxes = torch.tensor([[[-20.0, -5, 30, 40]], [[300.0, 10, 320, 30]]])
    kept, _, _ = run(boxes, torch.tensor([[0.9], [0.9]]))
    assert kept.tolist() == [[0, 0, 30, 40]]


def test_the_weak_and_the_many_go():
    boxes = torch.tensor([[[float(20 * i), 0, 20 * i + 10, 10]] for i in range(6)])
    scores = torch.tensor([[0.1], [0.2], [0.3], [0.05], [0.5], [0.6]])
    assert run(boxes, scores, threshold=0.1, limit=3)[2].tolist() == pytest.approx([0.6, 0.5, 0.3])


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_greedy_loop(seed):
    rng = np.random.default_rng(seed)
    corner, side = rng.uniform(-20, 180, (40, 3, 2)), rng.uniform(5, 90, (40, 3, 2))
    boxes = np.concatenate([corner, corner + side], axis=2).round(1).astype(np.float32)
    boxes[..., 1::2] = np.minimum(boxes[..., 1::2], 120)
    whole = (np.clip(boxes[..., 2:], 0, [200, 100]) > np.clip(boxes[..., :2], 0, [200, 100])).all(axis=2)
    scores = np.where(whole, rng.permutation(120).reshape(40, 3) / 120, 0).astype(np.float32)
    kept, classes, found = run(torch.from_numpy(boxes), torch.from_numpy(scores), threshold=0.3)
    expected = greedy(boxes.astype(np.float64), scores, 0.3, 0.3)[:100]
    np.testing.assert_allclose(found, [score for score, _, _ in expected])
    assert classes.tolist() == [name for _, name, _ in expected]
    np.testing.assert_allclose(kept, [box for _, _, box in expected], atol=1e-4)
