"""How long judging takes: each protocol on one large made-up set, and COCO's own two packages beside it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..data.errors import UsageError
from ..data.records import Detections, GroundTruth, ImageDetections
from .metrics.coco import COCO_ENGINES, evaluate_coco
from .metrics.evaluation import Evaluation
from .metrics.ilsvrc import evaluate_ilsvrc
from .metrics.table import Table, tabulate
from .metrics.voc import VOC_PROTOCOLS, evaluate_voc

OBJECTS_A_IMAGE = 2.8  # as in ILSVRC's val set
SIDE = 500.0  # pixels


@dataclass(frozen=True)
class EvaluationRow:
    """What one way to judge cost."""

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
    report: Callable[[str], None] = lambda line: None,
) -> list[EvaluationRow]:
    """Judge the same made-up predictions in each way, `coco:pycocotools` say; the first row is the table's making."""
    for way in ways:
        if way not in _WAYS:
            raise UsageError(f"no way to judge {way!r}; known: {', '.join(_WAYS)}")
    images, truths = made_up(num_images, num_classes, num_detections)
    classes = class_names(num_classes)
    rows: list[EvaluationRow] = []

    def add(way: str, work: Callable[[], Table | Evaluation]) -> Table | Evaluation:
        report(f"{way}: {num_detections} detections")
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        mean = result.map if isinstance(result, Evaluation) else float("nan")
        rows.append(EvaluationRow(way, num_images, num_classes, num_detections, cpu, wall, mean))
        return result

    table = add("table", lambda: tabulate(images, truths, classes))
    assert isinstance(table, Table)
    for way in ways:
        add(way, lambda way=way: _WAYS[way](table))
    return rows


def class_names(count: int) -> tuple[str, ...]:
    """`class0`, `class1` and so on."""
    return tuple(f"class{number}" for number in range(count))


def made_up(num_images: int, num_classes: int, num_detections: int) -> tuple[list[ImageDetections], list[GroundTruth]]:
    """Predictions and truths: half of the detections lie near objects, the better the closer, the rest anywhere."""
    generator = np.random.default_rng(0)
    names = np.array(class_names(num_classes))
    truths, images = [], []
    for i in range(num_images):
        boxes, numbers = (
            _boxes(generator, count := generator.poisson(OBJECTS_A_IMAGE)),
            names[generator.integers(0, num_classes, count)],
        )
        truths.append(GroundTruth(f"{i:08d}.jpg", int(SIDE), int(SIDE), boxes, numbers, np.zeros(count, bool)))
        total = num_detections * (i + 1) // num_images - num_detections * i // num_images
        near = generator.integers(0, count, total // 2) if count else np.zeros(0, np.int64)
        spread = generator.exponential(12, len(near))
        moved = np.sort((boxes[near] + generator.normal(0, 1, (len(near), 4)) * spread[:, None]).reshape(-1, 2, 2), 1)
        found = np.concatenate([moved.reshape(-1, 4), _boxes(generator, total - len(near))])
        labels = np.concatenate([numbers[near], names[generator.integers(0, num_classes, total - len(near))]])
        scores = np.concatenate([np.exp(-spread / 20), generator.random(total - len(near)) * 0.6])
        order = np.argsort(-scores, kind="stable")
        images.append(
            ImageDetections(
                f"{i:08d}.jpg", int(SIDE), int(SIDE), Detections(found[order], labels[order], scores[order])
            )
        )
    return images, truths


def _boxes(generator: np.random.Generator, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    corners = generator.uniform(0, SIDE - 20, (count, 2))
    return np.concatenate([corners, np.minimum(corners + generator.uniform(10, 250, (count, 2)), SIDE)], axis=1)


_WAYS: dict[str, Callable[[Table], Evaluation]] = {
    **{name: lambda table, name=name: evaluate_voc(table, name) for name in VOC_PROTOCOLS},
    "ilsvrc": evaluate_ilsvrc,
    **{f"coco:{name}": lambda table, name=name: evaluate_coco(table, name) for name in COCO_ENGINES},
}
