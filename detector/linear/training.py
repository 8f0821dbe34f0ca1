"""`train svm` and `train boxes`: a detector's outputs learnt anew from features that are computed once, R-CNN's way.

The network stays as it is. What is learnt is linear in the features, so it takes the place of the weights of a head's
last layers: the model folder that comes out is one like any other.

Shapes: R regions of one image, K classes.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...backbone.googlenet import FEATURE_CHANNELS
from ...backbone.precision import choose_device
from ...backbone.training.checkpoints import check_model_folder
from ...data.datasets.dataset import Dataset, require_objects, size_of, spread
from ...data.errors import UsageError
from ...data.ranges import ABOVE_ZERO, COUNT, check_range, check_ranges
from ...data.records import GroundTruth, ImageDetections
from ...data.stores.feature_store import FeatureStore, RegionFeatures
from ...data.suppression import detections_of
from ...eval.analysis.comparison import compare
from ...eval.analysis.intervals import find_intervals
from ...eval.metrics.evaluation import Evaluation
from ...eval.metrics.table import tabulate
from ...eval.metrics.voc import evaluate_voc
from ...proposals.cache import cached_proposals
from ...proposals.common.box_coding import DELTA_STD
from ..box_predictor import POOLED, BoxPredictor, class_probabilities
from ..config import DetectorConfig, checked_options
from ..model_folders import copy_multibox, load_network, model_folder, proposer_named, save_network
from ..network import RegionNetwork
from ..rcnn import refine
from ..region_features import Mode
from .calibration import IMAGES, fit_sigmoids
from .classifiers import Examples, LinearClassifiers, examples_of, feature_scale
from .features import cached_features
from .ridge import PENALTY, BoxRegressor, ridge_boxes, ridge_classifiers
from .svm import mined_svms

Report = Callable[[str], None]
Solver = Literal["mined", "ridge"]
SOLVERS: tuple[Solver, ...] = ("mined", "ridge")  # R-CNN's machines with mined negatives, and least squares
LAYOUT = slice(FEATURE_CHANNELS, POOLED)  # of a summary, what the box deltas read
LOWEST_SCORE = 0.0001  # of detections that are judged: average precision asks for nearly all


def checked_solver(name: str) -> Solver:
    """The solver of that name; UsageError for another."""
    for solver in SOLVERS:
        if name == solver:
            return solver
    raise UsageError(f"unknown --solver {name!r}; known: {', '.join(SOLVERS)}")


@dataclass(frozen=True)
class LinearOptions:
    """What `train svm` and `train boxes` can be told, beside the data and the model."""

    classes: tuple[str, ...] = ()  # none: the model's
    mode: Mode | None = None  # None: the model's own
    proposals: str | None = None  # None: the model's own
    regions: int | None = None  # an image; None: the model's own
    features: Path | None = None  # where to keep the features; None: below the package's home
    validation_images: int = 100
    device: str = "auto"

    def __post_init__(self) -> None:
        check_ranges(self, {"validation_images": COUNT}, flags=True)


@dataclass(frozen=True)
class Source:
    """The detector that is started from, and the features of its data sets."""

    folder: Path
    network: RegionNetwork
    config: DetectorConfig  # with the mode, proposals and number of regions that were asked for
    data: Dataset
    store: FeatureStore
    validation: Dataset | None
    validation_store: FeatureStore | None

    def labelled(self) -> Iterator[tuple[GroundTruth, RegionFeatures]]:
        return zip(self.data.images, self.store, strict=True)

    def judge(
        self,
        name: str,
        network: RegionNetwork,
        config: DetectorConfig,
        report: Report,
        before: Evaluation | None = None,
    ) -> Evaluation | None:
        """Tell the mAP of a network with other outputs, from the features of the validation images, if there are any.

        Beside it stand its 95 % interval and how far it is from `before`, with that difference's own.
        """
        if self.validation is None or self.validation_store is None:
            return None
        head = network.box_predictor(config.mode)
        found = detections(head, config, self.validation, self.validation_store)
        judged = evaluate_voc(tabulate(found, self.validation.images, config.classes), "voc10")
        around = find_intervals(judged).map
        told = f"{name}: mAP {judged.map:.4f} ({around.low:.4f} to {around.high:.4f})"
        if before is not None:
            change = compare(before, judged).mean
            bounds = f"{change.interval.low:+.4f} to {change.interval.high:+.4f}"
            told = f"{told}, {change.change:+.4f} ({bounds}) against before"
        report(f"{told}; VOC10+, IoU .5, on {self.validation.name}")
        return judged


def train_svm(
    data: Dataset,
    validation: Dataset | None,
    model: str | None,
    out: Path,
    options: LinearOptions,
    solver: Solver = "mined",
    report: Report = lambda line: None,
) -> None:
    """Write the model folder `out`: the detector with linear classifiers in place of its softmax.

    With validation images the mAP of the detector as it was, and of both solvers' classifiers, is told.
    """
    source = _open(data, validation, model, out, options, report, of_each=True)
    classes = options.classes or source.config.classes
    before = None
    if classes == source.config.classes:
        before = source.judge("before", source.network, source.config, report)
    scale = feature_scale(source.store)
    examples = examples_of(data, source.store, classes, scale)
    network, config = _with_one_mode(source, classes)
    config = replace(config, scores="sigmoid")
    for each in SOLVERS if validation is not None else (solver,):
        classifiers = _solve(each, examples, classes, source.store.width)
        sample = _spread_labelled(data, source.store, IMAGES)
        sigmoids = fit_sigmoids(sample, classifiers, classes, scale)
        set_classifiers(network.box_predictor(config.mode), classifiers, scale, sigmoids)
        source.judge(each, network, config, report, before)
        if each == solver:
            _save(source, out, network, config)


def train_boxes(
    data: Dataset,
    validation: Dataset | None,
    model: str | None,
    out: Path,
    options: LinearOptions,
    penalty: float = PENALTY,
    report: Report = lambda line: None,
) -> None:
    """Write the model folder `out`: the detector with R-CNN's box regressors in place of its learned deltas.

    With validation images the mAP with the deltas as they were, with the regressors, and with neither is told.
    """
    check_range(f"--penalty {penalty}", penalty, ABOVE_ZERO)
    source = _open(data, validation, model, out, options, report)
    before = source.judge("before", source.network, source.config, report)
    network, config = _with_one_mode(source, source.config.classes)
    head = network.box_predictor(config.mode)
    scale = feature_scale(source.store, LAYOUT)
    regressors = ridge_boxes(source.labelled, config.classes, head.deltas.in_features, scale, LAYOUT, penalty)
    pairs = ", ".join(f"{name} {each.num_pairs}" for name, each in zip(config.classes, regressors, strict=True))
    report(f"pairs of a proposal and its object: {pairs}")
    set_regressors(head, regressors, scale)
    config = replace(config, box_deltas=True)
    source.judge("ridge", network, config, report, before)
    source.judge("no regression", network, replace(config, box_deltas=False), report, before)
    _save(source, out, network, config)


def _solve(solver: Solver, examples: Examples, classes: tuple[str, ...], width: int) -> LinearClassifiers:
    return mined_svms(examples, classes) if solver == "mined" else ridge_classifiers(examples, classes, width)


def _open(
    data: Dataset,
    validation: Dataset | None,
    model: str | None,
    out: Path,
    options: LinearOptions,
    report: Report,
    *,
    of_each: bool = False,
) -> Source:
    """Load the detector and compute the features of both data sets, or find them."""
    folder = model_folder(model)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("train svm and train boxes run in one process: start them without torchrun")
    check_model_folder(out)
    network, config = load_network(folder)
    require_objects(data, options.classes or config.classes, "to learn from", report, of_each=of_each)
    sample = None if validation is None else spread(validation, options.validation_images)
    if sample is not None:
        require_objects(sample, options.classes or config.classes, "to validate on", report)
    wanted = {"mode": options.mode, "proposals": options.proposals, "regions": options.regions}
    wanted = checked_options({name: value for name, value in wanted.items() if value is not None}, config)
    config = replace(config, **wanted)  # pyright: ignore[reportArgumentType]
    network.to(choose_device(options.device))
    method = proposer_named(config.proposals, str(folder), options.device)

    def features(of: Dataset, place: Path | None) -> FeatureStore:
        proposals = cached_proposals(of, method, report)
        return cached_features(network, config.mode, of, proposals, config.regions, place, report)

    store = features(data, options.features)
    if sample is None:
        return Source(folder, network, config, data, store, None, None)
    place = options.features and options.features / "validation"
    return Source(folder, network, config, data, store, sample, features(sample, place))


def _with_one_mode(source: Source, classes: tuple[str, ...]) -> tuple[RegionNetwork, DetectorConfig]:
    """A copy of the detector with nothing but the mode in use. For other classes than its own it has no deltas."""
    mode = source.config.mode
    config = replace(source.config, classes=classes, modes=(mode,))
    network = RegionNetwork(len(classes), (mode,)).eval()
    network.backbone.load_state_dict(source.network.backbone.state_dict())
    network.box_heads[mode].load_state_dict(source.network.box_heads[mode].state_dict())
    head, earlier = network.box_predictor(mode), source.network.box_predictor(mode)
    if classes == source.config.classes:
        head.load_state_dict(earlier.state_dict())
    else:
        head.reduce.load_state_dict(earlier.reduce.state_dict())
        nn.init.zeros_(head.deltas.weight)
        config = replace(config, box_deltas=False)
    return network, config


def _spread_labelled(data: Dataset, store: FeatureStore, count: int) -> Iterator[tuple[GroundTruth, RegionFeatures]]:
    return zip(spread(data, count).images, store.spread(count), strict=True)


def _save(source: Source, out: Path, network: RegionNetwork, config: DetectorConfig) -> None:
    save_network(out, network, config)
    copy_multibox(source.folder, out)


@torch.no_grad()
def set_classifiers(
    head: BoxPredictor, classifiers: LinearClassifiers, scale: float, sigmoids: NDArray[np.float64]
) -> None:
    """Make a head's logits the margins of linear classifiers on features times `scale`, after their sigmoids' lines."""
    slopes, offsets = sigmoids.T  # [K] each
    weights = classifiers.weights * (slopes * scale)[:, None]  # [K, D]
    head.classifier.weight.zero_()
    head.classifier.bias.zero_()
    head.classifier.weight[1:] = torch.from_numpy(weights)
    head.classifier.bias[1:] = torch.from_numpy(classifiers.biases * slopes + offsets)


@torch.no_grad()
def set_regressors(head: BoxPredictor, regressors: Sequence[BoxRegressor], scale: float) -> None:
    """Make a head's deltas those of linear regressors on its layout's features times `scale`."""
    usual = np.array(DELTA_STD)
    weights = np.concatenate([each.weights * scale / usual[:, None] for each in regressors])  # [4 K, 3136]
    head.deltas.weight.copy_(torch.from_numpy(weights))
    head.deltas.bias.copy_(torch.from_numpy(np.concatenate([each.biases / usual for each in regressors])))


@torch.no_grad()
def detections(head: BoxPredictor, config: DetectorConfig, data: Dataset, store: FeatureStore) -> list[ImageDetections]:
    """What a head finds in every image of a data set, from the features of its regions."""
    found = []
    config, device = replace(config, score=LOWEST_SCORE), head.classifier.weight.device
    for truth, regions in zip(data.images, store, strict=True):
        boxes = regions.boxes[regions.num_objects :]  # [R, 4]
        features = torch.from_numpy(regions.features[regions.num_objects :]).to(device, torch.float32)
        logits, deltas = head.predict(features)
        probabilities = class_probabilities(logits, config.scores).cpu()
        width, height = size_of(data, truth)
        stages = refine(config, (height, width), boxes, probabilities, deltas.cpu())
        found.append(ImageDetections(truth.file, width, height, detections_of(stages)))
    return found
