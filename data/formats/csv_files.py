"""CSV files with a row a box, as tools write them: how cells are separated, and which column is what.

Cells are separated by commas, semicolons, tabs or bars. The first line names the columns, in any order and in the words
of several tools, whatever their case and signs: `filename,class,xmin` of TensorFlow and Roboflow are `file,label,x1`.
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..datasets.annotated_objects import CORNERS
from ..diagnostics import OnProblem, Problem
from ..errors import DataError
from ..files.text_files import read_text
from ..values import number_of, shown

# What tools call a column, without signs; of several that a table has the first here.
_SPELLINGS: dict[str, tuple[str, ...]] = {
    "file": (
        *("file", "filename", "filepath", "imagefile", "imagefilename", "imagename", "imagepath", "path"),
        *("image", "imageid", "img", "imgname", "imgpath"),
    ),
    # A name goes before what may be a number: tables of detectors often have both.
    "label": ("labelname", "classname", "categoryname", "label", "class", "category"),
    "x1": ("x1", "xmin", "bboxxmin", "bboxx1", "left"),
    "y1": ("y1", "ymin", "bboxymin", "bboxy1", "top"),
    "x2": ("x2", "xmax", "bboxxmax", "bboxx2", "right"),
    "y2": ("y2", "ymax", "bboxymax", "bboxy2", "bottom"),
    "score": ("score", "confidence", "conf", "probability", "prob"),
    "width": ("width", "imagewidth", "imgwidth"),
    "height": ("height", "imageheight", "imgheight"),
    "difficult": ("difficult", "isdifficult"),
    "crowd": ("crowd", "iscrowd"),
    "truncated": ("truncated", "istruncated"),
    "area": ("area",),
}
# Columns of tables that do not have a row for each box with its corners, and what to do about them.
_OTHER_TABLES = {
    "regionshapeattributes": "is VIA's table, which has JSON in its cells: export the annotations as COCO there",
    "predictionstring": "has all boxes of an image in one cell (PredictionString): write a row for each box",
    "bbox": "has the box in one cell (bbox): write its corners in columns of their own",
}
_SEPARATORS = ",;\t|"
_EXCEL = re.compile(r'"?sep=[^\n]"?\r?\n', re.IGNORECASE)  # a first line that names the separator to Excel


@dataclass(frozen=True)
class Table:
    """The rows of a CSV file, and the indices of its columns."""

    path: Path
    columns: Mapping[str, int]  # their indices, by this package's names for them
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]  # of the file, where the rows end
    is_ours: bool  # boxes are in the columns that this package writes

    def where(self, row: int) -> str:
        return f"{self.path}: line {self.lines[row]}"

    def column(self, name: str) -> list[str]:
        index = self.columns[name]
        return [cells[index] for cells in self.rows]

    def entry(self, row: int) -> dict[str, str]:
        cells = self.rows[row]
        return {name: cells[index] for name, index in self.columns.items()}


def read_table(path: Path, needed: Sequence[str], on_problem: OnProblem) -> Table:
    """The rows of a CSV file that has at least the columns `needed`; empty rows are left out."""
    text = read_text(path)
    skipped = _EXCEL.match(text)
    text = text[skipped.end() :] if skipped else text
    separator = max(_SEPARATORS, key=lambda each: len(_columns(_header(text, each)).keys() & {*needed}))
    header = _header(text, separator)
    columns = _checked_columns(header, needed, path)
    rows: list[list[str]] = []
    lines: list[int] = []
    for row, line in _rows_below(text, separator, header, path):
        line += bool(skipped)
        # What is behind the last column is empty where each line ends with a separator.
        if len(row) < len(header) or any(row[len(header) :]):
            what = f"has {len(row)} cells where the first line has {len(header)}"
            on_problem(Problem("row of another length", f"{path}: line {line}", what, "correct the row"))
        else:
            rows.append(row)
            lines.append(line)
    return Table(path, columns, rows, lines, is_ours=all(name in header for name in CORNERS))


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    plain = csv.writer(text, lineterminator="\n")
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    plain.writerow(header)
    for row in rows:
        # Not every version of Python quotes a lone carriage return, and none reads it back unquoted.
        hard = any(isinstance(cell, str) and "\r" in cell for cell in row)
        (quoted if hard else plain).writerow(row)
    return text.getvalue()


def _header(text: str, separator: str) -> list[str]:
    try:
        return next(filter(any, csv.reader(io.StringIO(text, newline=""), delimiter=separator)), [])
    except csv.Error:
        return []


def _rows_below(text: str, separator: str, header: Sequence[str], path: Path) -> Iterator[tuple[list[str], int]]:
    """The rows below the header that have anything in them, each with the line where it ends."""
    # Whoever puts a space behind each separator does so in the first line too; else it is part of a name.
    spaced = any(name.startswith(" ") for name in header)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=spaced)
    try:
        next(filter(any, reader))
        for row in reader:
            if any(row):
                yield row, reader.line_num
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} cannot be read as CSV ({error}); export it again") from error


def _columns(header: Sequence[str]) -> dict[str, int]:
    plain = list(map(_plain, header))
    found = {name: next((each for each in known if each in plain), None) for name, known in _SPELLINGS.items()}
    return {name: plain.index(spelling) for name, spelling in found.items() if spelling is not None}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _checked_columns(header: Sequence[str], needed: Sequence[str], path: Path) -> dict[str, int]:
    columns = _columns(header)
    if missing := [name for name in needed if name not in columns]:
        if len(missing) > 2 and (form := _form_of_data(header, needed)):
            what = f"its first line is {shown(header)}, which is a row and names no columns"
            raise DataError(f"{path}: {what}; write {form} above it")
        other = next((_OTHER_TABLES[name] for name in map(_plain, header) if name in _OTHER_TABLES), None)
        what = other or f"has no column {missing[0]!r}, its first line is {shown(','.join(header))}"
        raise DataError(f"{path}: {what}; the first line must name {','.join(needed)}")
    plain = [name.strip().casefold() for name in header]
    if any(plain.count(plain[index]) > 1 for index in columns.values()):
        raise DataError(f"{path}: names two columns alike in its first line; rename one of them")
    return columns


def _form_of_data(cells: Sequence[str], needed: Sequence[str]) -> str:
    """The line that names the columns of a row: texts and numbers in their order; none where it is no such row."""
    numbers = [name for name in needed if name not in ("file", "label")]
    if "score" in numbers:  # behind the box in most files without names
        numbers = [*CORNERS, "score"]
    of_texts, of_numbers = iter(("file", "label")), iter(numbers)
    form = [next(of_texts if math.isnan(number_of(cell)) else of_numbers, "") for cell in cells]
    return ",".join(form) if {*form} == {*needed} else ""
