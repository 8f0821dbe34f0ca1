"""The loss of R-CNN: cross-entropy over the classes and, of the foreground, smooth L1 of the box deltas.

Shapes: R regions over the images of a step, K classes (0 = background).
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ...backbone.features.shared_maps import SharedMaps
from ...backbone.googlenet import Backbone
from ...backbone.precision import autocast
from ...backbone.training.distributed import totals
from ...data.datasets.labelling import BACKGROUND
from ...proposals.common.box_coding import encode
from ..network import RegionNetwork
from ..region_features import Mode, Regions
from .batches import Example


def region_loss(
    network: RegionNetwork, batch: list[Example], mode: Mode, *, box_deltas: bool = True
) -> dict[str, Tensor]:
    """Cross-entropy over the classes plus the smooth L1 of the foreground's deltas, a mean over the regions.

    Where an image's data set does not annotate some classes, background means: background or one of those. "accuracy"
    is the fraction of the foreground that gets its class, NaN where there is none. The means are over all processes'
    regions, and this gives the part of them that `batch` has; without any region there are no terms. Without
    `box_deltas` only the classes are learnt.
    """
    logits, deltas = predict_regions(network, batch, mode)
    wrong = torch.as_tensor(wrong_classes(batch, logits.shape[1]), device=logits.device)
    return loss_terms(logits, deltas, batch, wrong, box_deltas=box_deltas)


def loss_terms(
    logits: Tensor, deltas: Tensor, batch: list[Example], wrong: Tensor, *, box_deltas: bool = True
) -> dict[str, Tensor]:
    """The terms of the loss, where regions are known not to be of the `wrong` classes, [R, K + 1]."""
    device, samples = logits.device, [each.sample for each in batch]
    classes = torch.as_tensor(
        np.concatenate([np.zeros(0, dtype=np.int64), *(each.classes for each in samples)]), device=device
    )  # [R]
    boxes = _stacked([each.boxes for each in samples], device)  # [R, 4]
    targets = _stacked([each.targets for each in samples], device)  # [R, 4]
    foreground = torch.nonzero(classes)[:, 0]
    num_regions, num_foreground = totals(len(classes), len(foreground))
    if not num_regions:
        return {}
    right = logits.log_softmax(dim=1).masked_fill(wrong, -torch.inf).logsumexp(dim=1)  # [R], of one class: its own
    classification = -right.sum() / num_regions
    accuracy = (logits[foreground].argmax(dim=1) == classes[foreground]).sum() / num_foreground
    if not box_deltas:
        return {"loss": classification, "class": classification, "accuracy": accuracy}
    chosen = deltas[foreground, classes[foreground] - 1]  # [foreground, 4]
    wanted = encode(boxes[foreground], targets[foreground])  # [foreground, 4]
    regression = F.smooth_l1_loss(chosen, wanted, reduction="sum") / num_regions
    return {"loss": classification + regression, "class": classification, "box": regression, "accuracy": accuracy}


def wrong_classes(batch: list[Example], num_outputs: int) -> NDArray[np.bool_]:
    """The classes, with the background, that each region is known not to be, [R, K + 1]."""
    parts = [np.ones((0, num_outputs), dtype=bool)]
    for sample in (each.sample for each in batch):
        wrong = np.ones((len(sample), num_outputs), dtype=bool)
        wrong[np.arange(len(sample)), sample.classes] = False
        wrong[np.ix_(sample.classes == BACKGROUND, sample.unannotated)] = False
        parts.append(wrong)
    return np.concatenate(parts)


def predict_regions(network: RegionNetwork, batch: list[Example], mode: Mode) -> tuple[Tensor, Tensor]:
    """Logits [R, K + 1] and deltas [R, K, 4] of all regions of a step, image by image."""
    with autocast(next(network.parameters()).device):
        pooled = network.pooled_features(mode, regions_of(network.backbone, batch))  # [R, 4160]
        outputs = [network.box_predictor(mode).predict(pooled[:0])]
        for each, own in zip(batch, pooled.split([len(each.sample) for each in batch]), strict=True):
            torch.manual_seed(each.seed)  # dropout is the image's own, in whichever process
            outputs.append(network.box_predictor(mode).predict(own))
    logits, deltas = (torch.cat(parts) for parts in zip(*outputs, strict=True))
    return logits, deltas


def regions_of(backbone: Backbone, batch: list[Example]) -> Regions:
    """The regions of a step's images, with their maps."""
    return [(maps, each.sample.boxes) for maps, each in zip(_maps_of(backbone, batch), batch, strict=True)]


def _maps_of(backbone: Backbone, batch: list[Example]) -> list[SharedMaps]:
    """The maps of each image of a step, those of equal size computed in one pass."""
    maps: dict[int, SharedMaps] = {}
    for short_sides in dict.fromkeys(each.short_sides for each in batch):
        indices = [index for index, each in enumerate(batch) if each.short_sides == short_sides]
        images = [batch[index].image for index in indices]
        maps.update(zip(indices, SharedMaps.of_images(backbone, images, short_sides), strict=True))
    return [maps[index] for index in range(len(batch))]


def _stacked(boxes: list[NDArray[np.float64]], device: torch.device) -> Tensor:
    return torch.as_tensor(np.concatenate([np.zeros((0, 4)), *boxes]), dtype=torch.float32, device=device)
