from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from inception_rcnn.backbone.features.shared_maps import SharedMaps
from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.detector.network import RegionNetwork
from inception_rcnn.detector.training.batches import Example
from inception_rcnn.detector.training.region_loss import predict_regions, region_loss
from inception_rcnn.detector.training.sampling import RegionSample
from inception_rcnn.proposals.common.box_coding import encode

SIDES = (200, 400, 800)  # of the image pyramid


class Scripted(torch.nn.Module):
    """A network that predicts what it is given, region by region."""

    def __init__(self, logits, deltas):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.outputs = logits, deltas

    @property
    def backbone(self):
        return self

    def forward(self, mode, regions):
        return [self.predict(self.pooled_features(mode, [each])) for each in regions]

    def pooled_features(self, mode, regions):
        return torch.arange(sum(len(boxes) for _, boxes in regions))

    def box_predictor(self, mode):
        return self

    def predict(self, pooled):
        return tuple(output[pooled] for output in self.outputs)


def example(boxes, classes, targets, image=None, seed=0):
    sample = RegionSample(as_boxes(boxes), np.array(classes, dtype=np.int64), as_boxes(targets))
    image = np.zeros((50, 50, 3), dtype=np.uint8) if image is None else image
    return Example("a.jpg", image, sample, (200,), seed)


BOXES = [[0, 0, 10, 10], [5, 5, 20, 30], [1, 1, 9, 9]]
TARGETS = [[1, 1, 11, 12], [5, 5, 20, 30], [0, 0, 10, 10]]
CLASSES = [2, 0, 3]


def test_the_loss_is_the_definition_with_loops():
    torch.manual_seed(0)
    logits, deltas = torch.randn(3, 4), torch.randn(3, 3, 4)
    terms = region_loss(Scripted(logits, deltas), [example(BOXES, CLASSES, TARGETS)], "shared")
    classification = sum(-logits[i].log_softmax(0)[CLASSES[i]] for i in range(3)) / 3
    regression = 0.0
    for i in (0, 2):  # the foreground, each by its own class's deltas
        wanted = encode(torch.tensor([BOXES[i]]).float(), torch.tensor([TARGETS[i]]).float())[0]
        regression += F.smooth_l1_loss(deltas[i, CLASSES[i] - 1], wanted, reduction="sum") / 3
    torch.testing.assert_close(terms["class"], classification)
    torch.testing.assert_close(terms["box"], regression)
    torch.testing.assert_close(terms["loss"], classification + regression)
    right = sum(int(logits[i].argmax()) == CLASSES[i] for i in (0, 2)) / 2
    assert terms["accuracy"] == right


def test_without_box_deltas_only_the_classes_count():
    terms = region_loss(
        Scripted(torch.randn(3, 4), torch.randn(3, 3, 4)),
        [example(BOXES, CLASSES, TARGETS)],
        "shared",
        box_deltas=False,
    )
    assert terms.keys() == {"loss", "class", "accuracy"}
    assert terms["loss"] == terms["class"]


def test_the_parts_of_two_processes_add_up_to_the_whole(monkeypatch):
    torch.manual_seed(0)
    logits, deltas = torch.randn(3, 4), torch.randn(3, 3, 4)
    whole = region_loss(Scripted(logits, deltas), [example(BOXES, CLASSES, TARGETS)], "shared")
    monkeypatch.setattr("inception_rcnn.detector.training.region_loss.totals", lambda *counts: [3, 2])
    first = region_loss(Scripted(logits, deltas), [example(BOXES[:1], CLASSES[:1], TARGETS[:1])], "shared")
    rest = Scripted(logits[1:], deltas[1:])
    second = region_loss(rest, [example(BOXES[1:], CLASSES[1:], TARGETS[1:])], "shared")
    for name, term in whole.items():
        torch.testing.assert_close(first[name] + second[name], term)


def test_images_without_regions_are_no_step():
    assert region_loss(Scripted(torch.zeros(0, 4), torch.zeros(0, 3, 4)), [example([], [], [])], "shared") == {}


def test_without_foreground_no_accuracy_is_known():
    terms = region_loss(
        Scripted(torch.zeros(1, 4), torch.zeros(1, 3, 4)), [example(BOXES[:1], [0], BOXES[:1])], "shared"
    )
    assert terms["accuracy"].isnan()
    assert terms["loss"].isfinite()


