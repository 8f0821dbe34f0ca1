"""Predictions from files: whatever `detect` wrote, a COCO file with scores, or a folder of VOC result files."""

import gzip
import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from .boxes import inclusive_to_half_open, xywh_to_xyxy
from .errors import DataError
from .ledger import LEDGER_NAME, read_ledger
from .records import Detections, Picture

COCO_NAME = "predictions.coco.json"  # of the file that `detect` writes beside its ledger

# comp3 and comp4 are the two detection competitions; a class name may hold underscores, a split's does not.
_VOC_NAME = re.compile(r"comp[34]_det_(?P<split>[^_]+)_(?P<label>.+?)\.txt(\.gz)?")

_Row = tuple[str, str, float, list[float]]  # picture, label, score, box in the file's own convention


def read_predictions(path: str | Path) -> list[Picture]:
    """Read a folder that `detect` wrote, a ledger, a COCO file with scores, or a folder of `comp4_det_*.txt[.gz]`.

    VOC result files give no sizes (0) and the picture's id as `file`. Where equal scores would change their order if
    a picture's lines were gathered, the picture comes in several parts: an evaluation breaks ties by the files' order.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path)
    if not path.exists():
        raise DataError(f"{path}: does not exist; give what detect wrote, a .jsonl, a COCO .json or VOC result files")
    return _read_coco(path) if path.suffix.lower() == ".json" else read_ledger(path)


def read_categories(path: str | Path, pictures: Iterable[Picture]) -> tuple[str, ...]:
    """The classes that predictions are about: a COCO file's categories, VOC result files' names, else the labels seen.

    A detector's class counts even where nothing of it was found, so a folder that `detect` wrote is asked for its COCO
    file. `pictures` are what `read_predictions` gave for the same path.
    """
    path = Path(path)
    if path.is_dir() and not (path / LEDGER_NAME).is_file():
        return tuple(sorted({match["label"] for file in path.iterdir() if (match := _VOC_NAME.fullmatch(file.name))}))
    beside = (path if path.is_dir() else path.parent) / COCO_NAME
    coco = path if path.suffix.lower() == ".json" else beside
    if coco.is_file():
        return _category_names(coco)
    return tuple(sorted({str(label) for picture in pictures for label in picture.detections.labels}))


def _category_names(coco: Path) -> tuple[str, ...]:
    content = _load_json(coco)
    try:
        return tuple(dict.fromkeys(str(category["name"]) for category in content["categories"]))
    except (KeyError, TypeError) as error:
        raise DataError(f"{coco}: names no categories ({error!r}); run detect again, or say which classes") from None


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


def _read_folder(folder: Path) -> list[Picture]:
    if (folder / LEDGER_NAME).is_file():
        return read_ledger(folder / LEDGER_NAME)
    matches = {path: _VOC_NAME.fullmatch(path.name) for path in sorted(folder.iterdir())}
    files = [(path, match["label"]) for path, match in matches.items() if match]
    splits = sorted({match["split"] for match in matches.values() if match})
    if not files:
        raise DataError(
            f"{folder}: has neither {LEDGER_NAME} nor comp4_det_<split>_<class>.txt; is it the right folder?"
        )
    if len(splits) > 1 or len({label for _, label in files}) < len(files):
        raise DataError(
            f"{folder}: has several result files of one class (splits {', '.join(splits)}); keep one set here"
        )
    return _pictures_in_tie_order([row for path, label in files for row in _read_voc_rows(path, label)])


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
    return [_picture(group[0][0], 0, 0, group, inclusive_to_half_open) for group in groups]


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


def _picture(file: str, width: int, height: int, rows: list[_Row], convert: Any) -> Picture:
    rows = sorted(rows, key=lambda row: -row[2])
    try:
        found = Detections(
            boxes=convert([box for *_, box in rows]),
            labels=np.array([label for _, label, _, _ in rows], dtype=np.str_),
            scores=np.array([score for _, _, score, _ in rows], dtype=np.float64),
        )
    except DataError as error:
        raise DataError(f"predictions for {file}: {error}") from error
    return Picture(file, width, height, found)


def _read_coco(path: Path) -> list[Picture]:
    """Read a COCO file that holds images, categories, and annotations with a score each; images keep their order."""
    content = _load_json(path)
    if isinstance(content, list):
        raise DataError(
            f"{path}: is a bare list of COCO results, which names neither pictures nor classes; "
            "give the full file with images, categories and annotations that have a score"
        )
    try:
        names = {category["id"]: str(category["name"]) for category in content["categories"]}
        rows: dict[Any, list[_Row]] = {image["id"]: [] for image in content["images"]}
        for annotation in content["annotations"]:
            x, y, width, height = map(float, annotation["bbox"])
            row = (path.name, names[annotation["category_id"]], float(annotation["score"]), [x, y, width, height])
            rows[annotation["image_id"]].append(row)
        return [
            _picture(str(image["file_name"]), *_size(image), rows[image["id"]], xywh_to_xyxy)
            for image in content["images"]
        ]
    except KeyError as error:
        hint = "; this looks like ground truth, not predictions" if error.args == ("score",) else ""
        raise DataError(f"{path}: an entry lacks or refers to a missing {error}{hint}") from None
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, DataError):
            raise DataError(f"{path}: {error}") from error
        raise DataError(f"{path}: is not a COCO file with scores ({error})") from error


def _size(image: dict[str, Any]) -> tuple[int, int]:
    return int(image.get("width") or 0), int(image.get("height") or 0)


def _load_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from error
