"""Training of a detector's MultiBox, a head on its frozen backbone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from ...backbone.precision import autocast, choose_device
from ...backbone.training.checkpoints import State, check_model_folder
from ...backbone.training.distributed import first_alone, joined, only_first, require_shards
from ...backbone.training.loop import Task, train
from ...backbone.training.run import Run
from ...data.boxes import Boxes
from ...data.datasets.dataset import Dataset, spread
from ...data.datasets.image_order import image_order
from ...data.errors import UsageError
from ...data.values import COUNT, NOT_NEGATIVE, check_range, check_ranges, whole_number
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

RANKED_REGIONS = 64  # of the mix, which has the best first: from 60 on mAP stays the same
RANGES = {"alpha": NOT_NEGATIVE, "images": COUNT, "validation_images": COUNT}


@dataclass(frozen=True)
class MultiBoxOptions:
    """Options of `train multibox`, beside the data and the recipe."""

    priors: str = "800"  # how many centres of the training boxes, or a file of priors
    alpha: float = 0.1  # weight of the location loss, which is in tenths of a prior's side
    balance: bool = False  # whether images of rare classes come more often
    images: int = 4  # a step
    validation_images: int = 100
    device: str = "auto"

    def __post_init__(self) -> None:
        check_ranges(self, RANGES, flags=True)


@joined()
def train_multibox(
    data: Dataset, validation: Dataset | None, init: str | None, options: MultiBoxOptions, run: Run
) -> State:
    """Train a MultiBox on a detector's backbone, the best by validation recall.

    Writes that detector with it, for which the mix is then the method of proposing, and few regions are enough.
    """
    report, recipe = only_first(run.report), run.recipe
    check_model_folder(run.out, run.resume)  # before minutes go into proposals
    require_shards(options.images, "--images")
    sample = None if validation is None else spread(validation, options.validation_images)
    if sample is not None and not any(truth.to_find.any() for truth in sample.images):
        raise UsageError(f"{sample.name} has no objects to measure recall on; choose other images for --val")
    if not any(truth.annotates(data.classes) for truth in data.images):
        raise UsageError(f"no image of {data.name} has objects of all its classes annotated, so nothing is background")
    torch.manual_seed(recipe.seed)  # for the first weights
    detector, config = load_network(model_folder(init))
    priors = _priors(data, options.priors, recipe.seed)
    head = MultiBoxHead(len(priors))
    head.priors.copy_(torch.as_tensor(priors))
    network = MultiBoxNetwork(detector.backbone, head)
    network.to(choose_device(options.device), memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    with first_alone():
        others = cached_proposals(data, proposer(MIXED), report)

    order = image_order(data, data.classes, recipe.seed, balance=options.balance)

    def save(model: nn.Module) -> None:
        save_network(run.out, detector, replace(config, proposals="mix", regions=RANKED_REGIONS))
        save_multibox(run.out, detector.backbone, cast(MultiBoxNetwork, model).head)

    def loss(model: nn.Module, batch: list[MultiBoxExample]) -> dict[str, Tensor]:
        with autocast(next(model.parameters()).device):
            return multibox_loss(cast(MultiBoxNetwork, model), batch, options.alpha)

    task = Task(
        network,
        [{"params": list(head.parameters()), "scale": 1.0, "weight_decay": recipe.weight_decay}],
        MultiBoxBatches(data, others, priors, config.short_sides, order, options.images),
        loss,
        save,
        validate=_validator(sample, config.short_sides) if sample is not None else None,
        metric="average recall of the validation images",
        facts=_facts(data, validation, init, options),
        images=options.images,
    )
    return train(task, run)


def _facts(data: Dataset, validation: Dataset | None, init: str | None, options: MultiBoxOptions) -> dict[str, object]:
    """What a resumed run must share with the one that it resumes."""
    names = ("balance", "priors", "alpha", "images", "validation_images")
    chosen = {name: getattr(options, name) for name in names}
    return {"init": init, **chosen, "data": data_fact(data), "validation": data_fact(validation)}


def _priors(data: Dataset, wanted: str, seed: int) -> Boxes:
    count = whole_number(wanted)
    if count is None:
        return read_priors(wanted)
    check_range(f"--priors {wanted} (a number, or a file of priors)", count, COUNT)
    return priors_of(data, count, seed)


def _validator(sample: Dataset, short_sides: tuple[float, ...]) -> Callable[[nn.Module], float]:
    """Average recall of the best 200 boxes on a fixed sample of the validation images."""

    def validate(model: nn.Module) -> float:
        network = cast(MultiBoxNetwork, model)
        multibox = MultiBox(network.backbone, network.head, short_sides)
        found = {truth.file: multibox.propose(multibox.maps_of(sample.read(truth)), NUM_OWN) for truth in sample.images}
        return evaluate_recall("multibox", found, sample.images).all.average_recall

    return validate
