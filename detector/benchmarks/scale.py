"""What a run over very many images takes: hours, disk and network, computed from rates that are measured here.

A process has one core, or one GPU and the cores that decode and search for it. Processes are shards of a run: twice as
many take half as long, until the disk or the network that the images come over is too slow.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import torch

from ...data.boxes import Boxes
from ...data.errors import DataError
from ...data.images.decoding import encode_image
from ...data.images.sources import Source
from ...data.resources import usable_cores
from ...data.stores.detections_jsonl import image_to_line
from ...data.terminal import Report, silent, tracked
from ...eval.report.drawing import draw_detections
from ..rcnn import RCNN
from ..streaming import IMAGE_SECONDS, StageSeconds, detect_prefetched, prefetch_images

RUNS: Mapping[str, int] = {
    "ILSVRC DET val": 20_121,
    "ILSVRC DET test": 40_152,
    "ILSVRC DET train": 456_567,
    "100 million": 100_000_000,
}
PROCESSES = (1, 8, 64, 1000)
SAMPLE = 24  # images that rates are measured on
_BYTES_A_PROPOSAL = 5 * 4  # as `propose` stores them: corners and a score, float32
_BYTES_A_FEATURE = 2 * 1024  # of a region, as float16
_REGIONS = 2000  # an image, of features


@dataclass(frozen=True)
class Rates:
    """Means of an image: seconds of one core, or for the network of the GPU, and bytes."""

    decode: float
    propose: float
    network: float
    start: float  # seconds until a process has its model
    read: float  # bytes of the file
    row: float  # bytes in the ledger
    drawn: float  # bytes of the image with its boxes
    proposals: float  # boxes
    gpu: bool

    @property
    def seconds(self) -> float:
        """Of a process for an image; a GPU's is fed by other cores."""
        return self.network if self.gpu else self.decode + self.propose + self.network

    def __str__(self) -> str:
        stages = f"decode {self.decode:.3f}, propose {self.propose:.3f}, network {self.network:.3f}"
        feeding = f"; {self.feeding_cores:.0f} cores decode and propose for it" if self.gpu else ""
        device = " and the GPU" if self.gpu else ""
        return (
            f"seconds an image, of one core{device}: {stages}; a process {1 / self.seconds:.2f} images/s{feeding}, "
            f"{self.start:.1f} s to start; bytes an image: file {self.read:,.0f}, row {self.row:,.0f}, drawn "
            f"{self.drawn:,.0f}; {self.proposals:,.0f} proposals"
        )

    @property
    def feeding_cores(self) -> float:
        """The cores that keep a GPU busy."""
        return (self.decode + self.propose) / self.network if self.gpu else 0.0

    def hours(self, images: int, processes: int) -> float:
        """Of a run in as many shards, all at a time."""
        return (self.start + ceil(images / processes) * self.seconds) / 3600


@dataclass(frozen=True)
class ScaleRow:
    """A run: its hours, and gigabytes of what it reads and can write."""

    run: str
    images: int
    processes: int
    hours: float
    read_mb_a_second: float  # of all processes together
    read: float
    ledger: float
    drawn: float
    proposals: float
    features: float  # of 2,000 regions an image, where linear classifiers are trained


@dataclass(frozen=True)
class CheckedRow:
    """A real run on this machine beside what the rates say of it."""

    processes: int
    images: int
    predicted_seconds: float
    measured_seconds: float


