import numpy as np
import pytest
import torch

from inception_rcnn.backbone.bvlc import _BRANCHES, _LAYERS, googlenet_from_bvlc, our_name
from inception_rcnn.backbone.classification.model_folder import read_classifier
from inception_rcnn.backbone.googlenet import GoogLeNet
from inception_rcnn.backbone.weights import save_weights
from inception_rcnn.data.errors import DataError


def under_caffes_names(model):
    """The parameters of a GoogLeNet as BVLC's file would hold them: its names, blue before red."""
    branches = {ours: theirs for theirs, ours in _BRANCHES.items()}
    layers = {ours: theirs for theirs, ours in _LAYERS.items()}
    tensors = {}
    for name, tensor in model.state_dict().items():
        layer, kind = name.rsplit(".", 1)
        if layer not in layers:
            _, module, branch = layer.split(".")
            layers[layer] = f"{module}/{branches[branch]}"
        tensors[f"{layers[layer]}.{kind}"] = tensor.flip(1) if name == "backbone.conv1.weight" else tensor
    return tensors


@pytest.mark.parametrize("auxiliary", [False, True])
def test_a_net_under_caffes_names_comes_back(auxiliary):
    model = GoogLeNet(12, auxiliary)
    loaded = googlenet_from_bvlc(under_caffes_names(model), "test")
    assert loaded.classifier.out_features == 12
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor)


def test_a_missing_layer_is_named():
    tensors = under_caffes_names(GoogLeNet(5))
    del tensors["inception_4c/5x5.weight"]
    with pytest.raises(DataError, match="inception_4c"):
        googlenet_from_bvlc(tensors, "broken.caffemodel")


def test_another_network_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_weights(path, {"layer1.weight": torch.zeros(3)}, {})
    with pytest.raises(DataError, match="holds neither BVLC's GoogLeNet"):
        read_classifier(path)


def test_names_that_are_not_theirs_have_no_counterpart():
    assert our_name("inception_5b/pool_proj.bias") == "box_head.inception_5b.pool_proj.bias"
    assert our_name("conv9/3x3.weight") is None
    assert our_name("inception_3a/7x7.weight") is None


@pytest.mark.shared
def test_the_published_weights_know_a_cat(shared):
    """scikit-image's Chelsea is a tabby; ImageNet's cats are classes 281 to 285."""
    chelsea = pytest.importorskip("skimage.data").chelsea()
    cv2 = pytest.importorskip("cv2")
    model = read_classifier(shared / "weights" / "bvlc_googlenet.safetensors").model
    centre = chelsea[:, (chelsea.shape[1] - chelsea.shape[0]) // 2 :][:, : chelsea.shape[0]]
    crop = cv2.resize(np.ascontiguousarray(centre), (224, 224), interpolation=cv2.INTER_AREA)
    with torch.no_grad():
        logits = model(model.backbone.preprocess(torch.from_numpy(crop).permute(2, 0, 1)[None]))
    probabilities, classes = logits.softmax(1)[0].topk(3)
    names = (shared / "data" / "imagenet_synset_words.txt").read_text().splitlines()
    assert any(281 <= index <= 285 for index in classes.tolist()), [names[index] for index in classes]
    assert probabilities[0] > 0.3
