"""COCO's annotation files: one JSON file with images, categories and annotations of a whole split.

Boxes are `x y width height`, 0-based, as in this package. Segmentations are not read: a crowd's region counts by its
box, as in COCO's own evaluation. `ignore` or `difficult`, which some tools add, become `ignore`, of which COCO's own
code takes no notice. What it leaves out, objects of unknown images or categories, is left out and counted.
https://cocodataset.org/#format-data

COCO's code leaves categories without objects out of its mean. Here categories of one name are one class, whose id is
that of the category with most objects; a supercategory of all, as in Roboflow's exports, is no class.

Shapes: A annotations.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...boxes import box_area
from ...class_names import check_classes
from ...datasets.annotated_objects import read_flag
from ...datasets.dataset import Dataset
from ...detections_by_image import slices_of
from ...diagnostics import OnProblem, Problem, counted_by_kind, refuse
from ...files.atomic import write_atomically
from ...files.json_files import load_json
from ...records import GroundTruth, ImageDetections
from ...values import numbers, shown
from .columns import (
    Annotations,
    Named,
    as_dicts,
    entries_of,
    id_of,
    id_text,
    read_annotations,
    read_category_entries,
    read_images,
)

_NO_GROUP = (None, "", "none")  # in place of a supercategory


def read_coco(path: str | Path, images: str | Path, on_problem: OnProblem = refuse) -> Dataset:
    """Read a COCO annotation file; `images` is the folder of the image files.

    Images come in the order of their ids, classes in that of theirs: COCO's own evaluator has them so, and it
    decides between equal scores. Numbers and their text are one id. Without annotations it is a test set.
    """
    path, folder = Path(path), Path(images)
    content = load_json(path)
    listed = read_images(content, path, folder, on_problem)
    annotated = content.get("annotations") is not None or not listed.ids
    if not annotated and content.get("categories") is None:
        content = content | {"categories": []}
    categories = read_category_entries(content, path, on_problem)
    entries = entries_of(content, "annotations", path) if annotated else []
    found = read_annotations(entries, path, listed, categories)
    truths = _truths(found, on_problem)
    classes = classes_of(content["categories"], found, on_problem)
    return Dataset(path.stem, tuple(classes), truths, folder, listed.ids, tuple(classes.values()), annotated)


def write_coco_truth(data: Dataset, path: str | Path) -> None:
    """Write a data set as a COCO annotation file; its images and classes have their own ids, or are counted from 1."""
    image_ids = list(map(id_of, data.image_ids)) or list(range(1, len(data) + 1))
    category_ids = list(map(id_of, data.class_ids)) or list(range(1, len(data.classes) + 1))
    numbers_of = dict(zip(data.classes, category_ids, strict=True))
    images = list(zip(data.images, image_ids, strict=True))
    rows = [row for truth, image in images for row in _rows(truth, image, numbers_of)]
    write_coco_file(path, data.name, images, numbers_of, rows)


def write_coco_file(
    path: str | Path,
    description: str,
    images: Sequence[tuple[GroundTruth | ImageDetections, int | str]],
    category_ids: Mapping[str, int | str],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Write images with their ids, the ids of the categories by name, and annotations, which are numbered here."""
    content = {
        "info": {"description": description},  # COCO's own reader fails on files without it
        "licenses": [],
        "images": [
            {"id": number, "file_name": image.file, "width": image.width, "height": image.height}
            for image, number in images
        ],
        "categories": [{"id": number, "name": name} for name, number in category_ids.items()],
        # Ids start at 1: COCO's own evaluator takes an id of 0 for "not matched".
        "annotations": [{"id": number, **row} for number, row in enumerate(rows, 1)],
    }
    write_atomically(path, json.dumps(content) + "\n")


