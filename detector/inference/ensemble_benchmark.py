"""What each member of an ensemble is worth: alone, missing from the others, and how often two of them disagree.

All from one pass over the images: every member answers once, and the answers are fused in each way that is asked for.

Shapes: M members, R regions of one (H, W, 3) uint8 image, K classes (0 = background in the probabilities).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray

from ...backbone.features.shared_maps import SharedMaps
from ...backbone.precision import autocast
from ...data.datasets.dataset import Dataset, require_objects, spread
from ...data.errors import UsageError
from ...data.ranges import COUNT, check_range
from ...data.records import Detections, ImageDetections
from ...data.suppression import detections_of
from ...eval.metrics.table import tabulate
from ...eval.metrics.voc import evaluate_voc
from ..ensemble import Answer, Ensemble, fuse
from ..inputs import as_rgb
from ..rcnn import RCNN, conclude

SURE = 0.3  # a region counts as seen by a member from this score of a class on: as detections do
MEASURED_FROM = 0.001  # the score from which detections are judged
REPORT_EVERY = 20  # images

Nets = tuple[int, ...]  # members, from 1 on


@dataclass(frozen=True)
class EnsembleRow:
    """A member, a pair, or all: `gain` is what a member adds to the others, or all to the mean of the members."""

    nets: str
    map: float | None = None  # VOC10+, IoU .5, of these nets alone
    map_without: float | None = None  # of all the others
    gain: float | None = None
    disagreement: float | None = None  # share of the regions that one is sure of and that the two class differently


def benchmark_ensemble(
    model: RCNN, data: Dataset, num_images: int, report: Callable[[str], None] = lambda line: None
) -> list[EnsembleRow]:
    """Judge an ensemble, each of its members, and all but each, on images evenly spread over a data set."""
    if not isinstance(model.network, Ensemble):
        raise UsageError("this model is one net: name the folder of an ensemble, with a config.json and member-1")
    check_range(f"--images {num_images}", num_images, COUNT)
    sample = spread(data, num_images)
    require_objects(sample, model.config.classes, "to measure on", report)
    model = model.with_options(score=MEASURED_FROM)
    everyone = tuple(range(1, model.config.members + 1))
    found: dict[Nets, list[ImageDetections]] = {nets: [] for nets in _judged(everyone)}
    disagreement = _Disagreement(everyone)
    for number, truth in enumerate(sample.images, start=1):
        answers, concluded = _look(model, sample.read(truth), list(found))
        for nets, detections in concluded.items():
            found[nets].append(ImageDetections(truth.file, truth.width, truth.height, detections))
        disagreement.add(answers)
        if number % REPORT_EVERY == 0:
            report(f"{number} of {len(sample)} images")
    maps = {
        nets: evaluate_voc(tabulate(images, sample.images, model.config.classes), "voc10").map
        for nets, images in found.items()
    }
    return _rows(everyone, maps, disagreement.shares())


def _judged(everyone: Nets) -> list[Nets]:
    """All, each alone, and all but each; of two members, alone and without the other is the same."""
    alone = [(net,) for net in everyone]
    return list(dict.fromkeys([everyone, *alone, *(_without(everyone, net) for net in everyone)]))


def _without(everyone: Nets, net: int) -> Nets:
    return tuple(other for other in everyone if other != net)


@torch.inference_mode()
def _look(model: RCNN, image: NDArray[np.uint8], groups: Sequence[Nets]) -> tuple[list[Answer], dict[Nets, Detections]]:
    """Each member's answers on an image, and the detections of each group of members."""
    assert isinstance(model.network, Ensemble)
    maps = SharedMaps(model.network.backbone, as_rgb(image))
    proposals = model.propose(maps)
    boxes = proposals.boxes[: model.config.regions]  # [R, 4]
    with autocast(model.device):
        answers = model.network.answers(model.config.mode, maps, boxes)
    answers = [(logits.cpu(), deltas.cpu()) for logits, deltas in answers]
    concluded = {}
    for nets in groups:
        logits, deltas = fuse([answers[net - 1] for net in nets])
        concluded[nets] = detections_of(
            conclude(model.config, image.shape, proposals.boxes, logits.softmax(dim=1), deltas)
        )
    return answers, concluded


class _Disagreement:
    """Counts, for each pair of members, of the regions that one is sure of, and of those they class differently."""

    def __init__(self, everyone: Nets):
        self.counts = {pair: np.zeros(2, dtype=np.int64) for pair in combinations(everyone, 2)}

    def add(self, answers: Sequence[Answer]) -> None:
        probabilities = [logits.softmax(dim=1) for logits, _ in answers]  # M of [R, K + 1]
        sure = [(each[:, 1:] >= SURE).any(dim=1) for each in probabilities]  # M of [R]
        best = [each.argmax(dim=1) for each in probabilities]  # M of [R]
        for (a, b), counts in self.counts.items():
            asked = sure[a - 1] | sure[b - 1]
            counts += (int(asked.sum()), int((asked & (best[a - 1] != best[b - 1])).sum()))

    def shares(self) -> dict[Nets, float | None]:
        return {pair: float(differ / asked) if asked else None for pair, (asked, differ) in self.counts.items()}


def _rows(everyone: Nets, maps: dict[Nets, float], shares: dict[Nets, float | None]) -> list[EnsembleRow]:
    fused, alone = maps[everyone], [maps[net,] for net in everyone]
    rows = [EnsembleRow("all", fused, gain=fused - float(np.mean(alone)))]
    for net in everyone:
        rest = maps[_without(everyone, net)]
        rows.append(EnsembleRow(f"{net}", maps[net,], rest, fused - rest))
    rows += [EnsembleRow(f"{a} and {b}", disagreement=share) for (a, b), share in shares.items()]
    return rows
