import dataclasses
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_backbone_bvlc import under_caffes_names

from inception_rcnn.backbone.bvlc import our_name
from inception_rcnn.backbone.googlenet import GoogLeNet
from inception_rcnn.backbone.weights import read_metadata, read_weights, save_weights
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.detector import model_folders as pretrained
from inception_rcnn.detector.config import DetectorConfig
from inception_rcnn.detector.model_folders import (
    DEFAULT_MODEL,
    MULTIBOX,
    WEIGHTS,
    copy_multibox,
    initial_network,
    load_multibox,
    load_network,
    model_folder,
    proposer_named,
    save_multibox,
    save_network,
)
from inception_rcnn.detector.network import RegionNetwork
from inception_rcnn.detector.rcnn import RCNN
from inception_rcnn.proposals.multibox.network import MultiBoxHead

pytestmark = pytest.mark.usefixtures("small_maps")

CONFIG = DetectorConfig(("cat", "dog"), modes=("shared", "crops"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model")
    save_network(path, RegionNetwork(2, CONFIG.modes), CONFIG, card="# a model\n")
    return path


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("bvlc") / "bvlc.safetensors"
    tensors = under_caffes_names(GoogLeNet())
    save_weights(path, {name: tensor.contiguous() for name, tensor in tensors.items()}, {})
    return path


def test_a_model_comes_back_in_half_precision(folder):
    network, config = load_network(folder)
    assert config == CONFIG
    assert not network.training
    torch.manual_seed(0)
    for name, tensor in RegionNetwork(2, CONFIG.modes).state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], tensor.half().float())


def test_saving_again_keeps_the_card(folder):
    network, config = load_network(folder)
    save_network(folder, network, config)
    assert (folder / "README.md").read_text() == "# a model\n"


def test_weights_of_other_classes_are_refused(folder, tmp_path):
    (tmp_path / "config.json").write_text(dataclasses.replace(CONFIG, classes=("a", "b", "c")).to_json())
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(DataError, match=r"classifier"):
        load_network(tmp_path)


@pytest.mark.parametrize("damage", [b"", b"not weights", None])
def test_damaged_weights_are_one_sentence(folder, tmp_path, damage):
    (tmp_path / "config.json").write_text(CONFIG.to_json())
    if damage is not None:
        (tmp_path / "model.safetensors").write_bytes(damage)
    with pytest.raises(DataError, match=r"model\.safetensors"):
        load_network(tmp_path)


def test_an_unknown_name_lists_what_ships():
    with pytest.raises(UsageError, match="no model 'googlenet-voc7'"):
        model_folder("googlenet-voc7")


def test_a_classifier_brings_backbone_and_box_head(classifier):
    network, config = initial_network(str(classifier), DetectorConfig(("a",), modes=("crops",)), keep_modes=False)
    assert config.modes == ("crops",)
    torch.manual_seed(1)
    source = GoogLeNet()
    assert our_name("conv1/7x7_s2.weight") == "backbone.conv1.weight"
    torch.testing.assert_close(network.backbone.conv1.weight, source.backbone.conv1.weight)
    torch.testing.assert_close(
        network.box_heads["crops"].inception_5b.conv1x1.weight, source.box_head.inception_5b.conv1x1.weight
    )


def test_a_detector_of_the_same_classes_brings_its_heads(folder):
    wanted = DetectorConfig(("cat", "dog"), modes=("crops",))
    kept, config = initial_network(str(folder), wanted, keep_modes=True)
    assert config.modes == ("shared", "crops")
    alone, config = initial_network(str(folder), wanted, keep_modes=False)
    assert config.modes == ("crops",)
    before = load_network(folder)[0].state_dict()
    for network in (kept, alone):
        for name, tensor in network.state_dict().items():
            torch.testing.assert_close(tensor, before[name])


def test_a_detector_that_gets_a_mode_stays_as_it_is_beside(folder, tmp_path):
    config = replace(CONFIG, proposals="mix", regions=100, score=0.2)
    save_network(tmp_path, load_network(folder)[0], config)
    wanted = DetectorConfig(CONFIG.classes, modes=("crops",), proposals="mix", short_sides=(300,))
    _, grown = initial_network(str(tmp_path), wanted, keep_modes=True)
    assert (grown.mode, grown.proposals, grown.regions, grown.score) == ("shared", "mix", 100, 0.2)
    assert grown.short_sides == (300,)
    _, other = initial_network(str(tmp_path), replace(wanted, proposals="multibox:50"), keep_modes=True)
    assert (other.proposals, other.regions, other.score) == ("multibox:50", 1000, 0.2)  # 100 were of the mix


