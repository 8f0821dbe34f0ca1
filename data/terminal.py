"""What a terminal shows: names made safe, as users' files may hold anything, tables, and progress."""

import json
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Report = Callable[[str], None]  # takes a message or a line of progress
EVERY = 10.0  # seconds between lines
Item = TypeVar("Item")


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


def silent(line: str) -> None:
    """The `report` of who wants no messages."""


class Progress:
    """How many of `total` images are done, at which pace, and when all will be; a context that ends the bar.

    There is a bar where standard error is a terminal and someone wants messages; without, `report` gets lines.
    """

    def __init__(self, what: str, total: int, report: Callable[[str], None]):
        self.what, self.total, self.report = what, total, report
        self.count = 0
        self._begun = self._reported = time.monotonic()
        self._bar: Any = _bar() if sys.stderr.isatty() and report is not silent and total > 1 else None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._bar.add_task(self.what, total=self.total, pace="", note="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def add(self, count: int = 1, note: str = "") -> None:
        """Count images that are done; the `note` stands behind the numbers."""
        self.count += count
        now = time.monotonic()
        if self._bar is not None:
            pace = f"{self.count / max(now - self._begun, 1e-9):.1f} images/s"
            self._bar.update(self._bar.task_ids[0], completed=self.count, pace=pace, note=note)
        elif now - self._reported >= EVERY:
            self._reported = now
            pace = (now - self._begun) / self.count
            left = f"{1 / pace:.2f} images/s, {pace * (self.total - self.count):.0f} s left"
            self.report(f"{self.what}: {self.count}/{self.total} images, {left}{note and f', {note}'}")


def tracked(items: Iterable[Item], what: str, total: int, report: Callable[[str], None]) -> Iterator[Item]:
    """The items, each counted once what is done with it is done."""
    with Progress(what, total, report) as progress:
        for item in items:
            yield item
            progress.add()


def _bar() -> Any:
    """A bar of rich's; what is written to standard error meanwhile stands above it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    texts = (TextColumn("{task.fields[pace]}"), TextColumn("{task.fields[note]}"))
    return Bar(*columns, *texts, console=Console(stderr=True), transient=True)
