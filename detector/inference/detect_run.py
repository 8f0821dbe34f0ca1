"""A run of `detect`, from its options to the files that it writes."""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...backbone.training.interruption import leave, noticing_signals
from ...backbone.weights import weights_sha256
from ...data.errors import DataError, InceptionRcnnError, UsageError
from ...data.files.atomic import write_atomically
from ...data.files.folder_walk import DRAWN
from ...data.files.run_lock import locked
from ...data.images.file_identity import roots_of
from ...data.images.sources import Source
from ...data.records import Proposals
from ...data.stores.detections_jsonl import LEDGER_NAME
from ...data.stores.proposal_store import hash_of
from ...data.terminal import Report, silent
from ...proposals.cache import check_fresh, image_releases
from ..model_folders import model_folder, proposer_named, weights_files
from ..rcnn import RCNN
from ..streaming import IMAGE_SECONDS
from .failure_limit import FailureLimit, check_seconds
from .formats import Formats, formats_named, remove_formats
from .image_run import WRITING, Stream, Summary, Writing, detect_folder
from .previous_run import forget, has_results, remove_unfinished
from .run_images import command_to_go_on, list_images
from .settings import differences, image_roots, read_settings
from .stored_proposals import StoredProposals

PACKAGES = ("inception-rcnn", "torch", "torchvision", "numpy", "numba", "opencv-contrib-python-headless", "pillow")
RUN_NAME = "run.json"
# Bumped whenever the same settings, weights and proposals give other detections than before.
DETECTOR = 1


@dataclass(frozen=True)
class DetectOptions:
    """Options of `detect`, beside the images and the output folder."""

    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)  # of `DetectorConfig`, to change
    device: str = "auto"
    writing: Writing = WRITING
    formats: str = "coco"
    overwrite: bool = False
    fail_on_error: str | None = None  # "5", "10%": how many images may fail; None: any number but all
    ignore_exif: bool = False  # pixels as they are stored, whatever the file or an annotation says
    time_limit: float = IMAGE_SECONDS  # for decoding and proposing, an image


@dataclass(frozen=True)
class Job:
    """A run of `detect` before it begins: everything is read and checked, and nothing written."""

    out: Path
    options: DetectOptions
    sources: list[Source]
    notices: list[str]  # on files of the folders that are no images
    folder: Path  # of the model
    model: RCNN
    stored: Mapping[str, Proposals] | None
    formats: Formats
    left_out: list[str]  # by the formats
    limit: FailureLimit | None
    settings: dict[str, Any]


def prepare(named: Sequence[str], out: Path, options: DetectOptions) -> Job:
    """Read and check what a run needs."""
    limit = FailureLimit(options.fail_on_error)
    check_seconds(options.time_limit)
    formats = formats_named(options.formats, named)
    sources, notices = list_images(named, skip=out / DRAWN, ignore_exif=options.ignore_exif)
    folder = model_folder(options.model)
    model, stored = _load(folder, options, sources)
    left_out = formats.check([source.file for source in sources], model.config.detected_classes)
    settings = _settings(model, folder, options, sources)
    return Job(out, options, sources, notices, folder, model, stored, formats, left_out, limit, settings)


Engine = Callable[[Job], Stream]  # detects in a job's images elsewhere than in this process


def detect_files(
    named: Sequence[str], out: Path, options: DetectOptions, report: Report = silent, engine: Engine | None = None
) -> Summary:
    """Detect in all sources; an earlier run with the same settings is continued, one with others refused.

    A signal (Ctrl-C, SIGTERM) ends it with the image at hand: everything is written of the images that are done, and
    the process is left as the signal asks. LimitError where too many images failed, once all is written, and the error
    of a format that cannot hold the results, once all others are. UsageError where another run writes to `out`.
    """
    job = prepare(named, out, options)
    with locked(out):
        return run_job(job, report, engine)


def run_job(job: Job, report: Report = silent, engine: Engine | None = None) -> Summary:
    """Detect in a job's images, in the folder that this process has locked."""
    out, options, formats, classes = job.out, job.options, job.formats, job.model.config.detected_classes
    remove_unfinished(out)
    roots = _check_earlier(out, job.settings, overwrite=options.overwrite)
    settings = {**job.settings, "images_from": roots}
    report(f"{len(job.sources)} images on {job.model.device}, model {job.folder.name}, mode {job.model.config.mode}")
    for line in (*job.left_out, *_remove_formats(out, formats)):
        report(line)
    write_run(out, settings, None)
    with noticing_signals() as noticed:
        rows, summary = detect_folder(
            job.model,
            job.sources,
            out,
            writing=options.writing,
            stored=job.stored,
            roots=roots,
            time_limit=options.time_limit,
            noticed=noticed,
            report=report,
            stream=None if engine is None else engine(job),
        )
        written = formats.write(rows, out, classes)
        summary = replace(summary, notices=(*summary.notices, *written.notices, *job.notices))
        write_run(out, settings, summary)
    for error in written.failures if noticed.signal else written.failures[1:]:
        report(f"not written: {error}")
    if noticed.signal:
        report(f"stopped with {summary.left} of {len(job.sources)} images left; to go on: {command_to_go_on()}")
        leave(noticed.signal)
    try:
        for error in written.failures:
            raise error
        if job.limit is not None:
            job.limit.check(summary.failed, of=summary.images, example=summary.failure)
    except InceptionRcnnError:
        report(str(summary))
        raise
    return summary