def test_modes_with_other_numbers_of_cells_share_all_but_the_last_layers(tmp_path):
    torch.manual_seed(0)
    save_network(tmp_path, RegionNetwork(2, ("shared",), 5), DetectorConfig(("cat", "dog"), pooled_size=5))
    wanted = DetectorConfig(("cat", "dog"), modes=("crops",), pooled_size=5)
    network, config = initial_network(str(tmp_path), wanted, keep_modes=True)
    assert config.modes == ("shared", "crops")
    shared, crops = network.box_predictor("shared"), network.box_predictor("crops")
    torch.testing.assert_close(shared.reduce.weight, crops.reduce.weight)
    assert (shared.classifier.in_features, crops.classifier.in_features) == (1024 + 64 * 25, 1024 + 64 * 49)


def test_other_classes_get_new_outputs(folder):
    network, config = initial_network(str(folder), DetectorConfig(("cow",), modes=("shared",)), keep_modes=True)
    assert config.modes == ("shared",)
    assert network.box_predictors["shared"].classifier.out_features == 2
    before = load_network(folder)[0]
    torch.testing.assert_close(network.backbone.conv2.weight, before.backbone.conv2.weight)
    reduce, reduced = (each.box_predictors["shared"].reduce.weight for each in (network, before))
    torch.testing.assert_close(reduce, reduced)


def test_other_files_cannot_be_started_from(tmp_path):
    path = tmp_path / "other.safetensors"
    save_weights(path, {"layer.weight": torch.zeros(2)}, {})
    with pytest.raises(DataError, match="neither BVLC's GoogLeNet nor"):
        initial_network(str(path), CONFIG, keep_modes=False)
    with pytest.raises(UsageError, match="no model"):
        initial_network(str(tmp_path / "missing.safetensors"), CONFIG, keep_modes=False)


