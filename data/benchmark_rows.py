"""A benchmark's rows, dataclasses of one kind, as a table for a terminal and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def rows_to_json(rows: "Sequence[DataclassInstance]") -> str:
    """The rows as a JSON list of objects."""
    return json.dumps([asdict(row) for row in rows], indent=1) + "\n"


def format_rows(rows: "Sequence[DataclassInstance]") -> str:
    """The rows as a table, with a line of their fields' names above; what a row does not have is a dash."""
    lines = [[field.name for field in fields(rows[0])]] if rows else []
    lines += [[_cell(value) for value in asdict(row).values()] for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]) if lines else 0)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
