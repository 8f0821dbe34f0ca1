import copy
import dataclasses
import json

import numpy as np
import pytest
import torch

from inception_rcnn.backbone.features.shared_maps import SharedMaps
from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.records import Proposals
from inception_rcnn.data.stores.detections_jsonl import read_ledger
from inception_rcnn.data.stores.stage_files import has_stages
from inception_rcnn.detector import RCNN
from inception_rcnn.detector.config import DetectorConfig
from inception_rcnn.detector.ensemble import Ensemble
from inception_rcnn.detector.fusion import fuse, mean_deltas
from inception_rcnn.detector.inference.detect_run import DetectOptions, detect_files
from inception_rcnn.detector.inference.image_run import Writing
from inception_rcnn.detector.model_folders import (
    initial_network,
    load_detector,
    load_network,
    save_detector,
    weights_files,
)
from inception_rcnn.detector.network import RegionNetwork
from inception_rcnn.proposals.common.box_coding import decode

pytestmark = pytest.mark.usefixtures("small_maps")

CONFIG = DetectorConfig(("cat", "dog"), modes=("shared", "crops"), proposals="selective-search:single", score=0.0)
BOXES = as_boxes([[4, 4, 40, 44], [0, 0, 64, 48], [20, 10, 50, 30]])


def network(seed, backbone=None):
    torch.manual_seed(seed)
    made = RegionNetwork(2, CONFIG.modes)
    if backbone is not None:
        made.backbone.load_state_dict(backbone.state_dict())
    for head in made.box_predictors.values():  # new heads say nearly nothing: let them differ
        torch.nn.init.normal_(head.classifier.weight, std=0.5)
        torch.nn.init.normal_(head.deltas.weight, std=0.05)
    return made.eval()


@pytest.fixture(scope="module")
def members():
    """Two nets on one backbone and a third on its own, as files would give them back: in half precision."""
    first = network(1)
    made = (first, network(2, first.backbone), network(3))
    return [each.half().float() for each in made]


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(members, tmp_path_factory):
    path = tmp_path_factory.mktemp("ensemble")
    save_detector(path, Ensemble(copy.deepcopy(members)), CONFIG)
    return path


def test_the_fused_probabilities_are_the_mean_and_the_boxes_are_the_mean():
    torch.manual_seed(0)
    predictions = [(torch.randn(5, 3) * 4, torch.randn(5, 2, 4)) for _ in range(4)]
    logits, deltas = fuse(predictions)
    boxes = torch.rand(5, 1, 4) * 50 + torch.tensor([0.0, 0, 60, 70])
    for region in range(5):
        wanted = sum(logits[region].softmax(0) for logits, _ in predictions) / 4
        torch.testing.assert_close(logits[region].softmax(0), wanted)
        for number in range(2):
            refined = sum(decode(boxes[region, 0], deltas[region, number]) for _, deltas in predictions) / 4
            torch.testing.assert_close(decode(boxes[region, 0], deltas[region, number]), refined)


def test_one_member_answers_as_it_is_and_no_regions_are_nothing():
    torch.manual_seed(0)
    logits, deltas = torch.randn(3, 4), torch.randn(3, 3, 4)
    fused = fuse([(logits, deltas)])
    torch.testing.assert_close(fused[0].softmax(1), logits.softmax(1))
    torch.testing.assert_close(fused[1], deltas)
    empty = fuse([(torch.zeros(0, 4), torch.zeros(0, 3, 4))] * 2)
    assert (empty[0].shape, empty[1].shape) == ((0, 4), (0, 3, 4))


def test_what_is_certain_or_huge_stays_finite():
    """A probability of zero in one net is half of the other's, and a side that one net explodes is cut before."""
    logits, _ = fuse([(torch.tensor([[0.0, 300.0]]), torch.zeros(1, 1, 4)), (torch.zeros(1, 2), torch.zeros(1, 1, 4))])
    torch.testing.assert_close(logits.softmax(1), torch.tensor([[0.25, 0.75]]))
    fused = mean_deltas(torch.tensor([[[0.0, 0, 1e6, 0]], [[0.0, 0, -1e6, 0]]]))
    box = decode(torch.tensor([[0.0, 0, 16, 16]]), fused)[0]
    torch.testing.assert_close(box[2] - box[0], torch.tensor(500.0))  # the mean of 1000 and 0


def test_members_with_the_same_backbone_share_its_maps(members, image, monkeypatch):
    ensemble = Ensemble(copy.deepcopy(members))
    assert ensemble.members[0].backbone is ensemble.members[1].backbone is ensemble.backbone
    assert ensemble.members[2].backbone is not ensemble.backbone
    runs = []
    for number in (0, 2):
        ensemble.members[number].backbone.register_forward_hook(lambda backbone, *_: runs.append(backbone))
    with torch.inference_mode():
        predictions = ensemble.predictions("shared", [(SharedMaps(ensemble.backbone, image, (64,)), BOXES)])
        assert sorted(run is ensemble.backbone for run in runs) == [False, True]
        for member, ((logits, deltas),) in zip(members, predictions, strict=True):
            (alone,) = member("shared", [(SharedMaps(member.backbone, image, (64,)), BOXES)])
            torch.testing.assert_close(logits, alone[0])
            torch.testing.assert_close(deltas, alone[1])


