"""The files that `detect --format` writes beside the ledger: checked before the first image, and gone with its rows."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from ...data.class_names import require_known
from ...data.datasets.dataset import Dataset
from ...data.diagnostics import cut, listed
from ...data.errors import DataError, InceptionRcnnError, UsageError
from ...data.files.atomic import DiskFullError, write_atomically
from ...data.files.json_files import read_checked
from ...data.formats.exports import (
    check_class_names,
    voc_paths,
    write_coco,
    write_coco_results,
    write_csv,
    write_label_studio,
    write_voc_results,
    write_yolo,
    yolo_paths,
)
from ...data.formats.ilsvrc.results import require_numbers, write_ilsvrc_results
from ...data.formats.predictions import COCO_NAME, CSV_NAME
from ...data.formats.specs import is_spec, open_dataset
from ...data.records import ImageDetections

RECORD_NAME = "formats.json"  # lists the files of further formats that a run has written
FORMATS = ("coco", "voc", "yolo", "csv", "label-studio", "coco-results", "ilsvrc")
_NUMBERED = ("coco-results", "ilsvrc")  # have the numbers of a data set instead of names
_FILES = {
    "coco": COCO_NAME,
    "csv": CSV_NAME,
    "label-studio": "predictions.label-studio.json",
    "coco-results": "results.coco.json",
    "ilsvrc": "results.ilsvrc.txt",
}


@dataclass(frozen=True)
class Written:
    """Notices about what was written, and the failures."""

    notices: tuple[str, ...]
    failures: tuple[InceptionRcnnError, ...]


@dataclass(frozen=True)
class Formats:
    """The formats that a run writes, COCO's always: every viewer and evaluator reads it."""

    names: tuple[str, ...]
    data: Dataset | None = None  # whose numbers some of them have

    @property
    def _numbered(self) -> str:
        return " and ".join(name for name in self.names if name in _NUMBERED)

    def check(self, files: Sequence[str], classes: Sequence[str]) -> list[str]:
        """An error where names of images or classes do not go into a file; gives what will be left out."""
        check_class_names(classes)
        for name in self.names:
            _paths(name, files, classes)
        if self.data is None:
            return []
        if "ilsvrc" in self.names:
            require_numbers(self.data.image_ids, self.data)
            require_numbers(self.data.class_ids, self.data)
        unknown = [name for name in classes if name not in self.data.classes]
        if unknown and len(unknown) == len(classes):
            raise UsageError(
                f"--format {self._numbered}: none of the detector's classes ({listed(classes)}) is one of the data set "
                f"{self.data.name} ({listed(self.data.classes)}); take another --model, or leave the format out"
            )
        line = (
            f"classes that the data set {self.data.name} does not have, {listed(unknown)}: left out of {self._numbered}"
        )
        return [f"{line}; --classes names those to detect"] if unknown else []

    def write(self, rows: Sequence[ImageDetections], out: Path, classes: Sequence[str]) -> Written:
        """Write each of them, whichever fail."""
        files = [row.file for row in rows if row.error is None]
        paths: dict[str, list[str]] = {}
        failures: list[InceptionRcnnError] = []
        for name in self.names:
            try:
                paths[name] = _paths(name, files, classes)
            except InceptionRcnnError as error:
                failures.append(error)
        further = {name: each for name, each in paths.items() if name != "coco"}
        if further:  # before the files: those of a run that is killed here are known
            write_atomically(out / RECORD_NAME, json.dumps(further, indent=1) + "\n")
        known, notices = self._known(rows)
        for name in paths:
            try:
                self._write(name, known if name in _NUMBERED else rows, out, classes)
            except DiskFullError:
                raise
            except InceptionRcnnError as error:
                failures.append(error)
        return Written(tuple(notices), tuple(failures))

    def _write(self, name: str, rows: Sequence[ImageDetections], out: Path, classes: Sequence[str]) -> None:
        path = out / _FILES.get(name, name)
        if name == "coco":
            write_coco(rows, path, classes)
        elif name == "voc":
            write_voc_results(rows, path, classes)
        elif name == "yolo":
            write_yolo(rows, path, classes)
        elif name == "csv":
            write_csv(rows, path)
        elif name == "label-studio":
            write_label_studio(rows, path)
        elif name == "coco-results" and self.data is not None:
            write_coco_results(rows, path, self.data)
        elif name == "ilsvrc" and self.data is not None:
            write_ilsvrc_results(rows, path, self.data)

    def _known(self, rows: Sequence[ImageDetections]) -> tuple[list[ImageDetections], list[str]]:
        """The rows without what the data set has no number for, and a line on each kind of that."""
        if self.data is None:
            return [], []
        there, classes = {truth.file for truth in self.data.images}, [*self.data.classes]
        known, images, labels = [], [], []
        for row in rows:
            if row.error is None and row.file in there:
                has = np.isin(row.detections.labels, classes)
                labels.extend(row.detections.labels[~has].tolist())
                known.append(replace(row, detections=row.detections[has]))
            elif row.error is None:
                images.append(row.file)
        kinds = (
            (labels, "detection", "of a class that the data set does not have"),
            (images, "image", "that the data set does not have"),
        )
        return known, [
            f"{len(each)} {what}{'s' * (len(each) > 1)} {which}, as {cut(each[0])!r}: left out of {self._numbered}"
            for each, what, which in kinds
            if each
        ]


def formats_named(text: str, sources: Sequence[str]) -> Formats:
    """The formats in a text with commas between them, for the images of the sources."""
    names = tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
    for name in names or ("",):
        require_known("--format", name, FORMATS)
    names = ("coco", *(name for name in names if name != "coco"))
    return Formats(names, _numbered_data(sources) if {*names} & {*_NUMBERED} else None)


def _numbered_data(sources: Sequence[str]) -> Dataset:
    """The one data set that is detected in, which has numbers for its images and classes."""
    if len(sources) == 1 and is_spec(sources[0]):
        data = open_dataset(sources[0], allow_unannotated=True)
        if data.image_ids and data.class_ids:
            return data
    raise UsageError(
        f"--format {' and '.join(_NUMBERED)} need one SOURCE, an ilsvrc: or coco: data set, for its numbers"
    )


def _paths(name: str, files: Sequence[str], classes: Sequence[str]) -> list[str]:
    """The files of a format about images of these names, below the output folder; an error where names do not go."""
    if name == "voc":
        return [f"voc/{path}" for path in voc_paths(files, classes)]
    if name == "yolo":
        return [f"yolo/{path}" for path in yolo_paths(files, classes)]
    return [_FILES[name]]


def remove_formats(out: Path) -> list[str]:
    """Remove the files of further formats that an earlier run wrote, and no others; gives the formats."""
    record = out / RECORD_NAME
    try:
        paths = read_checked(record, dict[str, list[str]]) if record.exists() else {}
    except DataError:  # damaged: what was written is not known
        paths = {}
    removed = [name for name, each in paths.items() if sum([_remove(out, path) for path in each])]
    folders = {parent for each in paths.values() for path in each for parent in PurePosixPath(path).parents}
    for folder in sorted(folders - {PurePosixPath()}, reverse=True):  # the inner ones first
        with contextlib.suppress(OSError, ValueError):  # not empty
            (out / folder).rmdir()
    record.unlink(missing_ok=True)
    return removed


def _remove(out: Path, path: str) -> bool:
    """Whether there was such a file of ours; none outside the folder is."""
    if ".." in PurePosixPath(path).parts or PurePosixPath(path).is_absolute():
        return False
    try:
        (out / path).unlink()
    except (OSError, ValueError):  # gone, or of a name that no file can have
        return False
    return True
