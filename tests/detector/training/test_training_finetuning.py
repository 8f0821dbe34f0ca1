import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from inception_rcnn.backbone.classification.model_folder import read_classifier, save_classifier
from inception_rcnn.backbone.googlenet import GoogLeNet
from inception_rcnn.backbone.training.recipe import Recipe
from inception_rcnn.backbone.training.run import Run
from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.datasets.dataset import Dataset, of_classes, require_objects
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.records import GroundTruth, Proposals
from inception_rcnn.detector import RCNN
from inception_rcnn.detector.config import DetectorConfig
from inception_rcnn.detector.model_folders import load_network, open_classifier, save_network
from inception_rcnn.detector.network import RegionNetwork
from inception_rcnn.detector.training.finetuning import HEAD_RATE, FinetuneOptions, finetune, parameter_groups
from inception_rcnn.detector.training.presets import changed_preset

pytestmark = pytest.mark.usefixtures("small_maps")


@pytest.mark.parametrize(
    ("freeze", "first"),
    [("none", "conv1"), ("conv1", "conv2_reduce"), ("stem", "inception_4a"), ("backbone", None), ("trunk", None)],
)
def test_rates_and_what_stays_as_it_is(freeze, first):
    network = RegionNetwork(2, ("shared", "crops"))
    groups = parameter_groups(network, FinetuneOptions(freeze=freeze), weight_decay=0.5)
    learning = {id(each): group for group in groups for each in group["params"]}
    assert all((id(each) in learning) == each.requires_grad for each in network.parameters())
    of_backbone = [name for name, each in network.backbone.named_parameters() if each.requires_grad]
    assert next((name.split(".")[0] for name in of_backbone), None) == first
    last = [each.requires_grad for each in network.backbone.inception_4e.parameters()]
    assert all(last) if first else not any(last)
    assert not any(each.requires_grad for each in network.box_heads["crops"].parameters())
    box_head, head = network.box_heads["shared"].inception_5a.conv1x1, network.box_predictors["shared"].classifier
    settings = [
        (learning[id(each)]["scale"], learning[id(each)]["weight_decay"])
        for each in (box_head.weight, box_head.bias, head.weight, head.bias)
    ]
    assert settings == [(1, 0.5), (1, 0), (HEAD_RATE, 0.5), (HEAD_RATE, 0)]


def test_rates_may_be_others_and_what_is_not_learnt_stays_as_it_is():
    network = RegionNetwork(2, ("shared",))
    options = FinetuneOptions(freeze="none", head_rate=10.0, bias_rate=2.0, box_deltas=False)
    learning = {id(each): group for group in parameter_groups(network, options, 0.5) for each in group["params"]}
    box_head, head = network.box_heads["shared"].inception_5a.conv1x1, network.box_predictors["shared"]
    scales = [learning[id(each)]["scale"] for each in (box_head.weight, box_head.bias, head.classifier.weight)]
    assert scales == [1, 2, 10]
    assert learning[id(head.classifier.bias)]["scale"] == 20  # R-CNN's 20x
    assert not any(id(each) in learning or each.requires_grad for each in head.deltas.parameters())


@pytest.mark.parametrize("mode", ["shared", "crops"])
def test_what_two_modes_can_share_stays_as_it_is(mode):
    network = RegionNetwork(2, ("shared", "crops"), class_of=(1, 2, 0))
    parameter_groups(network, FinetuneOptions(mode=mode, freeze="5a"), weight_decay=0.5)
    learning = {".".join(name.split(".")[:3]) for name, each in network.named_parameters() if each.requires_grad}
    head = f"box_predictors.{mode}"
    assert learning == {f"box_heads.{mode}.inception_5b", f"{head}.reduce", f"{head}.classifier", f"{head}.deltas"}


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """Eight images, each with a bright square on a dark ground: easy enough for a few steps."""
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


