"""Annotations and detections in plain tables: a CSV file with a row an object, JSON lines with an image each.

A CSV file has a header (`csv_files.py`). Annotations need `file,label,x1,y1,x2,y2`, detections a `score` too; both may
have `width,height`, annotations also the other columns of an object of a JSON line. A row with a name and nothing else
is an image without objects.

A JSON line of annotations is `{"file", "width", "height", "objects": [{"label", "box": [x1, y1, x2, y2]}]}`; an object
may have `difficult`, `crowd`, `ignore`, `truncated` and `area`. A size that is not given is that of the file, as
stored.

Boxes are as in this package, whatever the columns are called: TensorFlow's own scripts divide `xmin` and `xmax` by the
width, so that they too are edges of pixels counted from 0. Fractions of the size, as Open Images has them, are refused.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..boxes import Boxes, Size, box_area
from ..class_names import checked_name
from ..datasets.annotated_objects import (
    CORNERS,
    FLAGS,
    AnnotatedObject,
    TruthsByFile,
    checked_box,
    checked_label,
    checked_number,
    read_flag,
    read_size,
)
from ..datasets.dataset import Dataset
from ..detections_by_image import images_from_columns
from ..diagnostics import OnProblem, Problem, Unusable, refuse, skipping
from ..files.atomic import write_atomically
from ..files.text_files import numbered_lines
from ..records import GroundTruth, ImageDetections
from ..values import number_of, shown
from .csv_files import Table, csv_text, read_table


def read_csv_truth(path: str | Path, images: str | Path, on_problem: OnProblem = refuse) -> Dataset:
    """Read annotations from a CSV file; `images` is the folder of the image files."""
    path, truths = Path(path), TruthsByFile(Path(images))
    table = read_table(path, ("file", "label", *CORNERS), on_problem)
    boxes: list[list[float]] = []
    for number in range(len(table.rows)):
        row, where = table.entry(number), table.where(number)
        with skipping(on_problem):
            file, size = truths.file(row["file"], where), _size(row, where, on_problem)
            truths.add(file, size, [], where)
            if any(row[name] for name in ("label", *CORNERS)):
                found = _object(row, [row[name] for name in CORNERS], where, on_problem)
                truths.add(file, size, [found], where)
                boxes.append(found.box)
    _check_pixels(np.array(boxes, dtype=np.float64).reshape(-1, 4), table, on_problem)
    return truths.dataset(path.stem)


def read_jsonl_truth(path: str | Path, images: str | Path, on_problem: OnProblem = refuse) -> Dataset:
    """Read annotations from JSON lines; `images` is the folder of the image files."""
    path, truths = Path(path), TruthsByFile(Path(images))
    for where, line in numbered_lines(path):
        with skipping(on_problem):
            record = _record(line, where)
            file, size = truths.file(record.get("file"), where), _size(record, where, on_problem)
            truths.add(file, size, list(_objects(record["objects"], where, on_problem)), where)
    return truths.dataset(path.stem)


def write_csv_truth(data: Dataset, path: str | Path) -> None:
    """Write annotations as a CSV file, other flags and areas if there are any; what is to be ignored is difficult."""
    rows: list[list[Any]] = []
    flags = [name for name in ("crowd", "truncated") if any(getattr(truth, name).any() for truth in data.images)]
    has_areas = any((truth.areas != box_area(truth.boxes)).any() for truth in data.images)
    header = ["file", "label", *CORNERS, "width", "height", "difficult", *flags, *["area"] * has_areas]
    for truth in data.images:
        size = [truth.width or "", truth.height or ""]
        columns = [truth.difficult | truth.ignore, *(getattr(truth, name) for name in flags)]
        more = np.stack([column.astype(int) for column in columns], axis=1).tolist()
        for i, (label, box) in enumerate(zip(truth.labels.tolist(), truth.boxes.tolist(), strict=True)):
            area = [float(truth.areas[i])] if has_areas else []
            rows.append([truth.file, checked_name(label, truth.file), *box, *size, *more[i], *area])
        if not len(truth):
            rows.append([truth.file, *[""] * 5, *size, *[""] * (len(header) - 8)])
    write_atomically(path, csv_text(header, rows))


def write_jsonl_truth(data: Dataset, path: str | Path) -> None:
    """Write annotations as JSON lines; `read_jsonl_truth` gives the same images back."""
    write_atomically(path, "".join(json.dumps(_to_record(truth)) + "\n" for truth in data.images))


def read_csv_predictions(path: str | Path, on_problem: OnProblem = refuse) -> list[ImageDetections]:
    """Read detections from a CSV file, images in the order of their first rows; sizes are 0 where none are given."""
    table = read_table(Path(path), ("file", "label", "score", *CORNERS), refuse)
    files, labels, sizes = table.column("file"), table.column("label"), _predicted_sizes(table, on_problem)
    indices = {file: index for index, file in enumerate(sizes)}
    about = [table.columns[name] for name in ("label", "score", *CORNERS)]
    filled = [row for row, cells in enumerate(table.rows) if any(cells[column] for column in about)]
    boxes = np.stack([_numbers(table, name, filled) for name in CORNERS], axis=1)
    _check_pixels(boxes, table, on_problem)
    return images_from_columns(
        *(list(sizes), list(sizes.values())),
        np.array([indices[files[row]] for row in filled], dtype=np.int64),
        boxes,
        np.array([labels[row] for row in filled], dtype=object),  # as text, one long label would widen all
        _numbers(table, "score", filled),
        owner=path,
        on_problem=on_problem,
    )


def _check_pixels(boxes: Boxes, table: Table, on_problem: OnProblem) -> None:
    """Refuse boxes that are all normalised by the image's size: as pixels none would be larger than one."""
    if len(boxes) and boxes.min() >= 0 and boxes.max() <= 1 and (boxes % 1).any():
        what = "all its boxes lie within 0 and 1: need pixels, not fractions of the image's size"
        fix = "multiply them by width and height"
        # Our own columns are in pixels by definition.
        on_problem(Problem("boxes within 0 and 1", str(table.path), what, fix, minor=table.is_ours))


