"""Fine-tuning on regions: R-CNN's samples and loss around the loop of `backbone/training.py`.

Shapes: R regions over the pictures of a step, K classes (0 = background).
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ..backbone.precision import autocast, choose_device
from ..backbone.shared_maps import SharedMaps
from ..backbone.training import Recipe, State, check_out, train
from ..data.boxes import box_iou
from ..data.dataset import Dataset, spread
from ..data.errors import UsageError
from ..data.records import Picture, Proposals
from ..eval.table import tabulate
from ..eval.voc import evaluate_voc
from ..proposals.deltas import encode
from ..proposals.kept import kept_proposals
from ..proposals.methods import Proposer
from .batches import Batches, Example
from .config import DetectorConfig
from .network import RegionNetwork
from .pretrained import initial_network, load_multibox, model_folder, proposer_named, save_network
from .rcnn import RCNN
from .regions import Mode

HEAD_RATE = 5.0  # how much faster the new layers learn
FREEZES = ("conv1", "trunk", "none")


@dataclass(frozen=True)
class FinetuneOptions:
    """What `train finetune` can be told, beside the data and the recipe."""

    classes: tuple[str, ...] = ()  # none: all of the data set
    mode: Mode = "shared"
    freeze: str = "conv1"  # what stays as it is: "conv1", the whole "trunk", or "none"
    proposals: str = "selective-search:googlenet"  # the trained detector uses them too
    pictures: int = 2  # a step
    regions: int = 64  # a picture
    validation_pictures: int = 100
    device: str = "auto"


def finetune(
    data: Dataset,
    validation: Dataset | None,
    init: str | None,
    out: Path,
    options: FinetuneOptions,
    recipe: Recipe,
    *,
    resume: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> State:
    """Train a detector on a data set and write the model folder `out`, the best by validation mAP if there is any."""
    classes = options.classes or data.classes
    _check_classes(classes, data)
    if options.freeze not in FREEZES:
        raise UsageError(f"unknown --freeze {options.freeze!r}; known: {', '.join(FREEZES)}")
    check_out(out, resume)  # before minutes go into proposals
    torch.manual_seed(recipe.seed)  # for the heads' first weights
    config = DetectorConfig(classes=classes, mode=options.mode, proposals=options.proposals)
    network, config = initial_network(init, config, keep_modes=options.freeze == "trunk")
    network.to(choose_device(options.device))
    groups = parameter_groups(network, options.mode, options.freeze, recipe.weight_decay)
    method = proposer_named(options.proposals, device=options.device)
    proposals = kept_proposals(data, method, report)
    report(_outlook(data, proposals, classes))
    batches = Batches(data, proposals, classes, options.mode, options.pictures, options.regions, recipe.seed)
    validate = _validator(validation, config, method, options, report) if validation else None
    return train(
        network,
        groups,
        batches,
        lambda model, batch: region_loss(model, batch, options.mode),  # pyright: ignore[reportArgumentType]
        recipe,
        out,
        save=lambda model: save_network(out, model, config),  # pyright: ignore[reportArgumentType]
        validate=validate,
        resume=resume,
        report=report,
    )


def _check_classes(classes: tuple[str, ...], data: Dataset) -> None:
    if not classes:
        raise UsageError(f"{data.name} has no objects to learn from")
    for name in classes:
        if name not in data.classes:
            near = difflib.get_close_matches(name, data.classes, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"its classes: {', '.join(data.classes)}"
            raise UsageError(f"class {name!r} is not in {data.name}; {hint}")


def _outlook(data: Dataset, proposals: Mapping[str, Proposals], classes: tuple[str, ...]) -> str:
    """How many proposals are foreground and how many objects are covered: an early sign of trouble."""
    foreground = boxes = objects = covered = 0
    for truth in data.pictures:
        wanted = truth[np.isin(truth.labels, classes) & ~truth.difficult]
        overlaps = box_iou(proposals[truth.file].boxes, wanted.boxes) >= 0.5
        foreground += int(overlaps.any(axis=1).sum())
        boxes, objects = boxes + len(overlaps), objects + len(wanted)
        covered += int(overlaps.any(axis=0).sum())
    return (
        f"{len(data)} pictures, {objects} objects of {len(classes)} classes; {boxes / max(len(data), 1):.0f} proposals "
        f"a picture cover {covered / max(objects, 1):.1%} of them at IoU .5; {foreground / max(boxes, 1):.1%} of the "
        "proposals are foreground"
    )


def _validator(
    validation: Dataset,
    config: DetectorConfig,
    method: Proposer,
    options: FinetuneOptions,
    report: Callable[[str], None],
) -> Callable[[nn.Module], float]:
    """mAP (VOC10+, IoU .5) of a network on a fixed sample of the validation pictures, evenly spread."""
    sample = spread(validation, options.validation_pictures)
    proposals = kept_proposals(sample, method, report)

    def validate(network: nn.Module) -> float:
        settings = replace(config, mode=options.mode, score=0.001)
        detector = RCNN(network, settings, options.device, lambda: load_multibox(model_folder(), options.device))  # pyright: ignore[reportArgumentType]
        found = [
            Picture(truth.file, truth.width, truth.height, detector.detect(image, proposals[truth.file]))
            for truth in sample.pictures
            for image in [sample.read(truth)]
        ]
        return evaluate_voc(tabulate(found, sample.pictures, config.classes), "voc10").map

    return validate


def region_loss(network: RegionNetwork, batch: list[Example], mode: Mode) -> dict[str, Tensor]:
    """Cross-entropy over the classes plus the smooth L1 of the foreground's deltas, a mean over the regions.

    "accuracy" is the share of the foreground that is given its class.
    """
    device = next(network.parameters()).device
    with autocast(device):
        outputs = [
            network(mode, SharedMaps(network.trunk, each.image, each.short_sides), each.sample.boxes) for each in batch
        ]
    logits = torch.cat([logits for logits, _ in outputs])  # [R, K + 1]
    deltas = torch.cat([deltas for _, deltas in outputs])  # [R, K, 4]
    classes = torch.as_tensor(np.concatenate([each.sample.classes for each in batch]), device=device)  # [R]
    boxes = _tensor(np.concatenate([each.sample.boxes for each in batch]), device)
    targets = _tensor(np.concatenate([each.sample.targets for each in batch]), device)
    count = max(len(classes), 1)
    classification = F.cross_entropy(logits, classes, reduction="sum") / count
    foreground = torch.nonzero(classes)[:, 0]
    chosen = deltas[foreground, classes[foreground] - 1]  # [foreground, 4]
    wanted = encode(boxes[foreground], targets[foreground])  # [foreground, 4]
    regression = F.smooth_l1_loss(chosen, wanted, reduction="sum") / count
    right = (logits[foreground].argmax(dim=1) == classes[foreground]).sum() / max(len(foreground), 1)
    return {"loss": classification + regression, "class": classification, "box": regression, "accuracy": right}


def _tensor(boxes: NDArray[np.float64], device: torch.device) -> Tensor:
    return torch.as_tensor(boxes, dtype=torch.float32, device=device)


def parameter_groups(network: RegionNetwork, mode: Mode, freeze: str, weight_decay: float) -> list[dict[str, Any]]:
    """The parameters that learn: the head faster than what was trained before, biases undecayed.

    `freeze` keeps "conv1", the whole "trunk" or nothing ("none") as it is, and the other mode's tail and head stay
    untouched in any case.
    """
    network.requires_grad_(False)
    learning: list[tuple[nn.Module, float]] = [(network.tails[mode], 1.0), (network.heads[mode], HEAD_RATE)]
    if freeze != "trunk":
        learning.append((network.trunk, 1.0))
    for module, _ in learning:
        module.requires_grad_(True)
    if freeze == "conv1":
        network.trunk.conv1.requires_grad_(False)
    groups = []
    for module, scale in learning:
        named = [(name, each) for name, each in module.named_parameters() if each.requires_grad]
        weights = [each for name, each in named if not name.endswith("bias")]
        biases = [each for name, each in named if name.endswith("bias")]
        groups.append({"params": weights, "scale": scale, "weight_decay": weight_decay})
        groups.append({"params": biases, "scale": scale, "weight_decay": 0.0})
    return groups
