import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from inception_rcnn.backbone.training import Recipe
from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.dataset import Dataset
from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.images import encode_image
from inception_rcnn.data.records import GroundTruth
from inception_rcnn.detector.batches import Example
from inception_rcnn.detector.config import DetectorConfig
from inception_rcnn.detector.finetuning import HEAD_RATE, FinetuneOptions, finetune, parameter_groups, region_loss
from inception_rcnn.detector.network import RegionNetwork
from inception_rcnn.detector.pretrained import load_network, save_network
from inception_rcnn.detector.sampling import RegionSample
from inception_rcnn.proposals.deltas import encode


class Scripted(torch.nn.Module):
    def __init__(self, logits, deltas):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.outputs = logits, deltas

    @property
    def trunk(self):
        return self

    def forward(self, mode, maps, boxes):
        return tuple(output[: len(boxes)] for output in self.outputs)


def example(boxes, classes, targets):
    sample = RegionSample(as_boxes(boxes), np.array(classes, dtype=np.int64), as_boxes(targets))
    return Example("a.jpg", np.zeros((50, 50, 3), dtype=np.uint8), sample, (600,))


def test_the_loss_is_the_definition_with_loops():
    torch.manual_seed(0)
    logits, deltas = torch.randn(3, 4), torch.randn(3, 3, 4)
    boxes = [[0, 0, 10, 10], [5, 5, 20, 30], [1, 1, 9, 9]]
    targets = [[1, 1, 11, 12], [5, 5, 20, 30], [0, 0, 10, 10]]
    classes = [2, 0, 3]
    terms = region_loss(Scripted(logits, deltas), [example(boxes, classes, targets)], "shared")
    classification = sum(-logits[i].log_softmax(0)[classes[i]] for i in range(3)) / 3
    regression = 0.0
    for i in (0, 2):  # the foreground, each by its own class's deltas
        wanted = encode(torch.tensor([boxes[i]]).float(), torch.tensor([targets[i]]).float())[0]
        regression += F.smooth_l1_loss(deltas[i, classes[i] - 1], wanted, reduction="sum") / 3
    torch.testing.assert_close(terms["class"], classification)
    torch.testing.assert_close(terms["box"], regression)
    torch.testing.assert_close(terms["loss"], classification + regression)


def test_pictures_without_regions_cost_nothing():
    terms = region_loss(Scripted(torch.zeros(0, 4), torch.zeros(0, 3, 4)), [example([], [], [])], "shared")
    assert terms["loss"] == 0


@pytest.mark.parametrize(
    ("freeze", "trunk", "conv1"), [("none", True, True), ("conv1", True, False), ("trunk", False, False)]
)
def test_rates_and_what_stays_as_it_is(freeze, trunk, conv1):
    network = RegionNetwork(2, ("shared", "crops"))
    groups = parameter_groups(network, "shared", freeze, weight_decay=0.5)
    learning = {id(each): group for group in groups for each in group["params"]}
    assert (id(network.trunk.conv2.weight) in learning) == trunk == network.trunk.conv2.weight.requires_grad
    assert (id(network.trunk.conv1.weight) in learning) == conv1 == network.trunk.conv1.weight.requires_grad
    assert not any(each.requires_grad for each in network.tails["crops"].parameters())
    tail, head = network.tails["shared"].inception_5a.conv1x1, network.heads["shared"].classifier
    settings = [
        (learning[id(each)]["scale"], learning[id(each)]["weight_decay"])
        for each in (tail.weight, tail.bias, head.weight, head.bias)
    ]
    assert settings == [(1, 0.5), (1, 0), (HEAD_RATE, 0.5), (HEAD_RATE, 0)]


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """Eight pictures, each with a bright square on a dark ground: easy enough for a few steps."""
    folder, rng, truths = tmp_path_factory.mktemp("squares"), np.random.default_rng(0), []
    for i in range(8):
        image = rng.integers(0, 40, (120, 160, 3), dtype=np.uint8)
        x, y = rng.integers(5, 60, 2)
        image[y : y + 50, x : x + 70] += 200
        (folder / f"{i}.png").write_bytes(encode_image(image, ".png"))
        truths.append(GroundTruth(f"{i}.png", 160, 120, as_boxes([[x, y, x + 70, y + 50]]), ["square"], [False]))
    return Dataset("squares", ("square",), tuple(truths), folder)


@pytest.fixture(scope="module")
def beginner(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beginner")
    torch.manual_seed(0)
    network = RegionNetwork(1, ("shared", "crops"))
    save_network(folder, network, DetectorConfig(("other",), modes=("shared", "crops")))
    return folder


@pytest.mark.parametrize(("mode", "validated"), [("shared", True), ("crops", False)])
def test_training_runs_from_end_to_end(mode, validated, squares, beginner, tmp_path, monkeypatch):
    monkeypatch.setenv("INCEPTION_RCNN_HOME", str(tmp_path / "home"))
    lines = []
    method = "selective-search:single"
    options = FinetuneOptions((), mode, "trunk", method, pictures=1, regions=4, validation_pictures=2, device="cpu")
    recipe = Recipe(steps=3, warmup=1, validate_every=3)
    validation = squares if validated else None  # in crops mode it would take half a minute
    state = finetune(squares, validation, str(beginner), tmp_path / "out", options, recipe, report=lines.append)
    assert state.step == 3
    assert (0 <= state.best <= 1) == validated
    network, config = load_network(tmp_path / "out")
    assert (config.classes, config.mode, config.modes) == (("square",), mode, (mode,))
    assert config.proposals == method
    before = load_network(beginner)[0]
    torch.testing.assert_close(network.trunk.conv2.weight, before.trunk.conv2.weight)
    assert any("foreground" in line and "cover" in line for line in lines)
    rows = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert rows[0]["step"] == 3
    assert {"loss", "class", "box", "accuracy"} <= rows[0].keys()


def test_classes_and_parts_that_do_not_exist_are_refused(squares, beginner, tmp_path):
    with pytest.raises(UsageError, match="'circle' is not in squares"):
        finetune(squares, None, str(beginner), tmp_path, FinetuneOptions(classes=("circle",)), Recipe())
    with pytest.raises(UsageError, match="--freeze"):
        finetune(squares, None, str(beginner), tmp_path, FinetuneOptions(freeze="conv7"), Recipe())
    nothing = Dataset("nothing", (), (), tmp_path)
    with pytest.raises(UsageError, match="no objects"):
        finetune(nothing, None, str(beginner), tmp_path, FinetuneOptions(), Recipe())
