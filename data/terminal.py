"""Text for a terminal: names made safe to show, as users' files may hold anything, and tables."""

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def printable(text: str) -> str:
    """The text with whatever could move a cursor, or cannot be encoded, as an escape.

    >>> printable("cat\\x1b[2J")
    'cat\\\\x1b[2J'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def num_cells(text: str) -> int:
    """How many columns of a terminal the text takes.

    >>> num_cells("cat"), num_cells("猫")
    (3, 2)
    """
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def format_columns(rows: Sequence[Sequence[str]], *, align: str = ">") -> list[str]:
    """Rows of equally many cells as the lines of a table, the first column to the left, the others as `align` says.

    >>> format_columns([["class", "AP"], ["cat", "0.5"]])
    ['class   AP', 'cat    0.5']
    """
    widths = [max(map(num_cells, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(_padded, row, widths, "<" + align * len(row))).rstrip() for row in rows]


def _padded(cell: str, width: int, align: str) -> str:
    space = " " * (width - num_cells(cell))
    return space + cell if align == ">" else cell + space


def rows_to_json(rows: "Sequence[DataclassInstance]") -> str:
    """A benchmark's rows, dataclasses of one kind, as a JSON list of objects."""
    return json.dumps([asdict(row) for row in rows], indent=1) + "\n"


def format_rows(rows: "Sequence[DataclassInstance]") -> str:
    """The same as a table under the fields' names; None is a dash."""
    lines = [[field.name for field in fields(row)] for row in rows[:1]]
    lines += [[_cell(value) for value in asdict(row).values()] for row in rows]
    return "\n".join(format_columns(lines, align="<"))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
