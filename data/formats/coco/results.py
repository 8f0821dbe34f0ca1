"""Detections in COCO's two forms: a whole file whose annotations have scores, and the bare list of results.

The list, `[{"image_id", "category_id", "bbox", "score"}]`, has only ids, which are those of the data set that
is evaluated. For a YOLO data set, which has none, Ultralytics' tools write images' names and classes' numbers.
https://cocodataset.org/#format-results
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, NoReturn

import numpy as np

from ...class_names import counted
from ...datasets.dataset import Dataset
from ...detections_by_image import images_from_columns
from ...diagnostics import OnProblem, counted_by_kind, refuse
from ...errors import DataError
from ...records import ImageDetections
from ...values import numbers, shown
from .columns import (
    Annotations,
    Named,
    as_dicts,
    entries_of,
    id_text,
    read_annotations,
    read_category_entries,
    read_images,
)


def coco_predictions(content: Any, path: Path, on_problem: OnProblem = refuse) -> list[ImageDetections]:
    """The images of a whole COCO file with scores, in the file's order."""
    images = read_images(content, path, None, refuse)
    categories = read_category_entries(content, path, refuse)
    found = read_annotations(entries_of(content, "annotations", path), path, images, categories)
    results = _collected(found, on_problem)
    return [results[index] for index in _file_order(content["images"], images)]


def coco_list_predictions(
    entries: list[Any], path: Path, data: Dataset | None, on_problem: OnProblem = refuse
) -> list[ImageDetections]:
    """The images of a bare list of results that have some, in the order of the data set, whose ids they use."""
    has_ids = data is not None and (data.class_ids if data.image_ids else data.class_ids == counted(data.classes))
    if data is None or not data.images or not has_ids:
        raise DataError(
            f"{path}: is a bare list of COCO results, which names neither images nor classes; evaluate it with "
            "--data coco:FILE.json:IMAGES or yolo:FILE.yaml:SPLIT, or give the full file with images, categories and "
            "scored annotations"
        )
    files, sizes = zip(*((truth.file, truth.size) for truth in data.images), strict=True)
    images = Named("image", data.image_ids or files, files, _stems(files) | _indices(data.image_ids), sizes)
    class_ids = data.class_ids if data.image_ids else _class_ids(entries, len(data.classes), path)
    categories = Named("category", class_ids, data.classes, _indices(class_ids))
    found = read_annotations(entries, path, images, categories)
    if entries and not any("category_id" in entry for entry in found.entries):
        raise DataError(f"{path}: no entry has a category_id: need results as [image_id, category_id, bbox, score]")
    return [image for image in _collected(found, on_problem) if len(image.detections)]


def category_names(content: Any, path: Path) -> tuple[str, ...]:
    """The classes of a whole COCO file, each once, in the file's order."""
    entries = entries_of(content, "categories", path)
    categories = read_category_entries(content, path, refuse)
    return tuple(dict.fromkeys(categories.names[index] for index in _file_order(entries, categories)))


def _indices(ids: Sequence[str]) -> dict[str, int]:
    return {text: index for index, text in enumerate(ids)}


def _stems(files: Sequence[str]) -> dict[str, int]:
    """The indices of images by what Ultralytics' tools write as their ids: the name, as a number where it is one."""
    stems = [PurePath(file).stem for file in files]
    as_numbers = [str(int(stem)) if stem.isdecimal() and stem.isascii() else stem for stem in stems]
    return _indices(as_numbers) | _indices(stems) | _indices(files)


def _class_ids(entries: Sequence[Any], num_classes: int, path: Path) -> tuple[str, ...]:
    """The ids of a YOLO data set's classes in results, which count from 0 or, from newer tools, from 1."""
    ids = {id_text(entry.get("category_id")) for entry in as_dicts(entries)}
    from_0, from_1 = (tuple(map(str, range(first, first + num_classes))) for first in (0, 1))
    if entries and from_0[0] not in ids and from_1[-1] not in ids:
        raise DataError(
            f"{path}: no category_id is {from_0[0]} or {from_1[-1]}, so they may count the {num_classes} classes from "
            "0 or from 1; evaluate YOLO's files of boxes (save_txt, save_conf) or the full file with categories"
        )
    return from_1 if from_1[-1] in ids and from_0[0] not in ids else from_0


def _file_order(entries: Sequence[Any], named: Named) -> list[int]:
    return [named.indices[text] for entry in entries if (text := id_text(entry["id"])) is not None]


def _collected(found: Annotations, on_problem: OnProblem) -> list[ImageDetections]:
    """The images with their results; those of unknown images and categories are left out and counted."""
    scores, known = numbers(found.column("score")), found.known
    readable = np.isfinite(scores) & np.isfinite(found.xywh).all(axis=1)
    if not readable[known].all():
        _refuse(found, int(np.flatnonzero(known & ~readable)[0]))
    for problem in counted_by_kind(filter(None, map(found.problem, np.flatnonzero(~known).tolist()))):
        on_problem(replace(problem, kind=problem.kind.replace("annotation", "result"), minor=True))
    rows = np.flatnonzero(known)
    return images_from_columns(
        *(found.images.names, found.images.sizes),
        *(found.image_indices[rows], found.boxes[rows], found.labels[rows], scores[rows]),
        xywh=found.xywh[rows],
        owner=found.path,
        on_problem=on_problem,
    )


def _refuse(found: Annotations, row: int) -> NoReturn:
    entry, where = found.entries[row], found.where(row)
    if np.isnan(found.xywh[row]).any() and (problem := found.problem(row)):
        raise DataError(str(problem))
    if "score" not in entry:
        raise DataError(f"{where}: lacks 'score'; this looks like ground truth, not predictions")
    raise DataError(f"{where}: score is {shown(entry['score'])}: need a number")
