"""Training the MultiBox of a detector: a head on its backbone, which stays as it is, so both see the same maps."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from ...backbone.features.shared_maps import SharedMaps
from ...backbone.precision import autocast, choose_device
from ...backbone.training.checkpoints import check_model_folder
from ...backbone.training.distributed import first_alone, joined, only_first, require_shards
from ...backbone.training.loop import Recipe, State, train
from ...data.boxes import Boxes
from ...data.datasets.dataset import Dataset, spread
from ...data.errors import UsageError
from ...data.ranges import COUNT, NOT_NEGATIVE, check_range, check_ranges, whole_number
from ...eval.metrics.recall import evaluate_recall
from ...proposals.cache import cached_proposals
from ...proposals.methods import MIXED, proposer
from ...proposals.mix import NUM_OWN
from ...proposals.multibox.batches import MultiBoxBatches, MultiBoxExample
from ...proposals.multibox.loss import MultiBoxNetwork, multibox_loss
from ...proposals.multibox.network import MultiBox, MultiBoxHead
from ...proposals.multibox.priors import priors_of, read_priors
from ..model_folders import load_network, model_folder, save_multibox, save_network
from .resume_facts import data_fact

RANGES = {"alpha": NOT_NEGATIVE, "images": COUNT, "validation_images": COUNT}


@dataclass(frozen=True)
class MultiBoxOptions:
    """What `train multibox` can be told, beside the data and the recipe."""

    priors: str = "800"  # so many centres of the training boxes, or a file of priors
    alpha: float = 0.1  # weight of the location loss, which is in tenths of a prior's side
    images: int = 4  # a step
    validation_images: int = 100
    device: str = "auto"
    tensorboard: bool = False  # curves too

    def __post_init__(self) -> None:
        check_ranges(self, RANGES, flags=True)


@joined()
def train_multibox(
    data: Dataset,
    validation: Dataset | None,
    init: str | None,
    out: Path,
    options: MultiBoxOptions,
    recipe: Recipe,
    *,
    resume: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> State:
    """Train a MultiBox on a detector's backbone; `out` becomes that detector with it, the best by validation recall."""
    report = only_first(report)
    check_model_folder(out, resume)  # before minutes go into proposals
    require_shards(options.images, "--images")
    sample = None if validation is None else spread(validation, options.validation_images)
    if sample is not None and not any(truth.to_find.any() for truth in sample.images):
        raise UsageError(f"{sample.name} has no objects to measure recall on; choose other images for --val")
    if not any(truth.annotates(data.classes) for truth in data.images):
        raise UsageError(f"no image of {data.name} has objects of all its classes annotated, so nothing is background")
    torch.manual_seed(recipe.seed)  # for the head's first weights
    detector, config = load_network(model_folder(init))
    priors = _priors(data, options.priors, recipe.seed)
    head = MultiBoxHead(len(priors))
    head.priors.copy_(torch.as_tensor(priors))
    network = MultiBoxNetwork(detector.backbone, head).to(
        choose_device(options.device), memory_format=torch.channels_last
    )  # pyright: ignore[reportCallIssue]
    with first_alone():
        others = cached_proposals(data, proposer(MIXED), report)
    batches = MultiBoxBatches(data, others, priors, options.images, recipe.seed)

    def save(model: nn.Module) -> None:
        save_network(out, detector, config)
        save_multibox(out, detector.backbone, cast(MultiBoxNetwork, model).head)

    def loss(model: nn.Module, batch: list[MultiBoxExample]) -> dict[str, Tensor]:
        with autocast(next(model.parameters()).device):
            return multibox_loss(cast(MultiBoxNetwork, model), batch, options.alpha)

    weights = list(head.parameters())
    return train(
        network,
        [{"params": weights, "scale": 1.0, "weight_decay": recipe.weight_decay}],
        batches,
        loss,
        recipe,
        out,
        save=save,
        validate=_validator(sample) if sample is not None else None,
        resume=resume,
        report=report,
        facts=_facts(data, validation, init, options),
        metric="average recall of the validation images",
        images=options.images,
        tensorboard=options.tensorboard,
    )


def _facts(data: Dataset, validation: Dataset | None, init: str | None, options: MultiBoxOptions) -> dict[str, object]:
    """What a resumed run must have in common with what it goes on with."""
    names = ("priors", "alpha", "images", "validation_images")
    chosen = {name: getattr(options, name) for name in names}
    return {"init": init, **chosen, "data": data_fact(data), "validation": data_fact(validation)}


def _priors(data: Dataset, wanted: str, seed: int) -> Boxes:
    count = whole_number(wanted)
    if count is None:
        return read_priors(wanted)
    check_range(f"--priors {wanted} (a number, or a file of priors)", count, COUNT)
    return priors_of(data, count, seed)


def _validator(sample: Dataset) -> Callable[[nn.Module], float]:
    """Average recall of the best 200 boxes on a fixed sample of the validation images."""

    def validate(model: nn.Module) -> float:
        network = cast(MultiBoxNetwork, model)
        multibox = MultiBox(network.backbone, network.head)
        found = {
            truth.file: multibox.propose(SharedMaps(network.backbone, sample.read(truth)), NUM_OWN)
            for truth in sample.images
        }
        return evaluate_recall("multibox", found, sample.images).all.average_recall

    return validate
