import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_training_region_loss import Scripted, example

from inception_rcnn.backbone.training.recipe import Recipe
from inception_rcnn.backbone.training.run import Run
from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.records import GroundTruth
from inception_rcnn.detector.config import DetectorConfig
from inception_rcnn.detector.ensemble import Ensemble
from inception_rcnn.detector.model_folders import load_detector, load_network, save_network
from inception_rcnn.detector.network import RegionNetwork
from inception_rcnn.detector.training.distillation import distil, distillation_loss
from inception_rcnn.detector.training.ensemble_training import finetune_members
from inception_rcnn.detector.training.finetuning import FinetuneOptions, finetune

pytestmark = pytest.mark.usefixtures("small_maps")

METHOD = "selective-search:single"
OPTIONS = FinetuneOptions(freeze="backbone", proposals=METHOD, images=1, regions=4, device="cpu")
RECIPE = Recipe(steps=2, warmup=1, seed=5)


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """Four images, each with a bright square on a dark ground."""
    folder, rng, truths = tmp_path_factory.mktemp("squares"), np.random.default_rng(0), []
    for i in range(4):
        image = rng.integers(0, 40, (60, 80, 3), dtype=np.uint8)
        x, y = rng.integers(5, 30, 2)
        image[y : y + 25, x : x + 35] += 200
        (folder / f"{i}.png").write_bytes(encode_image(image, ".png"))
        truths.append(GroundTruth(f"{i}.png", 80, 60, as_boxes([[x, y, x + 35, y + 25]]), ["square"], [False]))
    return Dataset("squares", ("square",), tuple(truths), folder)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INCEPTION_RCNN_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def beginner(tmp_path_factory):
    """A detector of the same class: its outputs must not be every member's first ones."""
    folder = tmp_path_factory.mktemp("beginner")
    torch.manual_seed(0)
    save_network(folder, RegionNetwork(1, ("shared",)), DetectorConfig(("square",)))
    return folder


@pytest.fixture(scope="module")
def ensemble(squares, beginner, home, tmp_path_factory):
    out = tmp_path_factory.mktemp("ensemble")
    finetune_members(squares, None, str(beginner), OPTIONS, Run(RECIPE, out), 2)
    return out


def test_members_differ_by_their_seed_and_nothing_else(ensemble, beginner):
    network, config = load_detector(ensemble)
    assert isinstance(network, Ensemble)
    assert (config.members, config.classes, config.proposals) == (2, ("square",), METHOD)
    first, second = network.members
    assert first.backbone is second.backbone  # it was frozen
    a, b = (each.box_predictors["shared"].classifier.weight for each in (first, second))
    before = load_network(beginner)[0].box_predictors["shared"].classifier.weight
    assert F.cosine_similarity(a.flatten(), b.flatten(), dim=0) < 0.1  # from first weights of their own
    assert F.cosine_similarity(a.flatten(), before.flatten(), dim=0) < 0.1


