"""Time of evaluation: each protocol, and COCO's with either package, on one large synthetic set."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..data.boxes import Boxes
from ..data.errors import UsageError
from ..data.records import Detections, GroundTruth, ImageDetections
from ..data.terminal import Report, silent
from .metrics.coco import COCO_ENGINES, evaluate_coco
from .metrics.evaluation import Evaluation
from .metrics.protocols import PROTOCOLS
from .metrics.table import Table, tabulate

OBJECTS_AN_IMAGE = 2.8  # as in ILSVRC's val set
SIDE = 500  # pixels

_WAYS: dict[str, Callable[[Table], Evaluation]] = {
    **{name: evaluate for name, evaluate in PROTOCOLS.items() if name != "coco"},
    **{f"coco:{name}": lambda table, name=name: evaluate_coco(table, name) for name in COCO_ENGINES},
}


@dataclass(frozen=True)
class EvaluationRow:
    """Time of one protocol, or of making the table."""

    way: str
    images: int
    classes: int
    detections: int
    cpu_seconds: float
    wall_seconds: float
    map: float


def benchmark_evaluation(
    num_images: int,
    num_classes: int,
    num_detections: int,
    ways: Sequence[str],
    report: Report = silent,
) -> list[EvaluationRow]:
    """Time each of the ways, as `coco:pycocotools`, on the same predictions; the first row is making the table."""
    for way in ways:
        if way not in _WAYS:
            raise UsageError(f"unknown protocol {way!r}; known: {', '.join(_WAYS)}")
    images, truths = synthetic(num_images, num_classes, num_detections)
    table, rows = tabulate([], [], []), list[EvaluationRow]()
    for way in ("table", *ways):
        report(f"{way}: {num_detections} detections")
        wall, cpu, mean = time.perf_counter(), time.process_time(), float("nan")
        if way == "table":
            table = tabulate(images, truths, class_names(num_classes))
        else:
            mean = _WAYS[way](table).map
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        rows.append(EvaluationRow(way, num_images, num_classes, num_detections, cpu, wall, mean))
    return rows


def class_names(count: int) -> tuple[str, ...]:
    return tuple(f"class{number}" for number in range(count))


def synthetic(
    num_images: int, num_classes: int, num_detections: int
) -> tuple[list[ImageDetections], list[GroundTruth]]:
    """Predictions and ground truth: half of the detections lie near objects, the better the closer, others anywhere."""
    generator = np.random.default_rng(0)
    names = np.array(class_names(num_classes))
    truths, images = [], []
    for i in range(num_images):
        boxes = _boxes(generator, count := generator.poisson(OBJECTS_AN_IMAGE))
        labels = names[generator.integers(0, num_classes, count)]
        truths.append(GroundTruth(f"{i:08d}.jpg", SIDE, SIDE, boxes, labels, np.zeros(count, bool)))
        total = num_detections * (i + 1) // num_images - num_detections * i // num_images
        near = generator.integers(0, count, total // 2) if count else np.zeros(0, np.int64)
        spread = generator.exponential(12, len(near))
        moved = np.sort((boxes[near] + generator.normal(0, 1, (len(near), 4)) * spread[:, None]).reshape(-1, 2, 2), 1)
        found = np.concatenate([moved.reshape(-1, 4), _boxes(generator, total - len(near))])
        labels = np.concatenate([labels[near], names[generator.integers(0, num_classes, total - len(near))]])
        scores = np.concatenate([np.exp(-spread / 20), generator.random(total - len(near)) * 0.6])
        order = np.argsort(-scores, kind="stable")
        images.append(ImageDetections(f"{i:08d}.jpg", SIDE, SIDE, Detections(found, labels, scores)[order]))
    return images, truths


def _boxes(generator: np.random.Generator, count: int) -> Boxes:
    corners = generator.uniform(0, SIDE - 20, (count, 2))
    return np.concatenate([corners, np.minimum(corners + generator.uniform(10, 250, (count, 2)), SIDE)], axis=1)
