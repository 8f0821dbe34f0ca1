"""BVLC's GoogLeNet of the Caffe model zoo: its names and colour order, converted to ours."""

import re

from torch import Tensor

from .googlenet import GoogLeNet
from .weights import count_outputs, load_checked

_BRANCHES = {
    "1x1": "conv1x1",
    "3x3_reduce": "reduce3x3",
    "3x3": "conv3x3",
    "5x5_reduce": "reduce5x5",
    "5x5": "conv5x5",
    "pool_proj": "pool_proj",
}
_LAYERS = {
    "conv1/7x7_s2": "backbone.conv1",
    "conv2/3x3_reduce": "backbone.conv2_reduce",
    "conv2/3x3": "backbone.conv2",
    "loss3/classifier": "classifier",
    "loss1/conv": "auxiliary1.1",
    "loss1/fc": "auxiliary1.3",
    "loss1/classifier": "auxiliary1.6",
    "loss2/conv": "auxiliary2.1",
    "loss2/fc": "auxiliary2.3",
    "loss2/classifier": "auxiliary2.6",
}


def our_name(name: str) -> str | None:
    """The name here of a parameter of BVLC's; None for a name that is not one of theirs.

    >>> our_name("inception_3a/3x3_reduce.weight")
    'backbone.inception_3a.reduce3x3.weight'
    """
    layer, _, kind = name.rpartition(".")
    if layer in _LAYERS:
        return f"{_LAYERS[layer]}.{kind}"
    found = re.fullmatch(r"(inception_([345])[a-e])/(\w+)", layer)
    if found is None or found[3] not in _BRANCHES:
        return None
    part = "box_head" if found[2] == "5" else "backbone"
    return f"{part}.{found[1]}.{_BRANCHES[found[3]]}.{kind}"


def is_bvlc(tensors: dict[str, Tensor]) -> bool:
    return "conv1/7x7_s2.weight" in tensors


def googlenet_from_bvlc(tensors: dict[str, Tensor], source: str) -> GoogLeNet:
    """The classifier, for RGB input, with tensors under Caffe's names; `source` is what an error calls them.

    Auxiliary heads are there if the tensors have them. DataError where they are another network's.
    """
    renamed = {our_name(name) or name: tensor for name, tensor in tensors.items()}
    num_classes = count_outputs(renamed["classifier.bias"], source) if "classifier.bias" in renamed else 1000
    model = GoogLeNet(num_classes, auxiliary="auxiliary1.1.weight" in renamed)
    conv1 = renamed.get("backbone.conv1.weight")
    if conv1 is not None and conv1.ndim == 4:
        renamed["backbone.conv1.weight"] = conv1.flip(1)  # Caffe's channels are blue, green, red
    load_checked(model, renamed, source)
    return model.eval()
