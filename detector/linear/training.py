"""`train svm` and `train boxes`: R-CNN's linear classifiers and box regressors on cached features.

What is learnt is linear in the features, so it replaces the weights of the box predictor's last layers: the model
folder that comes out is one like any other.

Shapes: R regions of one image, K classes.
"""

import os
from collections.abc import Iterator, Sequence
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
from ...data.class_names import require_known
from ...data.datasets.dataset import Dataset, require_objects, size_of, spread
from ...data.errors import UsageError
from ...data.records import GroundTruth, ImageDetections
from ...data.stores.feature_store import FeatureStore, RegionFeatures
from ...data.suppression import detections_of
from ...data.terminal import Report, silent
from ...data.values import ABOVE_ZERO, COUNT, check_ranges
from ...eval.analysis.comparison import compare
from ...eval.analysis.intervals import find_intervals
from ...eval.metrics.evaluation import Evaluation
from ...eval.metrics.protocols import evaluate_voc
from ...eval.metrics.table import tabulate
from ...proposals.cache import cached_proposals
from ...proposals.common.box_coding import DELTA_STD
from ..box_predictor import BoxPredictor, class_probabilities
from ..config import DetectorConfig, checked_options
from ..model_folders import copy_multibox, load_network, model_folder, proposer_named, save_network
from ..network import RegionNetwork
from ..rcnn import refine
from ..region_features import BOTH, Mode
from .calibration import IMAGES, fit_sigmoids
from .classifiers import Examples, LinearClassifiers, examples_of, feature_scale
from .features import FindFeatures, cached_features
from .ridge import PENALTY, BoxRegressor, ridge_boxes, ridge_classifiers
from .svm import mined_svms

Solver = Literal["mined", "ridge"]
SOLVERS: tuple[Solver, ...] = ("mined", "ridge")  # R-CNN's machines with mined negatives, and least squares
LAYOUT = slice(FEATURE_CHANNELS, None)  # the columns of the features that the box deltas take
LOWEST_SCORE = 0.0001  # of detections that are evaluated: average precision needs nearly all


@dataclass(frozen=True)
class LinearOptions:
    """Options of `train svm` and `train boxes`, beside the data and the model."""

    classes: tuple[str, ...] = ()  # none: the model's
    mode: Mode | None = None  # None: the model's own
    proposals: str | None = None  # None: the model's own
    regions: int | None = None  # an image; None: the model's own
    features: Path | None = None  # the folder of the features; None: in the cache
    validation_images: int = 100
    device: str = "auto"
    solver: Solver = "mined"  # of `train svm`
    penalty: float = PENALTY  # of `train boxes`, lambda

    def __post_init__(self) -> None:
        check_ranges(self, {"validation_images": COUNT, "penalty": ABOVE_ZERO}, flags=True)
        require_known("--solver", self.solver, SOLVERS)


@dataclass(frozen=True)
class CachedDetector:
    """A detector to give other last layers, and the features of its data sets."""

    folder: Path
    network: RegionNetwork
    config: DetectorConfig  # with the mode, proposals and number of regions of the options
    data: Dataset
    store: FeatureStore
    validation: Dataset | None
    validation_store: FeatureStore | None
    report: Report

    def labelled(self) -> Iterator[tuple[GroundTruth, RegionFeatures]]:
        return zip(self.data.images, self.store, strict=True)

    def evaluate(
        self, name: str, network: RegionNetwork, config: DetectorConfig, before: Evaluation | None = None
    ) -> Evaluation | None:
        """Report the mAP of a network with other last layers on the validation images, if there are any.

        With its 95 % interval, and its difference from `before` with that one's.
        """
        if self.validation is None or self.validation_store is None:
            return None
        found = detections(network.box_predictor(config.mode), config, self.validation, self.validation_store)
        evaluation = evaluate_voc(tabulate(found, self.validation.images, config.classes), "voc10")
        interval = find_intervals(evaluation).map
        line = f"{name}: mAP {evaluation.map:.4f} ({interval.low:.4f} to {interval.high:.4f})"
        if before is not None:
            change = compare(before, evaluation).mean
            bounds = f"{change.interval.low:+.4f} to {change.interval.high:+.4f}"
            line = f"{line}, {change.change:+.4f} ({bounds}) against before"
        self.report(f"{line}; VOC10+, IoU .5, on {self.validation.name}")
        return evaluation

    def save(self, out: Path, network: RegionNetwork, config: DetectorConfig) -> None:
        save_network(out, network, config)
        copy_multibox(self.folder, out)


