"""Predictions from files: whatever `detect` wrote, and what other tools write.

- A folder: one that `detect` wrote, VOC result files `comp4_det_*.txt[.gz]`, also where VOC's devkit has them
  (`results/VOC2012/Main`), or YOLO's `labels/` with `classes.txt` (the folder above it, or `labels/` itself).
- A file: COCO's whole file with scores, COCO's bare list of results (or one a line), tasks of Label Studio, a CSV,
  ILSVRC's submission, a ledger, or one of VOC's result files. What a file holds decides, whatever its name ends in.

Some of these hold ids or fractions of an image's size, which only the data set explains that they are about.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from ..datasets.dataset import Dataset
from ..diagnostics import OnProblem, refuse
from ..errors import DataError
from ..files.json_files import load_json, parse_json
from ..files.text_files import lines_of, numbered_lines, read_head
from ..records import Detections, ImageDetections
from ..stores.detections_jsonl import LEDGER_NAME, read_ledger
from .coco.results import category_names, coco_list_predictions, coco_predictions
from .ilsvrc.results import read_ilsvrc_results
from .label_studio.tasks import is_label_studio, label_studio_predictions
from .tables import read_csv_predictions
from .voc.results import class_of, read_voc_results, result_files
from .yolo.results import labels_folder, read_yolo_predictions, yolo_names

COCO_NAME = "predictions.coco.json"  # of the file that `detect` writes beside its ledger
CSV_NAME = "detections.csv"  # of the one with `--format csv`
RUN_NAME = "run.json"  # of the one with its settings

_HEAD = 2**16  # bytes of a file by which its form is known
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf(inity)?)", re.IGNORECASE)
_LEDGER_LINE = re.compile(r'\{\s*"file"\s*:')
_TABLE_HEADING = re.compile(r"(?i)[\w \"']+([,;\t][\w \"']+){3,}")  # and no file's name, which has a dot


_Form = Literal["json", "result lines", "ledger", "csv", "ilsvrc", "voc"]  # lines are COCO's results, one a line


def read_predictions(
    path: str | Path, data: Dataset | None = None, on_problem: OnProblem = refuse
) -> list[ImageDetections]:
    """Read predictions in any form that is known; `data` is the data set that they are about.

    Sizes that are not in the file are 0, or the data set's. VOC result files give the image's id as `file`. Where one
    image of all its lines would change the order of equal scores, it comes in several parts: an evaluation breaks ties
    by the files' order. `on_problem` gets what official code leaves out or counts as false.
    """
    path = Path(path)
    if path.is_dir():
        if (path / LEDGER_NAME).is_file():
            return read_ledger(path / LEDGER_NAME, on_problem)
        if (labels := labels_folder(path)) is not None:
            return read_yolo_predictions(labels, data, on_problem)
        return read_voc_results(result_files(path), on_problem)
    if not path.exists():
        raise DataError(f"{path}: does not exist; give what detect wrote, a .jsonl, a COCO .json or VOC result files")
    match _form(path):
        case "json":
            content = load_json(path)
            if is_label_studio(content):
                return label_studio_predictions(content, path, on_problem)
            if isinstance(content, list):
                return coco_list_predictions(content, path, data, on_problem)
            return coco_predictions(content, path, on_problem)
        case "result lines":
            entries = [parse_json(line, where) for where, line in numbered_lines(path)]
            return coco_list_predictions(entries, path, data, on_problem)
        case "csv":
            return read_csv_predictions(path, on_problem)
        case "ilsvrc":
            if data is None:
                what = "has numbers for images and classes; give the data set (--data ilsvrc:ROOT:SPLIT)"
                raise DataError(f"{path}: {what}")
            return [image for image in read_ilsvrc_results(path, data, on_problem) if len(image.detections)]
        case "voc":
            return read_voc_results([(path, class_of(path) or "")], on_problem)
        case "ledger":
            return read_ledger(path, on_problem)


def needs_sizes(path: Path) -> bool:
    """Whether boxes are fractions of images' sizes, which predictions do not state: those of YOLO's folders."""
    return path.is_dir() and not (path / LEDGER_NAME).is_file() and labels_folder(path) is not None


def read_categories(
    path: str | Path, images: Iterable[ImageDetections], data: Dataset | None = None
) -> tuple[str, ...]:
    """The classes that predictions are about: those that their files state, else the data set's, else the labels seen.

    COCO's whole files, YOLO's `classes.txt` and the run of a detector state them, and a single file of VOC's is about
    its class. A class that counts and has no prediction was not found. `images` are what `read_predictions` gave for
    the same.
    """
    path, seen = Path(path), {str(label) for image in images for label in image.detections.labels}
    stated = _stated_categories(path, data, seen)
    if stated is None and data is not None:
        return data.classes
    return tuple(sorted(seen)) if stated is None else stated


def _stated_categories(path: Path, data: Dataset | None, seen: set[str]) -> tuple[str, ...] | None:
    if path.is_dir() and not (path / LEDGER_NAME).is_file():
        if (labels := labels_folder(path)) is not None:
            return yolo_names(labels, data)
        return tuple(sorted({label for _, label in result_files(path)})) if data is None else None
    if path.is_dir() or path.name in (LEDGER_NAME, CSV_NAME):
        return _categories_of_run(path if path.is_dir() else path.parent, seen)
    form = _form(path)
    if form == "json" and not isinstance(content := load_json(path), list):
        return category_names(content, path) or None  # an empty list states none
    return (class_of(path) or "",) if form == "voc" else None


def _categories_of_run(folder: Path, seen: set[str]) -> tuple[str, ...] | None:
    """The classes of the detector whose run left its files here; None where what was detected is not of this run."""
    names = _configured_classes(folder / RUN_NAME)
    if names is None and (folder / COCO_NAME).is_file():
        names = category_names(load_json(folder / COCO_NAME), folder / COCO_NAME) or None
    return names if names is not None and seen <= {*names} else None


def _configured_classes(path: Path) -> tuple[str, ...] | None:
    try:
        config = load_json(path)["settings"]["config"]
        names = config.get("output_classes") or config["classes"]
    except (DataError, KeyError, TypeError, AttributeError):
        return None  # of something else, or of an older run
    return tuple(names) if isinstance(names, list) and {*map(type, names)} == {str} else None


def _form(path: Path) -> _Form:
    if class_of(path) is not None:
        return "voc"
    line = lines_of(read_head(path, _HEAD).lstrip())[0].rstrip()
    if line.startswith("{"):
        return _form_of_object(line)
    if line.startswith("["):
        return "json"
    if _TABLE_HEADING.fullmatch(line):
        return "csv"
    words = line.split()
    if len(words) > 1 and all(map(_NUMBER.fullmatch, words)):
        return "ilsvrc"
    endings = [suffix.lower() for suffix in path.suffixes]
    by_name: dict[str, _Form] = {".json": "json", ".csv": "csv", ".txt": "ilsvrc", ".pred": "ilsvrc"}
    known: list[_Form] = [by_name[ending] for ending in endings if ending in by_name]
    return known[-1] if known else "ledger"


def _form_of_object(line: str) -> _Form:
    try:
        record = parse_json(line, "")
    except DataError:  # the first line of a longer value, or one that is longer than the head
        return "ledger" if _LEDGER_LINE.match(line) else "json"
    if "file" in record:
        return "ledger"
    return "result lines" if "image_id" in record else "json"


def merge_parts(images: Iterable[ImageDetections]) -> list[ImageDetections]:
    """Each image once, with the detections of all its parts, in the order of first appearance."""
    parts: dict[str, list[ImageDetections]] = {}
    for image in images:
        parts.setdefault(image.file, []).append(image)
    return [_joined(same) if len(same) > 1 else same[0] for same in parts.values()]


def _joined(parts: list[ImageDetections]) -> ImageDetections:
    boxes, labels, scores = (
        np.concatenate([getattr(part.detections, name) for part in parts]) for name in ("boxes", "labels", "scores")
    )
    best_first = np.argsort(-scores, kind="stable")
    return replace(parts[0], detections=Detections(boxes, labels, scores)[best_first])
