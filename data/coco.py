"""COCO's annotation files: one JSON file with images, categories and annotations of a whole split.

Boxes are `x y width height`, 0-based, as in this package. Segmentations are not read: a crowd's region counts by its
box, as in COCO's own evaluation of boxes. `ignore` or `difficult`, which some tools add, become `difficult`.
https://cocodataset.org/#format-data

Shapes: A annotations.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .boxes import box_area, xyxy_to_xywh
from .class_names import check_classes
from .coco_columns import (
    Annotations,
    entries_of,
    id_of,
    read_annotations,
    read_category_entries,
    read_images,
)
from .dataset import Dataset
from .files import write_atomically
from .gathering import slices_of
from .json_files import load_json, numbers, shown
from .problems import OnProblem, Problem, refuse
from .records import GroundTruth

_FLAGS = {None: 0, 0: 0, 1: 1}  # false and true are equal to 0 and 1


def read_coco(path: str | Path, images: str | Path, on_problem: OnProblem = refuse) -> Dataset:
    """Read a COCO annotation file; `images` is the folder of the picture files.

    Pictures come in the order of their ids, classes in that of theirs: COCO's own evaluator has them so, and it
    decides between equal scores. Numbers and their text are one id.
    """
    path, folder = Path(path), Path(images)
    content = load_json(path)
    pictures = read_images(content, path, folder, on_problem)
    categories = read_category_entries(content, path, on_problem)
    truths = _truths(read_annotations(entries_of(content, "annotations", path), path, pictures, categories), on_problem)
    return Dataset(path.stem, categories.names, truths, folder, pictures.ids, categories.ids)


def write_coco_truth(data: Dataset, path: str | Path) -> None:
    """Write a data set as a COCO annotation file; its pictures and classes keep their ids, or are counted from 1."""
    images = [id_of(text) for text in data.picture_ids] or list(range(1, len(data) + 1))
    categories = [id_of(text) for text in data.class_ids] or list(range(1, len(data.classes) + 1))
    numbers_of = dict(zip(data.classes, categories, strict=True))
    rows = [row for truth, image in zip(data.pictures, images, strict=True) for row in _rows(truth, image, numbers_of)]
    content = {
        "info": {"description": data.name},  # COCO's own reader fails on files without it
        "licenses": [],
        "images": [
            {"id": image, "file_name": truth.file, "width": truth.width, "height": truth.height}
            for truth, image in zip(data.pictures, images, strict=True)
        ],
        "categories": [{"id": number, "name": name} for name, number in numbers_of.items()],
        # Ids start at 1: COCO's own evaluator takes an id of 0 for "not matched".
        "annotations": [{"id": number, **row} for number, row in enumerate(rows, 1)],
    }
    write_atomically(path, json.dumps(content) + "\n")


def _rows(truth: GroundTruth, image: int | str, numbers_of: Mapping[str, int | str]) -> list[dict[str, Any]]:
    check_classes(truth.labels.tolist(), list(numbers_of), truth.file)
    columns = (truth.labels, xyxy_to_xywh(truth.boxes), truth.areas, truth.crowd, truth.difficult)
    return [
        {"image_id": image, "category_id": numbers_of[label], "bbox": box, "area": area, "iscrowd": int(crowd)}
        | ({"difficult": 1} if difficult else {})
        for label, box, area, crowd, difficult in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _truths(found: Annotations, on_problem: OnProblem) -> tuple[GroundTruth, ...]:
    crowd = _flags(found.column("iscrowd"))
    difficult = _either(_flags(found.column("ignore")), _flags(found.column("difficult")))
    areas = _areas(found)
    good = found.usable & (crowd >= 0) & (difficult >= 0) & (areas >= 0)  # NaN is not
    for row in np.flatnonzero(~good).tolist():
        if not found.is_of_what_was_left_out(row):
            on_problem(found.problem(row) or _problem(found, row))
    rows = np.flatnonzero(good)
    rows = rows[np.argsort(found.image_places[rows], kind="stable")]
    boxes, labels, areas = found.boxes[rows], found.labels[rows], areas[rows]
    parts = slices_of(found.image_places[rows], len(found.images.names))
    return tuple(
        GroundTruth(
            *(file, *size, boxes[part], labels[part].astype(np.str_)),
            difficult=difficult[rows[part]] > 0,
            crowd=crowd[rows[part]] > 0,
            areas=areas[part],
        )
        for file, size, part in zip(found.images.names, found.images.sizes, parts, strict=True)
    )


def _areas(found: Annotations) -> NDArray[np.float64]:
    """The areas [A], the box's where none is stated, NaN where one is no number."""
    values = found.column("area")
    stated = np.array([value is not None for value in values], dtype=np.bool_)
    return np.where(stated, numbers([0 if value is None else value for value in values]), box_area(found.boxes))


def _flags(values: Sequence[Any]) -> NDArray[np.int64]:
    """1 where a flag is set, 0 where not, -1 where a value is no flag."""
    known = (value if value is None or isinstance(value, int) else -1 for value in values)
    return np.fromiter((_FLAGS.get(value, -1) for value in known), np.int64, len(values))


def _either(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where((one < 0) | (other < 0), -1, one | other)


def _problem(found: Annotations, row: int) -> Problem:
    """What is wrong with an annotation whose image, category and box are usable."""
    entry, where = found.entries[row], found.where(row)
    for key in ("iscrowd", "ignore", "difficult"):
        if _flags([entry.get(key)])[0] < 0:
            what = f"{key} is {shown(entry[key])}: need 0 or 1"
            return Problem(f"{key} flag that says neither 0 nor 1", where, what, "correct the flag")
    what = f"area is {shown(entry.get('area'))}: need a number that is not negative"
    return Problem("area that is none", where, what, "leave it out to take the box's")
