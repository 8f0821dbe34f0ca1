import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from inception_rcnn.backbone.features.shared_maps import SharedMaps
from inception_rcnn.backbone.training.recipe import Recipe
from inception_rcnn.backbone.training.run import Run
from inception_rcnn.backbone.weights import read_weights
from inception_rcnn.data.boxes import as_boxes, box_iou
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.images.decoding import encode_image, read_image
from inception_rcnn.data.records import GroundTruth
from inception_rcnn.detector import RCNN
from inception_rcnn.detector.config import DetectorConfig, read_config
from inception_rcnn.detector.model_folders import MULTIBOX, WEIGHTS, load_multibox, save_network
from inception_rcnn.detector.network import RegionNetwork
from inception_rcnn.detector.training import multibox_training
from inception_rcnn.detector.training.multibox_training import MultiBoxOptions, train_multibox

pytestmark = pytest.mark.usefixtures("small_maps")

OPTIONS = MultiBoxOptions(priors="4", images=1, device="cpu")


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """Three images with a bright square each, so large that one small map is enough for it."""
    folder, rng, truths = tmp_path_factory.mktemp("squares"), np.random.default_rng(0), []
    for i in range(3):
        image = rng.integers(0, 40, (120, 160, 3), dtype=np.uint8)
        x, y = 10 + 12 * i, 5 + 6 * i
        image[y : y + 90, x : x + 110] += 200
        (folder / f"{i}.png").write_bytes(encode_image(image, ".png"))
        truths.append(GroundTruth(f"{i}.png", 160, 120, as_boxes([[x, y, x + 110, y + 90]]), ["square"], [False]))
    return Dataset("squares", ("square",), tuple(truths), folder)


