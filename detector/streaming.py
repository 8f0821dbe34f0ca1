"""Detecting in one image after the other, with the next ones read and proposed on ahead, in bounded memory and time."""

import threading
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ..backbone.memory import return_free_memory
from ..data.errors import DataError
from ..data.failures import failure_of, late
from ..data.images.file_identity import origin_of
from ..data.images.image_files import is_animation, pixels_stated
from ..data.images.prefetching import TimeLimit, prefetch
from ..data.images.sources import Source
from ..data.records import ImageDetections, Origin, Proposals, Stages
from .result import Detected

# Decoding and proposing for the slowest of the shipped methods takes some seconds for the largest photos.
IMAGE_SECONDS = 300.0
TRIM_EVERY = 16  # images; returning memory costs a tenth of an image's time
_BYTES_A_PIXEL = 12  # the decoder's image, ours, and one on the way from the one to the other
_BYTES_AN_IMAGE = 2**26  # besides: a search works on at most half a million pixels


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


class TwoSteps(Protocol):
    """A detector, of which one part needs no network and may run on any thread."""

    def search(self, image: NDArray[np.uint8]) -> Proposals:
        """The part of proposing that needs no network."""
        ...

    def look(self, image: NDArray[np.uint8], proposals: Proposals | None, *, searched: Proposals | None) -> Stages:
        """All the rest, up to suppression."""
        ...


@dataclass(frozen=True)
class _Prepared:
    """An image ready for the network, or the reason why it is not."""

    source: Source
    image: NDArray[np.uint8] | None = None
    proposals: Proposals | None = None  # made elsewhere
    searched: Proposals | None = None  # by the detector's own method
    origin: Origin | None = None
    animated: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Looked:
    """An image that was looked at: its outcome, its pixels and what was thought of it, if it could be read."""

    result: ImageDetections
    image: NDArray[np.uint8] | None = None
    stages: Stages | None = None
    animated: bool = False  # only its first frame was looked at


def detect_stream(
    model: TwoSteps,
    sources: Iterable[Source],
    kept: Mapping[str, Proposals] | None = None,
    seconds: StageSeconds | None = None,
    time_limit: float = IMAGE_SECONDS,
) -> Generator[Looked, None, None]:
    """What became of each source, in order; an image that failed, however, is an outcome with an `error`.

    Threads decode and propose a few images ahead while the network works; `kept` proposals, by file, save the latter.
    An image may take `time_limit` seconds on its thread.
    """
    times = seconds or StageSeconds()

    def prepare(source: Source) -> _Prepared:
        return _prepare(model, source, kept, times)

    def given_up(source: Source) -> _Prepared:
        return _Prepared(source, error=str(late(source.file, time_limit)))

    limit = TimeLimit(time_limit, given_up)
    with closing(prefetch(prepare, sources, cost=bytes_needed, limit=limit)) as prepared:
        for number, ready in enumerate(prepared, start=1):
            yield _looked(model, ready, times)
            if number % TRIM_EVERY == 0:
                return_free_memory()


def bytes_needed(source: Source) -> int:
    """About how much memory a source takes while it is read and proposed on."""
    return _BYTES_A_PIXEL * pixels_stated(source.path) + _BYTES_AN_IMAGE


def _prepare(model: TwoSteps, source: Source, kept: Mapping[str, Proposals] | None, seconds: StageSeconds) -> _Prepared:
    start = time.perf_counter()
    try:
        origin = origin_of(source)  # before it is read: what changes meanwhile is then told from what was read
        image = source.read()
        start = seconds.since("decode", start)
        if kept is not None and source.file not in kept:
            how = f"as it is now, read {'as stored' if source.as_stored else 'upright'}: make the proposals anew"
            raise DataError(f"{source.file}: the file of proposals has none for this image {how}")
        proposals, searched = (None, model.search(image)) if kept is None else (kept[source.file], None)
        if proposals is not None:
            _check_inside(proposals, image, source.file)
        seconds.since("propose", start)
        return _Prepared(source, image, proposals, searched, origin, is_animation(source.path))
    except Exception as error:
        return _Prepared(source, error=str(failure_of(error, source.file)))


def _check_inside(proposals: Proposals, image: NDArray[np.uint8], file: str) -> None:
    """DataError where proposals made elsewhere are wholly outside the (H, W, 3) image: they are another one's."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = proposals.boxes.T
    outside = np.flatnonzero((x1 >= width) | (y1 >= height) | (x2 <= 0) | (y2 <= 0))
    if len(outside):
        box = ", ".join(f"{side:g}" for side in proposals.boxes[outside[0]])
        what = f"{len(outside)} of its {len(proposals)} proposals are outside it, as ({box})"
        raise DataError(f"{file}: is {width} x {height} pixels large, and {what}: make the proposals anew")


def _looked(model: TwoSteps, ready: _Prepared, seconds: StageSeconds) -> Looked:
    if ready.image is None:
        return Looked(ImageDetections(ready.source.file, error=ready.error))
    start = time.perf_counter()
    try:
        stages = model.look(ready.image, ready.proposals, searched=ready.searched)
        found = Detected.of(stages)
    except Exception as error:
        failure = failure_of(error, ready.source.file)
        torch.cuda.empty_cache()  # what an image that was too large leaves would be missed by the next one
        return Looked(ImageDetections(ready.source.file, error=str(failure)))
    seconds.since("network", start)
    height, width = ready.image.shape[:2]
    result = ImageDetections(ready.source.file, width, height, found, origin=ready.origin)
    return Looked(result, ready.image, stages, ready.animated)
