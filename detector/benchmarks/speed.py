"""Benchmark of detection: CPU and wall seconds an image, by stage, beside mAP, for several settings in one run.

The rows share images and machine, so that what counts are their ratios.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import googlenet
from torchvision.ops import batched_nms

from ...backbone.features.shared_maps import SharedMaps
from ...backbone.precision import computing_dtype
from ...data.boxes import Boxes
from ...data.datasets.dataset import Dataset, require_objects, spread
from ...data.diagnostics import cut, listed
from ...data.errors import UsageError
from ...data.images.crops import SIZE
from ...data.records import ImageDetections
from ...data.terminal import Report, silent, tracked
from ...data.values import COUNT, check_range, whole_number
from ...eval.metrics.protocols import evaluate_voc
from ...eval.metrics.table import tabulate
from ...proposals.external import opencv_selective_search
from ..rcnn import RCNN, refine
from ..result import Detected
from ..streaming import StageSeconds, detect_stream

ENOUGH_OBJECTS = 10  # of a class, for its average precision to count
MEASURED_FROM = 0.001  # score: average precision needs nearly all detections
STAGES = ("decode", "proposals", "maps", "regions", "suppression")
FIRST_RELEASE = {"proposals": "selective-search:googlenet", "regions": 1000, "short_sides": (200, 400, 800)}
PLAIN_CROPS = 64  # an image, of up to `PLAIN_REGIONS`: the rest would take the same again
PLAIN_REGIONS = 2000
PLAIN_BATCH = 32
PLAIN_IMAGES = 5
PLAIN = f"plain R-CNN loop, extrapolated from {PLAIN_CROPS} crops an image"
MATMUL = 2048  # rows and columns


@dataclass(frozen=True)
class SpeedRow:
    """One setting's means over the images; the stages are CPU seconds."""

    method: str
    regions: int  # an image, at most
    images: int
    cpu_seconds: float  # an image, over all threads of the process
    wall_seconds: float  # an image, one after the other
    map: float | None  # VOC10+, IoU .5
    decode: float
    proposals: float
    maps: float
    regions_seconds: float
    suppression: float
    images_a_second: float | None = None  # of a folder: several at once on a GPU, the next ones read ahead
    regions_a_second: float | None = None
    waiting: float | None = None  # fraction of that time that the network has no image ready
    matmul_fraction: float | None = None  # of the rate of matrix products, in the precision that is used


@dataclass
class _Clock:
    """CPU and wall seconds by stage."""

    device: torch.device
    cpu: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    wall: float = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.cpu[name] += time.process_time() - cpu
        self.wall += time.perf_counter() - wall

    def row(self, method: str, regions: int, images: int, mean_ap: float | None) -> SpeedRow:
        stages = [self.cpu[name] / images for name in STAGES]
        return SpeedRow(method, regions, images, sum(stages), self.wall / images, mean_ap, *stages)


def benchmark_speed(
    model: RCNN, data: Dataset, num_images: int, regions: Sequence[int] = (), report: Report = silent
) -> list[SpeedRow]:
    """Measure a detector as it is, with crops, with the first release's settings, and a plain R-CNN loop.

    `regions` are numbers of proposals to classify, for a row each. mAP is the mean over the classes with ten objects
    or more among the images, if there are any: one object of a rare class would decide a row.
    """
    check_range(f"--images {num_images}", num_images, COUNT)
    sample = spread(data, num_images)
    require_objects(sample, model.config.classes, "to measure mAP on", report)
    objects = Counter(label for truth in sample.images for label in truth.labels[truth.to_find].tolist())
    classes = [name for name in model.config.classes if objects[name] >= ENOUGH_OBJECTS] or model.config.classes
    report(f"mAP of {listed(classes)}")
    settings: dict[str, dict[str, Any]] = {"default": {}}
    settings.update({f"default, {count} regions": {"regions": count} for count in regions})
    if "crops" in model.config.modes:
        settings["crops"] = {"mode": "crops"}
    settings["0.1.0's default"] = FIRST_RELEASE
    rows = [
        _measure(name, model.with_options(score=MEASURED_FROM, **changes), sample, classes, report)
        for name, changes in settings.items()
    ]
    return [*rows, measure_plain_loop(replace(sample, images=sample.images[:PLAIN_IMAGES]), model.device, report)]


def _measure(name: str, model: RCNN, sample: Dataset, classes: Sequence[str], report: Report) -> SpeedRow:
    _detect(model, _Clock(model.device), lambda: sample.read(sample.images[0]))  # compiles, allocates
    clock, found = _Clock(model.device), []
    for truth in tracked(sample.images, name, len(sample), report):
        detections = _detect(model, clock, lambda truth=truth: sample.read(truth))
        found.append(ImageDetections(truth.file, truth.width, truth.height, detections))
    mean_ap = evaluate_voc(tabulate(found, sample.images, classes), "voc10").map
    row = clock.row(name, model.config.regions, len(sample), mean_ap)
    return replace(row, **_throughput(model, sample))