def test_a_member_is_what_training_it_alone_gives(squares, beginner, ensemble, home, tmp_path):
    options = FinetuneOptions(**{**vars(OPTIONS), "new_outputs": True})
    finetune(squares, None, str(beginner), options, Run(Recipe(steps=2, warmup=1, seed=6), tmp_path))
    assert (tmp_path / "model.safetensors").read_bytes() == (ensemble / "member-2" / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_members_go_on_where_they_were_stopped(squares, beginner, ensemble, home, tmp_path):
    """The first member was done, the second not begun."""
    own = Recipe(**{**vars(RECIPE)})
    options = FinetuneOptions(**{**vars(OPTIONS), "new_outputs": True})
    finetune(squares, None, str(beginner), options, Run(own, tmp_path / "member-1"))
    with pytest.raises(UsageError, match="--resume"):
        finetune_members(squares, None, str(beginner), OPTIONS, Run(RECIPE, tmp_path), 2)
    with pytest.raises(UsageError, match="nothing to resume"):
        finetune_members(squares, None, str(beginner), OPTIONS, Run(RECIPE, tmp_path / "new", resume=True), 2)
    finetune_members(squares, None, str(beginner), OPTIONS, Run(RECIPE, tmp_path, resume=True), 2)
    for member in ("member-1", "member-2"):
        done, wanted = (folder / member / "model.safetensors" for folder in (tmp_path, ensemble))
        assert done.read_bytes() == wanted.read_bytes()


def test_one_member_is_a_detector_like_any_other(squares, beginner, home, tmp_path):
    finetune_members(squares, None, str(beginner), OPTIONS, Run(RECIPE, tmp_path), 1)
    assert load_network(tmp_path)[1].members == 1
    with pytest.raises(UsageError, match="--members 0"):
        finetune_members(squares, None, str(beginner), OPTIONS, Run(RECIPE, tmp_path), 0)


def test_the_loss_is_the_definition_with_loops():
    torch.manual_seed(0)
    student = torch.randn(3, 4), torch.randn(3, 3, 4)
    teacher = torch.randn(3, 4) * 3, torch.randn(3, 3, 4)
    batch = [example([[0, 0, 10, 10], [5, 5, 20, 30], [1, 1, 9, 9]], [2, 0, 3], [[0, 0, 9, 9]] * 3)]
    terms = distillation_loss(Scripted(*student), batch, Scripted(*teacher), "shared", "crops")
    classification = regression = torch.tensor(0.0)
    for region in range(3):
        wanted = teacher[0][region].softmax(0)
        classification = classification - (wanted * student[0][region].log_softmax(0)).sum() / 3
        for number in range(3):
            distance = (student[1][region, number] - teacher[1][region, number]).abs().sum()
            regression = regression + wanted[number + 1] * distance / 3
    torch.testing.assert_close(terms["class"], classification)
    torch.testing.assert_close(terms["box"], regression)
    torch.testing.assert_close(terms["loss"], classification + regression)


def test_a_student_that_says_the_same_has_nothing_left_to_learn():
    torch.manual_seed(1)
    logits, deltas = torch.randn(2, 4), torch.randn(2, 3, 4)
    learned = logits.clone().requires_grad_()
    batch = [example([[0, 0, 10, 10], [5, 5, 20, 30]], [1, 0], [[0, 0, 9, 9]] * 2)]
    terms = distillation_loss(Scripted(learned, deltas), batch, Scripted(logits, deltas), "shared", "shared")
    assert (terms["box"].item(), terms["agreement"].item()) == (0, 1)
    terms["loss"].backward()
    torch.testing.assert_close(learned.grad, torch.zeros(2, 4), atol=1e-6, rtol=0)
    assert (
        distillation_loss(Scripted(logits, deltas), [example([], [], [])], Scripted(logits, deltas), "shared", "shared")
        == {}
    )


@pytest.mark.slow
def test_one_net_learns_from_an_ensemble(squares, ensemble, home, tmp_path):
    options = FinetuneOptions(**{**vars(OPTIONS), "proposals": "mix"})  # the ensemble's count
    recipe = Recipe(steps=2, warmup=1)
    state = distil(str(ensemble), squares, None, None, options, Run(recipe, tmp_path / "one"))
    assert state.step == 2
    student, config = load_network(tmp_path / "one")
    assert (config.classes, config.members, config.proposals) == (("square",), 1, METHOD)
    first = load_network(ensemble / "member-1")[0]
    torch.testing.assert_close(student.backbone.conv2.weight, first.backbone.conv2.weight)
    rows = [json.loads(line) for line in (tmp_path / "one" / "log.jsonl").read_text().splitlines()]
    assert {"loss", "class", "box", "agreement"} <= rows[0].keys()
    with pytest.raises(UsageError, match="--mode crops"):
        distil(str(ensemble), squares, None, None, FinetuneOptions(mode="crops"), Run(recipe, tmp_path / "b"))
    with pytest.raises(UsageError, match="--resume"):
        distil(str(ensemble), squares, None, None, options, Run(recipe, tmp_path / "one"))


@pytest.mark.slow
def test_a_detector_learns_by_shared_maps_what_it_knows_by_crops(squares, tmp_path, home):
    torch.manual_seed(0)
    config = DetectorConfig(("square",), modes=("crops",), proposals=METHOD, context=0.5)
    save_network(tmp_path / "crops", RegionNetwork(1, ("crops",)), config)
    options = FinetuneOptions(mode="shared", freeze="backbone", images=1, regions=4, device="cpu")
    run = Run(Recipe(steps=2, warmup=1), tmp_path / "both")
    distil(str(tmp_path / "crops"), squares, None, None, options, run, "crops")
    student, own = load_network(tmp_path / "both")
    assert (own.modes, own.mode, own.context) == (("crops", "shared"), "crops", 0.5)
    teacher = load_network(tmp_path / "crops")[0]
    torch.testing.assert_close(student.box_head("crops").state_dict(), teacher.box_head("crops").state_dict())
    run = Run(Recipe(steps=1, warmup=1), tmp_path / "again")
    assert distil(str(tmp_path / "both"), squares, None, None, options, run, "both").step == 1
    with pytest.raises(UsageError, match=r"--teacher-mode shared: .* has the modes crops"):
        distil(str(tmp_path / "crops"), squares, None, None, options, Run(Recipe(), tmp_path / "c"), "shared")
