"""What Ray's workers do in a run: the stages of an image's way, and the tables that they make of one another.

A table is a data set of Ray's. What its rows hold is pickled: Arrow knows no class of ours, and names may be any bytes.
"""

import os
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...backbone.precision import choose_device
from ...data.diagnostics import failure_of
from ...data.images.sources import Source
from ...data.records import Proposals
from ...proposals.methods import Proposer
from ..inference.propose_run import finished
from ..linear.features import image_features
from ..model_folders import load_network, proposer_named
from ..network import RegionNetwork
from ..rcnn import GPU_IMAGES, RCNN
from ..region_features import Mode
from ..streaming import Outcome, Prefetched, StageSeconds, detect_prefetched, prefetch_images

TRIES = 2  # of an image whose worker dies while it is read
DIED = "the process that read it was killed, each time that it was tried: is there enough memory?"

T = TypeVar("T")
Key = tuple[str, int]  # what is done with an image, and which
Features = NDArray[np.float32] | str  # [R, D], or why there are none
Row = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """What a worker has to know of a run of `detect`."""

    model: str  # folder
    device: str
    settings: tuple[tuple[str, Any], ...]
    time_limit: float
    images: bool  # whether the pixels come back, to be drawn
    stages: bool


@dataclass(frozen=True)
class ImageItem:
    """An image on its way to the workers, with its stored proposals if there are such."""

    source: Source
    stored: Mapping[str, Proposals] | None = None


@dataclass(frozen=True)
class Timed(Generic[T]):
    """What a stage made of an image, and the seconds that it took until then."""

    outcome: T
    seconds: dict[str, float]


class Attempts:
    """How often each image was begun and not ended: those that kill what reads them stand out."""

    def __init__(self) -> None:
        self.open: Counter[Key] = Counter()

    def begin(self, keys: Sequence[Key]) -> list[int]:
        """How often each was begun in vain before."""
        earlier = [self.open[key] for key in keys]
        self.open.update(keys)
        return earlier

    def end(self, keys: Sequence[Key]) -> None:
        for key in keys:
            del self.open[key]


@dataclass(frozen=True)
class Driver:
    """What workers need of the process that started them."""

    attempts: Any  # an actor
    folder: str  # that relative paths count from
    pixel_limit: int | None  # of images

    @contextmanager
    def attempt(self, keys: Sequence[Key]) -> Iterator[list[int]]:
        """Work on images in a worker, as this process would; gives how often each was begun in vain before."""
        import ray

        Image.MAX_IMAGE_PIXELS = self.pixel_limit
        with suppress(OSError):  # not there on this machine: then the paths have to be absolute
            os.chdir(self.folder)
        yield ray.get(self.attempts.begin.remote(keys))
        ray.get(self.attempts.end.remote(keys))


def _died(source: Source) -> str:
    return f"{source.file}: {DIED}"


def packed(index: int, value: object) -> Row:
    """A row of any table: the item's index and what is known of it, as Arrow knows no class of ours."""
    return {"value": pickle.dumps((index, value), protocol=5)}


def detections_of_table(work: Work, driver: Driver, table: Any) -> Any:
    """The pipeline from a table of images to one of their outcomes."""
    prepared, at_once = table.map(_prepare, fn_args=(work, driver)), GPU_IMAGES if _gpus(work.device) else 1
    return prepared.map_batches(_Network, fn_args=(work, driver), batch_size=at_once, **_actors(work.device))


def _gpus(device: str) -> int:
    """The cluster's GPUs, if a run is to use them."""
    import ray

    return 0 if device in ("cpu", "mps") else int(ray.cluster_resources().get("GPU", 0))


