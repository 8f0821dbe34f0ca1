"""GoogLeNet as a classifier: initial weights, parameter groups and loss in training, mean softmax in testing.

Shapes: N images, C crops of one image, K classes.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ...data.class_names import require_known
from ..features.shared_maps import as_input
from ..googlenet import AuxiliaryHead, GoogLeNet
from ..precision import autocast
from ..training.distributed import totals
from ..training.freezing import FREEZES
from .batches import CropBatch
from .model_folder import SavedClassifier

NEW_RATE = 10.0  # the learning rate's factor for layers without pretrained weights, as in R-CNN's fine-tuning
CHUNK = 48  # crops in the network at once: 150 MB of maps in float32


def new_classifier(
    init: SavedClassifier | None, classes: tuple[str, ...], *, auxiliary: bool
) -> tuple[GoogLeNet, frozenset[str]]:
    """A network to train for these classes, and the names of its parameters that are new beside pretrained ones.

    Without `init` all are equally new, and none is named. From a classifier come backbone and box head, and the rest
    too where it has the same classes.
    """
    model = GoogLeNet(len(classes), auxiliary)
    if init is None:
        return model, frozenset()
    own = model.state_dict()
    pretrained = {
        name: tensor
        for name, tensor in init.model.state_dict().items()
        if name in own and (init.classes == classes or name.startswith(("backbone.", "box_head.")))
    }
    model.load_state_dict({**own, **pretrained})
    return model, frozenset(own.keys() - pretrained.keys())


def parameter_groups(model: nn.Module, freeze: str, new: Collection[str], weight_decay: float) -> list[dict[str, Any]]:
    """Groups of the parameters to train: all but those of the part to freeze, new ones faster, biases undecayed."""
    require_known("--freeze", freeze, FREEZES)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(FREEZES[freeze]))
        if parameter.requires_grad:
            scale = NEW_RATE if name in new else 1.0
            groups.setdefault((scale, 0.0 if name.endswith("bias") else weight_decay), []).append(parameter)
    return [
        {"params": parameters, "scale": scale, "weight_decay": decay} for (scale, decay), parameters in groups.items()
    ]


def classification_loss(model: GoogLeNet, batch: CropBatch) -> dict[str, Tensor]:
    """Cross-entropy, plus that of each auxiliary head times its weight where the network has them.

    "class" is the main classifier's own, "accuracy" the fraction of the crops that it gets right. Of several processes
    each gives its summand of these means. Dropout has a seed of its own in each, so their number changes the weights,
    though not in the mean.
    """
    images = as_input(model.backbone, batch.crops)
    targets = torch.as_tensor(batch.targets, device=images.device)
    (count,) = totals(len(targets))
    with autocast(images.device):
        if isinstance(model, GoogLeNet) and model.auxiliary1 is not None:
            logits, *auxiliary = model.forward_auxiliary(images)
        else:
            logits, auxiliary = model(images), []
    losses = (F.cross_entropy(each.float(), targets, reduction="sum") / count for each in (logits, *auxiliary))
    main, *auxiliary = losses
    loss = main + AuxiliaryHead.WEIGHT * torch.stack(auxiliary).sum() if auxiliary else main
    return {"loss": loss, "class": main, "accuracy": (logits.argmax(dim=1) == targets).sum() / count}


@torch.no_grad()
def mean_softmax(models: Sequence[GoogLeNet], crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The probabilities [C, K] of crops (C, 224, 224, 3), a mean over the networks of an ensemble.

    The paper predicts the mean of an image's rows; the largest over crops was worse (section 7).
    """

    def softmax(model: GoogLeNet, chunk: NDArray[np.uint8]) -> Tensor:
        images = as_input(model.backbone, chunk)
        with autocast(images.device):
            logits = model.eval()(images)
        return logits.cpu().double().softmax(dim=1)  # on the CPU: MPS has no float64

    chunks = np.split(crops, range(CHUNK, len(crops), CHUNK))
    return torch.cat([torch.stack([softmax(model, each) for model in models]).mean(dim=0) for each in chunks]).numpy()
