"""Detection in many images in bounded memory, with the files that `detect` writes for each."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...backbone.training.interruption import Interruption
from ...data.diagnostics import failure_of
from ...data.errors import SetupError
from ...data.files.atomic import DiskFullError, naming_failures
from ...data.images.file_identity import roots_of
from ...data.images.sources import Source
from ...data.records import ImageDetections, Proposals
from ...data.resources import peak_memory
from ...data.stores.detections_jsonl import LEDGER_NAME, image_to_line, open_ledger, write_ledger
from ...data.stores.failures_csv import write_failures
from ...data.stores.stage_files import write_stages
from ...data.terminal import Progress, Report, silent
from ...eval.report.image_outputs import ImageOutputs
from ..rcnn import RCNN
from ..streaming import IMAGE_SECONDS, Outcome, StageSeconds, detect_stream
from .previous_run import Earlier, read_earlier, remove_what_no_longer_holds

# Detects in images, in their order, and adds up what each stage takes.
Stream = Callable[[Sequence[Source], StageSeconds], Generator[Outcome, None, None]]


@dataclass(frozen=True)
class Writing:
    """What a run writes of an image beside its row."""

    draw: bool = True  # the image with its boxes
    save_crops: bool = False  # each detection, cut out
    keep_stages: bool = False  # the regions' scores and boxes


WRITING = Writing()  # what is written by default


@dataclass(frozen=True)
class Summary:
    """What a run did; `str()` of it is what a person wants to read at the end."""

    images: int
    skipped: int  # done by an earlier run
    failed: int
    detections: int
    wall_seconds: float
    stages: dict[str, float]
    out: Path
    left: int = 0  # not detected in, as the run was stopped
    notices: tuple[str, ...] = ()  # what a person should know besides, a line each
    failure: str | None = None  # the first one's reason
    peak_memory: int | None = None  # bytes of this process, where the system says

    def __str__(self) -> str:
        new = max(self.images - self.skipped - self.left, 1)
        times = ", ".join(f"{name} {seconds / new:.2f}" for name, seconds in self.stages.items())
        memory = "" if self.peak_memory is None else f"; peak memory {self.peak_memory / 1e9:.1f} GB"
        return "\n".join(
            (
                f"{self.images} images ({self.skipped} done before, {self.failed} failed"
                f"{f', {self.left} left' if self.left else ''}), {self.detections} "
                f"detections, {self.wall_seconds:.1f} s",
                f"seconds an image: {times} (they overlap; {self.wall_seconds / new:.2f} in all){memory}",
                *self.notices,
                f"written to {self.out}",
            )
        )


def detect_folder(
    model: RCNN,
    sources: Sequence[Source],
    out: Path,
    *,
    writing: Writing = WRITING,
    stored: Mapping[str, Proposals] | None = None,
    roots: Sequence[str] = (),
    time_limit: float = IMAGE_SECONDS,
    noticed: Interruption | None = None,
    report: Report = silent,
    stream: Stream | None = None,
) -> tuple[list[ImageDetections], Summary]:
    """Detect in every source that `out` has no row of yet; write the ledger, and each image's files.

    A row is on disk before the next image starts, so a run that is stopped loses nothing; one that is stopped by
    a signal that was `noticed` ends with the image at hand. A row of an earlier run holds as long as its file is
    the same. Images that failed before are tried again, those whose drawings or crops lack get them from their rows.
    Where stages are kept an image's are on disk before its row, and images that an earlier run wrote none of are done
    again. Gives all rows in the order of the sources; before them those of an earlier run about other images, which
    stay as long as their file is there, in the earlier run's `roots`. A `stream` detects in place of this process.
    """
    run = _Run(out, writing, noticed or Interruption(), report)
    earlier = read_earlier(out, sources, sorted({*roots, *roots_of(sources)}), writing.keep_stages)
    remove_what_no_longer_holds(out, earlier)
    rows = dict(earlier.done)
    todo = [source for source in sources if source.file not in rows]
    skipped = len(sources) - len(todo)
    for line in (*earlier.lines(), *([f"{skipped} of {len(sources)} images are done already"] if skipped else ())):
        report(line)
    run.write_missing([source for source in sources if source.file in rows], earlier)
    outcomes = stream(todo, run.seconds) if stream else detect_stream(model, todo, stored, run.seconds, time_limit)
    with closing(outcomes):
        rows |= run.detect(outcomes, len(todo), earlier.outputs)
    done = [rows[source.file] for source in sources if source.file in rows]
    write_ledger([*earlier.others, *done], out / LEDGER_NAME)
    write_failures(done, out)
    failures = [row.error for row in done if row.error is not None]
    return [*earlier.others, *done], Summary(
        len(sources),
        skipped,
        len(failures),
        sum(len(row.detections) for row in done),
        time.perf_counter() - run.begun,
        run.seconds.seconds,
        out,
        len(sources) - len(done),
        tuple(run.notices()),
        failures[0] if failures else None,
        peak_memory(),
    )


@dataclass
class _Run:
    """A run at work: what it writes, and its notices."""

    out: Path
    writing: Writing
    noticed: Interruption
    report: Report
    seconds: StageSeconds = field(default_factory=StageSeconds)
    begun: float = field(default_factory=time.perf_counter)
    animated: int = 0
    not_written: int = 0

    def detect(self, stream: Iterator[Outcome], total: int, outputs: ImageOutputs) -> dict[str, ImageDetections]:
        """Write the files and the row of each image, as long as there is no signal; gives the rows by file."""
        rows: dict[str, ImageDetections] = {}
        boxes = failed = 0
        with Progress("detecting", total, self.report) as progress, open_ledger(self.out / LEDGER_NAME) as ledger:
            while not self.noticed.signal and (outcome := next(stream, None)) is not None:
                self.write(outcome, outputs)
                with naming_failures(self.out / LEDGER_NAME):
                    ledger.write(image_to_line(outcome.result))
                rows[outcome.result.file] = outcome.result
                boxes += len(outcome.result.detections)
                if outcome.result.error is not None:
                    failed += 1
                    self.report(f"left out: {outcome.result.error}")
                progress.add(note=f"{boxes} detections, {failed} failed")
        return rows

    def write(self, outcome: Outcome, outputs: ImageOutputs) -> None:
        """Write the files of an image beside its row: its stages, its drawing and its crops, as the options have it."""
        result, image = outcome.result, outcome.image
        self.animated += outcome.animated
        if self.writing.keep_stages and outcome.stages is not None:
            start = time.perf_counter()
            write_stages(self.out, result.file, outcome.stages)
            self.seconds.since("keep", start)
        if image is not None:
            self._write_images(outputs, image, result)

    def write_missing(self, sources: Sequence[Source], earlier: Earlier) -> None:
        """Draw, and cut out, what an earlier run did not, from its rows."""
        written = 0
        for source in sources:
            row = earlier.done[source.file]
            paths = earlier.outputs.paths(row, draw=self.writing.draw, save_crops=self.writing.save_crops)
            if self.noticed.signal or all(path.exists() for path in paths):
                continue
            try:
                image = source.read()
            except Exception as error:
                self._not_written(failure_of(error, source.file))
            else:
                written += self._write_images(earlier.outputs, image, row)
        if written:
            self.report(f"{written} images of an earlier run are drawn or cut out now")

    def _write_images(self, outputs: ImageOutputs, image: NDArray[np.uint8], result: ImageDetections) -> bool:
        """Draw an image and cut its detections out; one of which that fails has its row still."""
        start = time.perf_counter()
        try:
            outputs.write(image, result, draw=self.writing.draw, save_crops=self.writing.save_crops)
        except DiskFullError:
            raise
        except SetupError as error:
            self._not_written(error)
        except Exception as error:
            self._not_written(failure_of(error, result.file))
        else:
            return True
        finally:
            self.seconds.since("draw", start)
        return False

    def _not_written(self, error: Exception) -> None:
        self.not_written += 1
        self.report(f"not drawn: {error}")

    def notices(self) -> list[str]:
        """Notices about what is no failure."""
        texts = (
            (self.not_written, "could not be drawn; their rows are written"),
            (self.animated, "with more than one frame or page: only the first was detected in"),
        )
        return [f"{count} image{'s' * (count > 1)} {text}" for count, text in texts if count]