@pytest.fixture(scope="module")
def beginner(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beginner")
    torch.manual_seed(0)
    save_network(folder, RegionNetwork(1, ("shared",)), DetectorConfig(("square",)))
    return folder


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("INCEPTION_RCNN_HOME", str(tmp_path_factory.getbasetemp() / "home"))


@pytest.fixture(scope="module")
def trained(squares, beginner, tmp_path_factory):
    """The folder that a short training leaves, its state and what it told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INCEPTION_RCNN_HOME", str(tmp_path_factory.getbasetemp() / "home"))
        out, lines = tmp_path_factory.mktemp("trained") / "out", []
        recipe = Recipe(steps=4, warmup=1, learning_rate=0.001, checkpoint_every=2)
        state = train_multibox(squares, None, str(beginner), OPTIONS, Run(recipe, out, report=lines.append))
    return out, state, lines, recipe


def test_the_folder_is_the_detector_with_a_multibox(trained, beginner):
    out, state, lines, _ = trained
    assert state.step == 4
    assert any("selective-search:googlenet" in line or "found in" in line for line in lines)
    before = read_config(beginner / "config.json")
    assert read_config(out / "config.json") == replace(before, proposals="mix", regions=64)
    assert (out / WEIGHTS).read_bytes() == (beginner / WEIGHTS).read_bytes()
    row = json.loads((out / "log.jsonl").read_text().splitlines()[0])
    assert {"loss", "location", "confidence", "iou"} <= row.keys()


def test_the_priors_are_those_of_the_data_and_the_head_has_learnt(trained):
    head = load_multibox(trained[0], "cpu").head
    large = as_boxes([[10, 5, 120, 95], [34, 17, 144, 107]]) / [160, 120, 160, 120]
    assert (box_iou(head.priors.double().numpy(), large).max(axis=0) > 0.8).all()
    assert len(head.priors) == 4
    assert head.outputs.bias[0] != -3  # where a new one begins


def test_the_detector_can_ask_it_and_both_see_the_same_maps(trained, squares):
    model = RCNN.from_pretrained(trained[0], device="cpu").with_options(proposals="mix", regions=20)
    looks = []
    model.network.backbone.register_forward_hook(lambda backbone, inputs, output: looks.append(tuple(inputs[0].shape)))
    maps = SharedMaps(model.network.backbone, read_image(squares.path(squares.images[0])), model.config.short_sides)
    found = model.propose(maps)
    searched = {tuple(box) for box in model.proposer.search(maps.image).boxes}
    assert {tuple(box) for box in found.boxes} - searched  # MultiBox's own are among them
    assert (np.diff(found.scores) <= 0).all()
    model.score([(maps, found[:20])])
    assert 0 < len(looks) == len(set(looks)) <= 3


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(trained, squares, beginner, tmp_path, monkeypatch):
    out, _, _, recipe = trained
    calls = []

    def stopped(*arguments):
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return multibox_loss(*arguments)

    multibox_loss = multibox_training.multibox_loss
    with monkeypatch.context() as patch:
        patch.setattr(multibox_training, "multibox_loss", stopped)
        with pytest.raises(KeyboardInterrupt):
            train_multibox(squares, None, str(beginner), OPTIONS, Run(recipe, tmp_path))
    assert not (tmp_path / MULTIBOX).exists()
    assert not (tmp_path / "config.json").exists()  # one that was killed before its first checkpoint starts anew
    with pytest.raises(UsageError, match="--resume"):
        train_multibox(squares, None, str(beginner), OPTIONS, Run(recipe, tmp_path))
    assert train_multibox(squares, None, str(beginner), OPTIONS, Run(recipe, tmp_path, resume=True)).step == 4
    expected = read_weights(out / MULTIBOX)
    for name, tensor in read_weights(tmp_path / MULTIBOX).items():
        torch.testing.assert_close(tensor, expected[name])


def test_validation_is_the_recall_of_its_boxes_and_keeps_the_best(squares, beginner, tmp_path):
    options = MultiBoxOptions(priors="4", images=1, validation_images=2, device="cpu")
    recipe = Recipe(steps=2, warmup=1, learning_rate=1e-6, validate_every=1)
    state = train_multibox(squares, squares, str(beginner), options, Run(recipe, tmp_path))
    assert 0.3 < state.best <= 1  # the priors alone lie well
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert state.best in [value for row in rows for value in row.values()]
    assert (tmp_path / MULTIBOX).exists()


@pytest.mark.parametrize(
    ("priors", "error", "words"),
    [
        ("nowhere.txt", DataError, r"nowhere\.txt: there is no such file of priors"),
        ("7", DataError, "squares has 6 different objects.* too few for 7 priors"),
        ("0", UsageError, "at least 1"),
    ],
)
def test_priors_that_cannot_be_had_are_refused_before_anything_is_written(
    priors, error, words, squares, beginner, tmp_path
):
    with pytest.raises(error, match=words):
        train_multibox(squares, None, str(beginner), MultiBoxOptions(priors=priors), Run(Recipe(), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_priors_may_come_from_a_file(squares, beginner, tmp_path):
    path = tmp_path / "priors.txt"
    path.write_text("".join(f"0.1 {number}\n" for number in (0.125, 0.125, 0.875, 0.875)))
    options = MultiBoxOptions(priors=str(path), images=1, device="cpu")
    train_multibox(squares, None, str(beginner), options, Run(Recipe(steps=1, warmup=1), tmp_path / "out"))
    assert load_multibox(tmp_path / "out", "cpu").head.priors.tolist() == [[0.125, 0.125, 0.875, 0.875]]


def test_a_multibox_of_another_backbone_is_refused(trained, tmp_path):
    torch.manual_seed(5)
    save_network(tmp_path, RegionNetwork(1, ("shared",)), DetectorConfig(("square",)))
    shutil.copy(trained[0] / MULTIBOX, tmp_path)
    with pytest.raises(DataError, match="was trained on another backbone"):
        load_multibox(tmp_path, "cpu")
    model = RCNN.from_pretrained(tmp_path, device="cpu")  # which is fine as long as it does not ask
    with pytest.raises(DataError, match="was trained on another backbone"):
        model.with_options(proposals="mix")
