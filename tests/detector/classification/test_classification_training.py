import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from cut_objects import cut_objects

from inception_rcnn.backbone.classification.model_folder import read_classifier, save_classifier
from inception_rcnn.backbone.googlenet import GoogLeNet
from inception_rcnn.backbone.training.recipe import Recipe, rate_at
from inception_rcnn.backbone.training.run import Run
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.formats.specs import open_dataset
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.detector.classification import training as classifier_training
from inception_rcnn.detector.classification.testing import classify, open_labelled
from inception_rcnn.detector.classification.training import ClassifierOptions, paper_schedule, train_classifier
from inception_rcnn.detector.cli import app as cli
from inception_rcnn.detector.config import DetectorConfig, read_config
from inception_rcnn.detector.model_folders import initial_network

RECIPE = Recipe(
    steps=4, learning_rate=0.001, warmup=1, optimizer="sgd", schedule="step", checkpoint_every=2, validate_every=2
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Dark and bright images."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 150)):
        (folder / name).mkdir()
        for place in range(3):
            image = rng.integers(low, low + 100, (30, 40, 3), dtype=np.uint8)
            (folder / name / f"{place}.png").write_bytes(encode_image(image, ".png"))
    return folder


def run(data, out, *, init=None, options=None, validated=True, **settings):
    options = options or ClassifierOptions(crops=2, auxiliary=False, device="cpu")
    lines = []
    images = open_labelled(data)
    train_classifier(
        images, images if validated else None, init, options, Run(RECIPE, out, report=lines.append, **settings)
    )
    return lines


class StoppedError(Exception):
    pass


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_weights(data, tmp_path, monkeypatch):
    options = ClassifierOptions(crops=2, device="cpu")  # with dropout and both side classifiers
    run(data, tmp_path / "whole", options=options, validated=False)
    made = classifier_training.ClassificationBatches.__call__

    def stopping(batches, step):
        if step == 3:
            raise StoppedError
        return made(batches, step)

    with monkeypatch.context() as patch:
        patch.setattr(classifier_training.ClassificationBatches, "__call__", stopping)
        with pytest.raises(StoppedError):
            run(data, tmp_path / "stopped", options=options, validated=False)
    run(data, tmp_path / "stopped", options=options, validated=False, resume=True)
    whole, stopped = (torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("whole", "stopped"))
    for part in ("model", "ema"):
        assert any(name.startswith("auxiliary") for name in whole[part])
        for name, tensor in whole[part].items():
            assert torch.equal(tensor, stopped[part][name]), name
    losses = [
        [json.loads(line).get("loss") for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("whole", "stopped")
    ]
    assert losses[0] == losses[1]


@pytest.mark.slow
def test_the_folder_is_what_classify_and_finetune_take(data, tmp_path):
    lines = run(data, tmp_path / "net")
    assert "6 images of 2 classes, from 3 of dark to 3 of dark" in lines[0]
    saved = read_classifier(tmp_path / "net")
    assert saved.classes == ("dark", "light")
    about = json.loads((tmp_path / "net" / "config.json").read_text())["trained_with"]
    assert about["recipe"]["decay"] == 0.96
    assert about["options"]["crops"] == 2
    assert len(classify([tmp_path / "net"], data, 1, "cpu")) == 6
    with pytest.raises(DataError, match="is a classifier, which finds no boxes"):
        read_config(tmp_path / "net" / "config.json")
    for init in (tmp_path / "net", tmp_path / "net" / "model.safetensors"):
        network, config = initial_network(str(init), DetectorConfig(("cat",), modes=("crops",)), keep_modes=False)
        assert config.modes == ("crops",)
        for name, tensor in saved.model.backbone.state_dict().items():
            assert torch.equal(network.backbone.state_dict()[name], tensor)
        for name, tensor in saved.model.box_head.state_dict().items():
            assert torch.equal(network.box_heads["crops"].state_dict()[name], tensor)


@pytest.mark.slow
def test_a_start_from_earlier_weights_keeps_what_is_frozen(data, tmp_path):
    torch.manual_seed(5)
    earlier = GoogLeNet(7)
    save_classifier(tmp_path / "earlier", earlier, tuple("abcdefg"), {})
    options = ClassifierOptions(crops=2, freeze="backbone", balanced=True, device="cpu")
    lines = run(data, tmp_path / "net", init=str(tmp_path / "earlier"), options=options)
    assert "shown equally often" in lines[0]
    kept = torch.load(tmp_path / "net" / "last.ckpt", weights_only=True)["model"]
    assert not any(name.startswith("auxiliary") for name in kept)  # nothing is left for them to teach
    for name, tensor in earlier.state_dict().items():
        same = torch.equal(kept[name], tensor.half().float()) if kept[name].shape == tensor.shape else False
        assert same == name.startswith("backbone."), name


def test_the_rate_falls_by_four_percent_every_eight_epochs():
    recipe = paper_schedule(Recipe(learning_rate=0.01, warmup=0, schedule="step", steps=9000), images=640, crops=32)
    assert [rate_at(epoch * 20, recipe) for epoch in (0, 7, 8, 16)] == pytest.approx(
        [0.01, 0.01, 0.0096, 0.01 * 0.96**2]
    )
    cosine = Recipe(schedule="cosine")
    assert paper_schedule(cosine, 640, 32) is cosine


def test_data_that_teaches_nothing_is_refused(data, tmp_path):
    (tmp_path / "one" / "dark").mkdir(parents=True)
    (tmp_path / "one" / "dark" / "1.png").write_bytes((data / "dark" / "0.png").read_bytes())
    with pytest.raises(UsageError, match="nothing to classify"):
        run(tmp_path / "one", tmp_path / "net")
    with pytest.raises(UsageError, match="--crops 0"):
        run(data, tmp_path / "net", options=ClassifierOptions(crops=0))
    empty = replace(open_labelled(data), files=(), targets=np.zeros(0, dtype=np.int64))
    with pytest.raises(UsageError, match="no images to learn from"):
        train_classifier(empty, None, None, ClassifierOptions(), Run(RECIPE, tmp_path / "net"))
    with pytest.raises(UsageError, match="nothing to resume"):
        run(data, tmp_path / "net", resume=True)
    (tmp_path / "other" / "grey").mkdir(parents=True)
    (tmp_path / "other" / "grey" / "1.png").write_bytes((data / "dark" / "0.png").read_bytes())
    with pytest.raises(DataError, match="'grey'"):
        train_classifier(
            open_labelled(data),
            open_labelled(tmp_path / "other"),
            None,
            ClassifierOptions(crops=2, device="cpu"),
            Run(RECIPE, tmp_path / "net"),
        )
    assert not (tmp_path / "net").exists()


def test_the_commands_train_and_test(data, tmp_path, monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["inception-rcnn", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code, *capsys.readouterr()

    net = tmp_path / "net"
    code, out, err = call(
        "train", "classifier", "--data", data, "--out", net, "--steps", 2, "--crops", 2, "--device", "cpu"
    )
    assert (code, out) == (0, "")
    assert "inception-rcnn classify" in err
    code, out, _ = call("classify", "--model", net, "--data", data, "--json", tmp_path / "r.json", "--device", "cpu")
    assert code == 0
    assert out.startswith("6 images of 2 classes: top-1")
    assert json.loads((tmp_path / "r.json").read_text())["images"] == 6
    code, out, err = call("classify", "--model", net, "--data", data, "--crops", 7)
    assert (code, out) == (2, "")
    assert err.startswith("error: --crops 7")


@pytest.mark.shared
def test_objects_of_a_data_set_are_cut_out_with_context(shared, tmp_path):
    blood = open_dataset(f"voc:{shared / 'data' / 'BCCD'}:test")
    counts = cut_objects(blood, tmp_path, limit=5)
    assert counts == {"RBC": 5, "WBC": 5, "Platelets": 5}
    assert open_labelled(tmp_path).classes == ("Platelets", "RBC", "WBC")