def train_svm(
    data: Dataset,
    validation: Dataset | None,
    model: str | None,
    out: Path,
    options: LinearOptions,
    report: Report = silent,
    find: FindFeatures | None = None,
) -> None:
    """Write the model folder `out`: the detector with linear classifiers instead of its softmax.

    With validation images the mAP of the detector as it was, and of both solvers' classifiers, is reported. `find`
    computes the features elsewhere than in this process.
    """
    source = _open(data, validation, model, out, options, report, find, of_each=True)
    classes = options.classes or source.config.classes
    before = None
    if classes == source.config.classes:
        before = source.evaluate("before", source.network, source.config)
    scale = feature_scale(source.store)
    examples = examples_of(data, source.store, classes, scale)
    network, config = _with_one_mode(source, classes)
    config = replace(config, scores="sigmoid")
    for solver in SOLVERS if validation is not None else (options.solver,):
        classifiers = _solve(solver, examples, classes, source.store.width)
        sample = zip(spread(data, IMAGES).images, source.store.spread(IMAGES), strict=True)
        sigmoids = fit_sigmoids(sample, classifiers, classes, scale)
        set_classifiers(network.box_predictor(config.mode), classifiers, scale, sigmoids)
        source.evaluate(solver, network, config, before)
        if solver == options.solver:
            source.save(out, network, config)


def train_boxes(
    data: Dataset,
    validation: Dataset | None,
    model: str | None,
    out: Path,
    options: LinearOptions,
    report: Report = silent,
    find: FindFeatures | None = None,
) -> None:
    """Write the model folder `out`: the detector with R-CNN's box regressors instead of its learned deltas.

    With validation images the mAP with the deltas as they were, with the regressors, and with neither is reported.
    `find` computes the features elsewhere than in this process.
    """
    source = _open(data, validation, model, out, options, report, find)
    before = source.evaluate("before", source.network, source.config)
    network, config = _with_one_mode(source, source.config.classes)
    predictor = network.box_predictor(config.mode)
    width, scale = predictor.deltas.in_features, feature_scale(source.store, LAYOUT)
    regressors = ridge_boxes(source.labelled, config.classes, width, scale, LAYOUT, options.penalty)
    pairs = ", ".join(f"{name} {each.num_pairs}" for name, each in zip(config.classes, regressors, strict=True))
    report(f"pairs of a proposal and its object: {pairs}")
    set_regressors(predictor, regressors, scale)
    config = replace(config, box_deltas=True)
    source.evaluate("ridge", network, config, before)
    source.evaluate("no regression", network, replace(config, box_deltas=False), before)
    source.save(out, network, config)


def _solve(solver: Solver, examples: Examples, classes: tuple[str, ...], width: int) -> LinearClassifiers:
    return mined_svms(examples, classes) if solver == "mined" else ridge_classifiers(examples, classes, width)