@torch.inference_mode()
def measure_rates(model: RCNN, folder: Path, sources: Sequence[Source], report: Report = silent) -> Rates:
    """Rates on some images, one after the other, each stage on one core; `folder` is the model's."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _measure(model, folder, sources[:SAMPLE], report)
    finally:
        torch.set_num_threads(threads)


def _measure(model: RCNN, folder: Path, sources: Sequence[Source], report: Report) -> Rates:
    warm, seconds = StageSeconds(), StageSeconds()
    sizes: list[tuple[int, int, int]] = []
    boxes: list[Boxes] = []
    at_once = model.images_at_once
    starts = range(0, len(sources), at_once)
    for number, start in enumerate([0, *tracked(starts, "measuring", len(starts), report)]):
        batch, clock = sources[start : start + at_once], seconds if number else warm
        ready = [
            each for one in batch for each in prefetch_images(model.proposer, [one], None, clock, IMAGE_SECONDS, 1)
        ]
        for outcome, source in zip(detect_prefetched(model, ready, clock), batch, strict=True):
            if number and outcome.image is not None and outcome.stages is not None:
                drawn = encode_image(draw_detections(outcome.image, outcome.result.detections), ".jpg")
                sizes.append((source.path.stat().st_size, len(image_to_line(outcome.result)), len(drawn)))
                boxes.append(outcome.stages.proposals)
    if not sizes:
        raise DataError(f"{sources[0].path}: neither this image nor another one could be read: there are no rates")
    stages = {name: seconds.seconds[name] / len(sizes) for name in ("decode", "propose", "network")}
    read, row, drawn = np.mean(sizes, axis=0).tolist()
    proposals = float(np.mean([len(each) for each in boxes]))
    return Rates(
        **stages,
        start=_start_seconds(folder),
        read=read,
        row=row,
        drawn=drawn,
        proposals=proposals,
        gpu=model.device.type == "cuda",
    )


def _start_seconds(folder: Path) -> float:
    begun = time.perf_counter()
    code = "import sys; from inception_rcnn.detector import RCNN; RCNN.from_pretrained(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
    return time.perf_counter() - begun


def scale_table(rates: Rates, runs: Mapping[str, int] = RUNS, processes: Sequence[int] = PROCESSES) -> list[ScaleRow]:
    """A row for each run and number of processes."""
    return [_row(rates, run, images, count) for run, images in runs.items() for count in processes]


def _row(rates: Rates, run: str, images: int, processes: int) -> ScaleRow:
    hours, gigabytes = rates.hours(images, processes), images / 1e9
    return ScaleRow(
        run,
        images,
        processes,
        hours,
        rates.read * images / 1e6 / (hours * 3600),
        rates.read * gigabytes,
        rates.row * gigabytes,
        rates.drawn * gigabytes,
        rates.proposals * _BYTES_A_PROPOSAL * gigabytes,
        _REGIONS * _BYTES_A_FEATURE * gigabytes,
    )


def check_rates(
    rates: Rates, folder: Path, sources: Sequence[Source], processes: Sequence[int], report: Report = silent
) -> list[CheckedRow]:
    """Run shards over all of the images, in as many processes of a core each, and see how long they take."""
    rows = []
    for count in processes:
        report(f"detecting in {len(sources)} images with {count} processes")
        largest, seconds = _run_shards(folder, sources, count)
        waits = ceil(count / usable_cores())  # shards that share a core do so in turn
        rows.append(CheckedRow(count, len(sources), waits * (rates.start + largest * rates.seconds), seconds))
    return rows


def _run_shards(folder: Path, sources: Sequence[Source], count: int) -> tuple[int, float]:
    """How many images the largest of the shards has, and the seconds until all are done."""
    with tempfile.TemporaryDirectory() as name:
        names, out = Path(name) / "images.txt", Path(name) / "out"
        names.write_bytes(b"\0".join(os.fsencode(source.path.absolute()) for source in sources))
        command = [sys.executable, "-m", "inception_rcnn", "detect", f"@{names}", "--out", str(out), "--quiet"]
        command += ["--model", str(folder), "--no-draw", "--device", "cpu"]
        begun = time.perf_counter()
        running = [_on_a_core([*command, "--shard", f"{index}/{count}"], index) for index in range(count)]
        codes = [process.wait() for process in running]
        if any(codes):
            raise DataError(
                f"a shard of {count} ended with exit code {max(codes)}: run detect on the images to see why"
            )
        seconds = time.perf_counter() - begun
        ledgers = (path.read_bytes().count(b"\n") for path in out.glob("shards/*/detections.jsonl"))
        return max(ledgers), seconds


def _on_a_core(command: Sequence[str], index: int) -> "subprocess.Popen[bytes]":
    """Start a command with one thread a library and, where the system can, on one core."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if not hasattr(os, "sched_setaffinity"):
        return subprocess.Popen(command, env=environment)
    cores = sorted(os.sched_getaffinity(0))
    core = {cores[index % len(cores)]}
    return subprocess.Popen(command, env=environment, preexec_fn=lambda: os.sched_setaffinity(0, core))
