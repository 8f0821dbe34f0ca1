"""Ray Data as the engine of a run: decoding and Selective Search on any core of a cluster, the network in actors.

    images --(tasks, a core each)--> pixels and boxes --(actors, a model each)--> detections

Ray streams the images through both, as many at a time as its memory holds, and does again what a dead worker or machine
had in hand; an image that kills its workers is given up. What is written is this process's alone: a run that is stopped
goes on as without Ray, and no image is in the ledger twice. Every machine must see the images, and the model's folder,
under the same paths.
"""

import logging
import os
import pickle
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import ceil
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...backbone.precision import choose_device
from ...data.diagnostics import failure_of
from ...data.errors import DataError, SetupError
from ...data.images.sources import Source
from ...data.records import Proposals
from ...proposals.methods import Proposer
from ..inference.detect_run import Job
from ..inference.image_run import Stream
from ..inference.propose_run import FindProposals, finished
from ..linear.features import FindFeatures, Item, image_features
from ..model_folders import load_network, model_folder, proposer_named
from ..network import RegionNetwork
from ..rcnn import GPU_IMAGES, RCNN
from ..region_features import Mode
from ..streaming import Outcome, Prefetched, StageSeconds, detect_prefetched, prefetch_images

WINDOW = 20_000  # images that Ray knows of at a time
WINDOW_WITH_PROPOSALS = 2_000  # if each brings its own
BLOCK = 8  # images of a task, which a worker that dies leaves to another
TRIES = 2  # of an image whose worker dies while it is read
DIED = "the process that read it was killed, each time that it was tried: is there enough memory?"

T = TypeVar("T")
Key = tuple[str, int]  # what is done with an image, and which
Features = NDArray[np.float32] | str  # [R, D], or why there are none
Row = dict[str, Any]


@dataclass(frozen=True)
class _Work:
    """What a worker has to know of a run of `detect`."""

    model: str  # folder
    device: str
    settings: tuple[tuple[str, Any], ...]
    time_limit: float
    images: bool  # whether the pixels come back, to be drawn
    stages: bool


@dataclass(frozen=True)
class _Item:
    """An image on its way to the workers, with its stored proposals if there are such."""

    source: Source
    stored: Mapping[str, Proposals] | None = None


@dataclass(frozen=True)
class _Timed(Generic[T]):
    """What a stage made of an image, and the seconds that it took until then."""

    outcome: T
    seconds: dict[str, float]


def ray_engine(address: str | None = None) -> Callable[[Job], Stream]:
    """`detect` by Ray: on this machine, or in the cluster at an address, "auto" for the one that this machine is in."""

    def of_job(job: Job) -> Stream:
        start_ray(address)
        writing, stored, settings = job.options.writing, job.stored, dict(job.options.settings)
        if stored is not None:
            del settings["proposals"]
        wants_images = writing.draw or writing.save_crops
        facts = (str(job.folder), job.options.device, tuple(settings.items()), job.options.time_limit)
        work = _Work(*facts, wants_images, writing.keep_stages)

        def stream(sources: Sequence[Source], seconds: StageSeconds) -> Generator[Outcome, None, None]:
            for window in _windows(sources, WINDOW if stored is None else WINDOW_WITH_PROPOSALS):
                items = [_Item(source, None if stored is None else _own(stored, source)) for source in window]
                for done in _each(items, partial(_detect, work)):
                    seconds.add(done.seconds)
                    yield done.outcome

        return stream

    return of_job


def ray_proposals(proposals: str, model: str | None, device: str, address: str | None = None) -> FindProposals:
    """`propose` by Ray, with the method of that name."""

    def find(method: Proposer, sources: Sequence[Source], time_limit: float) -> Generator[Prefetched, None, None]:
        start_ray(address)
        for window in _windows(sources, WINDOW):
            work = partial(_propose, proposals, model, device, time_limit)
            items = [_Item(source) for source in window]
            yield from (done.outcome for done in _each(items, work))

    return find


def ray_features(model: str | None, device: str, address: str | None = None) -> FindFeatures:
    """The features of `train svm` and `train boxes` by Ray, of a detector by its folder or name."""

    def find(mode: Mode, short_sides: tuple[float, ...], items: Sequence[Item]) -> Iterator[NDArray[np.float32]]:
        start_ray(address)
        work = partial(_features, str(model_folder(model).absolute()), device, mode, short_sides)
        boxes = [
            _Item(source, {source.file: Proposals(of_image, np.ones(len(of_image)))}) for source, of_image in items
        ]
        for done in _each(boxes, work):
            if isinstance(done.outcome, str):
                raise DataError(done.outcome)
            yield done.outcome

    return find


