"""Annotations and detections in plain tables: a CSV file with a row an object, JSON lines with a picture each.

A CSV file has a header; its columns may come in any order. Annotations need `file,label,x1,y1,x2,y2` and may have
`width,height,difficult`, and the other columns that an object of a JSON line may have; a row with an empty label is a
picture without objects. Detections need `file,label,score,x1,y1,x2,y2` and may have `width,height`.

A JSON line of annotations is `{"file", "width", "height", "objects": [{"label", "box": [x1, y1, x2, y2]}]}`; an object
may have `difficult`, `crowd`, `truncated` and `area`. Boxes are as in this package. Where a size is not given it is
that of the picture's file, as stored; 0 where that is not there.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .boxes import box_area
from .class_names import checked_name
from .dataset import Dataset, names_seen
from .errors import DataError
from .files import write_atomically
from .gathering import gather_pictures
from .json_files import shown
from .objects import (
    AnnotatedObject,
    Unusable,
    checked_box,
    checked_flag,
    checked_label,
    checked_number,
    checked_side,
    to_truth,
)
from .picture_files import Size, picture_name, size_if_there
from .problems import OnProblem, Problem, refuse
from .records import GroundTruth, Picture
from .text_files import read_text

_CORNERS = ("x1", "y1", "x2", "y2")
_FLAGS = ("difficult", "crowd", "truncated")


class _Gathering(dict[str, tuple[Size, list[AnnotatedObject]]]):
    """What has been read so far: by file a picture's size and objects."""

    def add(self, file: str, size: Size, objects: Sequence[AnnotatedObject], where: str) -> None:
        """Add objects to a picture; a size of 0 says nothing, two different ones are a problem."""
        before, gathered = self.get(file, ((0, 0), []))
        if (0, 0) not in (size, before) and size != before:
            what = f"{file!r} is {size[0]} x {size[1]} here and {before[0]} x {before[1]} before"
            raise Unusable("picture with two sizes", where, what, "correct the size")
        gathered.extend(objects)
        self[file] = (max(size, before), gathered)


@dataclass(frozen=True)
class _Table:
    """The rows of a CSV file, all as long as its header."""

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]  # of the file, where the rows end

    def where(self, row: int) -> str:
        return f"{self.path}: line {self.lines[row]}"

    def columns(self) -> dict[str, Sequence[str]]:
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.header)
        return dict(zip(self.header, columns, strict=True))


def read_csv_truth(path: str | Path, images: str | Path, on_problem: OnProblem = refuse) -> Dataset:
    """Read annotations from a CSV file; `images` is the folder of the picture files."""
    path, folder = Path(path), Path(images)
    table, gathering = _read_table(path, ("file", "label", *_CORNERS), on_problem), _Gathering()
    for number, cells in enumerate(table.rows):
        row, where = dict(zip(table.header, cells, strict=True)), table.where(number)
        try:
            file, size = _file(row, folder, where), _size(row, where)
            gathering.add(file, size, [], where)
            if any(row[name] for name in ("label", *_CORNERS)):
                gathering.add(file, size, [_object(row, [row[name] for name in _CORNERS], where)], where)
        except Unusable as unusable:
            on_problem(unusable.problem)
    return _dataset(path, folder, gathering)


def read_jsonl_truth(path: str | Path, images: str | Path, on_problem: OnProblem = refuse) -> Dataset:
    """Read annotations from JSON lines; `images` is the folder of the picture files."""
    path, folder, gathering = Path(path), Path(images), _Gathering()
    for number, line in enumerate(read_text(path).split("\n"), 1):  # splitlines() breaks at what JSON may hold
        if line.strip():
            where = f"{path}: line {number}"
            try:
                record = _record(line, where)
                file, size = _file(record, folder, where), _size(record, where)
                gathering.add(file, size, list(_objects(record["objects"], where, on_problem)), where)
            except Unusable as unusable:
                on_problem(unusable.problem)
    return _dataset(path, folder, gathering)


def write_csv_truth(data: Dataset, path: str | Path) -> None:
    """Write annotations as a CSV file; `crowd`, `truncated` and areas of their own have no column and are lost."""
    rows: list[list[Any]] = []
    for truth in data.pictures:
        size = [truth.width or "", truth.height or ""]
        columns = (truth.labels.tolist(), truth.boxes.tolist(), truth.difficult.tolist())
        for label, box, difficult in zip(*columns, strict=True):
            rows.append([truth.file, checked_name(label, truth.file), *box, *size, int(difficult)])
        if not len(truth):
            rows.append([truth.file, *[""] * 5, *size, ""])
    write_atomically(path, csv_text(["file", "label", *_CORNERS, "width", "height", "difficult"], rows))


def write_jsonl_truth(data: Dataset, path: str | Path) -> None:
    """Write annotations as JSON lines; `read_jsonl_truth` gives the same pictures back."""
    write_atomically(path, "".join(json.dumps(_to_record(truth)) + "\n" for truth in data.pictures))


