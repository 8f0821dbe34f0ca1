"""Predictions from files: whatever `detect` wrote, and what other tools write.

- A folder: one that `detect` wrote, VOC result files `comp4_det_*.txt[.gz]`, or YOLO's `labels/` with `classes.txt`.
- A `.json` file: COCO's whole file with scores, COCO's bare list of results, or tasks of Label Studio.
- A `.csv` file as `detect` writes it; a `.txt` or `.txt.gz` file in the form of ILSVRC's submissions.
- Any other file: a ledger.

Some of these hold ids or parts of a picture's size, which only the data set explains that they are about.
"""

import gzip
import re
import zlib
from collections.abc import Iterable
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np

from .boxes import inclusive_to_half_open
from .coco_results import category_names, coco_list_predictions, coco_predictions
from .dataset import Dataset
from .errors import DataError
from .ilsvrc_results import read_ilsvrc_results
from .json_files import load_json
from .label_studio import is_label_studio, label_studio_predictions
from .ledger import LEDGER_NAME, read_ledger
from .records import Detections, Picture
from .tables import read_csv_predictions
from .yolo_results import read_yolo_predictions, yolo_names

COCO_NAME = "predictions.coco.json"  # of the file that `detect` writes beside its ledger

# comp3 and comp4 are the two detection competitions; a class name may hold underscores, a split's does not.
_VOC_NAME = re.compile(r"comp[34]_det_(?P<split>[^_]+)_(?P<label>.+?)\.txt(\.gz)?")

_Row = tuple[str, str, float, list[float]]  # picture, label, score, box as in the file


def read_predictions(path: str | Path, data: Dataset | None = None) -> list[Picture]:
    """Read predictions in any form that is known; `data` is the data set that they are about.

    Without sizes in the file a picture's are 0, those of a COCO list and of YOLO are the data set's. VOC result files
    give the picture's id as `file`. Where equal scores would change their order if a picture's lines were gathered, the
    picture comes in several parts: an evaluation breaks ties by the files' order.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path, data)
    if not path.exists():
        raise DataError(f"{path}: does not exist; give what detect wrote, a .jsonl, a COCO .json or VOC result files")
    if path.suffix.lower() == ".json":
        return _read_json(path, data)
    if path.suffix.lower() == ".csv":
        return read_csv_predictions(path)
    return _read_ilsvrc(path, data) if _is_ilsvrc(path) else read_ledger(path)


def read_categories(path: str | Path, pictures: Iterable[Picture], data: Dataset | None = None) -> tuple[str, ...]:
    """The classes that predictions are about: those that their files name, else the labels seen.

    COCO's whole files, VOC result files and YOLO's `classes.txt` name them; what uses the numbers of a data set is
    about its classes. A detector's class counts even where nothing of it was found, so of a folder that `detect` wrote
    the COCO file is asked. `pictures` are what `read_predictions` gave for the same path and data set.
    """
    path = Path(path)
    if path.is_dir() and not (path / LEDGER_NAME).is_file():
        return yolo_names(path, data) if _is_yolo(path) else tuple(sorted({label for _, label in _voc_files(path)}))
    if data is not None and _is_ilsvrc(path):
        return data.classes
    if path.suffix.lower() == ".json":
        content = load_json(path)
        if not isinstance(content, list):
            return category_names(content, path)
        if data is not None and not is_label_studio(content):
            return data.classes
    beside = (path if path.is_dir() else path.parent) / COCO_NAME
    if beside.is_file() and beside != path:
        return category_names(load_json(beside), beside)
    return tuple(sorted({str(label) for picture in pictures for label in picture.detections.labels}))


def merge_parts(pictures: Iterable[Picture]) -> list[Picture]:
    """Each picture once, with the detections of all its parts, in the order of first appearance."""
    parts: dict[str, list[Picture]] = {}
    for picture in pictures:
        parts.setdefault(picture.file, []).append(picture)
    return [_joined(same) if len(same) > 1 else same[0] for same in parts.values()]


def _joined(parts: list[Picture]) -> Picture:
    found = [part.detections for part in parts]
    joined = Detections(
        np.concatenate([one.boxes for one in found]),
        np.concatenate([one.labels for one in found]),
        np.concatenate([one.scores for one in found]),
    )
    return replace(parts[0], detections=joined[np.argsort(-joined.scores, kind="stable")])


def _read_folder(folder: Path, data: Dataset | None) -> list[Picture]:
    if (folder / LEDGER_NAME).is_file():
        return read_ledger(folder / LEDGER_NAME)
    if _is_yolo(folder):
        return read_yolo_predictions(folder, data)
    return _pictures_in_tie_order([row for path, label in _voc_files(folder) for row in _read_voc_rows(path, label)])


def _voc_files(folder: Path) -> list[tuple[Path, str]]:
    """VOC's result files, each with its class."""
    matches = {path: _VOC_NAME.fullmatch(path.name) for path in sorted(folder.iterdir())}
    files = [(path, match["label"]) for path, match in matches.items() if match]
    splits = sorted({match["split"] for match in matches.values() if match})
    if not files:
        raise DataError(
            f"{folder}: has neither {LEDGER_NAME} nor comp4_det_<split>_<class>.txt nor YOLO's labels; "
            "is it the right folder?"
        )
    if len(splits) > 1 or len({label for _, label in files}) < len(files):
        raise DataError(
            f"{folder}: has several result files of one class (splits {', '.join(splits)}); keep one set here"
        )
    return files


