"""Rows of a table, each measured once: what was measured before is read back, by a hash of all that decides it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...data.errors import DataError
from ...data.files.atomic import write_atomically
from ...data.files.json_files import load_json
from ...data.stores.proposal_store import hash_of

Values = dict[str, float | str | None]  # by column


@dataclass(frozen=True)
class Row:
    """A row to measure."""

    table: str
    name: str
    facts: Sequence[object]  # all that decides the values
    measure: Callable[[Path], Values]  # takes a folder of its own, in which it may go on after an interruption
    published: str = ""  # what a paper reports of the like

    @property
    def key(self) -> str:
        return hash_of(self.table, self.name, *self.facts)


@dataclass(frozen=True)
class Measured:
    """A row with its values."""

    table: str
    name: str
    values: Mapping[str, Any]
    published: str


def measured(row: Row, folder: Path) -> tuple[Measured, bool]:
    """The row's values, and whether they were there already."""
    own = folder / row.key
    path, was_there = own / "row.json", True
    try:
        values = load_json(path)
        if not isinstance(values, dict):
            raise DataError(f"{path} is no row")
    except DataError:
        was_there = False
        values = row.measure(own)
        write_atomically(path, json.dumps(values) + "\n")
    return Measured(row.table, row.name, values, row.published), was_there
