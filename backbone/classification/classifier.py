"""GoogLeNet as a classifier: its loss and what learns in training, its averaged answer in testing.

Shapes: N images, C crops of one image, K classes.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ...data.errors import UsageError
from ..features.shared_maps import as_input
from ..googlenet import AuxiliaryHead, GoogLeNet
from ..precision import autocast
from ..training.distributed import totals
from ..training.freezing import FREEZES
from .batches import CropBatch
from .model_folder import SavedClassifier

NEW_RATE = 10.0  # how much faster layers without weights of an earlier training learn, as in R-CNN's fine-tuning
CHUNK = 48  # crops in the network at once: 150 MB of maps in float32


def new_classifier(
    init: SavedClassifier | None, classes: tuple[str, ...], *, auxiliary: bool
) -> tuple[GoogLeNet, frozenset[str]]:
    """A network to train for these classes, and which of its parameters are new beside trained ones.

    From nothing all are equally new, and none is named. From an earlier classifier come backbone and box head, and the
    rest too where it has the same classes.
    """
    if init is None:
        return GoogLeNet(len(classes), auxiliary), frozenset()
    model = GoogLeNet(len(classes), auxiliary)
    same = init.classes == classes
    own = model.state_dict()
    kept = {
        name: tensor
        for name, tensor in init.model.state_dict().items()
        if name in own and (same or name.startswith(("backbone.", "box_head.")))
    }
    model.load_state_dict({**own, **kept})
    return model, frozenset(own.keys() - kept.keys())


def parameter_groups(model: nn.Module, freeze: str, new: Collection[str], weight_decay: float) -> list[dict[str, Any]]:
    """The parameters that learn: all but those of the part to freeze, new ones faster, biases undecayed."""
    if freeze not in FREEZES:
        raise UsageError(f"unknown --freeze {freeze!r}; known: {', '.join(FREEZES)}")
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

    "class" is the main classifier's own, "accuracy" the share of the crops that it gets right. Of several processes
    each gives its part of these means, which add up. Dropout has its own chance in each, so that their number shows in
    the weights, though not on average.
    """
    images = as_input(model.backbone, batch.crops)
    targets = torch.as_tensor(batch.targets, device=images.device)
    (count,) = totals(len(targets))
    with autocast(images.device):
        if isinstance(model, GoogLeNet) and model.auxiliary1 is not None:
            logits, *side = model.forward_auxiliary(images)
        else:
            logits, side = model(images), []
    main, *auxiliary = (F.cross_entropy(each.float(), targets, reduction="sum") / count for each in (logits, *side))
    loss = main + AuxiliaryHead.WEIGHT * torch.stack(auxiliary).sum() if auxiliary else main
    return {"loss": loss, "class": main, "accuracy": (logits.argmax(dim=1) == targets).sum() / count}


@torch.no_grad()
def mean_softmax(models: Sequence[GoogLeNet], crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The probabilities [C, K] of crops (C, 224, 224, 3), averaged over the networks of an ensemble.

    The mean of an image's rows is the paper's answer; the largest over crops was worse (section 7).
    """
    answers = []
    for start in range(0, len(crops), CHUNK):
        part = crops[start : start + CHUNK]
        each = [_softmax(model, part) for model in models]
        answers.append(torch.stack(each).mean(dim=0))
    return torch.cat(answers).cpu().numpy()


def _softmax(model: GoogLeNet, crops: NDArray[np.uint8]) -> Tensor:
    images = as_input(model.backbone, crops)
    with autocast(images.device):
        logits = model.eval()(images)
    return logits.cpu().double().softmax(dim=1)  # on the CPU: MPS has no float64