@pytest.mark.parametrize(
    ("mode", "validated"), [pytest.param("shared", True, marks=pytest.mark.slow), ("crops", False)]
)
def test_training_runs_from_end_to_end(mode, validated, squares, beginner, tmp_path, monkeypatch):
    monkeypatch.setenv("INCEPTION_RCNN_HOME", str(tmp_path / "home"))
    lines = []
    method = "selective-search:single"
    options = FinetuneOptions((), mode, "backbone", method, images=1, regions=4, validation_images=2, device="cpu")
    recipe = Recipe(steps=3, warmup=1, validate_every=3)
    validation = squares if validated else None  # in crops mode it would take half a minute
    state = finetune(squares, validation, str(beginner), options, Run(recipe, tmp_path / "out", report=lines.append))
    assert state.step == 3
    assert (0 <= state.best <= 1) == validated
    network, config = load_network(tmp_path / "out")
    assert (config.classes, config.mode, config.modes) == (("square",), mode, (mode,))
    assert config.proposals == method
    before = load_network(beginner)[0]
    torch.testing.assert_close(network.backbone.conv2.weight, before.backbone.conv2.weight)
    learnt = network.box_heads[mode].inception_5b.conv1x1.weight, before.box_heads[mode].inception_5b.conv1x1.weight
    assert not torch.equal(*learnt)
    assert any("foreground" in line and "cover" in line for line in lines)
    rows = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert rows[0]["step"] == 3
    assert {"loss", "class", "box", "accuracy"} <= rows[0].keys()
    assert [row["score"] for row in rows if "score" in row] == ([round(state.best, 5)] if validated else [])
    if validated:
        (tmp_path / "out" / "model.safetensors").unlink()
        with pytest.raises(DataError, match=r"its run is done and its model\.safetensors is gone"):
            finetune(squares, validation, str(beginner), options, Run(recipe, tmp_path / "out", resume=True))


def test_regions_of_all_images_without_box_deltas(squares, beginner, tmp_path, monkeypatch):
    monkeypatch.setenv("INCEPTION_RCNN_HOME", str(tmp_path / "home"))
    lines = []
    changes = {"proposals": "selective-search:single", "foreground": 1, "background": 3, "steps": 2, "device": "cpu"}
    preset = changed_preset("entry", changes)
    finetune(squares, None, str(beginner), preset.options, Run(preset.recipe, tmp_path / "out", report=lines.append))
    assert any("1 + 3 regions of all images a step, without box deltas" in line and "sgd" in line for line in lines)
    rows = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert "box" not in rows[0]
    model = RCNN.from_pretrained(tmp_path / "out", device="cpu").with_options(score=0.0)
    assert not model.config.box_deltas
    image = squares.read(squares.images[0])
    proposals = Proposals(as_boxes([[3, 5, 40, 60], [20, 30, 100, 90]]), [0.9, 0.8])
    np.testing.assert_array_equal(model.forward([image], [lambda maps: proposals])[0][1].boxes[:, 0], proposals.boxes)
    moved = model.with_options(box_deltas=True).forward([image], [lambda maps: proposals])[0][1].boxes[:, 0]
    assert not np.array_equal(moved, proposals.boxes)


def test_of_the_proposals_of_an_image_only_the_best_are_sampled(squares, beginner, tmp_path, monkeypatch):
    monkeypatch.setenv("INCEPTION_RCNN_HOME", str(tmp_path / "home"))
    lines = []
    method = "selective-search:single"
    options = FinetuneOptions((), "shared", "backbone", method, best_proposals=7, images=1, regions=4, device="cpu")
    finetune(squares, None, str(beginner), options, Run(Recipe(steps=1), tmp_path / "out", report=lines.append))
    assert any("; 7 proposals an image cover" in line for line in lines)
    with pytest.raises(UsageError, match="--best-proposals 0: need at least 1"):
        FinetuneOptions(best_proposals=0)


def test_classes_and_parts_that_do_not_exist_are_refused(squares, beginner, tmp_path):
    with pytest.raises(UsageError, match="'circle' is not in squares"):
        finetune(squares, None, str(beginner), FinetuneOptions(classes=("circle",)), Run(Recipe(), tmp_path))
    with pytest.raises(UsageError, match="--freeze"):
        FinetuneOptions(freeze="conv7")
    with pytest.raises(UsageError, match="--sampling 'pictures'; known: images, windows"):
        FinetuneOptions(sampling="pictures")
    with pytest.raises(UsageError, match="--images 0: need at least 1"):
        FinetuneOptions(images=0)
    nothing = Dataset("nothing", (), (), tmp_path)
    with pytest.raises(UsageError, match="no objects"):
        finetune(nothing, None, str(beginner), FinetuneOptions(), Run(Recipe(), tmp_path))


