"""An evaluation to read: a table for the terminal, `report.json` for programs, `report.html` for people.

Every number stands beside the name of its protocol: the most frequent question about a mAP is which one it is.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..data.files import write_atomically
from .evaluation import ClassEvaluation, Evaluation, Outcome
from .printable import num_cells, pad, printable
from .recall import SIZES, RecallEvaluation
from .recall_plots import COLOURS, recall_plots

_TEMPLATE = Path(__file__).with_name("report.html")
# Enough for a curve as wide as a thumb; a class with 100,000 detections would otherwise make a page of megabytes.
_CURVE_POINTS = 200


def write_report(
    evaluations: Sequence[Evaluation],
    folder: str | Path,
    facts: Mapping[str, Any] | None = None,
    recalls: Sequence[RecallEvaluation] = (),
) -> None:
    """Write `report.json` and `report.html`; `facts` are what else is worth knowing about the run, by name."""
    facts = dict(facts or {})
    content = json.dumps(report_content(evaluations, facts, recalls), indent=1, allow_nan=False)
    write_atomically(Path(folder) / "report.json", content + "\n")
    write_atomically(Path(folder) / "report.html", render_html(evaluations, facts, recalls))


def report_content(
    evaluations: Sequence[Evaluation],
    facts: Mapping[str, Any] | None = None,
    recalls: Sequence[RecallEvaluation] = (),
) -> dict[str, Any]:
    """What `report.json` holds; a number that does not exist is None."""
    return {
        "metrics": {one.metric: _metric_content(one) for one in evaluations},
        **({"proposals": {one.name: _plain(asdict(one)) for one in recalls}} if recalls else {}),
        "run": _plain(dict(facts or {})),
    }


def _metric_content(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "protocol": evaluation.protocol,
        "map": _plain(evaluation.map),
        "per_class": {
            one.name: {
                "ap": _plain(one.ap),
                "positives": one.positives,
                "detections": one.detections,
                **{outcome.name.lower(): count for outcome, count in _count_outcomes(one).items()},
            }
            for one in evaluation.classes
        },
        "without_objects": list(evaluation.without_objects),
        "pictures": len(evaluation.table.truths),
        "failed_pictures": evaluation.table.num_failed,
        "left_out_pictures": evaluation.table.left_out_pictures,
        "left_out_detections": evaluation.table.left_out_detections,
    }


def render_html(
    evaluations: Sequence[Evaluation],
    facts: Mapping[str, Any] | None = None,
    recalls: Sequence[RecallEvaluation] = (),
) -> str:
    """One page that needs nothing from anywhere else; names are escaped."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATE.parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if isinstance(value, str) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = [_row(same_class) for same_class in zip(*(one.classes for one in evaluations), strict=True)]
    return environment.get_template(_TEMPLATE.name).render(
        evaluations=evaluations,
        rows=rows,
        totals=[sum(counts) for counts in zip(*(row["counts"] for row in rows), strict=True)],
        notes=notes(evaluations),
        facts=facts or {},
        recalls=recalls,
        recall_plots=recall_plots(recalls),
        sizes=tuple(SIZES),
        colour=lambda place: COLOURS[place % len(COLOURS)],
        number=format_number,
        short=lambda one: one.protocol.removeprefix("mAP (").removesuffix(")"),
    )


def _row(same_class: Sequence[ClassEvaluation]) -> dict[str, Any]:
    """One class under all protocols; the counts and the curve are those of the first."""
    first = same_class[0]
    curve = curve_points(first)
    return {
        "name": first.name,
        "aps": [one.ap for one in same_class],
        "counts": [first.positives, first.detections, *_count_outcomes(first).values()],
        "curve": " ".join(curve),
        "area": " ".join(_closed(curve)),
    }


def curve_points(one: ClassEvaluation) -> list[str]:
    """The precision-recall curve as `x,y` of an SVG polyline in a square of 100 by 100, recall to the right."""
    steps = np.flatnonzero(one.outcomes == Outcome.TRUE_POSITIVE)  # elsewhere recall stands still
    if not one.positives or not len(steps):
        return []
    picked = steps[np.unique(np.linspace(0, len(steps) - 1, _CURVE_POINTS).astype(int))]
    points = zip(one.recall[picked] * 100, 100 - one.precision[picked] * 100, strict=True)
    return [f"{x:.1f},{y:.1f}" for x, y in points]


def _closed(curve: list[str]) -> list[str]:
    """The curve's points with the corners that make it the upper edge of an area."""
    if not curve:
        return []
    top, right = curve[0].partition(",")[2], curve[-1].partition(",")[0]
    return ["0,100", f"0,{top}", *curve, f"{right},100"]


def format_table(evaluations: Sequence[Evaluation]) -> str:
    """The numbers for a terminal: a line for each class, the means with their protocols' names, and what to know."""
    header = ["class", *(f"AP {one.metric}" for one in evaluations), "objects", "detections"]
    lines = [header]
    for same_class in zip(*(one.classes for one in evaluations), strict=True):
        first = same_class[0]
        aps = [format_number(one.ap) for one in same_class]
        lines.append([printable(first.name), *aps, str(first.positives), str(first.detections)])
    widths = [max(num_cells(line[i]) for line in lines) for i in range(len(header))]
    table = ["  ".join(pad(line[i], width, right=i > 0) for i, width in enumerate(widths)) for line in lines]
    means = [
        f"{one.protocol}: {format_number(one.map)} (mean of {len(one.classes) - len(one.without_objects)} classes)"
        for one in evaluations
    ]
    return "\n".join([*(line.rstrip() for line in table), "", *means, *notes(evaluations)])


def notes(evaluations: Sequence[Evaluation]) -> list[str]:
    """What a reader must know to take the numbers right, in sentences."""
    if not evaluations:
        return []
    one, sentences = evaluations[0], []
    if one.without_objects:
        names = ", ".join(map(printable, one.without_objects))
        sentences.append(f"n/a: no objects to find, left out of the mean: {names}.")
    table = one.table
    if table.left_out_pictures:
        sentences.append(
            f"Left out: {table.left_out_detections} detections on {table.left_out_pictures} pictures outside the split."
        )
    if table.num_failed:
        sentences.append(f"{table.num_failed} pictures could not be read; their objects count as not found.")
    return sentences


def format_number(value: float) -> str:
    """Four digits after the point, or `n/a`."""
    return "n/a" if math.isnan(value) else f"{value:.4f}"


def _count_outcomes(one: ClassEvaluation) -> dict[Outcome, int]:
    counts = np.bincount(one.outcomes, minlength=len(Outcome))
    return {outcome: int(counts[outcome]) for outcome in Outcome}


def _plain(value: Any) -> Any:
    """The value as JSON can hold it: no NaN, no infinity, nothing but JSON's own types."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if isinstance(value, str | int | None) else str(value)
