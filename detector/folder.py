"""Detecting in many pictures: a folder's worth in bounded memory, and everything `detect` writes about them."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError
from ..data.ledger import LEDGER_NAME, open_ledger, picture_to_line, read_ledger, write_ledger
from ..data.records import Picture, Proposals, Stages
from ..data.sources import Source
from ..data.stage_files import has_stages, write_stages
from ..eval.drawing import draw_detections
from ..eval.gallery import write_drawing
from ..proposals.methods import mapped
from .memory import return_free_memory
from .nms import suppress
from .rcnn import RCNN

DRAWN = "drawn"  # the folder of drawn pictures, below a run's own
TRIM_EVERY = 16  # pictures; returning memory costs a tenth of a picture's time
SPEAK_EVERY = 10.0  # seconds between lines of progress


class StageSeconds:
    """Seconds of wall time spent in each stage; decoding and proposing overlap the network on other threads."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(("decode", "propose", "network", "draw"), 0.0)
        self._lock = threading.Lock()

    def since(self, stage: str, start: float) -> float:
        """Book the time from `start` on a stage, from any thread; gives the time now."""
        now = time.perf_counter()
        with self._lock:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - start
        return now


@dataclass(frozen=True)
class _Prepared:
    """A picture ready for the network, or the reason why it is not."""

    source: Source
    image: NDArray[np.uint8] | None = None
    proposals: Proposals | None = None  # made elsewhere
    searched: Proposals | None = None  # by the detector's own method
    error: str | None = None


@dataclass(frozen=True)
class Looked:
    """A picture that was looked at: its outcome, its pixels and what was thought of it, if it could be read."""

    picture: Picture
    image: NDArray[np.uint8] | None = None
    stages: Stages | None = None


def detect_stream(
    model: RCNN,
    sources: Iterable[Source],
    kept: Mapping[str, Proposals] | None = None,
    seconds: StageSeconds | None = None,
) -> Iterator[Looked]:
    """What became of each source, in order; a picture that cannot be read is an outcome with an `error`.

    Threads decode and propose a few pictures ahead while the network works; `kept` proposals, by file, save the latter.
    """
    seconds = seconds or StageSeconds()
    for number, ready in enumerate(mapped(lambda source: _prepare(model, source, kept, seconds), sources), start=1):
        if ready.image is None:
            yield Looked(Picture(ready.source.file, error=ready.error))
            continue
        start = time.perf_counter()
        stages = model.look(ready.image, ready.proposals, searched=ready.searched)
        found = suppress(stages)
        seconds.since("network", start)
        if number % TRIM_EVERY == 0:
            return_free_memory()
        height, width = ready.image.shape[:2]
        yield Looked(Picture(ready.source.file, width, height, found), ready.image, stages)


def _prepare(model: RCNN, source: Source, kept: Mapping[str, Proposals] | None, seconds: StageSeconds) -> _Prepared:
    start = time.perf_counter()
    try:
        image = source.read()
        start = seconds.since("decode", start)
        if kept is not None and source.file not in kept:
            raise DataError(f"{source.file}: the file of proposals has none for this picture")
        proposals, searched = (None, model.search(image)) if kept is None else (kept[source.file], None)
        seconds.since("propose", start)
    except DataError as error:
        return _Prepared(source, error=str(error))
    return _Prepared(source, image, proposals, searched)


@dataclass(frozen=True)
class Summary:
    """What a run did; `str()` of it is what a person wants to read at the end."""

    pictures: int
    skipped: int  # done by an earlier run
    failed: int
    detections: int
    wall_seconds: float
    stages: dict[str, float]
    out: Path

    def __str__(self) -> str:
        new = max(self.pictures - self.skipped, 1)
        times = ", ".join(f"{name} {seconds / new:.2f}" for name, seconds in self.stages.items())
        return (
            f"{self.pictures} pictures ({self.skipped} done before, {self.failed} failed), {self.detections} "
            f"detections, {self.wall_seconds:.1f} s\nseconds a picture: {times} (they overlap; "
            f"{self.wall_seconds / new:.2f} in all)\nwritten to {self.out}"
        )


def detect_folder(
    model: RCNN,
    sources: Sequence[Source],
    out: Path,
    *,
    draw: bool = True,
    keep_stages: bool = False,
    kept: Mapping[str, Proposals] | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> tuple[list[Picture], Summary]:
    """Detect in every source that `out` has no row of yet; write the ledger, and the drawn pictures below `drawn/`.

    A row is on disk before the next picture starts, so a run that is stopped loses nothing. Pictures that failed
    before are tried again. With `keep_stages` a picture's stages are on disk before its row, and pictures that an
    earlier run kept none of are done again. Gives all rows in the order of the sources, rows of other pictures first.
    """
    begun, seconds = time.perf_counter(), StageSeconds()
    done = _rows_done(out, keep_stages)
    todo = [source for source in sources if source.file not in done]
    skipped = len(sources) - len(todo)
    if skipped:
        report(f"{skipped} of {len(sources)} pictures are done already")
    progress = _Progress(len(todo), report)
    with open_ledger(out / LEDGER_NAME) as ledger:
        for looked in detect_stream(model, todo, kept, seconds):
            picture, image = looked.picture, looked.image
            if keep_stages and looked.stages is not None:
                start = time.perf_counter()
                write_stages(out, picture.file, looked.stages)
                seconds.since("keep", start)
            if draw and image is not None:
                start = time.perf_counter()
                write_drawing(out / DRAWN, picture.file, draw_detections(image, picture.detections))
                seconds.since("draw", start)
            ledger.write(picture_to_line(picture))
            done[picture.file] = picture
            progress.add(picture)
    wanted = {source.file for source in sources}
    rows = [row for file, row in done.items() if file not in wanted] + [done[source.file] for source in sources]
    write_ledger(rows, out / LEDGER_NAME)
    failed = sum(done[source.file].error is not None for source in sources)
    found = sum(len(done[source.file].detections) for source in sources)
    wall = time.perf_counter() - begun
    return rows, Summary(len(sources), skipped, failed, found, wall, seconds.seconds, out)


def _rows_done(out: Path, keep_stages: bool) -> dict[str, Picture]:
    """The rows of an earlier run that need no second try; the others are taken off the ledger."""
    path = out / LEDGER_NAME
    if not path.exists():
        return {}
    rows = read_ledger(path)
    good = [row for row in rows if row.error is None and (not keep_stages or has_stages(out, row.file))]
    if len(good) < len(rows):
        write_ledger(good, path)
    return {row.file: row for row in good}


class _Progress:
    """A line now and then: how far, how fast, how long still."""

    def __init__(self, total: int, report: Callable[[str], None]):
        self.total, self.report = total, report
        self.count = self.boxes = self.failed = 0
        self.begun = self.spoken = time.monotonic()

    def add(self, picture: Picture) -> None:
        self.count += 1
        self.boxes += len(picture.detections)
        if picture.error is not None:
            self.failed += 1
            self.report(f"left out: {picture.error}")
        now = time.monotonic()
        if now - self.spoken < SPEAK_EVERY:
            return
        self.spoken = now
        pace = (now - self.begun) / self.count
        self.report(
            f"{self.count}/{self.total} pictures, {pace:.2f} s each, {pace * (self.total - self.count):.0f} s left, "
            f"{self.boxes} detections, {self.failed} failed"
        )
