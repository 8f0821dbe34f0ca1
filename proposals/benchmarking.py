"""Benchmarks of proposal methods: recall and time, side by side on the same images."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..data.boxes import box_iou
from ..data.datasets.dataset import Dataset, spread
from ..data.errors import UsageError
from ..data.terminal import Report, silent
from ..data.values import COUNT, check_range
from .methods import Proposer


@dataclass(frozen=True)
class ProposalRow:
    """One method's means over the images; recall and IoU are over all objects that are to be found."""

    method: str
    images: int
    cpu_seconds: float  # an image, over all threads of the process
    wall_seconds: float  # an image
    boxes: float  # an image
    recall_50: float  # of the objects, overlapped by at least .5 IoU
    recall_70: float
    mean_best_overlap: float


@dataclass(frozen=True)
class SizeRow:
    """The cost of one size of image for a method."""

    method: str
    megapixels: float
    cpu_seconds: float
    cpu_seconds_per_megapixel: float
    boxes: int


def benchmark_sizes(
    data: Dataset,
    method: Proposer,
    megapixels: Sequence[float],
    report: Report = silent,
) -> list[SizeRow]:
    """Run a method on one image, the data set's first, enlarged or reduced to each size."""
    if not len(data):
        raise UsageError(f"{data.name} has no image to measure on")
    image = data.read(data.images[0])
    method(image)
    rows = []
    for size in megapixels:
        scale = (size * 1e6 / (image.shape[0] * image.shape[1])) ** 0.5
        resized = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
        cpu = time.process_time()
        found = method(resized)
        cpu = time.process_time() - cpu
        pixels = resized.shape[0] * resized.shape[1] / 1e6
        rows.append(SizeRow(method.name, round(pixels, 3), cpu, cpu / pixels, len(found)))
        report(f"{method.name}: {pixels:.2f} megapixels, {cpu:.2f} s")
    return rows


def benchmark_proposals(
    data: Dataset, methods: Sequence[Proposer], num_images: int, report: Report = silent
) -> list[ProposalRow]:
    """Run each method on the same images, evenly spread; a first call, which compiles, is not timed.

    UsageError where there is nothing to measure recall on.
    """
    check_range(f"--images {num_images}", num_images, COUNT)
    truths = spread(data, num_images).images
    objects = [truth.boxes[truth.to_find] for truth in truths]
    if not sum(map(len, objects)):
        raise UsageError(f"{data.name}: the chosen images have no objects to measure recall on")
    images = [data.read(truth) for truth in truths]
    rows = []
    for method in methods:
        report(f"{method.name} on {len(images)} images")
        method(images[0])
        wall, cpu = time.perf_counter(), time.process_time()
        proposals = [method(image) for image in images]
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        pairs = zip(proposals, objects, strict=True)
        best = np.concatenate([box_iou(found.boxes, boxes).max(axis=0, initial=0) for found, boxes in pairs])
        means = cpu / len(images), wall / len(images), float(np.mean([len(found) for found in proposals]))
        recalls = float((best >= 0.5).mean()), float((best >= 0.7).mean())
        rows.append(ProposalRow(method.name, len(images), *means, *recalls, float(best.mean())))
    return rows
