"""How good and how fast the methods of proposing regions are, side by side on the same pictures in one run."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from ..data.boxes import box_iou
from ..data.dataset import Dataset, spread
from ..data.errors import UsageError
from ..data.images import read_image
from .methods import proposer


@dataclass(frozen=True)
class MethodRow:
    """One method's means over the pictures; recall and overlap are over all objects that are not difficult."""

    method: str
    pictures: int
    cpu_seconds: float  # a picture, over all threads of the process
    wall_seconds: float  # a picture
    boxes: float  # a picture
    recall_50: float  # of the objects, overlapped by at least .5 IoU
    recall_70: float
    mean_best_overlap: float


def benchmark_proposals(
    data: Dataset, methods: Sequence[str], num_pictures: int, report: Callable[[str], None] = lambda line: None
) -> list[MethodRow]:
    """Run each method on the same pictures, evenly spread; a first call, which compiles, is not timed.

    UsageError where there is nothing to measure recall on.
    """
    truths = spread(data, num_pictures).pictures
    objects = [truth.boxes[~truth.difficult] for truth in truths]
    if not sum(map(len, objects)):
        raise UsageError(f"{data.name}: the chosen pictures have no objects to measure recall on")
    images = [read_image(data.path(truth), ignore_exif=True) for truth in truths]
    rows = []
    for method in methods:
        report(f"{method} on {len(images)} pictures")
        propose = proposer(method)
        propose(images[0])
        wall, cpu = time.perf_counter(), time.process_time()
        proposals = [propose(image) for image in images]
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        best = np.concatenate(
            [
                box_iou(found.boxes, boxes).max(axis=0, initial=0)
                for found, boxes in zip(proposals, objects, strict=True)
            ]
        )
        rows.append(
            MethodRow(
                method,
                len(images),
                cpu / len(images),
                wall / len(images),
                float(np.mean([len(found) for found in proposals])),
                float((best >= 0.5).mean()),
                float((best >= 0.7).mean()),
                float(best.mean()),
            )
        )
    return rows


def rows_to_json(rows: Sequence[MethodRow]) -> str:
    """The rows as a JSON list of objects."""
    return json.dumps([asdict(row) for row in rows], indent=1) + "\n"


def format_rows(rows: Sequence[MethodRow]) -> str:
    """The rows as a table for a terminal."""
    names = [field.name for field in fields(MethodRow)]
    lines = [names]
    for row in rows:
        values = asdict(row).values()
        lines.append([f"{value:.3f}" if isinstance(value, float) else str(value) for value in values])
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
