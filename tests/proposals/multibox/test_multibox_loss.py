import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_multibox_network import QuickTrunk

from inception_rcnn.data.boxes import as_boxes, box_area, box_intersection, box_iou
from inception_rcnn.proposals.common.box_coding import decode, encode
from inception_rcnn.proposals.multibox.batches import MultiBoxExample
from inception_rcnn.proposals.multibox.loss import LOWEST_IOU, MultiBoxNetwork, iou_target, multibox_loss
from inception_rcnn.proposals.multibox.network import MultiBoxHead


@pytest.mark.parametrize(("overlap", "target"), [(0, 0), (0.3, 0), (0.65, 0.5), (0.79, 0.7), (1, 1)])
def test_what_confidence_is_asked_for_at_an_overlap(overlap, target):
    torch.testing.assert_close(iou_target(torch.tensor([overlap])), torch.tensor([float(target)]))


def example(boxes, num_priors, matched, objects, ignored=(), crowd=None, complete=True):
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    matched = np.array(matched, dtype=np.intp)
    crowd = np.zeros(len(ignored), dtype=bool) if crowd is None else np.array(crowd)
    boxes, objects, ignored = as_boxes(boxes), as_boxes(objects), as_boxes(ignored)
    return MultiBoxExample("a.jpg", image, (64,), boxes, num_priors, matched, objects, ignored, crowd, complete)


class Scripted(torch.nn.Module):
    """A network that says of an image's boxes what it is told to, image by image."""

    def __init__(self, *outputs):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.outputs = list(outputs)

    def forward(self, example):
        return self.outputs.pop(0)


def logistic(logit, target):
    sure = 1 / (1 + math.exp(-logit))
    return -target * math.log(sure) - (1 - target) * math.log(1 - sure)


def slow_iou_loss(logits, boxes, one):
    total = 0.0
    for logit, box in zip(logits.tolist(), np.asarray(boxes, dtype=np.float64), strict=True):
        best = max(box_iou(box[None], one.objects)[0], default=0)
        doubtful = 0.0
        for other, is_crowd in zip(one.ignored, one.crowd, strict=True):
            shared = box_intersection(box[None], other[None])[0, 0]
            overlap = shared / box_area(box[None])[0] if is_crowd else box_iou(box[None], other[None])[0, 0]
            doubtful = max(doubtful, overlap)
        if best >= LOWEST_IOU or (doubtful < LOWEST_IOU and one.complete):
            total += logistic(logit, max((best - LOWEST_IOU) / (1 - LOWEST_IOU), 0))
    return total


def slow_loss(batch, outputs):
    location = confidence = iou = 0.0
    for one, (sure, deltas, ious) in zip(batch, outputs, strict=True):
        for box, delta, match in zip(torch.tensor(one.boxes), deltas, one.matched, strict=True):
            if match >= 0:
                for off in (delta - encode(box, torch.tensor(one.objects[match]))).abs().tolist():
                    location += off**2 / 2 if off < 1 else off - 0.5
        count = one.num_priors
        moved = decode(torch.tensor(one.boxes[:count]), deltas[:count].double())
        confidence += slow_iou_loss(sure[:count], moved, one)
        iou += slow_iou_loss(ious, one.boxes, one)
    num_matched = sum((one.matched >= 0).sum() for one in batch)
    num_priors, num_boxes = sum(one.num_priors for one in batch), sum(len(one.boxes) for one in batch)
    return tuple(
        each / n if n else math.nan
        for each, n in zip((location, confidence, iou), (num_matched, num_priors, num_boxes), strict=True)
    )


FULL = example(
    boxes=[[0, 0, 10, 10], [12, 10, 31, 29], [40, 40, 60, 60], [1, 1, 11, 12], [10, 10, 28, 30], [41, 40, 60, 60]],
    num_priors=3,
    matched=[1, 0, -1, -1, -1, -1],
    objects=[[10, 10, 30, 30], [1, 0, 10, 11]],
    ignored=[[40, 40, 62, 60], [0, 0, 12, 12]],
)
EMPTY = example([], 0, [], [])
BACKGROUND = example([[0, 0, 10, 10], [5, 5, 20, 30]], 1, [-1, -1], [])


@pytest.mark.parametrize(
    "batch",
    [
        [],
        [EMPTY],
        [BACKGROUND],
        [replace(FULL, ignored=as_boxes([]), crowd=np.zeros(0, bool))],
        [FULL],
        [BACKGROUND, FULL, EMPTY],
        [replace(FULL, crowd=np.array([True, False])), replace(FULL, crowd=np.array([True, True]))],
        [replace(FULL, complete=False), replace(BACKGROUND, complete=False)],
    ],
    ids=["no images", "no boxes", "no objects", "objects", "ignored ones too", "several", "crowds", "incomplete"],
)
def test_the_loss_is_the_definition_with_loops(batch):
    torch.manual_seed(0)
    outputs = [
        (torch.randn(len(one.boxes)), torch.randn(len(one.boxes), 4) / 2, torch.randn(len(one.boxes))) for one in batch
    ]
    terms = multibox_loss(Scripted(*outputs), batch, alpha=0.3)
    location, confidence, iou = slow_loss(batch, outputs)
    found = {name: float(term) for name, term in terms.items()}
    whole = np.nansum([0.3 * location, confidence, iou])
    wanted = {"loss": whole, "location": location, "confidence": confidence, "iou": iou}
    assert found == pytest.approx(wanted, rel=1e-5, nan_ok=True)