@pytest.fixture(scope="module")
def with_multibox(folder, tmp_path_factory):
    """A copy of the model folder with a head of three priors for its backbone."""
    path = tmp_path_factory.mktemp("multibox") / "model"
    shutil.copytree(folder, path)
    torch.manual_seed(2)
    head = MultiBoxHead(3)
    head.priors.copy_(torch.tensor([[0, 0, 1, 1], [0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]))
    save_multibox(path, load_network(path)[0].backbone, head)
    return path


def test_a_detector_is_saved_with_its_multibox(with_multibox, tmp_path):
    model = pickle.loads(pickle.dumps(RCNN.from_pretrained(with_multibox, device="cpu")))
    model = model.with_options(proposals="multibox:3")
    model.save_pretrained(tmp_path)
    before, after = load_multibox(with_multibox, "cpu"), load_multibox(tmp_path, "cpu")
    assert after.fingerprint == before.fingerprint
    assert RCNN.from_pretrained(tmp_path, device="cpu").proposer.parameters == model.proposer.parameters


def test_the_multibox_of_another_backbone_is_not_saved(folder, tmp_path):
    RCNN.from_pretrained(folder, device="cpu").save_pretrained(tmp_path)  # it has none of its own
    assert not (tmp_path / "multibox.safetensors").exists()


def test_a_multibox_comes_back_in_half_precision(with_multibox):
    multibox = load_multibox(with_multibox, "cpu")
    torch.manual_seed(2)
    for name, tensor in MultiBoxHead(3).state_dict().items():
        if name != "priors":
            torch.testing.assert_close(multibox.head.state_dict()[name], tensor.half().float())
    assert multibox.head.priors.tolist() == [[0, 0, 1, 1], [0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]
    assert not multibox.head.training
    assert not multibox.backbone.training


def test_a_multibox_sits_on_the_backbone_given_if_it_was_trained_on_that(with_multibox):
    network = load_network(with_multibox)[0]
    own = load_multibox(with_multibox, "cpu", network.backbone)
    assert own.backbone is network.backbone
    torch.manual_seed(3)
    other = RegionNetwork(2, ("shared",)).backbone
    foreign = load_multibox(with_multibox, "cpu", other)
    assert foreign.backbone is not other
    assert foreign.fingerprint == own.fingerprint == load_multibox(with_multibox, "cpu").fingerprint


def test_a_model_without_a_multibox_takes_that_of_the_default_model(folder, with_multibox, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "MODELS", tmp_path)
    with pytest.raises(DataError, match=r"multibox\.safetensors: there is no such file"):
        load_multibox(folder, "cpu")
    shutil.copytree(with_multibox, tmp_path / DEFAULT_MODEL)
    assert load_multibox(folder, "cpu").fingerprint == load_multibox(with_multibox, "cpu").fingerprint


@pytest.mark.parametrize("tensors", [None, {"layer.weight": torch.zeros(2)}, {"priors": torch.zeros(3, 4)}])
def test_a_damaged_multibox_is_one_sentence(folder, tmp_path, tensors):
    shutil.copytree(folder, tmp_path / "model")
    if tensors is None:
        (tmp_path / "model" / MULTIBOX).write_bytes(b"not weights")
    else:
        save_weights(tmp_path / "model" / MULTIBOX, tensors, {})
    with pytest.raises(DataError, match=r"multibox\.safetensors"):
        load_multibox(tmp_path / "model", "cpu")


def test_a_method_that_asks_a_network_takes_the_models(with_multibox):
    method = proposer_named("multibox:2", str(with_multibox), "cpu")
    assert load_multibox(with_multibox, "cpu").fingerprint in method.parameters
    found = method(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    assert 1 <= len(found) <= 2
    assert proposer_named("mix", str(with_multibox), "cpu").multibox is not None


def test_a_model_is_opened_only_by_a_method_that_needs_it():
    assert proposer_named("selective-search:single", "nowhere").name == "selective-search:single"
    with pytest.raises(UsageError, match="no model 'nowhere'"):
        proposer_named("mix", "nowhere")


def test_four_overwritten_bytes_of_the_shipped_weights_are_noticed(tmp_path):
    shutil.copytree(model_folder(), tmp_path / "model")
    for name in (WEIGHTS, MULTIBOX):
        path = tmp_path / "model" / name
        content = bytearray(path.read_bytes())
        some = slice(len(content) // 2, len(content) // 2 + 4)
        content[some] = bytes(byte ^ 1 for byte in content[some])
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"model\.safetensors: is damaged or was changed"):
        load_network(tmp_path / "model")
    with pytest.raises(DataError, match=r"multibox\.safetensors: is damaged or was changed"):
        load_multibox(tmp_path / "model", "cpu")


def test_new_weights_beside_the_hashes_of_old_ones_load(tmp_path):
    """A run that was killed between the two files."""
    network, config = load_network(model_folder())
    (tmp_path / "config.json").write_bytes((model_folder() / "config.json").read_bytes())
    with torch.no_grad():
        network.box_predictors["shared"].classifier.bias += 1
    save_network(tmp_path / "other", network, config)
    shutil.copy(tmp_path / "other" / WEIGHTS, tmp_path / WEIGHTS)
    loaded, _ = load_network(tmp_path)
    assert not torch.equal(
        loaded.box_predictors["shared"].classifier.bias,
        load_network(model_folder())[0].box_predictors["shared"].classifier.bias,
    )


def test_a_copied_multibox_is_the_same_and_carries_a_checksum(with_multibox, folder, tmp_path):
    copy_multibox(folder, tmp_path)  # which has none
    assert not (tmp_path / MULTIBOX).exists()
    copy_multibox(model_folder(), tmp_path)
    assert read_metadata(tmp_path / MULTIBOX) == read_metadata(model_folder() / MULTIBOX)
    copied, shipped = read_weights(tmp_path / MULTIBOX), read_weights(model_folder() / MULTIBOX)
    assert all(torch.equal(copied[name], tensor) for name, tensor in shipped.items())


def test_a_weight_beyond_half_precision_survives(tmp_path):
    network = RegionNetwork(1, ("shared",))
    with torch.no_grad():
        network.box_predictors["shared"].classifier.weight[1, 5] = 1e6
    save_network(tmp_path, network, DetectorConfig(("cat",)))
    assert load_network(tmp_path)[0].box_predictors["shared"].classifier.weight[1, 5] == 1e6


def test_weights_of_another_number_of_classes_are_refused_before_anything_is_made(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "model")
    config = dataclasses.replace(CONFIG, classes=tuple(map(str, range(10_000))))
    (tmp_path / "model" / "config.json").write_text(config.to_json())
    monkeypatch.setattr(pretrained, "RegionNetwork", pytest.fail)
    with pytest.raises(DataError, match=r"classifier has 3 outputs, and config.json names 10000 classes"):
        load_network(tmp_path / "model")


def test_weights_of_other_classes_than_the_configuration_are_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    config.write_text(config.read_text().replace('"cat"', '"x"').replace('"dog"', '"cat"').replace('"x"', '"dog"'))
    with pytest.raises(DataError, match=r"is of the classes cat, dog, and config\.json names dog, cat"):
        load_network(tmp_path / "model")