def _is_yolo(folder: Path) -> bool:
    return (folder / "labels").is_dir()


def _is_ilsvrc(path: Path) -> bool:
    return path.name.lower().endswith((".txt", ".txt.gz"))


def _read_ilsvrc(path: Path, data: Dataset | None) -> list[Picture]:
    if data is None:
        raise DataError(f"{path}: has numbers for pictures and classes; give the data set (--data ilsvrc:ROOT:SPLIT)")
    return read_ilsvrc_results(path, data)


def _read_json(path: Path, data: Dataset | None) -> list[Picture]:
    content = load_json(path)
    if is_label_studio(content):
        return label_studio_predictions(content, path)
    return coco_list_predictions(content, path, data) if isinstance(content, list) else coco_predictions(content, path)


def _read_voc_rows(path: Path, label: str) -> Iterable[_Row]:
    """Lines `id score xmin ymin xmax ymax`; what is before the last five numbers is the id, spaces and all."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    for i, line in enumerate(data.decode("utf-8", errors="surrogateescape").split("\n"), 1):
        if not line.strip():
            continue
        try:
            name, *numbers = line.strip().rsplit(maxsplit=5)
            score, *box = map(float, numbers)
            _, _, _, _ = box
        except ValueError:
            raise DataError(f"{path}: line {i} is {line[:80]!r}: need id score xmin ymin xmax ymax") from None
        yield name, label, score, box


def _pictures_in_tie_order(rows: list[_Row]) -> list[Picture]:
    order = _order_that_keeps_ties(rows)
    if order is None:
        groups = [list(group) for _, group in groupby(rows, key=lambda row: row[:2])]
    else:
        gathered: dict[str, list[_Row]] = {name: [] for name in order}
        for row in rows:
            gathered[row[0]].append(row)
        groups = list(gathered.values())
    return list(map(_picture, groups))


def _order_that_keeps_ties(rows: list[_Row]) -> list[str] | None:
    """An order of the pictures that leaves equal scores of a class as the files have them, or None if there is none."""
    before: dict[str, set[str]] = {name: set() for name in sorted({row[0] for row in rows})}
    ranked = sorted(rows, key=lambda row: (row[1], -row[2]))
    for one, other in pairwise(ranked):
        if one[1:3] == other[1:3] and one[0] != other[0]:
            before[other[0]].add(one[0])
    try:
        return list(TopologicalSorter(before).static_order())
    except CycleError:
        return None


def _picture(rows: list[_Row]) -> Picture:
    """A picture of unknown size with all its rows."""
    file, rows = rows[0][0], sorted(rows, key=lambda row: -row[2])
    try:
        found = Detections(
            boxes=inclusive_to_half_open([box for *_, box in rows]),
            labels=np.array([label for _, label, _, _ in rows], dtype=np.str_),
            scores=np.array([score for _, _, score, _ in rows], dtype=np.float64),
        )
    except DataError as error:
        raise DataError(f"predictions for {file}: {error}") from error
    return Picture(file, detections=found)