def _load(
    folder: Path, options: DetectOptions, sources: Sequence[Source]
) -> tuple[RCNN, Mapping[str, Proposals] | None]:
    """The detector with its settings, and stored proposals if those name a file."""
    settings, stored, file = dict(options.settings), None, Path(str(options.settings.get("proposals")))
    if _is_stored(file):
        stored = StoredProposals(file, sources)
        check_fresh(file, stored.named, lambda name: proposer_named(name, str(folder), options.device))
        del settings["proposals"]
    model = RCNN.from_pretrained(folder, device=options.device)
    return model.with_options(**settings), stored


def _settings(model: RCNN, folder: Path, options: DetectOptions, sources: Sequence[Source]) -> dict[str, Any]:
    """Everything that decides a row of the ledger, so that rows of other settings are never taken for these."""
    named = Path(str(options.settings.get("proposals")))
    files = sorted(named.glob("*.safetensors")) if named.is_dir() else [named]
    stored = " ".join(map(weights_sha256, files)) if _is_stored(named) else ""
    return {
        "detector": DETECTOR,
        "reading": list(image_releases()),
        "weights_sha256": " ".join(map(weights_sha256, weights_files(folder))),
        "config": json.loads(model.config.to_json()),
        "proposals": stored or hash_of(*model.proposer.parameters),
        "images_from": roots_of(sources),
    }


def _check_earlier(out: Path, settings: dict[str, Any], *, overwrite: bool) -> list[str]:
    """The folders in which this run's images and an earlier run's are; UsageError where that cannot go on.

    What an earlier run wrote is removed where nothing of it holds.
    """
    roots = None if overwrite else earlier_roots(out, settings)
    if roots is None and (overwrite or (out / LEDGER_NAME).exists()):
        forget(out)
    return settings["images_from"] if roots is None else roots


def earlier_roots(out: Path, settings: dict[str, Any]) -> list[str] | None:
    """The folders of the images of an earlier run that can go on; None where there is none, or none with a result.

    UsageError where its settings are others.
    """
    if not (out / LEDGER_NAME).exists():
        return None
    try:
        return _earlier_roots(out, settings)
    except UsageError:
        if has_results(out):
            raise
    return None


def _earlier_roots(out: Path, settings: dict[str, Any]) -> list[str]:
    """The folders of an earlier run's images; UsageError where its settings are others."""
    path = out / RUN_NAME
    try:
        earlier = read_settings(path)
    except DataError as error:
        raise UsageError(
            f"{out / LEDGER_NAME} is from a run of which {path} has no settings: add --overwrite"
        ) from error
    before = image_roots(earlier)
    if {*settings["images_from"]} <= {*before}:  # of several folders, some: the names are the same
        settings = {**settings, "images_from": earlier["images_from"]}
    if changed := differences(earlier, settings):
        raise UsageError(f"{out} holds a run with other settings ({changed}): add --overwrite or choose another --out")
    return before


def _remove_formats(out: Path, formats: Formats) -> list[str]:
    """Remove the files of all formats of an earlier run; a line on those that this run does not write."""
    gone = ",".join(name for name in remove_formats(out) if name not in formats.names)
    return [f"removed what the earlier run wrote as {gone}: --format {gone} writes it anew"] if gone else []


def write_run(out: Path, settings: Mapping[str, Any], summary: Summary | None) -> None:
    """Write `run.json`: the settings, and once there is a `summary` what came of them."""
    content = {
        "arguments": sys.argv[1:],
        "settings": settings,
        "versions": versions(),
        "host": platform.node(),
        "finished": summary is not None and not summary.left,
    }
    if summary is not None:
        content["images"] = {"all": summary.images, "skipped": summary.skipped, "failed": summary.failed}
        content["detections"] = summary.detections
        content["seconds"] = {"wall": summary.wall_seconds, **summary.stages}
        content["peak_memory_bytes"] = summary.peak_memory
    content["written"] = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    write_atomically(out / RUN_NAME, json.dumps(content, indent=1) + "\n")


def _is_stored(path: Path) -> bool:
    """Whether this names proposals on disk rather than a method."""
    return path.is_file() or (path.is_dir() and any(path.glob("*.safetensors")))


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that decide a result."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "cores": str(os.cpu_count())}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