def _open(
    data: Dataset,
    validation: Dataset | None,
    model: str | None,
    out: Path,
    options: LinearOptions,
    report: Report,
    find: FindFeatures | None,
    *,
    of_each: bool = False,
) -> CachedDetector:
    """Load the detector, and compute the features of both data sets or find them in the cache."""
    folder = model_folder(model)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("train svm and train boxes run in one process: start them without torchrun")
    check_model_folder(out)
    network, config = load_network(folder)
    require_objects(data, options.classes or config.classes, "to learn from", report, of_each=of_each)
    sample = None if validation is None else spread(validation, options.validation_images)
    if sample is not None:
        require_objects(sample, options.classes or config.classes, "to validate on", report)
    changes = {"mode": options.mode, "proposals": options.proposals, "regions": options.regions}
    changes = checked_options({name: value for name, value in changes.items() if value is not None}, config)
    config = replace(config, **changes)  # pyright: ignore[reportArgumentType]
    if config.mode == BOTH:
        raise UsageError(f"{folder} detects by both modes: --mode says whose features to learn from, crops or shared")
    network.to(choose_device(options.device))
    method = proposer_named(config.proposals, str(folder), options.device)

    def features(of: Dataset, cache: Path | None) -> FeatureStore:
        proposals = cached_proposals(of, method, report)
        how = (config.mode, config.short_sides)
        return cached_features(network, *how, of, proposals, config.regions, cache, report, find)

    store = features(data, options.features)
    validation_store = features(sample, options.features and options.features / "validation") if sample else None
    return CachedDetector(folder, network, config, data, store, sample, validation_store, report)


def _with_one_mode(source: CachedDetector, classes: tuple[str, ...]) -> tuple[RegionNetwork, DetectorConfig]:
    """A copy of the detector with nothing but the mode in use. For other classes than its own it has no deltas."""
    mode = source.config.mode
    config = replace(source.config, classes=classes, modes=(mode,))
    network = RegionNetwork(len(classes), (mode,), config.pooled_size).eval()
    network.backbone.load_state_dict(source.network.backbone.state_dict())
    same = classes == source.config.classes
    network.load_mode(mode, source.network, mode, outputs=same)
    if not same:
        nn.init.zeros_(network.box_predictor(mode).deltas.weight)
        config = replace(config, box_deltas=False)
    return network, config


@torch.no_grad()
def set_classifiers(
    predictor: BoxPredictor, classifiers: LinearClassifiers, scale: float, sigmoids: NDArray[np.float64]
) -> None:
    """Make the logits the margins of linear classifiers on features times `scale`, on the lines of their sigmoids."""
    slopes, offsets = sigmoids.T  # [K] each
    weights = classifiers.weights * (slopes * scale)[:, None]  # [K, D]
    predictor.classifier.weight.zero_()
    predictor.classifier.bias.zero_()
    predictor.classifier.weight[1:] = torch.from_numpy(weights)
    predictor.classifier.bias[1:] = torch.from_numpy(classifiers.biases * slopes + offsets)


@torch.no_grad()
def set_regressors(predictor: BoxPredictor, regressors: Sequence[BoxRegressor], scale: float) -> None:
    """Make the deltas those of linear regressors on the layout's features times `scale`."""
    usual = np.array(DELTA_STD)
    weights = np.concatenate([each.weights * scale / usual[:, None] for each in regressors])  # [4 K, 3136]
    predictor.deltas.weight.copy_(torch.from_numpy(weights))
    predictor.deltas.bias.copy_(torch.from_numpy(np.concatenate([each.biases / usual for each in regressors])))


@torch.no_grad()
def detections(
    predictor: BoxPredictor, config: DetectorConfig, data: Dataset, store: FeatureStore
) -> list[ImageDetections]:
    """The detections of every image of a data set, from the features of its regions."""
    found = []
    config, device = replace(config, score=LOWEST_SCORE), predictor.classifier.weight.device
    for truth, regions in zip(data.images, store, strict=True):
        boxes = regions.boxes[regions.num_objects :]  # [R, 4]
        features = torch.from_numpy(regions.features[regions.num_objects :]).to(device, torch.float32)
        logits, deltas = predictor.predict(features)
        probabilities = class_probabilities(logits, config.scores).cpu()
        width, height = size_of(data, truth)
        stages = refine(config, (height, width), boxes, probabilities, deltas.cpu())
        found.append(ImageDetections(truth.file, width, height, detections_of(stages)))
    return found
