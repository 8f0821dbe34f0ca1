import numpy as np
import pytest
import torch

from inception_rcnn.backbone.classification import classifier as classification
from inception_rcnn.backbone.classification.batches import CropBatch
from inception_rcnn.backbone.classification.classifier import (
    NEW_RATE,
    classification_loss,
    mean_softmax,
    new_classifier,
    parameter_groups,
)
from inception_rcnn.backbone.classification.model_folder import SavedClassifier
from inception_rcnn.backbone.googlenet import GoogLeNet
from inception_rcnn.data.errors import UsageError


class Small(torch.nn.Module):
    """A classifier in miniature: the mean colour, weighed."""

    def __init__(self, num_classes):
        super().__init__()
        self.layer = torch.nn.Linear(3, num_classes)
        self.dropout = torch.nn.Dropout(0.5)

    @property
    def backbone(self):
        return self

    def preprocess(self, images):
        return images.float() / 255

    def forward(self, images):
        return self.layer(self.dropout(images.mean(dim=(2, 3))))


@pytest.mark.parametrize(("num_models", "num_crops"), [(1, 1), (1, 10), (3, 7), (2, 144)])
def test_the_averages_are_plain_loops(num_models, num_crops, rng):
    torch.manual_seed(0)
    models = [Small(4) for _ in range(num_models)]
    crops = rng.integers(0, 256, (num_crops, 6, 6, 3), dtype=np.uint8)
    found = mean_softmax(models, crops)
    total = [0.0] * 4
    for crop in crops:
        for model in models:
            model.eval()
            logits = model(torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255)[0].tolist()
            exponentials = [np.exp(logit) for logit in logits]
            for k in range(4):
                total[k] += exponentials[k] / sum(exponentials)
    expected = [value / (num_crops * num_models) for value in total]
    np.testing.assert_allclose(found.mean(axis=0), expected, atol=0.002)  # bfloat16, where the processor has it
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_crops_beyond_a_chunk_are_as_in_one(rng, monkeypatch):
    torch.manual_seed(0)
    crops = rng.integers(0, 256, (10, 6, 6, 3), dtype=np.uint8)
    whole = mean_softmax([Small(3)], crops)
    torch.manual_seed(0)
    monkeypatch.setattr(classification, "CHUNK", 3)
    np.testing.assert_allclose(mean_softmax([Small(3)], crops), whole, atol=1e-6)


def batch(targets, rng):
    crops = rng.integers(0, 256, (len(targets), 224, 224, 3), dtype=np.uint8)
    return CropBatch(tuple(map(str, targets)), crops, np.array(targets, dtype=np.int64))


def test_the_loss_counts_each_side_classifier_three_tenths(rng, monkeypatch):
    monkeypatch.setattr(classification, "autocast", lambda device: torch.autocast("cpu", enabled=False))
    torch.manual_seed(0)
    model, some = GoogLeNet(4, auxiliary=True).eval(), batch([3, 0], rng)
    with torch.no_grad():
        terms = classification_loss(model, some)
        images = model.backbone.preprocess(torch.from_numpy(some.crops).permute(0, 3, 1, 2))
        answers = [logits.log_softmax(dim=1) for logits in model.forward_auxiliary(images)]
    losses = [-(answer[0, 3] + answer[1, 0]) / 2 for answer in answers]
    torch.testing.assert_close(terms["class"], losses[0])
    torch.testing.assert_close(terms["loss"], losses[0] + 0.3 * losses[1] + 0.3 * losses[2])
    right = sum(int(answers[0][row].argmax()) == target for row, target in enumerate([3, 0])) / 2
    assert terms["accuracy"].item() == right


def test_without_side_classifiers_the_loss_is_the_main_one(rng):
    some = batch([1], rng)
    with torch.no_grad():
        terms = classification_loss(GoogLeNet(2).eval(), some)
    assert terms["loss"] is terms["class"]


def test_an_earlier_classifier_gives_what_fits():
    torch.manual_seed(0)
    earlier = SavedClassifier("earlier", GoogLeNet(3, auxiliary=True), ("a", "b", "c"))
    same, new = new_classifier(earlier, ("a", "b", "c"), auxiliary=True)
    assert not new
    for name, tensor in earlier.model.state_dict().items():
        assert torch.equal(same.state_dict()[name], tensor)
    other, new = new_classifier(earlier, ("a", "b", "d"), auxiliary=False)
    assert new == {"classifier.weight", "classifier.bias"}
    assert torch.equal(
        other.state_dict()["box_head.inception_5b.conv1x1.weight"], earlier.model.box_head.inception_5b.conv1x1.weight
    )
    assert not torch.equal(other.state_dict()["classifier.weight"], earlier.model.classifier.weight)
    assert new_classifier(None, ("a", "b"), auxiliary=True)[1] == frozenset()


@pytest.mark.parametrize(
    ("freeze", "first"),
    [
        ("none", "backbone.conv1"),
        ("conv1", "backbone.conv2"),
        ("stem", "backbone.inception_4a"),
        ("backbone", "box_head."),
    ],
)
def test_what_learns_and_how_fast(freeze, first):
    model = GoogLeNet(2)
    groups = parameter_groups(model, freeze, {"classifier.weight", "classifier.bias"}, 0.1)
    learning = [name for name, each in model.named_parameters() if each.requires_grad]
    assert learning[0].startswith(first)
    rates = {id(each): (group["scale"], group["weight_decay"]) for group in groups for each in group["params"]}
    assert len(rates) == len(learning)
    for name, each in model.named_parameters():
        if not each.requires_grad:
            assert id(each) not in rates
            continue
        decay = 0.0 if name.endswith("bias") else 0.1
        assert rates[id(each)] == (NEW_RATE if name.startswith("classifier") else 1.0, decay)


def test_an_unknown_part_to_freeze_is_named():
    with pytest.raises(UsageError, match="stem"):
        parameter_groups(GoogLeNet(2), "stern", (), 0.1)


def test_the_parts_of_two_processes_add_up_to_the_loss_of_one(rng, monkeypatch):
    monkeypatch.setattr(classification, "autocast", lambda device: torch.autocast("cpu", enabled=False))
    torch.manual_seed(0)
    model, whole = GoogLeNet(4).eval(), batch([3, 0, 1], rng)
    with torch.no_grad():
        expected = classification_loss(model, whole)
        monkeypatch.setattr(classification, "totals", lambda count: [3])
        shares = [
            classification_loss(model, CropBatch(whole.files[part], whole.crops[part], whole.targets[part]))
            for part in (slice(0, None, 2), slice(1, None, 2))
        ]
    for name, term in expected.items():
        torch.testing.assert_close(shares[0][name] + shares[1][name], term)


@pytest.mark.parametrize("auxiliary", [True, False])
def test_the_loss_is_on_the_device_of_the_network(rng, auxiliary, monkeypatch):
    """On a device without memory: a tensor made on the CPU would not go with the others."""
    monkeypatch.setattr(classification, "autocast", lambda device: torch.autocast("cpu", enabled=False))
    terms = classification_loss(GoogLeNet(4, auxiliary).to("meta"), batch([3, 0], rng))
    assert {(term.device.type, term.dtype) for term in terms.values()} == {("meta", torch.float32)}
