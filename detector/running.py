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
from ..data.dataset import Dataset
from ..data.errors import DataError, UsageError
from ..data.exports import write_coco, write_coco_results, write_csv, write_label_studio, write_voc_results, write_yolo
from ..data.files import write_atomically
from ..data.ilsvrc_results import write_ilsvrc_results
from ..data.ledger import LEDGER_NAME
from ..data.proposal_files import check_writable, read_proposal_file, shard_names, write_proposal_file
from ..data.records import Picture, Proposals
from ..data.results import COCO_NAME
from ..data.sources import Source
from ..data.specs import is_spec, open_dataset, resolve_sources
from ..data.stage_files import remove_stages
from ..data.store import hash_of, read_proposals, write_proposals
from ..proposals.kept import check_fresh
from ..proposals.methods import Proposer, propose_all
from .config import checked_options
from .folder import DRAWN, Summary, detect_folder
from .pretrained import model_folder, proposer_named, weights_files
from .rcnn import RCNN

FORMATS = ("coco", "voc", "yolo", "csv", "label-studio", "coco-results", "ilsvrc")
NUMBERED = ("coco-results", "ilsvrc")  # have a data set's numbers in place of names
PACKAGES = ("inception-rcnn", "torch", "torchvision", "numpy", "numba", "opencv-contrib-python-headless", "pillow")
RUN_NAME = "run.json"
SHARD = 2000  # pictures; about 60 MB of proposals


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
    keep_stages: bool = False

    def execute(self, report: Callable[[str], None] = lambda line: None) -> Summary:
        """Detect in all sources; an earlier run with the same settings is continued, one with others refused."""
        formats = _checked_formats(self.formats)
        data = _numbered_data(self.sources) if {*formats} & {*NUMBERED} else None
        sources = resolve_sources(self.sources, skip=self.out / DRAWN)
        folder = model_folder(self.model)
        model, kept = self._model(folder)
        settings = self._settings(model, folder, sources)
        self._check_earlier(settings)
        report(f"{len(sources)} pictures, {model.config.mode} regions on {model.device}, model {folder.name}")
        self._write_run(settings, None)
        rows, summary = detect_folder(
            model, sources, self.out, draw=self.draw, keep_stages=self.keep_stages, kept=kept, report=report
        )
        _export(rows, self.out, model.config.classes, formats, data)
        self._write_run(settings, summary)
        return summary

    def _model(self, folder: Path) -> tuple[RCNN, Mapping[str, Proposals] | None]:
        """The detector with the options, and stored proposals if they name a file."""
        options = {name: value for name, value in self.options.items() if value is not None}
        kept, file = None, Path(str(options.get("proposals")))
        if _is_stored(file):
            kept = read_proposal_file(file)
            check_fresh(file, kept, lambda name: proposer_named(name, str(folder), self.device))
            del options["proposals"]
        model = RCNN.from_pretrained(folder, device=self.device)
        return model.with_options(**checked_options(options, model.config)), kept

    def _settings(self, model: RCNN, folder: Path, sources: Sequence[Source]) -> dict[str, Any]:
        """Everything that decides a row of the ledger, so that rows of other settings are never taken for these."""
        named = Path(str(self.options.get("proposals")))
        files = sorted(named.glob("*.safetensors")) if named.is_dir() else [named]
        stored = " ".join(map(weights_sha256, files)) if _is_stored(named) else ""
        roots = {str(source.path.absolute()).removesuffix(source.file) for source in sources}
        return {
            "weights_sha256": " ".join(map(weights_sha256, weights_files(folder))),
            "config": json.loads(model.config.to_json()),
            "proposals": stored or hash_of(*model.proposal_parameters),
            "pictures_from": sorted(roots),
        }

    def _check_earlier(self, settings: dict[str, Any]) -> None:
        path, ledger = self.out / RUN_NAME, self.out / LEDGER_NAME
        if self.overwrite:
            ledger.unlink(missing_ok=True)
            remove_stages(self.out)
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
    """The one data set that is detected in, which has numbers for its pictures and classes."""
    if len(sources) == 1 and is_spec(sources[0]):
        data = open_dataset(sources[0], allow_unannotated=True)
        if data.picture_ids and data.class_ids:
            return data
    raise UsageError(
        f"--format {' and '.join(NUMBERED)} need one SOURCE, an ilsvrc: or coco: data set, for its numbers"
    )


def _export(
    rows: list[Picture], out: Path, classes: tuple[str, ...], formats: tuple[str, ...], data: Dataset | None
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


def propose_to_file(sources: Sequence[str], out: Path, method: Proposer, report: Callable[[str], None]) -> str:
    """Write the proposals of every source that can be read; says what was done, and each picture left out.

    The ending of `out` names the format. Without one it is a folder of shards, each on disk when it is full; those
    that an earlier run left are not made again.
    """
    if not out.suffix:
        return _propose_shards(resolve_sources(sources), out, method, report)
    check_writable(out)  # before minutes go into proposals
    listed = resolve_sources(sources)
    made = _proposed(listed, method, report)
    write_proposal_file(out, made, method.name, method.parameters)
    boxes = sum(map(len, made.values()))
    return f"{len(made)} of {len(listed)} pictures, {boxes} proposals by {method.name}, written to {out}"


def _propose_shards(listed: Sequence[Source], out: Path, method: Proposer, report: Callable[[str], None]) -> str:
    by_file, kept = {source.file: source for source in listed}, 0
    for name, files in shard_names(by_file, SHARD).items():
        earlier = _earlier_shard(out / name, files, method)
        new = _proposed([by_file[file] for file in files if file not in earlier], method, report)
        if earlier and not new:
            kept += 1
            continue
        made = {**earlier, **new}
        write_proposals(out / name, made, method.name, method.parameters)
        report(f"{out / name}: {len(made)} of {len(files)} pictures")
    return f"{len(listed)} pictures, proposals by {method.name}, in shards in {out} ({kept} shards done before)"


def _proposed(sources: Sequence[Source], method: Proposer, report: Callable[[str], None]) -> dict[str, Proposals]:
    made = {}
    all_found = propose_all(method, sources, Source.read)
    for source, found in zip(sources, all_found, strict=True):
        if isinstance(found, DataError):
            report(f"left out: {found}")
        else:
            made[source.file] = found
    return made


def _earlier_shard(path: Path, files: Sequence[str], method: Proposer) -> Mapping[str, Proposals]:
    """What an earlier run left of this shard; of pictures that came since, or could not be read, it has nothing."""
    if not path.exists():
        return {}
    store = read_proposals(path)
    if store.parameters != hash_of(*method.parameters):
        raise DataError(
            f"{path} was made with parameters {store.parameters}, and {method.name} has "
            f"{hash_of(*method.parameters)}: delete the folder, or choose another --out"
        )
    return store if set(store) <= set(files) else {}
