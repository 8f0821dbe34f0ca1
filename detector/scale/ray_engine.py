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
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...data.errors import DataError, SetupError
from ...data.images.sources import Source
from ...data.records import Proposals
from ...proposals.methods import Proposer
from ..inference.detect_run import Job
from ..inference.image_run import Stream
from ..inference.propose_run import FindProposals
from ..linear.features import FindFeatures, Item
from ..model_folders import model_folder
from ..region_features import Mode
from ..streaming import Outcome, Prefetched, StageSeconds
from .ray_pipelines import (
    Attempts,
    Driver,
    ImageItem,
    Timed,
    Work,
    detections_of_table,
    features_of_table,
    packed,
    proposals_of_table,
)

WINDOW = 20_000  # images that Ray knows of at a time
WINDOW_WITH_PROPOSALS = 2_000  # if each brings its own
BLOCK = 8  # images of a task, which a worker that dies leaves to another


def ray_engine(address: str | None = None) -> Callable[[Job], Stream]:
    """`detect` by Ray: on this machine, or in the cluster at an address, "auto" for the one that this machine is in."""

    def of_job(job: Job) -> Stream:
        start_ray(address)
        writing, stored, settings = job.options.writing, job.stored, dict(job.options.settings)
        if stored is not None:
            del settings["proposals"]
        wants_images = writing.draw or writing.save_crops
        facts = (str(job.folder.absolute()), job.options.device, tuple(settings.items()), job.options.time_limit)
        work = Work(*facts, wants_images, writing.keep_stages)

        def stream(sources: Sequence[Source], seconds: StageSeconds) -> Generator[Outcome, None, None]:
            for window in _windows(sources, WINDOW if stored is None else WINDOW_WITH_PROPOSALS):
                items = [ImageItem(source, None if stored is None else _own(stored, source)) for source in window]
                for done in _each(items, partial(detections_of_table, work)):
                    seconds.add(done.seconds)
                    yield done.outcome

        return stream

    return of_job


def ray_proposals(proposals: str, model: str | None, device: str, address: str | None = None) -> FindProposals:
    """`propose` by Ray, with the method of that name."""

    def find(method: Proposer, sources: Sequence[Source], time_limit: float) -> Generator[Prefetched, None, None]:
        start_ray(address)
        for window in _windows(sources, WINDOW):
            work = partial(proposals_of_table, proposals, str(model_folder(model).absolute()), device, time_limit)
            items = [ImageItem(source) for source in window]
            yield from (done.outcome for done in _each(items, work))

    return find


def ray_features(model: str | None, device: str, address: str | None = None) -> FindFeatures:
    """The features of `train svm` and `train boxes` by Ray, of a detector by its folder or name."""

    def find(mode: Mode, short_sides: tuple[float, ...], items: Sequence[Item]) -> Iterator[NDArray[np.float32]]:
        start_ray(address)
        work = partial(features_of_table, str(model_folder(model).absolute()), device, mode, short_sides)
        boxes = [
            ImageItem(source, {source.file: Proposals(of_image, np.ones(len(of_image)))}) for source, of_image in items
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
    # Without an address Ray would take a cluster that it finds on this machine, or wait for one that is gone.
    own: dict[str, Any] = {"address": "local", "include_dashboard": False} if address is None else {"address": address}
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


def _each(items: Sequence[ImageItem], run: Callable[[Driver, Any], Any]) -> Iterator[Timed[Any]]:
    """The outcome of every item, in their order; `run` makes a pipeline of a table of them."""
    import ray
    import ray.data

    attempts = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Attempts).remote()
    rows = [packed(index, item) for index, item in enumerate(items)]
    table = ray.data.from_items(rows, override_num_blocks=ceil(len(rows) / BLOCK))
    driver = Driver(attempts, os.getcwd(), Image.MAX_IMAGE_PIXELS)
    return (pickle.loads(row["value"])[1] for row in run(driver, table).iter_rows())