def read_csv_predictions(path: str | Path, on_problem: OnProblem = refuse) -> list[Picture]:
    """Read detections from a CSV file, pictures in the order of their first rows; sizes are 0 where none are given."""
    table = _read_table(Path(path), ("file", "label", "score", *_CORNERS), refuse)
    columns = table.columns()
    places = {file: place for place, file in enumerate(dict.fromkeys(columns["file"]))}
    return gather_pictures(
        list(places),
        _predicted_sizes(table, columns, places),
        np.array([places[file] for file in columns["file"]], dtype=np.int64),
        np.stack([_numbers(table, columns, name) for name in _CORNERS], axis=1),
        np.array(columns["label"], dtype=object),  # as text, one long label would widen all
        _numbers(table, columns, "score"),
        owner=path,
        on_problem=on_problem,
    )


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as the text of a CSV file."""
    text = io.StringIO()
    plain = csv.writer(text, lineterminator="\n")
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    plain.writerow(header)
    for row in rows:
        # Not every version of Python quotes a lone carriage return, and none reads it back unquoted.
        hard = any(isinstance(cell, str) and "\r" in cell for cell in row)
        (quoted if hard else plain).writerow(row)
    return text.getvalue()


def _read_table(path: Path, needed: Sequence[str], on_problem: OnProblem) -> _Table:
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    try:
        header = next(reader, [])
        if missing := [name for name in needed if name not in header]:
            raise DataError(f"{path}: has no column {missing[0]!r}; the first line must name {', '.join(needed)}")
        if len(set(header)) < len(header):
            raise DataError(f"{path}: names two columns alike in its first line; rename one of them")
        rows = [(row, reader.line_num) for row in reader if row]
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} cannot be read as CSV ({error}); export it again") from error
    for row, line in rows:
        if len(row) != len(header):
            what = f"has {len(row)} cells where the first line has {len(header)}"
            on_problem(Problem("row of another length", f"{path}: line {line}", what, "correct the row"))
    rows = [(row, line) for row, line in rows if len(row) == len(header)]
    return _Table(path, header, [row for row, _ in rows], [line for _, line in rows])


def _numbers(table: _Table, columns: Mapping[str, Sequence[str]], name: str) -> NDArray[np.float64]:
    """A column of finite numbers."""
    try:
        values = np.array(list(map(float, columns[name])), dtype=np.float64)
    except ValueError:
        values = np.full(1, np.nan)
    if not np.isfinite(values).all():
        for row, text in enumerate(columns[name]):
            try:
                checked_number(text, name, table.where(row))
            except Unusable as unusable:
                refuse(unusable.problem)
    return values


def _predicted_sizes(table: _Table, columns: Mapping[str, Sequence[str]], places: Mapping[str, int]) -> list[Size]:
    sizes: list[Size] = [(0, 0)] * len(places)
    if "width" in columns and "height" in columns:
        stated = zip(columns["file"], columns["width"], columns["height"], strict=True)
        for row, (file, width, height) in enumerate(stated):
            try:
                sizes[places[file]] = _size({"width": width, "height": height}, table.where(row))
            except Unusable as unusable:
                refuse(unusable.problem)
    return sizes


def _record(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unusable("line that is not JSON", where, f"is not JSON ({error})", "write the line anew") from None
    if not isinstance(record, dict) or not isinstance(record.get("objects"), list):
        what = f"is {shown(record)}: need an object with file, width, height and a list of objects"
        raise Unusable("line that is no picture", where, what)
    return record


def _objects(entries: Sequence[Any], where: str, on_problem: OnProblem) -> Iterator[AnnotatedObject]:
    for number, entry in enumerate(entries, 1):
        try:
            box = entry.get("box") if isinstance(entry, dict) else None
            if not isinstance(box, list) or len(box) != 4 or {str} & {*map(type, box)}:
                what = f"is {shown(entry)}: need a label and a box of four numbers"
                raise Unusable("object without a box", f"{where}: object {number}", what)
            yield _object(entry, box, f"{where}: object {number}")
        except Unusable as unusable:
            on_problem(unusable.problem)


def _object(entry: Mapping[str, Any], corners: Sequence[Any], where: str) -> AnnotatedObject:
    label = checked_label(entry.get("label"), where)
    where = f"{where} ({label})"
    box = [checked_number(value, name, where) for name, value in zip(_CORNERS, corners, strict=True)]
    flags = {name: checked_flag(entry.get(name), name, where) for name in _FLAGS}
    area = None if entry.get("area") in (None, "") else checked_number(entry["area"], "area", where)
    return AnnotatedObject(label, checked_box(box, where), **flags, area=area)


def _file(entry: Mapping[str, Any], folder: Path, where: str) -> str:
    file = picture_name(entry.get("file"), folder)
    if file is None:
        what = f"file is {shown(entry.get('file'))}: need a path below {folder}"
        raise Unusable("picture without a usable name", where, what, "correct the name")
    return file


def _size(entry: Mapping[str, Any], where: str) -> Size:
    return checked_side(entry.get("width"), "width", where), checked_side(entry.get("height"), "height", where)


def _dataset(path: Path, folder: Path, gathering: _Gathering) -> Dataset:
    truths = tuple(
        to_truth(file, size if all(size) else size_if_there(folder / file), objects)
        for file, (size, objects) in gathering.items()
    )
    return Dataset(path.stem, names_seen(truths), truths, folder)


def _to_record(truth: GroundTruth) -> dict[str, Any]:
    flags = {name: getattr(truth, name).tolist() for name in _FLAGS}
    own_areas = truth.areas != box_area(truth.boxes)
    objects = [
        {"label": checked_name(label, truth.file), "box": box}
        | {name: True for name, column in flags.items() if column[row]}
        | ({"area": float(truth.areas[row])} if own_areas[row] else {})
        for row, (label, box) in enumerate(zip(truth.labels.tolist(), truth.boxes.tolist(), strict=True))
    ]
    return {"file": truth.file, "width": truth.width, "height": truth.height, "objects": objects}
