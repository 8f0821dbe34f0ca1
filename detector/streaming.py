"""Detection in many images, with the next ones decoded and proposed on ahead, in bounded memory and time."""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ..backbone.features.shared_maps import SharedMaps
from ..backbone.memory import return_free_memory
from ..data.diagnostics import failure_of, late
from ..data.errors import DataError
from ..data.images.file_identity import origin_of
from ..data.images.image_files import is_animation, pixels_stated
from ..data.images.prefetching import TimeLimit, prefetch
from ..data.images.sources import Source
from ..data.records import Detections, ImageDetections, Origin, Proposals, Stages
from ..proposals.methods import Proposer

# Decoding and proposing for the slowest of the shipped methods takes some seconds for the largest photos.
IMAGE_SECONDS = 300.0
TRIM_EVERY = 16  # images; returning memory costs a tenth of an image's time
_BYTES_A_PIXEL = 12  # the decoder's image, ours, and one on the way from the one to the other
_BYTES_AN_IMAGE = 2**26  # besides: a search works on at most half a million pixels


class StageSeconds:
    """Seconds of wall time spent in each stage; decoding and proposing overlap the network on other threads.

    What the network waits for them is a stage of its own.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(("decode", "propose", "wait", "network", "draw"), 0.0)
        self._lock = threading.Lock()

    def since(self, stage: str, start: float) -> float:
        """Add the time from `start` to a stage, from any thread; gives the time now."""
        now = time.perf_counter()
        self.add({stage: now - start})
        return now

    def add(self, seconds: Mapping[str, float]) -> None:
        """Add seconds to stages, from any thread."""
        with self._lock:
            for stage, spent in seconds.items():
                self.seconds[stage] = self.seconds.get(stage, 0.0) + spent


class Detector(Protocol):
    """What streaming needs of an `RCNN`: the part of proposing that may run on any thread, and all the rest."""

    proposer: Proposer
    images_at_once: int  # that the network takes

    def forward(
        self, images: Sequence[NDArray[np.uint8]], propose: Sequence[Callable[[SharedMaps], Proposals]]
    ) -> Sequence[tuple[Detections, Stages]]: ...


@dataclass(frozen=True)
class Prefetched:
    """An image ready for the network, or the reason why it is not."""

    source: Source
    image: NDArray[np.uint8] | None = None
    proposals: Proposals | None = None  # of the method's search, or those that were stored
    stored: bool = False
    origin: Origin | None = None
    animated: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Outcome:
    """An image's result and, unless it failed, its pixels and stages."""

    result: ImageDetections
    image: NDArray[np.uint8] | None = None
    stages: Stages | None = None
    animated: bool = False  # only its first frame was detected in


def detect_stream(
    model: Detector,
    sources: Iterable[Source],
    stored: Mapping[str, Proposals] | None = None,
    seconds: StageSeconds | None = None,
    time_limit: float = IMAGE_SECONDS,
) -> Generator[Outcome, None, None]:
    """Detect in each source, in order; an image that fails, however, gives a result with an `error`.

    Threads decode and propose a few images ahead while the network works; `stored` proposals, by file, replace the
    latter. An image may take `time_limit` seconds on its thread.
    """
    times = seconds or StageSeconds()

    with closing(prefetch_images(model.proposer, sources, stored, times, time_limit)) as prefetched:
        since_trimmed = 0
        while ready := _next(prefetched, model.images_at_once, times):
            yield from detect_prefetched(model, ready, times)
            since_trimmed += len(ready)
            if since_trimmed >= TRIM_EVERY:
                return_free_memory()
                since_trimmed = 0


def _next(prefetched: Iterator[Prefetched], count: int, seconds: StageSeconds) -> list[Prefetched]:
    """The next images, once they are all there."""
    start = time.perf_counter()
    ready = list(islice(prefetched, count))
    seconds.since("wait", start)
    return ready


