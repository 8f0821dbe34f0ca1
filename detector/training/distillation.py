"""One net taught by an ensemble: it learns what the members say together of each region, at the price of one.

Shapes: R regions over the images of a step, K classes (0 = background).
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...backbone.features.shared_maps import SharedMaps
from ...backbone.precision import autocast, choose_device
from ...backbone.training.checkpoints import check_model_folder
from ...backbone.training.distributed import joined, only_first, totals
from ...backbone.training.loop import Recipe, State
from ...backbone.weights import tensors_hash
from ...data.datasets.dataset import Dataset
from ...data.errors import UsageError
from ..config import DetectorConfig
from ..ensemble import Ensemble
from ..model_folders import initial_network, load_detector, member_folders, model_folder, proposer_named
from ..network import RegionNetwork
from ..region_features import Mode
from .batches import Example
from .finetuning import FinetuneOptions, train_on_regions
from .region_loss import predict_regions

Teacher = RegionNetwork | Ensemble


@joined()
def distil(
    model: str,
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
    """Train one net on what the ensemble of a model folder says of a data set's regions; `out` becomes its folder.

    It starts from `init`, the ensemble's first member without one, and finds what the ensemble finds: classes and
    proposals are the ensemble's. The annotations only say which regions are worth asking about.
    """
    folder, report = model_folder(model), only_first(report)
    teacher, config = load_detector(folder)
    if options.mode not in config.modes:
        raise UsageError(f"--mode {options.mode}: {folder} looks at regions in these ways: {', '.join(config.modes)}")
    if config.scores != "softmax":
        raise UsageError(f"{folder} has {config.scores} scores; only a softmax can be taught")
    check_model_folder(out, resume)
    torch.manual_seed(recipe.seed)
    options = replace(options, classes=config.classes, proposals=config.proposals, box_deltas=config.box_deltas)
    student, own = _student(init, folder, config, options)
    teacher = teacher.to(choose_device(options.device)).requires_grad_(False).eval()
    return train_on_regions(
        student,
        own,
        lambda net, batch: distillation_loss(net, batch, teacher, options.mode),
        proposer_named(config.proposals, model, options.device),
        data,
        validation,
        out,
        options,
        recipe,
        {"teacher": tensors_hash(teacher), "init": init},
        resume=resume,
        report=report,
    )


def _student(
    init: str | None, folder: Path, config: DetectorConfig, options: FinetuneOptions
) -> tuple[RegionNetwork, DetectorConfig]:
    """The net to teach, with the settings of its teacher."""
    first = folder if config.members == 1 else member_folders(folder, config.members)[0]
    wanted = replace(config, members=1, mode=options.mode)
    return initial_network(init or str(first), wanted, keep_modes=options.freeze == "backbone")


def distillation_loss(
    student: RegionNetwork, batch: list[Example], teacher: nn.Module, mode: Mode
) -> dict[str, Tensor]:
    """Cross-entropy with the teacher's probabilities, and how far the boxes are from the teacher's, of each region.

    The distance is L1 in deltas, which are in a region's own size. A class counts there by the teacher's probability of
    it: where it sees none, its box means nothing. Both are means over the regions of all processes, of which this gives
    the part that `batch` has; "agreement" is the share of the regions that both give the same class.
    """
    logits, deltas = predict_regions(student, batch, mode)  # [R, K + 1], [R, K, 4]
    wanted, places = _taught(teacher, batch, mode, like=deltas)
    (num_regions,) = totals(len(logits))
    if not num_regions:
        return {}
    classification = F.cross_entropy(logits, wanted, reduction="sum") / num_regions
    regression = (wanted[:, 1:, None] * (deltas - places).abs()).sum() / num_regions
    agreement = (logits.argmax(dim=1) == wanted.argmax(dim=1)).sum() / num_regions
    return {"loss": classification + regression, "class": classification, "box": regression, "agreement": agreement}


@torch.no_grad()
def _taught(teacher: nn.Module, batch: list[Example], mode: Mode, like: Tensor) -> tuple[Tensor, Tensor]:
    """The teacher's probabilities [R, K + 1] and deltas [R, K, 4] of the same regions."""
    answers = [(like.new_zeros(0, like.shape[1] + 1), like.new_zeros(0, *like.shape[1:]))]
    with autocast(like.device):
        for each in batch:
            maps = SharedMaps(cast(Teacher, teacher).backbone, each.image, each.short_sides)
            answers.append(teacher(mode, maps, each.sample.boxes))
    logits, deltas = (torch.cat(parts) for parts in zip(*answers, strict=True))
    return logits.softmax(dim=1), deltas