def _numbers(table: Table, name: str, rows: Sequence[int]) -> NDArray[np.float64]:
    column = table.columns[name]
    texts = [table.rows[row][column] for row in rows]
    try:
        values = np.array(list(map(float, texts)), dtype=np.float64)
    except ValueError:
        values = np.array(list(map(number_of, texts)), dtype=np.float64)
    for unreadable in np.flatnonzero(~np.isfinite(values)).tolist():
        checked_number(texts[unreadable], name, table.where(rows[unreadable]))
    return values


def _predicted_sizes(table: Table, on_problem: OnProblem) -> dict[str, Size]:
    sizes: dict[str, Size] = dict.fromkeys(table.column("file"), (0, 0))
    if {"width", "height"} <= table.columns.keys():
        columns = (table.column(name) for name in ("file", "width", "height"))
        for row, (file, width, height) in enumerate(zip(*columns, strict=True)):
            sizes[file] = read_size(width, height, table.where(row), on_problem)
    return sizes


def _record(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unusable("line that is not JSON", where, f"is not JSON ({error})", "write the line anew") from None
    if not isinstance(record, dict) or not isinstance(record.get("objects"), list):
        what = f"is {shown(record)}: need an object with file, width, height and a list of objects"
        raise Unusable("line that is no image", where, what)
    return record


def _objects(entries: Sequence[Any], where: str, on_problem: OnProblem) -> Iterator[AnnotatedObject]:
    for number, entry in enumerate(entries, 1):
        with skipping(on_problem):
            box = entry.get("box") if isinstance(entry, dict) else None
            if not isinstance(box, list) or len(box) != 4:
                what = f"is {shown(entry)}: need a label and a box of four numbers"
                raise Unusable("object without a box", f"{where}: object {number}", what)
            yield _object(entry, box, f"{where}: object {number}", on_problem)


def _object(entry: Mapping[str, Any], corners: Sequence[Any], where: str, on_problem: OnProblem) -> AnnotatedObject:
    label = checked_label(entry.get("label"), where)
    where = f"{where} ({label[:80]})"
    box = [checked_number(value, name, where) for name, value in zip(CORNERS, corners, strict=True)]
    flags = {name: read_flag(entry.get(name), name, where, on_problem) for name in FLAGS}
    return AnnotatedObject(label, checked_box(box, where), **flags, area=_area(entry.get("area"), where, on_problem))


def _area(value: Any, where: str, on_problem: OnProblem) -> float | None:
    area = None if value in (None, "") else number_of(value)
    if area is None or area >= 0:
        return area
    what = f"area is {shown(value)}: need a number of square pixels"
    on_problem(Problem("area that is none", where, what, "the box's is taken", minor=True))
    return None


def _size(entry: Mapping[str, Any], where: str, on_problem: OnProblem) -> Size:
    return read_size(entry.get("width"), entry.get("height"), where, on_problem)


def _to_record(truth: GroundTruth) -> dict[str, Any]:
    flags = {name: getattr(truth, name).tolist() for name in FLAGS}
    own_areas = truth.areas != box_area(truth.boxes)
    objects = [
        {"label": checked_name(label, truth.file), "box": box}
        | {name: True for name, column in flags.items() if column[row]}
        | ({"area": float(truth.areas[row])} if own_areas[row] else {})
        for row, (label, box) in enumerate(zip(truth.labels.tolist(), truth.boxes.tolist(), strict=True))
    ]
    return {"file": truth.file, "width": truth.width, "height": truth.height, "objects": objects}
