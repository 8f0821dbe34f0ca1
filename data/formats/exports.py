"""Detections in the formats that other tools read. Images that failed are left out: only the ledger names them."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..boxes import box_area, half_open_to_inclusive, xyxy_to_xywh
from ..class_names import check_classes
from ..datasets.annotated_objects import CORNERS
from ..datasets.dataset import Dataset
from ..diagnostics import cut
from ..errors import DataError, UsageError
from ..files.atomic import write_atomically
from ..records import ImageDetections
from .coco.annotations import write_coco_file
from .coco.columns import id_of
from .csv_files import csv_text
from .label_studio.tasks import to_regions, to_task
from .yolo.lines import normalised_to_lines, xyxy_to_normalised


def write_coco(images: Iterable[ImageDetections], path: str | Path, classes: Sequence[str]) -> None:
    """Write one full COCO file (images, categories, annotations with a score each): FiftyOne and CVAT open it."""
    category_ids = {name: i for i, name in enumerate(classes, 1)}
    numbered = [(image, number) for number, image in enumerate(_usable(images, classes), 1)]
    rows = [row for image, number in numbered for row in _coco_rows(image, number, category_ids)]
    write_coco_file(path, "Detections by inception-rcnn", numbered, category_ids, rows)


def write_coco_results(images: Iterable[ImageDetections], path: str | Path, data: Dataset) -> None:
    """Write the bare list of results that COCO's evaluation takes, with the ids of a data set that has the images."""
    if not data.image_ids or not data.class_ids:
        raise UsageError(f"{data.name}: has no ids, which results in COCO's form need; give a coco: data set")
    category_ids = dict(zip(data.classes, map(id_of, data.class_ids), strict=True))
    image_ids = {truth.file: id_of(text) for truth, text in zip(data.images, data.image_ids, strict=True)}
    rows = []
    for image in _usable(images, data.classes):
        if image.file not in image_ids:
            raise DataError(f"{image.file}: is not in the data set {data.name}; detect in its images")
        rows.extend(_coco_rows(image, image_ids[image.file], category_ids))
    write_atomically(path, json.dumps(rows) + "\n")


def _coco_rows(image: ImageDetections, image_id: int | str, category_ids: Mapping[str, Any]) -> list[dict[str, Any]]:
    found, same = image.detections, {"image_id": image_id}
    boxes, areas = xyxy_to_xywh(found.boxes).tolist(), box_area(found.boxes).tolist()
    return [
        same | {"category_id": category_ids[label], "bbox": box, "area": area, "iscrowd": 0, "score": score}
        for (_, label, score), box, area in zip(found, boxes, areas, strict=True)
    ]


def write_voc_results(
    images: Iterable[ImageDetections], folder: str | Path, classes: Sequence[str], split: str = "test"
) -> None:
    """Write the devkit's `comp4_det_<split>_<class>.txt` for every class, also where it is empty.

    A line is `id score xmin ymin xmax ymax`, 1-based inclusive, in full precision: rounded scores would make ties.
    """
    images = _usable(images, classes)
    paths = voc_paths([image.file for image in images], classes, split)
    lines: dict[str, list[str]] = {name: [] for name in classes}
    for image, name in zip(images, _names_without_suffix([image.file for image in images]), strict=True):
        boxes = half_open_to_inclusive(image.detections.boxes).tolist()
        for (_, label, score), box in zip(image.detections, boxes, strict=True):
            lines[label].append(" ".join([name, repr(score), *map(repr, box)]) + "\n")
    for name, path in zip(classes, paths, strict=True):
        write_atomically(Path(folder) / path, "".join(lines[name]))


def voc_paths(files: Sequence[str], classes: Sequence[str], split: str = "test") -> list[str]:
    """What `write_voc_results` writes of images of these names; an error where a name does not go."""
    check_class_names(classes)
    if any(c in split for c in "_/\0"):
        raise UsageError(f"split {split!r}: the name of a result file needs one without _ and /")
    if unfit := [name for name in classes if "/" in name]:
        raise UsageError(f"class {cut(unfit[0])!r}: cannot be part of a file's name; rename the class")
    _names_without_suffix(files)
    return [f"comp4_det_{split}_{name}.txt" for name in classes]


