import numpy as np
import pytest
import torch
from test_training_region_loss import BOXES, TARGETS, example

from inception_rcnn.detector.network import RegionNetwork
from inception_rcnn.detector.training.subclass_loss import SubclassLoss


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = RegionNetwork(3, ("crops",), class_of=(0, 1, 2, 3, 0))
    network.backbone.requires_grad_(False)
    return network


def sampled(classes, unannotated=(), seed=0):
    image = np.random.default_rng(seed).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    made = example(BOXES, classes, TARGETS, image)
    object.__setattr__(made.sample, "unannotated", np.array(unannotated, dtype=np.int64))
    return made


def set_biases(network, biases):
    """Make the subclasses as likely as a softmax of the biases, whatever the region."""
    classifier = network.box_predictor("crops").subclasses.classifier
    with torch.no_grad():
        classifier.weight.zero_()
        classifier.bias.copy_(torch.tensor(biases))


def test_nothing_is_forgotten_at_first_and_something_once_the_classifier_moves(network):
    set_biases(network, [0.0, 1.0, 2.0, 0.0, 0.0])
    loss = SubclassLoss(network, "crops", [0, 1, 2])
    first = loss(network, [sampled([2, 0, 3])])
    assert first["forgetting"].item() == pytest.approx(0, abs=1e-6)
    assert first["loss"].item() == pytest.approx((first["class"] + first["box"]).item(), rel=1e-6)
    set_biases(network, [0.0, 1.0, 0.0, 0.0, 0.0])
    moved = loss(network, [sampled([2, 0, 3])])
    before, after = (torch.tensor(b).log_softmax(0) for b in ([0.0, 1, 2, 0, 0], [0.0, 1, 0, 0, 0]))
    divergence = (before.exp() * (before - after)).sum()
    assert moved["forgetting"].item() == pytest.approx(divergence.item(), rel=1e-3)
    assert moved["loss"].item() == pytest.approx((moved["class"] + moved["box"] + moved["forgetting"]).item(), rel=1e-6)


@pytest.mark.parametrize(("biases", "seen"), [([0.0, 0, 0, 5, 0], True), ([5.0, 0, 0, 0, 0], False)])
def test_background_may_be_of_an_unannotated_class_only_where_the_classifier_sees_one(network, biases, seen):
    set_biases(network, biases)
    loss = SubclassLoss(network, "crops", [0, 1, 2])
    network.box_predictor("crops").eval()
    terms = loss(network, [sampled([0, 0, 0], unannotated=[3])])
    logits = network.box_predictor("crops")(torch.zeros(1, 1024, 7, 7))[0][0].log_softmax(dim=0)
    expected = -(logits[[0, 3]].logsumexp(dim=0) if seen else logits[0])
    assert terms["class"].item() == pytest.approx(expected.item(), abs=0.02)


def test_the_backbone_is_not_needed_twice_and_no_gradient_reaches_the_earlier_head(network):
    loss = SubclassLoss(network, "crops", [0, 1, 2])
    loss(network, [sampled([2, 0, 3])])["loss"].backward()
    assert all(each.grad is not None for each in network.box_head("crops").parameters())
    assert all(each.grad is None for each in loss.box_head.parameters())


def test_only_learned_classes_get_a_logit_of_their_own():
    torch.manual_seed(0)
    network = RegionNetwork(3, ("crops",), class_of=(0, 1, 2, 3, 0))
    loss, own = SubclassLoss(network, "crops", [0, 2]), network.box_predictor("crops").classifier
    loss(network, [sampled([2, 0, 3])])["loss"].backward()
    assert [bool(row.abs().any()) for row in own.weight.grad] == [True, False, True, False]
    assert [bool(value) for value in own.bias.grad] == [True, False, True, False]


def test_no_regions_have_no_loss(network):
    made = example(np.zeros((0, 4)), [], np.zeros((0, 4)))
    assert SubclassLoss(network, "crops", [0, 1, 2])(network, [made]) == {}