def test_a_difficult_object_is_neither_asked_for_nor_held_against_a_box():
    """The first two boxes lie on one; the second of them on a fair object as well, which counts."""
    one = example([[0, 0, 10, 10], [0, 0, 10, 20], [30, 30, 40, 40]], 3, [-1] * 3, [[0, 0, 10, 20]], [[0, 0, 10, 10]])
    one = replace(one, objects=as_boxes([[0, 4, 10, 24]]))  # IoU .25, 2/3 and 0
    logits = torch.zeros(3, requires_grad=True)
    ious = torch.zeros(3, requires_grad=True)
    multibox_loss(Scripted((logits, torch.zeros(3, 4), ious)), [one], alpha=1.0)["loss"].backward()
    wanted = [0, (0.5 - (2 / 3 - LOWEST_IOU) / (1 - LOWEST_IOU)) / 3, 0.5 / 3]
    torch.testing.assert_close(logits.grad, torch.tensor(wanted))
    torch.testing.assert_close(ious.grad, torch.tensor(wanted))


def test_confidence_is_of_the_moved_box_but_does_not_move_it():
    """The prior lies 10 to the left of its object, and the deltas take it there: confidence is asked to be sure."""
    one = example([[0, 0, 10, 10], [0, 0, 10, 10]], 2, [0, -1], [[10, 0, 20, 10]])
    logits = torch.ones(2, requires_grad=True)
    deltas = torch.tensor([[9.5, 0, 0, 0], [10.0, 0, 0, 0]], requires_grad=True)
    terms = multibox_loss(Scripted((logits, deltas, torch.zeros(2))), [one], alpha=1.0)
    assert float(terms["location"].detach()) == pytest.approx(0.5**2 / 2)
    terms["loss"].backward()
    torch.testing.assert_close(deltas.grad, torch.tensor([[-0.5, 0, 0, 0], [0, 0, 0, 0]]))
    torch.testing.assert_close(logits.grad[1], torch.tensor((1 / (1 + math.exp(-1)) - 1) / 2))


def test_the_parts_of_two_processes_add_up_to_the_whole(network, monkeypatch):
    other = replace(FULL, objects=FULL.objects + 1)
    whole = multibox_loss(network, [FULL, other], alpha=0.5)
    counts = 2 * (FULL.matched >= 0).sum(), 2 * FULL.num_priors, 2 * len(FULL.boxes)
    monkeypatch.setattr("inception_rcnn.proposals.multibox.loss.totals", lambda *own: counts)
    parts = [multibox_loss(network, [each], alpha=0.5) for each in (FULL, other)]
    for name, term in whole.items():
        torch.testing.assert_close(parts[0][name] + parts[1][name], term)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return MultiBoxNetwork(QuickTrunk(), MultiBoxHead(3))


def test_the_gradient_reaches_all_of_the_head_and_none_of_the_backbone(network):
    multibox_loss(network, [FULL], alpha=1.0)["loss"].backward()
    assert all(each.grad is None and not each.requires_grad for each in network.backbone.parameters())
    for name, each in network.head.named_parameters():
        assert each.grad is not None, name
        assert each.grad.abs().sum() > 0, name


def test_the_image_is_looked_at_in_the_size_of_the_example(network):
    sure, deltas, ious = network(replace(FULL, short_sides=(128,)))
    assert (sure.shape, deltas.shape, ious.shape) == ((6,), (6, 4), (6,))
    assert network.backbone.sizes == [(128, 128)]


def test_training_leaves_the_backbone_as_it_is(network):
    """A backbone with BatchNorm would drift, and see other maps than the detector does."""
    for mode in (True, False, True):
        assert network.train(mode) is network
        assert network.head.training == network.head.look.training == mode
        assert not any(module.training for module in network.backbone.modules())
    network.eval()
    assert not network.head.training


def test_a_small_box_in_a_crowd_is_not_background():
    """Its IoU with the region is .02, yet it lies in a region full of objects."""
    small, crowd = [10, 10, 18, 18], [0, 0, 60, 54]
    for is_crowd in (False, True):
        one = example([small], 1, [-1], [], ignored=[crowd], crowd=[is_crowd])
        terms = multibox_loss(Scripted((torch.ones(1), torch.zeros(1, 4), torch.ones(1))), [one], alpha=1.0)
        assert (float(terms["loss"]) == 0) == is_crowd


def test_every_tensor_is_made_on_the_device_of_the_network(network, monkeypatch):
    """With a default device that has no memory, one that is made without a device would not go with the others."""
    monkeypatch.setattr("inception_rcnn.proposals.multibox.loss.totals", lambda *counts: counts)
    expected = multibox_loss(network, [FULL, BACKGROUND], alpha=0.5)
    with torch.device("meta"):
        terms = multibox_loss(network, [FULL, BACKGROUND], alpha=0.5)
    assert {(term.device.type, term.dtype) for term in terms.values()} == {("cpu", torch.float32)}
    for name, term in expected.items():
        torch.testing.assert_close(terms[name], term)


def test_half_precision_stays_inside_the_network(network):
    with torch.autocast("cpu", torch.bfloat16):
        outputs = network(FULL)
        terms = multibox_loss(network, [FULL], alpha=0.5)
    assert {each.dtype for each in (*outputs, *terms.values())} == {torch.float32}
