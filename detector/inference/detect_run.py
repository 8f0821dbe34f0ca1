"""A run of `detect` from the words of the command line to the files it leaves."""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...backbone.training.interruption import leave, noticing_signals
from ...backbone.weights import weights_sha256
from ...data.datasets.dataset import Dataset
from ...data.errors import DataError, LimitError, UsageError
from ...data.files.atomic import write_atomically
from ...data.files.folder_walk import DRAWN
from ...data.formats.exports import (
    write_coco,
    write_coco_results,
    write_csv,
    write_label_studio,
    write_voc_results,
    write_yolo,
)
from ...data.formats.ilsvrc.results import write_ilsvrc_results
from ...data.formats.predictions import COCO_NAME
from ...data.formats.specs import is_spec, open_dataset
from ...data.images.file_identity import roots_of
from ...data.images.sources import Source
from ...data.records import ImageDetections, Proposals
from ...data.stores.detections_jsonl import LEDGER_NAME
from ...data.stores.proposal_store import hash_of
from ...proposals.cache import check_fresh, image_releases
from ..config import checked_options
from ..model_folders import model_folder, proposer_named, weights_files
from ..rcnn import RCNN
from ..streaming import IMAGE_SECONDS
from .failure_limit import FailureLimit, check_seconds
from .image_run import Summary, detect_folder
from .previous_run import forget
from .run_images import command_to_go_on, gather_sources
from .settings import differences, pictures_from, read_settings
from .stored_proposals import StoredProposals

FORMATS = ("coco", "voc", "yolo", "csv", "label-studio", "coco-results", "ilsvrc")
NUMBERED = ("coco-results", "ilsvrc")  # have a data set's numbers in place of names
PACKAGES = ("inception-rcnn", "torch", "torchvision", "numpy", "numba", "opencv-contrib-python-headless", "pillow")
RUN_NAME = "run.json"
# Bumped whenever the same settings, weights and proposals give other detections than before.
DETECTOR = 1