def start_ray(address: str | None) -> None:
    """Connect to a cluster, or start one of this machine's cores; without reports of use to anyone."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise SetupError("--engine ray needs Ray: pip install 'inception-rcnn[ray]'") from error
    own: Row = {"include_dashboard": False} if address is None else {"address": address}
    if not ray.is_initialized():
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **own)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise SetupError(f"--ray-address {address}: Ray cannot be reached there ({error})") from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False


def _windows(sources: Sequence[Source], size: int) -> Iterator[Sequence[Source]]:
    return (sources[start : start + size] for start in range(0, len(sources), size))


def _own(stored: Mapping[str, Proposals], source: Source) -> Mapping[str, Proposals]:
    """The proposals of one image, where there are any."""
    return {source.file: stored[source.file]} if source.file in stored else {}


class _Attempts:
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
class _Driver:
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


def _each(items: Sequence[_Item], run: Callable[[_Driver, Any], Any]) -> Iterator[_Timed[Any]]:
    """The outcome of every item, in their order; `run` makes a pipeline of a table of them."""
    import ray
    import ray.data

    attempts = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(_Attempts).remote()
    rows = [_row(index, item) for index, item in enumerate(items)]
    table = ray.data.from_items(rows, override_num_blocks=ceil(len(rows) / BLOCK))
    driver = _Driver(attempts, os.getcwd(), Image.MAX_IMAGE_PIXELS)
    return (pickle.loads(row["value"])[1] for row in run(driver, table).iter_rows())


def _died(source: Source) -> str:
    return f"{source.file}: {DIED}"


def _row(index: int, value: object) -> Row:
    """A row of any table: the item's index and what is known of it, as Arrow knows no class of ours."""
    return {"value": pickle.dumps((index, value), protocol=5)}


def _detect(work: _Work, driver: _Driver, table: Any) -> Any:
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


def _prepare(row: Row, work: _Work, driver: _Driver) -> Row:
    """The first stage: an image decoded and searched."""
    index, item = pickle.loads(row["value"])
    seconds = StageSeconds()
    ready = _read(driver, index, item, _model(work).proposer, seconds, work.time_limit)
    return _row(index, _Timed(ready, seconds.seconds))


def _read(
    driver: _Driver, index: int, item: _Item, method: Proposer, seconds: StageSeconds, time_limit: float
) -> Prefetched:
    with driver.attempt([("read", index)]) as (earlier,):
        if earlier >= TRIES:
            return Prefetched(item.source, error=_died(item.source))
        (ready,) = prefetch_images(method, [item.source], item.stored, seconds, time_limit, threads=1)
        return ready


class _Network:
    """The second stage: what the network makes of some images together."""

    def __call__(self, batch: Row, work: _Work, driver: _Driver) -> Row:
        indices, before = zip(*map(pickle.loads, batch["value"]), strict=True)
        images, seconds = [each.outcome for each in before], StageSeconds()
        with driver.attempt([("network", index) for index in indices]) as earlier:
            if any(earlier):  # one of them may have killed another worker: which one?
                outcomes = [self._alone(*each, work, driver) for each in zip(indices, images, strict=True)]
            else:
                outcomes = list(detect_prefetched(_model(work), images, seconds))
        shares = {stage: spent / len(outcomes) for stage, spent in seconds.seconds.items()}
        return {"value": [_result(work, *each, shares) for each in zip(indices, before, outcomes, strict=True)]}

    def _alone(self, index: int, image: Prefetched, work: _Work, driver: _Driver) -> Outcome:
        with driver.attempt([("alone", index)]) as (earlier,):
            if earlier >= TRIES:
                image = Prefetched(image.source, error=_died(image.source))
            (outcome,) = detect_prefetched(_model(work), [image], StageSeconds())
        return outcome


def _result(work: _Work, index: int, before: _Timed[Prefetched], outcome: Outcome, shares: dict[str, float]) -> bytes:
    outcome = replace(
        outcome, image=outcome.image if work.images else None, stages=outcome.stages if work.stages else None
    )
    seconds = {stage: spent + shares.get(stage, 0) for stage, spent in before.seconds.items()}
    return _row(index, _Timed(outcome, seconds))["value"]


def _propose(proposals: str, model: str | None, device: str, time_limit: float, driver: _Driver, table: Any) -> Any:
    """The pipeline from a table of images to one of their proposals."""
    return table.map(_find, fn_args=(proposals, model, device, time_limit, driver))


def _find(row: Row, proposals: str, model: str | None, device: str, time_limit: float, driver: _Driver) -> Row:
    index, item = pickle.loads(row["value"])
    method, seconds = _method(proposals, model, device), StageSeconds()
    ready = _read(driver, index, item, method, seconds, time_limit)
    return _row(index, _Timed(finished(method, ready), seconds.seconds))


def _features(model: str, device: str, mode: Mode, short_sides: tuple[float, ...], driver: _Driver, table: Any) -> Any:
    """The pipeline from a table of images with boxes to one of the boxes' features."""
    arguments = (model, device, mode, short_sides, driver)
    return table.map(_FeaturesOfImage, fn_args=arguments, **_actors(device))


class _FeaturesOfImage:
    """What the outputs of a mode's head read of an image's boxes, or why the image cannot be read."""

    def __call__(
        self, row: Row, model: str, device: str, mode: Mode, short_sides: tuple[float, ...], driver: _Driver
    ) -> Row:
        index, item = pickle.loads(row["value"])
        with driver.attempt([("read", index)]) as (earlier,):
            features = (
                _died(item.source) if earlier >= TRIES else self._of(item, _network(model, device), mode, short_sides)
            )
        return _row(index, _Timed(features, {}))

    def _of(self, item: _Item, network: RegionNetwork, mode: Mode, short_sides: tuple[float, ...]) -> Features:
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
def _model(work: _Work) -> RCNN:
    """A worker's model, loaded once."""
    return RCNN.from_pretrained(work.model, device=work.device).with_options(**dict(work.settings))


@lru_cache(maxsize=1)
def _method(proposals: str, model: str | None, device: str) -> Proposer:
    return proposer_named(proposals, model, device)
