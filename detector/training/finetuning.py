"""Fine-tuning on regions: R-CNN's samples and loss, in the loop of `backbone/training/loop.py`."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...backbone.features.image_pyramid import SHORT_SIDES
from ...backbone.precision import choose_device
from ...backbone.training.checkpoints import State, check_model_folder
from ...backbone.training.distributed import first_alone, is_first, joined, only_first, require_shards
from ...backbone.training.freezing import FREEZES, freezes_backbone
from ...backbone.training.loop import Task, train
from ...backbone.training.run import Run
from ...data.class_names import require_known
from ...data.datasets.dataset import Dataset, of_classes, require_classes, require_objects, spread
from ...data.datasets.image_order import image_order
from ...data.errors import DataError, UsageError
from ...data.formats.ilsvrc.imagenet import read_subclasses
from ...data.records import ImageDetections, Proposals
from ...data.terminal import Report
from ...data.values import COUNT, NOT_NEGATIVE, check_ranges
from ...eval.metrics.protocols import evaluate_voc
from ...eval.metrics.table import tabulate
from ...proposals.cache import BestProposals, cached_proposals
from ...proposals.methods import Proposer
from ..config import DetectorConfig
from ..model_folders import (
    WEIGHTS,
    copy_multibox,
    initial_config,
    initial_network,
    load_multibox,
    model_folder,
    proposer_named,
    save_network,
)
from ..network import RegionNetwork
from ..rcnn import RCNN
from ..region_features import POOLED_SIZE, Mode
from .batches import Batches, Example
from .data_summary import class_counts, coverage
from .region_loss import region_loss
from .resume_facts import data_fact
from .subclass_loss import SubclassLoss
from .window_batches import WindowBatches, find_windows

SEARCHED = "selective-search:googlenet"  # the proposals of a new backbone, which has no MultiBox yet
HEAD_RATE = 5.0  # how much faster the new layers learn
SAMPLINGS = ("images", "windows")
RANGES = {
    **dict.fromkeys(("images", "regions", "validation_images", "foreground", "background"), COUNT),
    "best_proposals": replace(COUNT, optional=True),
    "head_rate": NOT_NEGATIVE,
    "bias_rate": NOT_NEGATIVE,
}


@dataclass(frozen=True)
class FinetuneOptions:
    """Options of `train finetune`, beside the data and the recipe."""

    classes: tuple[str, ...] = ()  # none: all of the data set
    mode: Mode = "shared"
    freeze: str = "conv1"  # the layers to freeze, of `FREEZES`
    proposals: str = (
        ""  # the trained detector has them too; none: those of a detector that gets another mode, or SEARCHED
    )
    best_proposals: int | None = None  # an image, to sample regions from; none: all
    short_sides: tuple[float, ...] = ()  # of the image pyramid, in pixels; none: those of the first weights' detector
    balance: bool = False  # whether images of rare classes come more often
    images: int = 2  # a step
    regions: int = 64  # an image
    validation_images: int = 100
    device: str = "auto"
    sampling: str = "images"  # `regions` of each of `images`; or "windows": sampled from those of all images (R-CNN)
    foreground: int = 32  # a step, with sampling "windows"
    background: int = 96  # a step, with sampling "windows"
    head_rate: float = HEAD_RATE  # how much faster the new layers learn
    bias_rate: float = 1.0  # how much faster biases learn than weights
    box_deltas: bool = True  # learn where the object is, and refine boxes by it
    subclasses: str | None = None  # of the classifier to start from, as `read_subclasses` takes them; to keep
    new_outputs: bool = False  # start the head's outputs anew even where `init` has some for these classes

    def __post_init__(self) -> None:
        require_known("--freeze", self.freeze, FREEZES)
        require_known("--sampling", self.sampling, SAMPLINGS)
        check_ranges(self, RANGES, flags=True)

    def __str__(self) -> str:
        regions = f"{self.foreground} + {self.background} regions of all images"
        if self.sampling == "images":
            regions = f"{self.regions} regions of each of {self.images} images"
        return f"{self.mode}, {regions} a step, {'with' if self.box_deltas else 'without'} box deltas"


@dataclass(frozen=True)
class Learner:
    """A network to train on regions, with the configuration and the proposals that it will have."""

    network: RegionNetwork
    config: DetectorConfig
    method: Proposer
    loss: Callable[[RegionNetwork, list[Example]], dict[str, Tensor]]  # of a step's regions
    facts: Mapping[str, object]  # what a resumed run must share, beside the data, the options and the recipe


@joined()
def finetune(data: Dataset, validation: Dataset | None, init: str | None, options: FinetuneOptions, run: Run) -> State:
    """Train a detector on a data set and write its model folder, the best by validation mAP if there is any."""
    report, earlier = only_first(run.report), initial_config(init)
    subclasses = _subclasses(options, earlier)
    if subclasses:
        data = of_classes(data, sorted({*filter(None, subclasses.values())}, key=str.casefold))
    classes = options.classes or data.classes
    if not classes:
        raise UsageError(f"{data.name} has no objects to learn from")
    require_classes(data.name, data.classes, classes)
    require_objects(data, classes, "to learn from", report)
    if not any(truth.exhaustive for truth in data.images):
        raise UsageError(f"no image of {data.name} has all of its objects annotated, so nothing in it is background")
    check_model_folder(run.out, run.resume)  # before minutes go into proposals
    torch.manual_seed(run.recipe.seed)  # for the first weights of new layers
    frozen = freezes_backbone(options.freeze)
    grown = earlier if frozen and earlier is not None and earlier.classes == classes else None  # by another mode
    proposals = options.proposals or (SEARCHED if grown is None else grown.proposals)
    config = DetectorConfig(
        classes=classes,
        subclasses=subclasses,
        modes=(options.mode,),
        proposals=proposals,
        short_sides=options.short_sides or (SHORT_SIDES if earlier is None else earlier.short_sides),
        pooled_size=POOLED_SIZE if earlier is None or not frozen else earlier.pooled_size,
        box_deltas=options.box_deltas,
    )
    network, config = initial_network(init, config, keep_modes=frozen, new_outputs=options.new_outputs)
    with_subclasses = SubclassLoss(network, options.mode, _learned(data, classes)) if subclasses else None

    def loss(model: RegionNetwork, batch: list[Example]) -> dict[str, Tensor]:
        if with_subclasses is not None:
            return with_subclasses(model, batch)
        return region_loss(model, batch, options.mode, box_deltas=options.box_deltas)

    method = proposer_named(proposals, None if grown is None else init, options.device)
    state = train_on_regions(Learner(network, config, method, loss, {"init": init}), data, validation, options, run)
    if grown is not None and is_first():
        copy_multibox(model_folder(init), run.out)  # a head on this very backbone
    return state


def _subclasses(options: FinetuneOptions, earlier: DetectorConfig | None) -> dict[str, str]:
    """The subclasses that the detector will have, each with its class: those asked for, or those of the first one."""
    if options.subclasses is None:
        same = earlier is not None and options.classes in ((), earlier.classes)
        return dict(earlier.subclasses) if earlier is not None and same else {}
    for name, wrong in (("--classes", bool(options.classes)), ("--no-deltas", not options.box_deltas)):
        if wrong:
            raise UsageError(f"--subclasses and {name} exclude each other: leave out one")
    if not freezes_backbone(options.freeze):
        raise UsageError("--subclasses needs --freeze backbone: what is known of classes without boxes rests on it")
    subclasses = read_subclasses(options.subclasses)
    if earlier is not None and earlier.subclasses != subclasses:
        raise UsageError("--subclasses are the outputs of a classifier: name one as --init")
    return subclasses


def _learned(data: Dataset, classes: tuple[str, ...]) -> list[int]:
    """The classes that the data set has objects of, i + 1 = classes[i], and the background."""
    found = {label for truth in data.images for label in truth.labels[truth.to_find].tolist()}
    return [0, *(index for index, name in enumerate(classes, 1) if name in found)]


def train_on_regions(
    learner: Learner, data: Dataset, validation: Dataset | None, options: FinetuneOptions, run: Run
) -> State:
    """Train on the labelled proposals of a data set; the network and its configuration become the model folder."""
    report, config = only_first(run.report), learner.config
    sample = None if validation is None else spread(validation, options.validation_images)
    if sample is not None:
        require_objects(sample, config.classes, "to validate on", report)
    learner.network.to(choose_device(options.device))
    with first_alone():
        proposals = cached_proposals(data, learner.method, report)
    if options.best_proposals is not None:
        proposals = BestProposals(proposals, options.best_proposals)
    report(coverage(data, proposals, config.classes))
    for line in class_counts(data, config):
        report(line)
    report(f"{options}; {run.recipe}")
    batches, images = _batches(data, proposals, config, options, run.recipe.seed)
    task = Task(
        learner.network,
        parameter_groups(learner.network, options, run.recipe.weight_decay),
        batches,
        lambda model, batch: learner.loss(cast(RegionNetwork, model), batch),
        save=lambda model: save_network(run.out, cast(RegionNetwork, model), config),
        validate=_validator(sample, config, learner.method, options, report) if sample is not None else None,
        metric="voc10 mAP of the validation images",
        facts={**_facts(data, validation, config.classes, options), **learner.facts},
        images=images,
        unit="images" if options.sampling == "images" else "regions",
    )
    state = train(task, run)
    if is_first() and not (run.out / WEIGHTS).exists():
        raise DataError(f"{run.out}: its run is done and its {WEIGHTS} is gone; train anew with another --out")
    return state


def _facts(
    data: Dataset, validation: Dataset | None, classes: tuple[str, ...], options: FinetuneOptions
) -> dict[str, object]:
    """What a resumed run must share with the one that it resumes."""
    facts = {**asdict(options), "classes": classes, "data": data_fact(data), "validation": data_fact(validation)}
    del facts["device"]
    return facts


def _batches(
    data: Dataset, proposals: Mapping[str, Proposals], config: DetectorConfig, options: FinetuneOptions, seed: int
) -> tuple[Batches | WindowBatches, int]:
    """The batches of the steps, and how many images each has; with "windows", regions."""
    if options.sampling == "images":
        require_shards(options.images, "--images")
        order = image_order(data, config.classes, seed, balance=options.balance)
        batches = Batches(
            data, proposals, config.classes, options.mode, config.short_sides, order, options.images, options.regions
        )
        return batches, options.images
    windows = find_windows(data, proposals, config.classes)
    batches = WindowBatches(
        data,
        proposals,
        config.classes,
        options.mode,
        config.short_sides,
        windows,
        options.foreground,
        options.background,
        seed,
    )
    return batches, options.foreground + options.background


def _validator(
    sample: Dataset,
    config: DetectorConfig,
    method: Proposer,
    options: FinetuneOptions,
    report: Report,
) -> Callable[[nn.Module], float]:
    """mAP (VOC10+, IoU .5) of a network on a fixed sample of the validation images."""
    with first_alone():
        proposals = cached_proposals(sample, method, report)

    def validate(network: nn.Module) -> float:
        settings = replace(config, mode=options.mode, score=0.001)
        detector = RCNN(network, settings, options.device, lambda: load_multibox(model_folder(), options.device))  # pyright: ignore[reportArgumentType]
        found = [
            ImageDetections(truth.file, truth.width, truth.height, detector.detect(image, proposals[truth.file]))
            for truth in sample.images
            for image in [sample.read(truth)]
        ]
        return evaluate_voc(tabulate(found, sample.images, config.classes), "voc10").map

    return validate


def parameter_groups(network: RegionNetwork, options: FinetuneOptions, weight_decay: float) -> list[dict[str, Any]]:
    """The parameters that learn: the box predictor's new layers faster than what was trained before, biases undecayed.

    Frozen are the layers that `options.freeze` names, the other mode's box head and box predictor and, where no box
    deltas are learnt, their layer.
    """
    mode = options.mode
    network.requires_grad_(False)
    rates = {network.box_heads[mode]: 1.0, network.box_predictors[mode]: options.head_rate, network.backbone: 1.0}
    for module in rates:
        module.requires_grad_(True)
    for name, parameter in network.named_parameters():
        if name.startswith(FREEZES[options.freeze]):
            parameter.requires_grad_(False)
    network.box_predictors[mode].get_submodule("deltas").requires_grad_(options.box_deltas)
    subclasses = network.box_predictor(mode).subclasses
    trained = set() if subclasses is None else {*subclasses.parameters()}
    if subclasses is not None:
        rates[subclasses] = 1.0
    groups = []
    for module, scale in rates.items():
        own = [(name, each) for name, each in module.named_parameters() if each.requires_grad]
        named = [(name, each) for name, each in own if module is subclasses or each not in trained]
        weights = [each for name, each in named if not name.endswith("bias")]
        biases = [each for name, each in named if name.endswith("bias")]
        groups.append({"params": weights, "scale": scale, "weight_decay": weight_decay})
        groups.append({"params": biases, "scale": scale * options.bias_rate, "weight_decay": 0.0})
    return [group for group in groups if group["params"]]