def _actors(device: str) -> Row:
    """Actors for a network: one on each GPU, else on most of the cores."""
    import ray
    import ray.data

    gpus, cores = _gpus(device), int(ray.cluster_resources().get("CPU", 1))
    return {
        "compute": ray.data.ActorPoolStrategy(size=gpus or max(1, cores * 3 // 4)),
        "num_gpus": 1 if gpus else 0,
        "num_cpus": 1 if cores > 1 and not gpus else 0,
    }


def _prepare(row: Row, work: Work, driver: Driver) -> Row:
    """The first stage: an image decoded and searched."""
    index, item = pickle.loads(row["value"])
    seconds = StageSeconds()
    ready = _read(driver, index, item, _model(work).proposer, seconds, work.time_limit)
    return packed(index, Timed(ready, seconds.seconds))


def _read(
    driver: Driver, index: int, item: ImageItem, method: Proposer, seconds: StageSeconds, time_limit: float
) -> Prefetched:
    with driver.attempt([("read", index)]) as (earlier,):
        if earlier >= TRIES:
            return Prefetched(item.source, error=_died(item.source))
        (ready,) = prefetch_images(method, [item.source], item.stored, seconds, time_limit, threads=1)
        return ready


class _Network:
    """The second stage: what the network makes of some images together."""

    def __call__(self, batch: Row, work: Work, driver: Driver) -> Row:
        indices, before = zip(*map(pickle.loads, batch["value"]), strict=True)
        images, seconds = [each.outcome for each in before], StageSeconds()
        with driver.attempt([("network", index) for index in indices]) as earlier:
            if any(earlier):  # one of them may have killed another worker: which one?
                outcomes = [self._alone(*each, work, driver) for each in zip(indices, images, strict=True)]
            else:
                outcomes = list(detect_prefetched(_model(work), images, seconds))
        shares = {stage: spent / len(outcomes) for stage, spent in seconds.seconds.items()}
        return {"value": [_result(work, *each, shares) for each in zip(indices, before, outcomes, strict=True)]}

    def _alone(self, index: int, image: Prefetched, work: Work, driver: Driver) -> Outcome:
        with driver.attempt([("alone", index)]) as (earlier,):
            if earlier >= TRIES:
                image = Prefetched(image.source, error=_died(image.source))
            (outcome,) = detect_prefetched(_model(work), [image], StageSeconds())
        return outcome


def _result(work: Work, index: int, before: Timed[Prefetched], outcome: Outcome, shares: dict[str, float]) -> bytes:
    outcome = replace(
        outcome, image=outcome.image if work.images else None, stages=outcome.stages if work.stages else None
    )
    seconds = {stage: spent + shares.get(stage, 0) for stage, spent in before.seconds.items()}
    return packed(index, Timed(outcome, seconds))["value"]


def proposals_of_table(
    proposals: str, model: str | None, device: str, time_limit: float, driver: Driver, table: Any
) -> Any:
    """The pipeline from a table of images to one of their proposals."""
    return table.map(_find, fn_args=(proposals, model, device, time_limit, driver))


def _find(row: Row, proposals: str, model: str | None, device: str, time_limit: float, driver: Driver) -> Row:
    index, item = pickle.loads(row["value"])
    method, seconds = _method(proposals, model, device), StageSeconds()
    ready = _read(driver, index, item, method, seconds, time_limit)
    return packed(index, Timed(finished(method, ready), seconds.seconds))


def features_of_table(
    model: str, device: str, mode: Mode, short_sides: tuple[float, ...], driver: Driver, table: Any
) -> Any:
    """The pipeline from a table of images with boxes to one of the boxes' features."""
    arguments = (model, device, mode, short_sides, driver)
    return table.map(_FeaturesOfImage, fn_args=arguments, **_actors(device))


class _FeaturesOfImage:
    """What the outputs of a mode's head read of an image's boxes, or why the image cannot be read."""

    def __call__(
        self, row: Row, model: str, device: str, mode: Mode, short_sides: tuple[float, ...], driver: Driver
    ) -> Row:
        index, item = pickle.loads(row["value"])
        with driver.attempt([("read", index)]) as (earlier,):
            features = (
                _died(item.source) if earlier >= TRIES else self._of(item, _network(model, device), mode, short_sides)
            )
        return packed(index, Timed(features, {}))

    def _of(self, item: ImageItem, network: RegionNetwork, mode: Mode, short_sides: tuple[float, ...]) -> Features:
        file = item.source.file
        try:
            assert item.stored is not None
            return image_features(network, mode, short_sides, item.source.read(), item.stored[file].boxes)
        except Exception as error:
            return str(failure_of(error, file))


@lru_cache(maxsize=1)
def _network(model: str, device: str) -> RegionNetwork:
    return load_network(Path(model))[0].to(choose_device(device))


@lru_cache(maxsize=1)
def _model(work: Work) -> RCNN:
    """A worker's model, loaded once."""
    return RCNN.from_pretrained(work.model, device=work.device).with_options(**dict(work.settings))


@lru_cache(maxsize=1)
def _method(proposals: str, model: str | None, device: str) -> Proposer:
    return proposer_named(proposals, model, device)
