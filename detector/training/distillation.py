"""Distillation: one network learns the fused predictions of an ensemble, at the price of one.

Shapes: R regions over the images of a step, K classes (0 = background).
"""

from dataclasses import replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...backbone.features.shared_maps import SharedMaps
from ...backbone.precision import autocast, choose_device
from ...backbone.training.checkpoints import State, check_model_folder
from ...backbone.training.distributed import is_first, joined, totals
from ...backbone.training.freezing import freezes_backbone
from ...backbone.training.run import Run
from ...backbone.weights import tensors_hash
from ...data.datasets.dataset import Dataset
from ...data.errors import UsageError
from ..config import DetectorConfig
from ..ensemble import Ensemble
from ..model_folders import (
    copy_multibox,
    initial_config,
    initial_network,
    load_detector,
    member_folders,
    model_folder,
    proposer_named,
)
from ..network import RegionNetwork
from ..region_features import Mode
from .batches import Example
from .finetuning import FinetuneOptions, Learner, train_on_regions
from .region_loss import predict_regions

Teacher = RegionNetwork | Ensemble


@joined()
def distil(
    model: str,
    data: Dataset,
    validation: Dataset | None,
    init: str | None,
    options: FinetuneOptions,
    run: Run,
    teacher_mode: str | None = None,
) -> State:
    """Train one network on an ensemble's predictions for the regions of a data set; writes its model folder.

    It starts from `init`, the ensemble's first member without one. Its classes and proposals are those of the ensemble;
    the annotations only decide which regions are sampled. The teacher predicts by its `teacher_mode`, that of the
    student without one: so what a detector knows by crops it can learn to see on shared maps.
    """
    folder, taught_by = model_folder(model), cast(Mode, teacher_mode or options.mode)
    teacher, config = load_detector(folder)
    if taught_by not in config.detection_modes:
        option = "--mode" if teacher_mode is None else "--teacher-mode"
        raise UsageError(f"{option} {taught_by}: {folder} has the modes {', '.join(config.detection_modes)}")
    if config.scores != "softmax":
        raise UsageError(f"{folder} has {config.scores} scores; only a softmax can be taught")
    check_model_folder(run.out, run.resume)
    torch.manual_seed(run.recipe.seed)
    options = replace(options, classes=config.classes, proposals=config.proposals, box_deltas=config.box_deltas)
    start = init or str(folder if config.members == 1 else member_folders(folder, config.members)[0])
    student, own = _student(start, config, options)
    teacher = teacher.to(choose_device(options.device)).requires_grad_(False).eval()

    def loss(network: RegionNetwork, batch: list[Example]) -> dict[str, Tensor]:
        return distillation_loss(network, batch, teacher, options.mode, taught_by)

    method = proposer_named(config.proposals, model, options.device)
    facts = {"teacher": tensors_hash(teacher), "teacher_mode": taught_by, "init": init}
    state = train_on_regions(Learner(student, own, method, loss, facts), data, validation, options, run)
    if is_first() and freezes_backbone(options.freeze) and initial_config(start) is not None:
        copy_multibox(model_folder(start), run.out)  # a head on this very backbone
    return state


def _student(init: str, config: DetectorConfig, options: FinetuneOptions) -> tuple[RegionNetwork, DetectorConfig]:
    """The student, with the settings of its teacher."""
    wanted = replace(config, members=1, modes=(options.mode,), mode=options.mode)
    return initial_network(init, wanted, keep_modes=freezes_backbone(options.freeze))


def distillation_loss(
    student: RegionNetwork, batch: list[Example], teacher: nn.Module, mode: Mode, teacher_mode: Mode
) -> dict[str, Tensor]:
    """Cross-entropy with the teacher's probabilities, and how far the boxes are from the teacher's, of each region.

    The distance is L1 in deltas, which are in a region's own size. A class counts there by the teacher's probability of
    it. Both are means over the regions of all processes, of which this gives
    the part that `batch` has; "agreement" is the fraction of the regions that both give the same class.
    """
    logits, deltas = predict_regions(student, batch, mode)  # [R, K + 1], [R, K, 4]
    wanted, wanted_deltas = _taught(teacher, batch, teacher_mode, like=deltas)
    (num_regions,) = totals(len(logits))
    if not num_regions:
        return {}
    classification = F.cross_entropy(logits, wanted, reduction="sum") / num_regions
    regression = (wanted[:, 1:, None] * (deltas - wanted_deltas).abs()).sum() / num_regions
    agreement = (logits.argmax(dim=1) == wanted.argmax(dim=1)).sum() / num_regions
    return {"loss": classification + regression, "class": classification, "box": regression, "agreement": agreement}


@torch.no_grad()
def _taught(teacher: nn.Module, batch: list[Example], mode: Mode, like: Tensor) -> tuple[Tensor, Tensor]:
    """The teacher's probabilities [R, K + 1] and deltas [R, K, 4] of the same regions."""
    predictions = [(like.new_zeros(0, like.shape[1] + 1), like.new_zeros(0, *like.shape[1:]))]
    with autocast(like.device):
        for each in batch:
            maps = SharedMaps(cast(Teacher, teacher).backbone, each.image, each.short_sides)
            predictions += teacher(mode, [(maps, each.sample.boxes)])
    logits, deltas = (torch.cat(parts) for parts in zip(*predictions, strict=True))
    return logits.softmax(dim=1), deltas