@pytest.mark.parametrize(
    "changes", [{"difficult": [True]}, {"crowd": [True]}, {"ignored_classes": ("square",)}, {"labels": ["x"]}]
)
def test_a_validation_set_without_objects_to_find_is_refused_at_once(squares, beginner, tmp_path, changes):
    """Its mAP would be no number."""
    nothing = replace(squares, images=tuple(replace(truth, **changes) for truth in squares.images))
    with pytest.raises(UsageError, match="8 images of squares: no object to validate on, of square"):
        finetune(squares, nothing, str(beginner), FinetuneOptions(), Run(Recipe(), tmp_path / "out"))
    with pytest.raises(UsageError, match="squares: no object to learn from, of square"):
        finetune(nothing, None, str(beginner), FinetuneOptions(), Run(Recipe(), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_classes_that_lack_objects_are_told(squares):
    lines = []
    require_objects(squares, ("square", "cat", "dog"), "to validate on", lines.append)
    assert lines == ["squares: no object to validate on of 2 of 3 classes: cat, dog"]


@pytest.fixture
def classifier(tmp_path):
    torch.manual_seed(0)
    save_classifier(tmp_path / "classifier", GoogLeNet(4), ("brick", "ball", "sky", "coin"), {})
    (tmp_path / "subclasses.txt").write_text("brick=square\nball=disc\nsky\ncoin=disc\n")
    return tmp_path / "classifier"


def test_a_classifier_is_kept_and_knows_classes_without_boxes(squares, classifier, tmp_path, monkeypatch):
    monkeypatch.setenv("INCEPTION_RCNN_HOME", str(tmp_path / "home"))
    lines = []
    options = FinetuneOptions(
        mode="crops",
        freeze="backbone",
        proposals="selective-search:single",
        images=1,
        regions=4,
        subclasses=str(tmp_path / "subclasses.txt"),
        device="cpu",
    )
    recipe = Recipe(steps=3, warmup=1, ema=0.0)
    finetune(squares, None, str(classifier), options, Run(recipe, tmp_path / "out", report=lines.append))
    assert any("1 classes have no object here" in line for line in lines)
    network, config = load_network(tmp_path / "out")
    assert config.classes == ("disc", "square")
    assert config.subclasses == {"brick": "square", "ball": "disc", "sky": "", "coin": "disc"}
    predictor, before = network.box_predictor("crops"), read_classifier(classifier).model
    assert not predictor.classifier.weight[1].any()  # of the class without boxes
    assert predictor.classifier.weight[2].any()
    torch.testing.assert_close(network.backbone.state_dict(), before.backbone.state_dict())
    assert open_classifier(tmp_path / "out").classes == ("brick", "ball", "sky", "coin")
    model = RCNN.from_pretrained(tmp_path / "out", device="cpu").with_options(score=0.0, context=0.5)
    found = model.detect(squares.read(squares.images[0]), Proposals(as_boxes([[3, 5, 40, 60]]), [0.9]))
    assert {*found.labels.tolist()} == {"disc", "square"}

    again = FinetuneOptions(mode="crops", freeze="backbone", proposals="selective-search:single", images=1, regions=4)
    second = Run(Recipe(steps=1), tmp_path / "second")
    finetune(of_classes(squares, config.classes), None, str(tmp_path / "out"), again, second)
    assert load_network(tmp_path / "second")[1].subclasses == config.subclasses


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"freeze": "none"}, "--subclasses needs --freeze backbone"),
        ({"classes": ("square",)}, "--subclasses and --classes exclude each other"),
        ({"box_deltas": False}, "--subclasses and --no-deltas exclude each other"),
        ({"subclasses": "nowhere"}, "--subclasses nowhere: need ilsvrc, or a file"),
        ({"subclasses": "ilsvrc"}, "squares: no object to learn from"),
    ],
)
def test_a_classifier_that_cannot_be_kept_is_refused(squares, classifier, tmp_path, changes, words):
    given = {"mode": "crops", "freeze": "backbone", "subclasses": str(tmp_path / "subclasses.txt"), **changes}
    with pytest.raises(UsageError, match=words):
        finetune(squares, None, str(classifier), FinetuneOptions(**given), Run(Recipe(), tmp_path / "out"))


def test_a_detector_has_no_outputs_to_keep(squares, classifier, beginner, tmp_path):
    options = FinetuneOptions(mode="crops", freeze="backbone", subclasses=str(tmp_path / "subclasses.txt"))
    with pytest.raises(UsageError, match="name one as --init"):
        finetune(squares, None, str(beginner), options, Run(Recipe(), tmp_path / "out"))


def test_a_classifier_has_as_many_outputs_as_there_are_subclasses(squares, classifier, tmp_path):
    (tmp_path / "subclasses.txt").write_text("brick=square\nball=disc\n")
    options = FinetuneOptions(mode="crops", freeze="backbone", subclasses=str(tmp_path / "subclasses.txt"))
    with pytest.raises(UsageError, match="has 4 outputs, and the subclasses to keep are 2"):
        finetune(squares, None, str(classifier), options, Run(Recipe(), tmp_path / "out"))


def test_only_new_layers_learn_faster_than_a_classifier_that_is_kept():
    network = RegionNetwork(2, ("crops",), class_of=(1, 2, 0))
    groups = parameter_groups(network, FinetuneOptions(mode="crops", freeze="backbone"), weight_decay=0.5)
    scales = {id(each): group["scale"] for group in groups for each in group["params"]}
    predictor = network.box_predictor("crops")
    assert (scales[id(predictor.classifier.weight)], scales[id(predictor.subclasses.classifier.weight)]) == (5, 1)
    assert len(scales) == sum(len(group["params"]) for group in groups)