@pytest.mark.parametrize("mode", ["shared", "crops", "both"])
def test_the_pipeline_averages_its_members(members, folder, image, mode):
    proposals = Proposals(BOXES, np.ones(3))
    model = RCNN.from_pretrained(folder, device="cpu").with_options(mode=mode)
    alone = [RCNN(copy.deepcopy(each), CONFIG, "cpu").with_options(mode=mode) for each in members]
    stages = [each.forward([image], [lambda maps: proposals])[0][1] for each in alone]
    fused = model.forward([image], [lambda maps: proposals])[0][1]
    assert np.ptp([each.probabilities for each in stages], axis=0).max() > 0.05
    np.testing.assert_allclose(fused.probabilities, np.mean([each.probabilities for each in stages], axis=0), atol=1e-5)
    whole = np.abs(np.mean([each.boxes for each in stages], axis=0) - fused.boxes)
    inside = np.all([(each.boxes > 0) & (each.boxes < [64, 48, 64, 48]) for each in stages], axis=0)
    assert inside.any()
    np.testing.assert_allclose(whole[inside], 0, atol=1e-3)  # else the mean is taken before the image's edge cuts


def test_both_modes_of_a_network_are_averaged(members, image):
    network = members[0]
    with torch.inference_mode():
        regions = [(SharedMaps(network.backbone, image, (64,)), boxes) for boxes in (BOXES, BOXES[:1], BOXES[:0])]
        each = [network(mode, regions) for mode in ("shared", "crops")]
        both = network("both", regions)
    assert [len(logits) for logits, _ in both] == [3, 1, 0]
    for (logits, deltas), shared, crops in zip(both, *each, strict=True):
        mean = (shared[0].softmax(1) + crops[0].softmax(1)) / 2
        torch.testing.assert_close(logits.softmax(1), mean)
        torch.testing.assert_close(deltas, mean_deltas(torch.stack([shared[1], crops[1]])))
    assert (each[0][0][0].softmax(1) - each[1][0][0].softmax(1)).abs().max() > 0.01


def test_proposals_are_made_once(folder, image):
    model, searches = RCNN.from_pretrained(folder, device="cpu").with_options(regions=2), []
    search = model.proposer.search
    model.proposer = dataclasses.replace(model.proposer, search=lambda image: searches.append(1) or search(image))
    model.detect(image)
    assert len(searches) == 1


@pytest.mark.slow
def test_a_folder_comes_back_and_is_written_again(folder, members, tmp_path):
    loaded, config = load_detector(folder)
    assert config == dataclasses.replace(CONFIG, members=3)
    assert isinstance(loaded, Ensemble)
    RCNN.from_pretrained(folder, device="cpu").save_pretrained(tmp_path / "again")
    again, _ = load_detector(tmp_path / "again")
    for before, after in zip(members, again.members, strict=True):
        for name, tensor in before.state_dict().items():
            torch.testing.assert_close(after.state_dict()[name], tensor, rtol=0, atol=0)
    assert weights_files(folder) == [folder / f"member-{number}" / "model.safetensors" for number in (1, 2, 3)]
    assert load_network(folder / "member-2")[1] == CONFIG  # a detector of its own


def test_a_damaged_ensemble_is_one_sentence(folder, members, tmp_path):
    save_detector(tmp_path, Ensemble(copy.deepcopy(members[:2])), CONFIG)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "members": 3}))
    with pytest.raises(DataError, match="member-3 is not a model"):
        load_detector(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**config, "members": 0}))
    with pytest.raises(DataError, match="members is 0"):
        load_detector(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**config, "classes": ["cat", "cow"]}))
    with pytest.raises(DataError, match="member-1 has classes"):
        load_detector(tmp_path)
    with pytest.raises(UsageError, match="at least one"):
        Ensemble([])


def test_training_starts_from_one_member_not_from_all(folder):
    with pytest.raises(UsageError, match=r"ensemble: name one of its 3 members, as .*member-1"):
        initial_network(str(folder), CONFIG, keep_modes=False)
    assert initial_network(str(folder / "member-1"), CONFIG, keep_modes=False)[1].members == 1


def test_detect_runs_and_goes_on_with_an_ensemble(folder, image, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(encode_image(image, ".png"))
    out = tmp_path / "found"

    def run():
        options = DetectOptions(str(folder), {"score": 0.2, "regions": 2}, "cpu", Writing(keep_stages=True))
        return detect_files([str(tmp_path / "photos")], out, options)

    assert (run().skipped, run().skipped) == (0, 1)
    assert [row.file for row in read_ledger(out / "detections.jsonl")] == ["a.png"]
    assert has_stages(out, "a.png")
    settings = json.loads((out / "run.json").read_text())["settings"]
    assert (len(settings["weights_sha256"].split()), settings["config"]["members"]) == (3, 3)
    rows = list(RCNN.from_pretrained(folder, device="cpu").with_options(regions=2).stream(tmp_path / "photos"))
    assert [row.error for row in rows] == [None]
