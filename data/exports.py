"""Detections in the formats that other tools read. Pictures that failed are left out: only the ledger names them."""

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from .boxes import box_area, half_open_to_inclusive, xyxy_to_xywh
from .errors import DataError, UsageError
from .files import write_atomically
from .records import Picture


def write_coco(pictures: Iterable[Picture], path: str | Path, classes: Sequence[str]) -> None:
    """Write one full COCO file (images, categories, annotations with a score each): FiftyOne and CVAT open it."""
    pictures = _usable(pictures, classes)
    # Ids start at 1: COCO's own evaluator takes an id of 0 for "not matched".
    category_ids = {name: i for i, name in enumerate(classes, 1)}
    annotations = [row for i, picture in enumerate(pictures, 1) for row in _coco_rows(picture, i, category_ids)]
    content = {
        "info": {"description": "Detections by inception-rcnn"},  # COCO's own reader fails on files without it
        "licenses": [],
        "images": [
            {"id": i, "file_name": picture.file, "width": picture.width, "height": picture.height}
            for i, picture in enumerate(pictures, 1)
        ],
        "categories": [{"id": i, "name": name} for name, i in category_ids.items()],
        "annotations": [{"id": i, **row} for i, row in enumerate(annotations, 1)],
    }
    write_atomically(path, json.dumps(content) + "\n")


def _coco_rows(picture: Picture, image_id: int, category_ids: dict[str, int]) -> list[dict[str, Any]]:
    found = picture.detections
    boxes, areas = xyxy_to_xywh(found.boxes).tolist(), box_area(found.boxes).tolist()
    return [
        {
            "image_id": image_id,
            "category_id": category_ids[label],
            "bbox": box,
            "area": area,
            "iscrowd": 0,
            "score": score,
        }
        for label, score, box, area in zip(found.labels.tolist(), found.scores.tolist(), boxes, areas, strict=True)
    ]


def write_voc_results(
    pictures: Iterable[Picture], folder: str | Path, classes: Sequence[str], split: str = "test"
) -> None:
    """Write the devkit's `comp4_det_<split>_<class>.txt` for every class, also where it is empty.

    A line is `id score xmin ymin xmax ymax`, 1-based inclusive, in full precision: rounded scores would make ties.
    """
    pictures = _usable(pictures, classes)
    if "_" in split or "/" in split:
        raise UsageError(f"split {split!r}: the name of a result file needs one without _ and /")
    if unfit := [name for name in classes if "/" in name or "\0" in name]:
        raise UsageError(f"class {unfit[0]!r}: cannot be part of a file's name; rename the class")
    lines: dict[str, list[str]] = {name: [] for name in classes}
    for picture, name in zip(pictures, _names_without_suffix(pictures), strict=True):
        found = picture.detections
        boxes = half_open_to_inclusive(found.boxes).tolist()
        for label, score, box in zip(found.labels.tolist(), found.scores.tolist(), boxes, strict=True):
            lines[label].append(" ".join([name, repr(score), *map(repr, box)]) + "\n")
    for name in classes:
        write_atomically(Path(folder) / f"comp4_det_{split}_{name}.txt", "".join(lines[name]))


def write_csv(pictures: Iterable[Picture], path: str | Path) -> None:
    """Write one table with a row for each detection: `file, label, score, x1, y1, x2, y2`."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "label", "score", "x1", "y1", "x2", "y2"])
    for picture in pictures:
        found = picture.detections
        for label, score, box in zip(found.labels.tolist(), found.scores.tolist(), found.boxes.tolist(), strict=True):
            table.writerow([picture.file, label, score, *box])
    write_atomically(path, text.getvalue())


def write_yolo(pictures: Iterable[Picture], folder: str | Path, classes: Sequence[str]) -> None:
    """Write `labels/<picture>.txt` for each picture, and `classes.txt` with the names in the order of their numbers.

    A line is `class cx cy w h confidence`, all but the class as parts of the picture's size; sub-folders are mirrored.
    """
    folder, pictures = Path(folder), _usable(pictures, classes)
    numbers = {name: i for i, name in enumerate(classes)}
    for picture, name in zip(pictures, _names_without_suffix(pictures), strict=True):
        # A name must not lead out of the folder, wherever the picture was.
        parts = [part for part in PurePosixPath(name).parts if part not in ("/", "..")]
        write_atomically(folder.joinpath("labels", *parts[:-1], f"{parts[-1]}.txt"), _yolo_lines(picture, numbers))
    write_atomically(folder / "classes.txt", "".join(f"{name}\n" for name in classes))


def _yolo_lines(picture: Picture, numbers: dict[str, int]) -> str:
    found = picture.detections
    if len(found) and not (picture.width > 0 and picture.height > 0):
        raise DataError(f"{picture.file}: YOLO's format needs the picture's size, which these predictions lack")
    x1, y1, x2, y2 = found.boxes.T
    columns = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
    sizes = [picture.width, picture.height] * 2
    shares = [(column / size).tolist() for column, size in zip(columns, sizes, strict=True)] if len(found) else [[]] * 4
    rows = zip(found.labels.tolist(), *shares, found.scores.tolist(), strict=True)
    return "".join(" ".join([str(numbers[label]), *map(repr, values)]) + "\n" for label, *values in rows)


def _usable(pictures: Iterable[Picture], classes: Sequence[str]) -> list[Picture]:
    """The pictures without failures, once the classes are sure to be able to name what is on them."""
    if unfit := [name for name in classes if "\n" in name or "\r" in name]:
        raise UsageError(f"class {unfit[0]!r}: has a line break; rename the class")
    pictures = [picture for picture in pictures if picture.error is None]
    known = set(classes)
    for picture in pictures:
        if unknown := set(picture.detections.labels.tolist()) - known:
            raise DataError(f"{picture.file}: has the class {min(unknown)!r}, which is not among {', '.join(classes)}")
    return pictures


def _names_without_suffix(pictures: Sequence[Picture]) -> list[str]:
    """What line-based formats call each picture: its file without the extension, unless two would share that."""
    for picture in pictures:
        if "\n" in picture.file or "\r" in picture.file:
            raise DataError(f"{picture.file!r}: this format cannot hold a line break in a file's name; rename the file")
    stems = [os.path.splitext(picture.file)[0] for picture in pictures]
    times = Counter(stems)
    return [stem if times[stem] == 1 else picture.file for stem, picture in zip(stems, pictures, strict=True)]
