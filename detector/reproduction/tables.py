"""Measured rows as Markdown, CSV and one HTML page."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...data.files.atomic import write_atomically
from ...data.terminal import printable
from .experiment import Measured
from .published import DIFFERENCES
from .stage_images import StageImage

MEANINGS = {
    "Proposals": "The share of the objects that some box covers, and what the boxes cost (the paper's section 8).",
    "Detection": "Mean average precision of all detections from a score of .001 on.",
    "Classification": "Errors by the mean over an image's crops and over the networks (the paper's Table 3).",
}


@dataclass(frozen=True)
class Reproduction:
    """What a run measured, and on what."""

    facts: Mapping[str, str]
    rows: Sequence[Measured]
    stages: Sequence[StageImage] = field(default=())

    def tables(self) -> dict[str, list[Measured]]:
        """The rows of each table, in order."""
        found: dict[str, list[Measured]] = {}
        for row in self.rows:
            found.setdefault(row.table, []).append(row)
        return found


def write_tables(reproduction: Reproduction, folder: Path) -> None:
    """Write `reproduction.md`, `reproduction.csv` and `reproduction.html`."""
    write_atomically(folder / "reproduction.md", format_markdown(reproduction))
    write_atomically(folder / "reproduction.csv", format_csv(reproduction))
    write_atomically(folder / "reproduction.html", render_html(reproduction))


def format_markdown(reproduction: Reproduction) -> str:
    """The tables as Markdown, the published numbers in the last column."""
    lines = ["# The paper's tables on the data at hand", ""]
    lines += [f"- {name}: {value}" for name, value in reproduction.facts.items()]
    for table, rows in reproduction.tables().items():
        columns = columns_of(rows)
        heading = ["", *columns, "published"]
        lines += ["", f"## {table}", "", MEANINGS[table], "", _line(heading), _line(["---"] * len(heading))]
        lines += [_line([row.name, *(cell(row.values.get(name)) for name in columns), row.published]) for row in rows]
    lines += ["", "## What differs", "", *(f"- {each}" for each in DIFFERENCES)]
    return "\n".join(lines) + "\n"


def format_csv(reproduction: Reproduction) -> str:
    """A line for each value."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["table", "row", "column", "value", "published"])
    for row in reproduction.rows:
        writer.writerows([row.table, row.name, name, value, row.published] for name, value in row.values.items())
    return stream.getvalue()


def render_html(reproduction: Reproduction) -> str:
    """One page that needs nothing from anywhere else; names are escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"cell": cell, "columns_of": columns_of}
    return environment.get_template("reproduction.html").render(
        reproduction=reproduction, meanings=MEANINGS, differences=DIFFERENCES
    )


def columns_of(rows: Sequence[Measured]) -> list[str]:
    """The columns that any of the rows has, in the order of their first row."""
    return list(dict.fromkeys(name for row in rows for name in row.values))


def cell(value: Any) -> str:
    """A value as a table shows it.

    >>> cell(0.7391), cell(1402.0), cell(100), cell(None)
    ('.739', '1402', '100', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}".lstrip("0") if abs(value) < 1 else f"{value:.2f}" if value < 100 else f"{value:.0f}"
    return str(value)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(printable(each).replace('|', chr(92) + '|') for each in cells)} |"