def prefetch_images(
    method: Proposer,
    sources: Iterable[Source],
    stored: Mapping[str, Proposals] | None,
    seconds: StageSeconds,
    time_limit: float,
    threads: int | None = None,
) -> Generator[Prefetched, None, None]:
    """Decode and search images on threads, a core each by default, in their order."""

    def prepare(source: Source) -> Prefetched:
        return _prefetch(method, source, stored, seconds)

    def given_up(source: Source) -> Prefetched:
        return Prefetched(source, error=str(late(source.file, time_limit)))

    return prefetch(prepare, sources, threads, cost=bytes_needed, limit=TimeLimit(time_limit, given_up))


def bytes_needed(source: Source) -> int:
    """About how much memory a source takes while it is read and proposed on."""
    try:
        pixels = pixels_stated(source.content())
    except DataError:  # which reading it will meet
        pixels = 0
    return _BYTES_A_PIXEL * pixels + _BYTES_AN_IMAGE


def _prefetch(
    method: Proposer, source: Source, stored: Mapping[str, Proposals] | None, seconds: StageSeconds
) -> Prefetched:
    start = time.perf_counter()
    try:
        origin = origin_of(source)  # before it is read: what changes meanwhile then differs from what was read
        image = source.read()
        start = seconds.since("decode", start)
        proposals = method.search(image) if stored is None else _stored_proposals(stored, source, image)
        seconds.since("propose", start)
        return Prefetched(source, image, proposals, stored is not None, origin, is_animation(source.content()))
    except Exception as error:
        return Prefetched(source, error=str(failure_of(error, source.file)))


def _stored_proposals(stored: Mapping[str, Proposals], source: Source, image: NDArray[np.uint8]) -> Proposals:
    """DataError where there are none of this image, or where some are wholly outside it: they are another one's."""
    if source.file not in stored:
        how = f"as it is now, read {'as stored' if source.as_stored else 'upright'}: make the proposals anew"
        raise DataError(f"{source.file}: the file of proposals has none for this image {how}")
    proposals = stored[source.file]
    height, width = image.shape[:2]
    x1, y1, x2, y2 = proposals.boxes.T
    outside = np.flatnonzero((x1 >= width) | (y1 >= height) | (x2 <= 0) | (y2 <= 0))
    if len(outside):
        box = ", ".join(f"{side:g}" for side in proposals.boxes[outside[0]])
        what = f"{len(outside)} of its {len(proposals)} proposals are outside it, as ({box})"
        raise DataError(f"{source.file}: is {width} x {height} pixels large, and {what}: make the proposals anew")
    return proposals


def detect_prefetched(model: Detector, batch: Sequence[Prefetched], seconds: StageSeconds) -> Iterator[Outcome]:
    """The results of some images together; where that fails, those of each half, for one may be too large."""
    images = [ready.image for ready in batch if ready.image is not None]
    propose = [_propose(model, ready) for ready in batch if ready.image is not None]
    start = time.perf_counter()
    try:
        found = iter(model.forward(images, propose) if images else ())
    except Exception as error:
        torch.cuda.empty_cache()  # what images that were too large leave would be missed by the next ones
        if len(batch) > 1:
            half = len(batch) // 2
            yield from detect_prefetched(model, batch[:half], seconds)
            yield from detect_prefetched(model, batch[half:], seconds)
        else:
            yield _failed(batch[0], str(failure_of(error, batch[0].source.file)))
        return
    seconds.since("network", start)
    for ready in batch:
        if ready.image is None:
            yield _failed(ready, ready.error)
            continue
        detections, stages = next(found)
        height, width = ready.image.shape[:2]
        result = ImageDetections(ready.source.file, width, height, detections, origin=ready.origin)
        yield Outcome(result, ready.image, stages, ready.animated)


def _propose(model: Detector, ready: Prefetched) -> Callable[[SharedMaps], Proposals]:
    """The proposals of an image by its maps: its stored ones, or what is left of the method's work."""
    assert ready.proposals is not None
    proposals = ready.proposals
    return (lambda maps: proposals) if ready.stored else partial(model.proposer.finish, proposals)


def _failed(ready: Prefetched, error: str | None) -> Outcome:
    return Outcome(ImageDetections(ready.source.file, error=error))