@dataclass(frozen=True)
class DetectRun:
    """One `detect`: what to look at, with which model and settings, and where everything goes.

    The last three are the command line's `--fail-on-error`, `--ignore-exif` and `--time-limit`.
    """

    sources: Sequence[str]
    out: Path
    model: str | None
    options: Mapping[str, Any]  # settings of `DetectorConfig` to change; None leaves the model's own
    device: str = "auto"
    draw: bool = True
    formats: str = "coco"
    overwrite: bool = False
    keep_stages: bool = False
    fail_on_error: str | None = None  # "5", "10%": so many images may fail; None: any number but all
    ignore_exif: bool = False  # pixels as they are stored, whatever the file or an annotation says
    time_limit: float = IMAGE_SECONDS  # for decoding and proposing, an image

    def execute(self, report: Callable[[str], None] = lambda line: None) -> Summary:
        """Detect in all sources; an earlier run with the same settings is continued, one with others refused.

        A signal (Ctrl-C, SIGTERM) ends it with the image at hand: everything is written of the images that are done,
        and the process is left as the signal asks. LimitError where too many images failed, once all is written.
        """
        formats, limit = _checked_formats(self.formats), FailureLimit(self.fail_on_error)
        check_seconds(self.time_limit)
        data = _numbered_data(self.sources) if {*formats} & {*NUMBERED} else None
        sources, notices = gather_sources(self.sources, skip=self.out / DRAWN, ignore_exif=self.ignore_exif)
        folder = model_folder(self.model)
        model, kept = self._model(folder, sources)
        settings = self._settings(model, folder, sources)
        settings["pictures_from"] = roots = self._check_earlier(settings)
        report(f"{len(sources)} images, {model.config.mode} regions on {model.device}, model {folder.name}")
        self._write_run(settings, None)
        with noticing_signals() as noticed:
            rows, summary = detect_folder(
                model,
                sources,
                self.out,
                draw=self.draw,
                keep_stages=self.keep_stages,
                kept=kept,
                roots=roots,
                time_limit=self.time_limit,
                noticed=noticed,
                report=report,
            )
            summary = replace(summary, notices=(*summary.notices, *notices))
            _export(rows, self.out, model.config.detected_classes, formats, data)
            self._write_run(settings, summary)
        if noticed.signal:
            report(f"stopped with {summary.left} of {len(sources)} images left; to go on: {command_to_go_on()}")
            leave(noticed.signal)
        try:
            limit.check(summary.failed, of=summary.images, example=summary.failure)
        except LimitError:
            report(str(summary))
            raise
        return summary

    def _model(self, folder: Path, sources: Sequence[Source]) -> tuple[RCNN, Mapping[str, Proposals] | None]:
        """The detector with the options, and stored proposals if they name a file."""
        options = {name: value for name, value in self.options.items() if value is not None}
        kept, file = None, Path(str(options.get("proposals")))
        if _is_stored(file):
            kept = StoredProposals(file, sources)
            check_fresh(file, kept.named, lambda name: proposer_named(name, str(folder), self.device))
            del options["proposals"]
        model = RCNN.from_pretrained(folder, device=self.device)
        return model.with_options(**checked_options(options, model.config)), kept

    def _settings(self, model: RCNN, folder: Path, sources: Sequence[Source]) -> dict[str, Any]:
        """Everything that decides a row of the ledger, so that rows of other settings are never taken for these."""
        named = Path(str(self.options.get("proposals")))
        files = sorted(named.glob("*.safetensors")) if named.is_dir() else [named]
        stored = " ".join(map(weights_sha256, files)) if _is_stored(named) else ""
        return {
            "detector": DETECTOR,
            "reading": list(image_releases()),
            "weights_sha256": " ".join(map(weights_sha256, weights_files(folder))),
            "config": json.loads(model.config.to_json()),
            "proposals": stored or hash_of(*model.proposal_parameters),
            "pictures_from": roots_of(sources),
        }

    def _check_earlier(self, settings: dict[str, Any]) -> list[str]:
        """The folders in which this run's images and an earlier run's are; UsageError where that cannot go on."""
        path, ledger = self.out / RUN_NAME, self.out / LEDGER_NAME
        if self.overwrite:
            forget(self.out)
        if not ledger.exists():
            return settings["pictures_from"]
        try:
            earlier = read_settings(path)
        except DataError as error:
            raise UsageError(f"{ledger} is from a run that {path} does not tell of: add --overwrite") from error
        before = pictures_from(earlier)
        if {*settings["pictures_from"]} <= {*before}:  # of several folders, some: the names are the same
            settings = {**settings, "pictures_from": earlier["pictures_from"]}
        if changed := differences(earlier, settings):
            raise UsageError(
                f"{self.out} holds a run with other settings ({changed}): add --overwrite or choose another --out"
            )
        return before

    def _write_run(self, settings: dict[str, Any], summary: Summary | None) -> None:
        content = {
            "arguments": sys.argv[1:],
            "settings": settings,
            "versions": versions(),
            "finished": summary is not None and not summary.left,
        }
        if summary is not None:
            content["images"] = {"all": summary.images, "skipped": summary.skipped, "failed": summary.failed}
            content["detections"] = summary.detections
            content["seconds"] = {"wall": summary.wall_seconds, **summary.stages}
        content["written"] = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        write_atomically(self.out / RUN_NAME, json.dumps(content, indent=1) + "\n")


def _is_stored(path: Path) -> bool:
    """Whether this names proposals on disk rather than a method."""
    return path.is_file() or (path.is_dir() and any(path.glob("*.safetensors")))


def _checked_formats(text: str) -> tuple[str, ...]:
    formats = tuple(filter(None, text.split(",")))
    for name in formats:
        if name not in FORMATS:
            raise UsageError(f"unknown --format {name!r}; known: {', '.join(FORMATS)}")
    return formats


def _numbered_data(sources: Sequence[str]) -> Dataset:
    """The one data set that is detected in, which has numbers for its images and classes."""
    if len(sources) == 1 and is_spec(sources[0]):
        data = open_dataset(sources[0], allow_unannotated=True)
        if data.image_ids and data.class_ids:
            return data
    raise UsageError(
        f"--format {' and '.join(NUMBERED)} need one SOURCE, an ilsvrc: or coco: data set, for its numbers"
    )


def _export(
    rows: list[ImageDetections], out: Path, classes: tuple[str, ...], formats: tuple[str, ...], data: Dataset | None
) -> None:
    write_coco(rows, out / COCO_NAME, classes)  # always: every viewer and evaluator reads it
    if "voc" in formats:
        write_voc_results(rows, out / "voc", classes)
    if "yolo" in formats:
        write_yolo(rows, out / "yolo", classes)
    if "csv" in formats:
        write_csv(rows, out / "detections.csv")
    if "label-studio" in formats:
        write_label_studio(rows, out / "predictions.label-studio.json")
    if data is not None and "coco-results" in formats:
        write_coco_results(rows, out / "results.coco.json", data)
    if data is not None and "ilsvrc" in formats:
        write_ilsvrc_results(rows, out / "results.ilsvrc.txt", data)


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that decide a result."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "cores": str(os.cpu_count())}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
