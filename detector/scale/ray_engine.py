"""Ray Data as the engine of a run: decoding and Selective Search on any core of a cluster, the network in actors.

    images --(tasks, a core each)--> pixels and boxes --(actors, a model each)--> detections

Ray streams the images through both, as many at a time as its memory holds, and does again what a dead worker or machine
had in hand. What is written is this process's alone: a run that is stopped goes on as without Ray, and no image is in
the ledger twice. Every machine must see the images, and the model's folder, under the same paths.
"""

import logging
import os
import pickle
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import ceil
from typing import Any, Generic, TypeVar

from ...data.errors import SetupError
from ...data.images.sources import Source
from ...data.records import ImageDetections, Proposals
from ...proposals.methods import Proposer
from ..inference.detect_run import Job
from ..inference.image_run import Stream
from ..inference.propose_run import FindProposals, finished
from ..model_folders import proposer_named
from ..rcnn import GPU_IMAGES, RCNN
from ..streaming import Outcome, Prefetched, StageSeconds, detect_prefetched, prefetch_images

WINDOW = 20_000  # images that Ray knows of at a time
WINDOW_WITH_PROPOSALS = 2_000  # if each brings its own
BLOCK = 8  # images of a task, which a worker that dies leaves to another
TRIES = 1  # of a task again, if its worker dies, before its images are tried one by one
DIED = "the process that read it was killed, each time that it was tried: is there enough memory?"

T = TypeVar("T")
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
                for done in _each(items, partial(_detect, work), _dead):
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
            for done in _each(items, work, lambda item: _Timed(Prefetched(item.source, error=_died(item)), {})):
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
    context.max_errored_blocks = -1  # which leaves their images out: they are tried one by one


def _windows(sources: Sequence[Source], size: int) -> Iterator[Sequence[Source]]:
    return (sources[start : start + size] for start in range(0, len(sources), size))


def _own(stored: Mapping[str, Proposals], source: Source) -> Mapping[str, Proposals]:
    """The proposals of one image, where there are any."""
    return {source.file: stored[source.file]} if source.file in stored else {}


def _each(items: Sequence[_Item], run: Callable[[Any], Any], dead: Callable[[_Item], _Timed[T]]) -> Iterator[_Timed[T]]:
    """The outcome of every item, once: those whose worker dies are tried one by one, and then given up."""
    left = {item.source.file: item for item in items}
    for block in (BLOCK, 1):
        for file, outcome in _rows(run(_table([*left.values()], block))) if left else ():
            if left.pop(file, None) is not None:
                yield outcome
    yield from map(dead, left.values())


def _dead(item: _Item) -> _Timed[Outcome]:
    return _Timed(Outcome(ImageDetections(item.source.file, error=_died(item))), {})


def _died(item: _Item) -> str:
    return f"{item.source.file}: {DIED}"


def _table(items: Sequence[_Item], block: int) -> Any:
    """A data set of Ray's with a row for each item."""
    import ray.data

    return ray.data.from_items(
        [_row(item.source.file, item) for item in items], override_num_blocks=ceil(len(items) / block)
    )


def _row(file: str, value: object) -> Row:
    """A row of any table: file names need not be text, and Arrow knows no class of ours."""
    return {"value": pickle.dumps((file, value), protocol=5)}


def _rows(table: Any) -> Iterator[tuple[str, Any]]:
    return (pickle.loads(row["value"]) for row in table.iter_rows())


def _detect(work: _Work, table: Any) -> Any:
    """The pipeline from a table of images to one of their outcomes."""
    import ray
    import ray.data

    resources = ray.cluster_resources()
    gpus = 0 if work.device in ("cpu", "mps") else int(resources.get("GPU", 0))
    cores = int(resources.get("CPU", 1))
    prepared = table.map(_prepare, fn_args=(work,), ray_remote_args_fn=lambda: {"max_retries": TRIES})
    return prepared.map_batches(
        _Network,
        fn_args=(work,),
        batch_size=GPU_IMAGES if gpus else 1,
        compute=ray.data.ActorPoolStrategy(size=gpus or max(1, cores * 3 // 4)),
        num_gpus=1 if gpus else 0,
        num_cpus=1 if cores > 1 and not gpus else 0,
        ray_remote_args_fn=lambda: {"max_task_retries": TRIES},
    )


def _prepare(row: Row, work: _Work) -> Row:
    """The first stage: an image decoded and searched."""
    file, item = pickle.loads(row["value"])
    seconds = StageSeconds()
    method = _model(work).proposer
    (ready,) = prefetch_images(method, [item.source], item.stored, seconds, work.time_limit, threads=1)
    return _row(file, _Timed(ready, seconds.seconds))


class _Network:
    """The second stage: what the network makes of some images together."""

    def __call__(self, batch: Row, work: _Work) -> Row:
        seconds = StageSeconds()
        before = [pickle.loads(value)[1] for value in batch["value"]]
        outcomes = list(detect_prefetched(_model(work), [each.outcome for each in before], seconds))
        shares = {stage: spent / len(outcomes) for stage, spent in seconds.seconds.items()}
        return {"value": [_result(work, *each, shares) for each in zip(before, outcomes, strict=True)]}


def _result(work: _Work, before: _Timed[Prefetched], outcome: Outcome, shares: dict[str, float]) -> bytes:
    outcome = replace(
        outcome, image=outcome.image if work.images else None, stages=outcome.stages if work.stages else None
    )
    seconds = {stage: spent + shares.get(stage, 0) for stage, spent in before.seconds.items()}
    return _row(outcome.result.file, _Timed(outcome, seconds))["value"]


def _propose(proposals: str, model: str | None, device: str, time_limit: float, table: Any) -> Any:
    """The pipeline from a table of images to one of their proposals."""
    arguments = (proposals, model, device, time_limit)
    return table.map(_find, fn_args=arguments, ray_remote_args_fn=lambda: {"max_retries": TRIES})


def _find(row: Row, proposals: str, model: str | None, device: str, time_limit: float) -> Row:
    file, item = pickle.loads(row["value"])
    method, seconds = _method(proposals, model, device), StageSeconds()
    (ready,) = prefetch_images(method, [item.source], None, seconds, time_limit, threads=1)
    return _row(file, _Timed(finished(method, ready), seconds.seconds))


@lru_cache(maxsize=1)
def _model(work: _Work) -> RCNN:
    """A worker's model, loaded once."""
    return RCNN.from_pretrained(work.model, device=work.device).with_options(**dict(work.settings))


@lru_cache(maxsize=1)
def _method(proposals: str, model: str | None, device: str) -> Proposer:
    return proposer_named(proposals, model, device)