def test_background_of_an_image_may_be_a_class_that_is_not_annotated_there():
    torch.manual_seed(0)
    logits, deltas = torch.randn(3, 4, requires_grad=True), torch.randn(3, 3, 4)
    one = example(BOXES, CLASSES, TARGETS)
    partial = replace(one, sample=replace(one.sample, unannotated=np.array([1, 3])))
    terms = region_loss(Scripted(logits, deltas), [partial], "shared", box_deltas=False)
    expected = -sum(logits[i].softmax(0)[wanted].sum().log() for i, wanted in enumerate(([2], [0, 1, 3], [3]))) / 3
    torch.testing.assert_close(terms["class"], expected)
    (gradient,) = torch.autograd.grad(terms["loss"], logits)
    assert gradient[1, 2] > 0 > gradient[1, 3]  # what might be a dog costs nothing
    (other, plain) = (region_loss(Scripted(logits, deltas), [each], "shared") for each in (partial, one))
    assert other["class"] < plain["class"]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return RegionNetwork(3, ("shared", "crops")).train()


@pytest.mark.parametrize("mode", ["shared", "crops"])
def test_a_process_without_images_takes_part_with_nothing(mode, network, monkeypatch):
    monkeypatch.setattr("inception_rcnn.detector.training.region_loss.totals", lambda *counts: [5, 3])
    terms = region_loss(network, [], mode)
    terms["loss"].backward()
    assert terms["loss"] == 0


@pytest.fixture
def in_float32(monkeypatch):
    """Rounding to bfloat16 depends on what is computed together."""
    monkeypatch.setattr("inception_rcnn.detector.training.region_loss.autocast", lambda device: torch.no_grad())


@pytest.mark.parametrize("mode", ["shared", "crops"])
def test_an_image_meets_the_same_chance_whoever_looks_at_it(mode, network, in_float32, rng, monkeypatch):
    """Dropout is on: two images together, in any order, are the sum of each alone."""
    images = [
        example(
            BOXES[:count], CLASSES[:count], TARGETS[:count], rng.integers(0, 255, (50, 60, 3), dtype=np.uint8), seed
        )
        for count, seed in ((3, 11), (2, 12))
    ]
    monkeypatch.setattr("inception_rcnn.detector.training.region_loss.totals", lambda *counts: [5, 3])
    together = region_loss(network, images, mode)["loss"]
    alone = [region_loss(network, [each], mode)["loss"] for each in images]
    torch.testing.assert_close(together, alone[0] + alone[1])
    torch.testing.assert_close(together, region_loss(network, images[::-1], mode)["loss"])


def test_crops_of_many_images_together_are_predicted_as_by_the_network_itself(network, in_float32, rng):
    image = rng.integers(0, 255, (50, 60, 3), dtype=np.uint8)
    network.eval()
    images = [example(BOXES, CLASSES, TARGETS, image), example(BOXES[:1], CLASSES[:1], TARGETS[:1], image[:, ::-1])]
    with torch.no_grad():
        logits, _ = predict_regions(network, images, "crops")
        expected = [
            network("crops", [(SharedMaps(network.backbone, each.image, SIDES), each.sample.boxes)])[0][0]
            for each in images
        ]
    torch.testing.assert_close(logits, torch.cat(expected), rtol=1e-4, atol=1e-5)
    network.train()


def test_every_tensor_is_made_on_the_device_of_the_network(monkeypatch):
    """With a default device that has no memory, one that is made without a device would not go with the others."""
    monkeypatch.setattr("inception_rcnn.detector.training.region_loss.totals", lambda *counts: counts)
    network = Scripted(torch.randn(3, 5), torch.randn(3, 4, 4))
    network.pooled_features = lambda mode, regions: torch.arange(3, device="cpu")
    expected = region_loss(network, [example(BOXES, CLASSES, TARGETS)], "shared")
    with torch.device("meta"):
        terms = region_loss(network, [example(BOXES, CLASSES, TARGETS)], "shared")
    assert {(term.device.type, term.dtype) for term in terms.values()} == {("cpu", torch.float32)}
    for name, term in expected.items():
        torch.testing.assert_close(terms[name], term)