def _throughput(model: RCNN, sample: Dataset) -> dict[str, float]:
    """What detecting in a folder of these images reaches, after a first batch that only warms up."""
    sources = [sample.source(truth) for truth in sample.images]
    list(detect_stream(model, sources[: model.images_at_once]))
    seconds, regions, begun = StageSeconds(), 0, time.perf_counter()
    for outcome in detect_stream(model, sources, seconds=seconds):
        regions += 0 if outcome.stages is None else len(outcome.stages.probabilities)
    wall = time.perf_counter() - begun
    with FlopCounterMode(display=False) as counter:
        model.detect(sample.read(sample.images[0]))
    rate = matmul_rate(model.device, computing_dtype(model.device))
    return {
        "images_a_second": len(sources) / wall,
        "regions_a_second": regions / wall,
        "waiting": seconds.seconds["wait"] / wall,
        "matmul_fraction": counter.get_total_flops() * len(sources) / wall / 1e9 / rate,
    }


@torch.inference_mode()
def _detect(model: RCNN, clock: _Clock, read: Callable[[], NDArray[np.uint8]]) -> Detected:
    """`RCNN.forward`, a stage at a time."""
    with clock.stage("decode"):
        image = read()
    with clock.stage("proposals"):
        searched = model.proposer.search(image)
    maps = SharedMaps(model.network.backbone, image, model.config.short_sides)
    if model.config.mode != "crops":
        with clock.stage("maps"):
            for number in range(len(maps.short_sides)):
                maps.at(number)
    with clock.stage("proposals"):
        proposals = model.proposer.finish(searched, maps)
    with clock.stage("regions"):
        ((probabilities, deltas),) = model.score([(maps, proposals[: model.config.regions])])
    with clock.stage("suppression"):
        return Detected.of(refine(model.config, image.shape, proposals.boxes, probabilities, deltas))


@torch.inference_mode()
def measure_plain_loop(sample: Dataset, device: torch.device, report: Report = silent) -> SpeedRow:
    """The usual R-CNN of a tutorial: OpenCV's fast Selective Search, and up to 2,000 crops through a GoogLeNet.

    The crops' seconds are those of some, times how many there are. Its weights are random: there is no mAP.
    """
    network = googlenet(weights=None, init_weights=False, aux_logits=False).eval().to(device)
    clock, most = _Clock(device), 0
    network(torch.zeros(PLAIN_BATCH, 3, SIZE, SIZE, device=device))
    for truth in tracked(sample.images, PLAIN, len(sample), report):
        with clock.stage("decode"):
            image = sample.read(truth)
        with clock.stage("proposals"):
            boxes = opencv_selective_search(image, "fast").boxes[:PLAIN_REGIONS]
        crops = _Clock(device)
        with crops.stage("regions"):
            scores = _plain_scores(network, image, boxes[:PLAIN_CROPS], device)
        share = len(boxes) / max(len(scores), 1)
        clock.cpu["regions"] += share * crops.cpu["regions"]
        clock.wall += share * crops.wall
        best, labels = scores.max(dim=1)
        with clock.stage("suppression"):
            batched_nms(torch.as_tensor(boxes[: len(scores)], dtype=torch.float32, device=device), best, labels, 0.3)
        most = max(most, len(boxes))
    return clock.row(PLAIN, most, len(sample), None)


def _plain_scores(
    network: torch.nn.Module, image: NDArray[np.uint8], boxes: Boxes, device: torch.device
) -> torch.Tensor:
    """Probabilities of boxes (R, 4), each cut out, resized and normalised, in batches: [R, 1000]."""
    scores = [torch.zeros(0, 1000, device=device)]
    for start in range(0, len(boxes), PLAIN_BATCH):
        crops = [
            cv2.resize(image[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)], (SIZE, SIZE))
            for x1, y1, x2, y2 in boxes[start : start + PLAIN_BATCH].astype(int)
        ]
        batch = torch.from_numpy(np.stack(crops)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
        scores.append(network(batch).softmax(dim=1))
    return torch.cat(scores)


def describe_machine(device: torch.device) -> str:
    """What the seconds depend on: the processor's instruction sets, threads, and its measured matrix products."""
    capability = torch.backends.cpu.get_cpu_capability() if device.type == "cpu" else torch.cuda.get_device_name(device)
    rates = [f"{matmul_rate(device, kind):.0f} GFLOP/s in {kind}" for kind in (torch.float32, torch.bfloat16)]
    return f"{capability}, {torch.get_num_threads()} threads; matrix products: {', '.join(rates)}"


@torch.inference_mode()
def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """GFLOP/s of the product of two large matrices, the best of three."""
    a = torch.ones(MATMUL, MATMUL, dtype=dtype, device=device)
    seconds = []
    for _ in range(3):
        clock = _Clock(device)
        with clock.stage("regions"):
            torch.mm(a, a)
        seconds.append(clock.wall)
    return 2 * MATMUL**3 / min(seconds) / 1e9


def check_numbers(option: str, text: str) -> tuple[int, ...]:
    """The numbers that an option lists; UsageError where one is none.

    >>> check_numbers("--regions", "50,100")
    (50, 100)
    """
    numbers = [whole_number(part.strip()) for part in text.split(",") if part.strip()]
    if any(number is None or number < 1 for number in numbers):
        raise UsageError(f"{option} {cut(text)}: need numbers with commas between them, as 50,100,200")
    return tuple(number for number in numbers if number is not None)
