"""What a run of `detect` would do, from a measurement on a few of its images: nothing is written."""

import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...data.images.decoding import encode_image
from ...data.images.file_identity import roots_of
from ...data.images.sources import Source
from ...data.stores.detections_jsonl import image_to_line
from ...eval.report.drawing import draw_detections
from ..streaming import Outcome, detect_stream
from .detect_run import Job, earlier_roots
from .previous_run import read_earlier

SAMPLE = 4  # images that are detected in, or as many batches of a GPU's


@dataclass(frozen=True)
class Plan:
    """What a run would do; `str()` of it is what a person wants to read before."""

    images: int
    done: int  # by an earlier run
    seconds: float | None  # for those that are left, without what starting takes; None where none could be read
    bytes: int  # that their rows and drawings take
    free: int  # bytes of the disk
    out: Path
    notices: tuple[str, ...] = ()

    def __str__(self) -> str:
        left = self.images - self.done
        lines = [f"{self.images:,} images, {self.done:,} done before, {left:,} to do"]
        if left and self.seconds is not None:
            pace = f"{self.seconds / left:.2f} s an image, measured on {min(left, SAMPLE)}"
            lines.append(f"time: about {_duration(self.seconds)} ({pace})")
        room = f"disk: about {_size(self.bytes)} in {self.out}, {_size(self.free)} free"
        lines.append(room + ("; make room first" if self.bytes > self.free else ""))
        return "\n".join([*lines, *self.notices])


def plan(job: Job) -> Plan:
    """Measure what is left of a job on some of its images, evenly spread; UsageError as from the run itself."""
    out, sources = job.out, job.sources
    roots = None if job.options.overwrite else earlier_roots(out, job.settings)
    notices, done = [*job.left_out, *job.notices], set[str]()
    if roots is not None:
        earlier = read_earlier(out, sources, sorted({*roots, *roots_of(sources)}), job.options.writing.keep_stages)
        notices, done = [*earlier.lines(), *notices], {*earlier.done}
    todo = [source for source in sources if source.file not in done]
    seconds, size = _measure(job, todo)
    there = next(each for each in (out, *out.absolute().parents) if each.exists())
    free = shutil.disk_usage(there).free
    return Plan(len(sources), len(done), seconds, size, free, out, tuple(notices))


def _measure(job: Job, todo: Sequence[Source]) -> tuple[float | None, int]:
    """Seconds and bytes for all of these images, by those of a few; the first ones at once only warm up."""
    warmup = job.model.images_at_once
    count = min(len(todo), SAMPLE * warmup)
    sample = [todo[index] for index in np.linspace(0, len(todo) - 1, count).astype(int)]
    ends, sizes = [time.perf_counter()], []
    stream = detect_stream(job.model, [*sample[:warmup], *sample], job.stored, time_limit=job.options.time_limit)
    with closing(stream):
        for outcome in stream:
            ends.append(time.perf_counter())
            if outcome.image is not None:
                sizes.append(_bytes_of(outcome, draw=job.options.writing.draw))
    if not sizes:
        return None, 0
    warm = len(ends) - 1 - count
    return (ends[-1] - ends[warm]) / count * len(todo), round(float(np.mean(sizes)) * len(todo))


def _bytes_of(outcome: Outcome, *, draw: bool) -> int:
    """What an image's row and its drawing take on disk."""
    row = len(image_to_line(outcome.result))
    if not draw or outcome.image is None:
        return row
    return row + len(encode_image(draw_detections(outcome.image, outcome.result.detections), ".jpg"))


def _duration(seconds: float) -> str:
    """
    >>> _duration(42), _duration(600), _duration(100_000)
    ('42 seconds', '10 minutes', '27.8 hours')
    """
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _size(count: int) -> str:
    """
    >>> _size(1_500_000), _size(2_000_000_000)
    ('1.5 MB', '2.0 GB')
    """
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
