import json

import pytest
import torch
from test_backbone_bvlc import under_caffes_names

from inception_rcnn.backbone.classification.model_folder import (
    classifier_of,
    is_classifier_folder,
    read_classifier,
    save_classifier,
)
from inception_rcnn.backbone.googlenet import GoogLeNet
from inception_rcnn.backbone.weights import save_weights
from inception_rcnn.data.errors import DataError


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return GoogLeNet(3, auxiliary=True)


@pytest.fixture
def folder(tmp_path, model):
    save_classifier(tmp_path / "c", model, ("a", "b", "c\nd"), {"steps": 3})
    return tmp_path / "c"


def test_a_classifier_comes_back_in_half_precision_without_side_classifiers(folder, model):
    saved = read_classifier(folder)
    assert saved.classes == ("a", "b", "c\nd")
    assert not saved.model.training
    expected = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("auxiliary")}
    assert saved.model.state_dict().keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(saved.model.state_dict()[name], tensor.half().float(), rtol=0, atol=0)
    assert json.loads((folder / "config.json").read_text())["trained_with"] == {"steps": 3}


def test_files_of_weights_are_told_by_their_names(model, folder):
    for tensors in (under_caffes_names(model), model.state_dict()):
        found = classifier_of(dict(tensors), "test")
        assert type(found) is GoogLeNet
        assert found.classifier.out_features == 3
    assert read_classifier(folder / "model.safetensors").classes == ()


def test_weights_of_something_else_are_refused(tmp_path):
    save_weights(tmp_path / "x.safetensors", {"layer1.weight": torch.zeros(2)}, {})
    with pytest.raises(DataError, match=r"x\.safetensors holds neither"):
        read_classifier(tmp_path / "x.safetensors")
    with pytest.raises(DataError, match="no such file"):
        read_classifier(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "has no config.json"),
        ("{", "not a classifier's configuration"),
        ("[]", "is no classifier"),
        ('{"format_version": 1, "classes": ["a"], "mode": "shared"}', "is no classifier"),
        ('{"format_version": 2, "kind": "classifier"}', "format_version 2"),
        ('{"kind": "classifier", "format_version": ' + "9" * 4000 + "}", "format_version 9+…;"),
        ('{"format_version": 1, "kind": "classifier", "classes": "' + "x" * 10**6 + '"}', "got 'x+…"),
        ("[" * 10**5, "not a classifier's configuration"),
        ('{"format_version": 1, "kind": "classifier", "classes": []}', "list of class names"),
        ('{"format_version": 1, "kind": "classifier", "classes": [1]}', "list of class names"),
        ('{"format_version": 1, "kind": "classifier", "classes": ["a", "b"]}', "2 classes, and .* has 3 outputs"),
    ],
)
def test_a_folder_that_is_not_as_it_should_be_is_one_sentence(folder, config, message):
    (folder / "config.json").unlink()
    if config is not None:
        (folder / "config.json").write_text(config)
    with pytest.raises(DataError, match=message):
        read_classifier(folder)


def test_it_is_known_from_a_detectors_folder(folder, tmp_path):
    assert is_classifier_folder(folder)
    assert not is_classifier_folder(tmp_path)
    (tmp_path / "config.json").write_text('{"format_version": 1, "classes": ["a"]}')
    assert not is_classifier_folder(tmp_path)
    (tmp_path / "config.json").write_bytes(b"\xff")
    assert not is_classifier_folder(tmp_path)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"classifier.bias": torch.zeros(())}, "biases have the shape"),
        ({"classifier.bias": torch.zeros(0)}, "biases have the shape"),
        ({"classifier.bias": torch.zeros(1).expand(10**12)}, "biases have the shape"),
        ({"classifier.bias": torch.zeros(2, 2)}, "biases have"),
        ({"conv1/7x7_s2.weight": torch.zeros(3)}, "missing"),
        (
            {"conv1/7x7_s2.weight": torch.zeros(3), "loss3/classifier.bias": torch.zeros(1).expand(10**12)},
            "biases have",
        ),
        ({"inception3a.branch1.conv.weight": torch.zeros(3), "fc.bias": torch.zeros(2)}, "holds neither"),
    ],
)
def test_weights_of_odd_shapes_are_one_sentence(tensors, message):
    with pytest.raises(DataError, match=message):
        classifier_of(tensors, "test")