def write_csv(images: Iterable[ImageDetections], path: str | Path) -> None:
    """Write one table with a row for each detection: `file, label, score, x1, y1, x2, y2`."""
    rows = [[image.file, label, score, *box] for image in images for box, label, score in image.detections]
    write_atomically(path, csv_text(["file", "label", "score", *CORNERS], rows))


def write_yolo(images: Iterable[ImageDetections], folder: str | Path, classes: Sequence[str]) -> None:
    """Write `labels/<image>.txt` for each image, and `classes.txt` with the names in the order of their numbers.

    A line is `class cx cy w h confidence`, normalised by the image's size; sub-folders are mirrored.
    """
    folder, images = Path(folder), _usable(images, classes)
    numbers = {name: i for i, name in enumerate(classes)}
    *paths, names = yolo_paths([image.file for image in images], classes)
    for image, path in zip(images, paths, strict=True):
        found = image.detections
        boxes = xyxy_to_normalised(found.boxes, image.file, image.size)
        lines = normalised_to_lines(found.labels.tolist(), np.column_stack([boxes, found.scores]), numbers)
        write_atomically(folder / path, lines)
    write_atomically(folder / names, "".join(f"{name}\n" for name in classes))


def yolo_paths(files: Sequence[str], classes: Sequence[str]) -> list[str]:
    """What `write_yolo` writes of images of these names, the list of classes last; an error where names do not go."""
    check_class_names(classes)
    paths: list[str] = []
    taken: dict[str, str] = {}
    for file, name in zip(files, _names_without_suffix(files), strict=True):
        path = "/".join(part for part in PurePosixPath(name).parts if part not in ("/", ".."))
        if not path:
            raise DataError(f"{file!r}: is no name of an image's file; rename the file")
        if (other := taken.setdefault(path, file)) != file:
            raise DataError(f"{other} and {file}: would have one file of labels, {path}.txt; rename one of them")
        paths.append(f"labels/{path}.txt")
    return [*paths, "classes.txt"]


def write_label_studio(
    images: Iterable[ImageDetections], path: str | Path, model_version: str = "inception-rcnn"
) -> None:
    """Write tasks with predictions for Label Studio, which serves the images from its disk by these names."""
    tasks = []
    for image in images:
        if image.error is None:
            found = image.detections
            regions = to_regions(image, found.labels, found.boxes)
            scored = [region | {"score": score} for region, score in zip(regions, found.scores.tolist(), strict=True)]
            tasks.append(to_task(image, "predictions", {"model_version": model_version, "result": scored}))
    write_atomically(path, json.dumps(tasks) + "\n")


def _usable(images: Iterable[ImageDetections], classes: Sequence[str]) -> list[ImageDetections]:
    check_class_names(classes)
    images = [image for image in images if image.error is None]
    for image in images:
        check_classes(image.detections.labels.tolist(), classes, image.file)
    return images


def check_class_names(classes: Sequence[str]) -> None:
    """UsageError where a line of a file cannot hold the name of a class."""
    if unfit := [name for name in classes if any(c in name for c in "\n\r\0")]:
        raise UsageError(f"class {cut(unfit[0])!r}: has a line break or a zero; rename the class")


def _names_without_suffix(files: Sequence[str]) -> list[str]:
    """What line-based formats call each image: its file without the extension, unless that could be another.

    >>> _names_without_suffix(["a.jpg", "b.jpg", "b.jpeg", "b.jpg.jpg"])
    ['a', 'b.jpg', 'b.jpeg', 'b.jpg.jpg']
    """
    for file in files:
        if any(c in file for c in "\n\r\0"):
            what = "this format cannot hold a line break or a zero in a file's name; rename the file"
            raise DataError(f"{cut(file)!r}: {what}")
    stems = {file: os.path.splitext(file)[0] for file in files}
    times = Counter(stems.values())
    return [stem if times[stem := stems[file]] == 1 and stem not in stems else file for file in files]
