"""`train svm` and `train boxes` from end to end: the folder they write is a detector like any other."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.records import GroundTruth
from inception_rcnn.data.stores.feature_store import RegionFeatures
from inception_rcnn.detector import RCNN
from inception_rcnn.detector.box_predictor import BoxPredictor
from inception_rcnn.detector.cli import app as cli
from inception_rcnn.detector.config import DetectorConfig, read_config
from inception_rcnn.detector.linear import training as linear_training
from inception_rcnn.detector.linear.classifiers import LinearClassifiers
from inception_rcnn.detector.linear.ridge import BoxRegressor
from inception_rcnn.detector.linear.training import (
    LinearOptions,
    detections,
    set_classifiers,
    set_regressors,
    train_boxes,
    train_svm,
)
from inception_rcnn.detector.model_folders import load_network, save_network
from inception_rcnn.detector.network import RegionNetwork
from inception_rcnn.proposals.common.box_coding import DELTA_STD

pytestmark = pytest.mark.usefixtures("small_maps")

METHOD = "selective-search:single"
OPTIONS = LinearOptions(proposals=METHOD, regions=20, validation_images=2, device="cpu")

WIDTH = 1024 + 64 * 5 * 5  # features of a region


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _home(home, monkeypatch):
    monkeypatch.setenv("INCEPTION_RCNN_HOME", str(home))


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """Three images, each with a bright square and a dark one on a gray ground."""
    folder, rng, truths = tmp_path_factory.mktemp("squares"), np.random.default_rng(0), []
    for number in range(3):
        image = rng.integers(90, 130, (100, 150, 3), dtype=np.uint8)
        x, y = rng.integers(5, 25, 2)
        image[y : y + 50, x : x + 40] += 110
        image[y + 10 : y + 60, x + 70 : x + 110] -= 80
        (folder / f"{number}.png").write_bytes(encode_image(image, ".png"))
        boxes = as_boxes([[x, y, x + 40, y + 50], [x + 70, y + 10, x + 110, y + 60]])
        truths.append(GroundTruth(f"{number}.png", 150, 100, boxes, ["bright", "dark"], [False] * 2))
    return Dataset("squares", ("bright", "dark"), tuple(truths), folder)


@pytest.fixture(scope="module")
def beginner(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beginner")
    torch.manual_seed(0)
    config = DetectorConfig(("bright", "dark"), modes=("shared", "crops"), score=0.0)
    save_network(folder, RegionNetwork(2, config.modes), config)
    return folder


def test_classifiers_become_a_heads_logits_and_regressors_its_deltas(rng):
    head = BoxPredictor(2, 5).eval()
    features = rng.random((5, WIDTH)).astype(np.float32)
    classifiers = LinearClassifiers(rng.normal(size=(2, WIDTH)), rng.normal(size=2))
    sigmoids = np.array([[2.0, -1.0], [0.5, 3.0]])
    set_classifiers(head, classifiers, 0.3, sigmoids)
    layout = head.deltas.in_features
    regressors = [BoxRegressor(rng.normal(size=(4, layout)), rng.normal(size=4), 7) for _ in range(2)]
    set_regressors(head, regressors, 0.2)
    with torch.no_grad():
        logits, deltas = head.predict(torch.from_numpy(features))
    expected = classifiers.margins(0.3 * features) * sigmoids[:, 0] + sigmoids[:, 1]
    np.testing.assert_allclose(logits[:, 1:].numpy(), expected, rtol=1e-4, atol=1e-3)
    assert not logits[:, 0].any()
    for number, each in enumerate(regressors):
        expected = (0.2 * features[:, -layout:] @ each.weights.T + each.biases) / DELTA_STD
        np.testing.assert_allclose(deltas[:, number].numpy(), expected, rtol=1e-4, atol=1e-2)


@pytest.mark.slow
def test_svms_take_the_place_of_the_softmax(squares, beginner, tmp_path):
    lines = []
    train_svm(squares, squares, str(beginner), tmp_path / "out", OPTIONS, lines.append)
    told = [line.split(":")[0] for line in lines if "mAP" in line]
    assert told == ["before", "mined", "ridge"]
    assert ["against before" in line for line in lines if "mAP" in line] == [False, True, True]
    network, config = load_network(tmp_path / "out")
    assert (config.scores, config.modes, config.regions, config.proposals) == ("sigmoid", ("shared",), 20, METHOD)
    before = load_network(beginner)[0]
    torch.testing.assert_close(network.backbone.conv2.weight, before.backbone.conv2.weight)
    torch.testing.assert_close(
        network.box_predictors["shared"].deltas.weight, before.box_predictors["shared"].deltas.weight
    )
    assert not network.box_predictors["shared"].classifier.weight[0].any()
    model = RCNN.from_pretrained(tmp_path / "out", device="cpu")
    stages = model.forward([squares.read(squares.images[0])], [model.propose])[0][1]
    assert ((stages.probabilities >= 0) & (stages.probabilities <= 1)).all()


@pytest.mark.slow
def test_what_is_judged_from_features_is_what_detect_finds(squares, beginner, tmp_path, monkeypatch):
    """In float32 on both sides; only the half precision of the stored features is between them."""
    kept = {}
    real = linear_training.detections

    def remember(head, config, data, store):
        kept[config.scores] = real(head, config, data, store)
        return kept[config.scores]

    monkeypatch.setattr(linear_training, "detections", remember)
    train_svm(squares, squares, str(beginner), tmp_path / "out", replace(OPTIONS, solver="ridge"))
    model = RCNN.from_pretrained(tmp_path / "out", device="cpu").with_options(score=linear_training.LOWEST_SCORE)
    for image in kept["sigmoid"]:
        (truth,) = (each for each in squares.images if each.file == image.file)
        found = model.detect(squares.read(truth))
        assert abs(len(found) - len(image.detections)) <= 2
        for here, there in ((found, image.detections), (image.detections, found)):
            # By their boxes: which of two nearly equal scores comes first is for rounding to say.
            apart = np.abs(here.boxes[:2, None] - there.boxes).max(axis=2)
            apart[here.labels[:2, None] != there.labels] = np.inf
            same = there[apart.argmin(axis=1)]
            np.testing.assert_allclose(here.scores[:2], same.scores, atol=0.05)
            np.testing.assert_allclose(here.boxes[:2], same.boxes, atol=0.5)


@pytest.mark.slow
def test_other_classes_than_the_models_can_be_learnt(squares, beginner, tmp_path):
    options = LinearOptions(("dark",), None, METHOD, 20, device="cpu")
    train_svm(squares, None, str(beginner), tmp_path / "out", replace(options, solver="ridge"))
    network, config = load_network(tmp_path / "out")
    assert config.classes == ("dark",)
    assert not config.box_deltas
    assert not network.box_predictors["shared"].deltas.weight.any()


def test_regressors_take_the_place_of_the_deltas(squares, beginner, tmp_path):
    lines = []
    train_boxes(squares, squares, str(beginner), tmp_path / "out", OPTIONS, report=lines.append)
    assert [line.split(":")[0] for line in lines if "mAP" in line] == ["before", "ridge", "no regression"]
    assert any(line.startswith("pairs of a proposal and its object: bright") for line in lines)
    network, config = load_network(tmp_path / "out")
    before = load_network(beginner)[0].box_predictors["shared"]
    torch.testing.assert_close(network.box_predictors["shared"].classifier.weight, before.classifier.weight)
    assert (network.box_predictors["shared"].deltas.weight - before.deltas.weight).abs().max() > 0
    assert config.scores == "softmax"
    assert len(RCNN.from_pretrained(tmp_path / "out", device="cpu").detect(squares.read(squares.images[0])))


def test_the_model_that_is_started_from_is_never_overwritten(squares, beginner):
    with pytest.raises(UsageError, match="choose another --out"):
        train_svm(squares, None, str(beginner), beginner, OPTIONS)


@pytest.mark.slow
def test_images_without_objects_or_of_unknown_size(squares, beginner, tmp_path):
    nothing = replace(squares, images=tuple(truth[:0] for truth in squares.images))
    with pytest.raises(UsageError, match="no object to validate on, of bright, dark"):
        train_boxes(squares, nothing, str(beginner), tmp_path / "out", OPTIONS)
    unknown = replace(squares, images=tuple(replace(truth, width=0, height=0) for truth in squares.images))
    told = []
    for name, validation in (("a", squares), ("b", unknown)):  # boxes are cut to the image, whether its size is stated
        train_boxes(squares, validation, str(beginner), tmp_path / name, OPTIONS, report=told.append)
    before = [line for line in told if line.startswith("before: mAP")]
    assert len(before) == 2
    assert before[0] == before[1] != "before: mAP 0.0000"


def test_what_does_not_exist_is_refused(squares, beginner, tmp_path):
    with pytest.raises(UsageError, match="unknown --solver 'sgd'; known: mined, ridge"):
        LinearOptions(solver="sgd")
    options = LinearOptions(("cow",), None, METHOD, 20, device="cpu")
    both = replace(OPTIONS, mode="both")
    with pytest.raises(UsageError, match="--mode says whose features to learn from"):
        train_boxes(squares, None, str(beginner), tmp_path / "model", both)
    with pytest.raises(UsageError, match="no object to learn from, of cow"):
        train_svm(squares, None, str(beginner), tmp_path / "out", options)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"scores": "hinge"}, "scores is 'hinge', need one of softmax, sigmoid"), ({"members": 2}, "need softmax scores")],
)
def test_scores_that_cannot_be_are_refused(changes, message, tmp_path):
    content = {**json.loads(DetectorConfig(("cat",), scores="sigmoid").to_json()), **changes}
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=message):
        read_config(tmp_path / "config.json")


@pytest.mark.parametrize("verb", ["svm", "boxes"])
def test_the_commands_explain_themselves(verb):
    shown = CliRunner().invoke(cli.app, ["train", verb, "--help"])
    assert shown.exit_code == 0
    assert "--features" in shown.stdout


def test_sure_scores_stay_apart_up_to_the_detections(monkeypatch):
    """In float32 the sigmoids of margins of 20 and 21 are both 1."""
    head = BoxPredictor(1, 5).eval()
    boxes = as_boxes([[0, 0, 20, 20], [40, 40, 80, 80], [50, 0, 90, 30]])
    logits = torch.tensor([[0.0, 20.0], [0.0, 22.0], [0.0, 21.0]])
    monkeypatch.setattr(head, "predict", lambda pooled: (logits, torch.zeros(3, 1, 4)))
    config = DetectorConfig(("cat",), scores="sigmoid", box_deltas=False)
    truth = GroundTruth("a.png", 100, 100, as_boxes([]), [], [])
    regions = RegionFeatures("a.png", 0, boxes, np.zeros((3, WIDTH), np.float16))
    (image,) = detections(head, config, Dataset("one", ("cat",), (truth,), Path()), [regions])
    assert image.detections.boxes.tolist() == boxes[[1, 2, 0]].tolist()
    assert len(set(image.detections.scores.tolist())) == 3


def test_several_processes_are_refused(squares, beginner, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="start them without torchrun"):
        train_svm(squares, None, str(beginner), tmp_path / "out", OPTIONS)
