"""A run of `detect` or `propose` from the words of the command line to the files it leaves."""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..backbone.weights import weights_sha256
from ..data.errors import DataError, UsageError
from ..data.exports import write_coco, write_csv, write_voc_results, write_yolo
from ..data.files import write_atomically
from ..data.images import read_image
from ..data.ledger import LEDGER_NAME
from ..data.records import Picture, Proposals
from ..data.results import COCO_NAME
from ..data.sources import Source
from ..data.specs import resolve_sources
from ..data.store import hash_of, read_proposals, write_proposals
from ..proposals.methods import mapped, parameters_of, proposer
from .config import checked_options
from .folder import DRAWN, Summary, detect_folder
from .pretrained import WEIGHTS, model_folder
from .rcnn import RCNN

FORMATS = ("coco", "voc", "yolo", "csv")
PACKAGES = ("inception-rcnn", "torch", "torchvision", "numpy", "numba", "opencv-contrib-python-headless", "pillow")
RUN_NAME = "run.json"


@dataclass(frozen=True)
class DetectRun:
    """One `detect`: what to look at, with which model and settings, and where everything goes."""

    sources: Sequence[str]
    out: Path
    model: str | None
    options: Mapping[str, Any]  # settings of `DetectorConfig` to change; None leaves the model's own
    device: str = "auto"
    draw: bool = True
    formats: str = "coco"
    overwrite: bool = False

    def execute(self, report: Callable[[str], None] = lambda line: None) -> Summary:
        """Detect in all sources; an earlier run with the same settings is continued, one with others refused."""
        formats = _checked_formats(self.formats)
        sources = resolve_sources(self.sources, skip=self.out / DRAWN)
        folder = model_folder(self.model)
        model, kept = self._model(folder)
        settings = self._settings(model, folder, sources)
        self._check_earlier(settings)
        report(f"{len(sources)} pictures, {model.config.mode} regions on {model.device}, model {folder.name}")
        self._write_run(settings, None)
        rows, summary = detect_folder(model, sources, self.out, draw=self.draw, kept=kept, report=report)
        _export(rows, self.out, model.config.classes, formats)
        self._write_run(settings, summary)
        return summary

    def _model(self, folder: Path) -> tuple[RCNN, Mapping[str, Proposals] | None]:
        """The detector with the options, and stored proposals if they name a file."""
        options = {name: value for name, value in self.options.items() if value is not None}
        kept = None
        if Path(str(options.get("proposals"))).is_file():
            kept = read_proposals(options.pop("proposals"))
        model = RCNN.from_pretrained(folder, device=self.device)
        return model.with_options(**checked_options(options, model.config)), kept

    def _settings(self, model: RCNN, folder: Path, sources: Sequence[Source]) -> dict[str, Any]:
        """Everything that decides a row of the ledger, so that rows of other settings are never taken for these."""
        named = Path(str(self.options.get("proposals")))
        proposals = weights_sha256(named) if named.is_file() else hash_of(parameters_of(model.config.proposals))
        roots = {str(source.path.absolute()).removesuffix(source.file) for source in sources}
        return {
            "weights_sha256": weights_sha256(folder / WEIGHTS),
            "config": json.loads(model.config.to_json()),
            "proposals": proposals,
            "pictures_from": sorted(roots),
        }

    def _check_earlier(self, settings: dict[str, Any]) -> None:
        path, ledger = self.out / RUN_NAME, self.out / LEDGER_NAME
        if self.overwrite:
            ledger.unlink(missing_ok=True)
        if not ledger.exists():
            return
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))["settings"]
        except (OSError, ValueError, KeyError) as error:
            raise UsageError(f"{ledger} is from a run that {path} does not tell of: add --overwrite") from error
        changed = [
            f"{key} {earlier.get(key)} -> {settings[key]}" for key in settings if earlier.get(key) != settings[key]
        ]
        if changed:
            what = "; ".join(changed)
            raise UsageError(
                f"{self.out} holds a run with other settings ({what}): add --overwrite or choose another --out"
            )

    def _write_run(self, settings: dict[str, Any], summary: Summary | None) -> None:
        content = {
            "arguments": sys.argv[1:],
            "settings": settings,
            "versions": versions(),
            "finished": summary is not None,
        }
        if summary is not None:
            content["pictures"] = {"all": summary.pictures, "skipped": summary.skipped, "failed": summary.failed}
            content["detections"] = summary.detections
            content["seconds"] = {"wall": summary.wall_seconds, **summary.stages}
        content["written"] = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        write_atomically(self.out / RUN_NAME, json.dumps(content, indent=1) + "\n")


def _checked_formats(text: str) -> tuple[str, ...]:
    formats = tuple(filter(None, text.split(",")))
    for name in formats:
        if name not in FORMATS:
            raise UsageError(f"unknown --format {name!r}; known: {', '.join(FORMATS)}")
    return formats


def _export(rows: list[Picture], out: Path, classes: tuple[str, ...], formats: tuple[str, ...]) -> None:
    write_coco(rows, out / COCO_NAME, classes)  # always: every viewer and evaluator reads it
    if "voc" in formats:
        write_voc_results(rows, out / "voc", classes)
    if "yolo" in formats:
        write_yolo(rows, out / "yolo", classes)
    if "csv" in formats:
        write_csv(rows, out / "detections.csv")


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that decide a result."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "cores": str(os.cpu_count())}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def propose_to_file(sources: Sequence[str], out: Path, method: str, report: Callable[[str], None]) -> str:
    """Write the proposals of every source that can be read; says what was done, and each picture left out."""
    propose = proposer(method)

    def of_source(source: Source) -> Proposals | DataError:
        try:
            return propose(read_image(source.path, ignore_exif=source.as_stored))
        except DataError as error:
            return error

    listed, made = resolve_sources(sources), {}
    for source, found in zip(listed, mapped(of_source, listed), strict=True):
        if isinstance(found, DataError):
            report(f"left out: {found}")
        else:
            made[source.file] = found
    write_proposals(out, made, method, hash_of(parameters_of(method)))
    boxes = sum(map(len, made.values()))
    return f"{len(made)} of {len(listed)} pictures, {boxes} proposals by {method}, written to {out}"