def _rows(truth: GroundTruth, image: int | str, numbers_of: Mapping[str, int | str]) -> list[dict[str, Any]]:
    check_classes(truth.labels.tolist(), list(numbers_of), truth.file)
    columns = (truth.labels, truth.xywh, truth.areas, truth.crowd, truth.difficult, truth.ignore)
    return [
        {"image_id": image, "category_id": numbers_of[label], "bbox": box, "area": area, "iscrowd": int(crowd)}
        | ({"difficult": 1} if difficult else {})
        | ({"ignore": 1} if ignore else {})
        for label, box, area, crowd, difficult, ignore in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _truths(found: Annotations, on_problem: OnProblem) -> tuple[GroundTruth, ...]:
    _report_unusable(found, on_problem)
    rows = np.flatnonzero(found.usable)
    rows = rows[np.argsort(found.image_indices[rows], kind="stable")]
    crowd, ignore, difficult = (_flags(found, key, rows, on_problem) for key in ("iscrowd", "ignore", "difficult"))
    xywh, boxes, labels = found.xywh[rows], found.boxes[rows], found.labels[rows]
    areas = _areas(found, rows, on_problem)
    parts = slices_of(found.image_indices[rows], len(found.images.names))
    return tuple(
        GroundTruth(
            *(file, *size, boxes[part], labels[part].astype(np.str_)),
            difficult=np.zeros(len(boxes[part]), np.bool_),
            crowd=crowd[part],
            ignore=ignore[part] | difficult[part],
            areas=areas[part],
            xywh=xywh[part],
        )
        for file, size, part in zip(found.images.names, found.images.sizes, parts, strict=True)
    )


def _report_unusable(found: Annotations, on_problem: OnProblem) -> None:
    """Each problem; of minor ones, which may be most of a file, the first of a kind and how many there are."""
    minor: list[Problem] = []
    for row in np.flatnonzero(~found.usable).tolist():
        problem = found.problem(row)
        if problem is not None and problem.minor:
            minor.append(problem)
        elif problem is not None:
            on_problem(problem)
    # The one id by which COCO's own code gives another number; here an annotation's id has no meaning.
    zero, what = "annotation with the id 0", "counts as any other; COCO's own code never has it found"
    ids = map(id_text, found.column("id"))
    minor += [Problem(zero, found.where(row), what, minor=True) for row, text in enumerate(ids) if text == "0"]
    for problem in counted_by_kind(minor):
        on_problem(problem)


def _areas(found: Annotations, rows: NDArray[np.intp], on_problem: OnProblem) -> NDArray[np.float64]:
    values = [found.entries[row].get("area") for row in rows]
    stated = np.array([value is not None for value in values], dtype=np.bool_)
    areas, of_boxes = numbers([0 if value is None else value for value in values]), box_area(found.boxes[rows])
    for i in np.flatnonzero(stated & ~(areas >= 0)).tolist():  # NaN is not
        what, fix = f"area is {shown(values[i])}: need a number from 0 on", "the box's is taken"
        on_problem(Problem("area that is none", found.where(int(rows[i])), what, fix, minor=True))
        areas[i] = of_boxes[i]
    return np.where(stated, areas, of_boxes)


def _flags(found: Annotations, key: str, rows: NDArray[np.intp], on_problem: OnProblem) -> NDArray[np.bool_]:
    flags = np.zeros(len(rows), np.bool_)
    for i, row in enumerate(rows.tolist()):
        if value := found.entries[row].get(key):  # few are set, or text
            flags[i] = read_flag(value, key, found.where(row), on_problem)
    return flags


def classes_of(entries: Sequence[Any], found: Annotations, on_problem: OnProblem) -> dict[str, str]:
    """The ids of the classes by their names, in the order of the ids; other categories are minor problems."""
    categories = found.categories
    counts = np.bincount(found.category_indices[found.usable], minlength=len(categories.ids)).tolist()
    roots = _roots(entries, categories)
    chosen: dict[str, int] = {}
    # The first of those with most objects; without any the first that is no root.
    for index in sorted(range(len(categories.ids)), key=lambda index: (-counts[index], roots[index], index)):
        name, where = categories.names[index], f"{found.path}: category {categories.ids[index]}"
        if name in chosen:
            what = f"is {shown(name)}, as category {categories.ids[chosen[name]]} is; they are one class"
            fix = "results of this id are left out, as if it were unknown"
            on_problem(Problem("category with the name of another", where, what, fix, minor=True))
        elif roots[index] and not counts[index]:
            what = f"is {shown(name)}, has no objects, and is the supercategory of others: it is no class"
            on_problem(Problem("category that is only a group of others", where, what, minor=True))
        else:
            chosen[name] = index
    return {categories.names[index]: categories.ids[index] for index in sorted(chosen.values())}


def _roots(entries: Sequence[Any], categories: Named) -> list[bool]:
    groups = {id_text(entry.get("id")): entry.get("supercategory") for entry in as_dicts(entries)}
    used = {group for group in groups.values() if isinstance(group, str)} - {*_NO_GROUP}
    return [
        name in used and groups.get(own) in _NO_GROUP
        for own, name in zip(categories.ids, categories.names, strict=True)
    ]
