"""Ablation of an ensemble: each member alone, all but each, and how often two of them disagree.

All from one pass over the images: every member predicts once, and the predictions are fused for each group of members.

Shapes: M members, R regions of one (H, W, 3) uint8 image, K classes (0 = background in the probabilities).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray

from ...backbone.features.shared_maps import SharedMaps
from ...backbone.precision import autocast
from ...data.datasets.dataset import Dataset, require_objects, spread
from ...data.errors import UsageError
from ...data.records import Detections, ImageDetections
from ...data.suppression import detections_of
from ...data.terminal import Report, silent, tracked
from ...data.values import COUNT, check_range
from ...eval.metrics.protocols import evaluate_voc
from ...eval.metrics.table import tabulate
from ..ensemble import Ensemble
from ..fusion import Prediction, fuse
from ..inputs import as_rgb
from ..rcnn import RCNN, refine

SURE = 0.3  # the score of a class from which on a member is sure of a region: that of detections
MEASURED_FROM = 0.001  # the score from which detections are evaluated

Nets = tuple[int, ...]  # members, from 1 on


@dataclass(frozen=True)
class EnsembleRow:
    """A member, a pair, or all: `gain` is what a member adds to the others, or all to the mean of the members."""

    nets: str
    map: float | None = None  # VOC10+, IoU .5, of these nets alone
    map_without: float | None = None  # of all the others
    gain: float | None = None
    disagreement: float | None = None  # fraction of the regions that one is sure of and that the two class differently


def benchmark_ensemble(model: RCNN, data: Dataset, num_images: int, report: Report = silent) -> list[EnsembleRow]:
    """Evaluate an ensemble, each of its members, and all but each, on images evenly spread over a data set."""
    if not isinstance(model.network, Ensemble):
        raise UsageError("this model is one net: name the folder of an ensemble, with a config.json and member-1")
    check_range(f"--images {num_images}", num_images, COUNT)
    sample = spread(data, num_images)
    require_objects(sample, model.config.classes, "to measure on", report)
    model = model.with_options(score=MEASURED_FROM)
    everyone = tuple(range(1, model.config.members + 1))
    found: dict[Nets, list[ImageDetections]] = {nets: [] for nets in _groups(everyone)}
    disagreement = _Disagreement(everyone)
    for truth in tracked(sample.images, "evaluating", len(sample), report):
        predictions, detected = _predict(model, sample.read(truth), list(found))
        for nets, detections in detected.items():
            found[nets].append(ImageDetections(truth.file, truth.width, truth.height, detections))
        disagreement.add(predictions)
    maps = {
        nets: evaluate_voc(tabulate(images, sample.images, model.config.classes), "voc10").map
        for nets, images in found.items()
    }
    return _rows(everyone, maps, disagreement.fractions())


def _groups(everyone: Nets) -> list[Nets]:
    """All, each alone, and all but each; of two members, alone and without the other is the same."""
    alone = [(net,) for net in everyone]
    return list(dict.fromkeys([everyone, *alone, *(_without(everyone, net) for net in everyone)]))


def _without(everyone: Nets, net: int) -> Nets:
    return tuple(other for other in everyone if other != net)


@torch.inference_mode()
def _predict(
    model: RCNN, image: NDArray[np.uint8], groups: Sequence[Nets]
) -> tuple[list[Prediction], dict[Nets, Detections]]:
    """Each member's predictions for an image, and the detections of each group of members."""
    assert isinstance(model.network, Ensemble)
    maps = SharedMaps(model.network.backbone, as_rgb(image), model.config.short_sides)
    proposals = model.propose(maps)
    boxes = proposals.boxes[: model.config.regions]  # [R, 4]
    with autocast(model.device):
        predictions = model.network.predictions(model.config.mode, [(maps, boxes)])
    predictions = [(logits.cpu(), deltas.cpu()) for ((logits, deltas),) in predictions]
    detected = {}
    for nets in groups:
        logits, deltas = fuse([predictions[net - 1] for net in nets])
        detected[nets] = detections_of(
            refine(model.config, image.shape, proposals.boxes, logits.softmax(dim=1), deltas)
        )
    return predictions, detected


class _Disagreement:
    """Counts, for each pair of members, of the regions that one is sure of, and of those they class differently."""

    def __init__(self, everyone: Nets):
        self.counts = {pair: np.zeros(2, dtype=np.int64) for pair in combinations(everyone, 2)}

    def add(self, predictions: Sequence[Prediction]) -> None:
        probabilities = [logits.softmax(dim=1) for logits, _ in predictions]  # M of [R, K + 1]
        sure = [(each[:, 1:] >= SURE).any(dim=1) for each in probabilities]  # M of [R]
        best = [each.argmax(dim=1) for each in probabilities]  # M of [R]
        for (a, b), counts in self.counts.items():
            counted = sure[a - 1] | sure[b - 1]
            counts += (int(counted.sum()), int((counted & (best[a - 1] != best[b - 1])).sum()))

    def fractions(self) -> dict[Nets, float | None]:
        return {pair: float(differ / count) if count else None for pair, (count, differ) in self.counts.items()}


def _rows(everyone: Nets, maps: dict[Nets, float], disagreements: dict[Nets, float | None]) -> list[EnsembleRow]:
    fused, alone = maps[everyone], [maps[net,] for net in everyone]
    rows = [EnsembleRow("all", fused, gain=fused - float(np.mean(alone)))]
    for net in everyone:
        rest = maps[_without(everyone, net)]
        rows.append(EnsembleRow(f"{net}", maps[net,], rest, fused - rest))
    rows += [EnsembleRow(f"{a} and {b}", disagreement=value) for (a, b), value in disagreements.items()]
    return rows
