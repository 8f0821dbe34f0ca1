"""An evaluation to read: `report.json` and `report.csv` for programs, `report.html` and a table for people.

Every number stands beside the name of its protocol: the most frequent question about a mAP is which one it is.
"""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...data.files.atomic import write_atomically
from ...data.terminal import format_columns, printable
from ..analysis.breakdown import Group
from ..analysis.intervals import Interval, Intervals
from ..analysis.tide import ErrorTypes
from ..analysis.waterfall import Waterfall
from ..metrics.evaluation import ClassEvaluation, Evaluation, Outcome
from ..metrics.numbers import format_number, plain
from ..metrics.recall import SIZES, RecallEvaluation
from .images import LONGEST_SIDE, MOST_BOXES, ReadImage, image_content
from .omissions import notes
from .plots import COLOURS, curve_points, recall_plots

_TEMPLATES = Path(__file__).with_name("templates")
_COUNTS = ("positives", "detections", *(outcome.name.lower() for outcome in Outcome))
_MOST_FAILURES = 200  # on the page; `report.json` has all

# The protocols' further numbers in words, for the page.
_MEANINGS = {
    **{"median": "of the classes' APs", "AP": "IoU .5 to .95", "AP50": "IoU .5", "AP75": "IoU .75"},
    **{"AR1": "recall, 1 box a class and image", "AR10": "recall, 10 boxes", "AR100": "recall, 100 boxes"},
    **{f"AP{size[0]}": f"{size} objects" for size in SIZES},
    **{f"AR{size[0]}": f"recall, {size} objects" for size in SIZES},
}


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """The parts of a report; an empty one is left out."""

    evaluations: Sequence[Evaluation] = ()  # the first gives the counts, the curves and the images' boxes
    intervals: Mapping[str, Intervals] = field(default_factory=dict)  # by metric
    errors: ErrorTypes | None = None
    breakdowns: Mapping[str, Sequence[Group]] = field(default_factory=dict)  # by property
    waterfall: Waterfall | None = None
    recalls: Sequence[RecallEvaluation] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)  # about the run, by name
    failures: Sequence[tuple[str, str]] = ()  # images that could not be read, and why
    left_out: Sequence[str] | None = None  # of the evaluation, and why; None where that is not known
    warnings: Sequence[str] = ()  # what looks like a mistake in the predictions
    read: ReadImage | None = None  # gives an image's pixels; None shows no images

    @property
    def rows(self) -> list[tuple[ClassEvaluation, ...]]:
        """Each class by all protocols; its counts and best F1 are by the first."""
        return list(zip(*(one.classes for one in self.evaluations), strict=True))

    @property
    def notes(self) -> list[str]:
        return notes(self.evaluations, self.left_out, self.warnings)

    def interval(self, metric: str, name: str) -> Interval | None:
        """That of a class's average precision, if it is known."""
        return self.intervals[metric].classes.get(name) if metric in self.intervals else None


def write_report(report: EvaluationReport, folder: str | Path) -> None:
    """Write `report.json`, `report.csv` and `report.html`."""
    content = json.dumps(report_content(report), indent=1, allow_nan=False)
    write_atomically(Path(folder) / "report.json", content + "\n")
    write_atomically(Path(folder) / "report.csv", format_csv(report))
    write_atomically(Path(folder) / "report.html", render_html(report))


def report_content(report: EvaluationReport) -> dict[str, Any]:
    """What `report.json` holds; a number that does not exist is None."""
    content: dict[str, Any] = {"metrics": {one.metric: _metric_content(one, report) for one in report.evaluations}}
    if report.recalls:
        content["proposals"] = {one.name: asdict(one) for one in report.recalls}
    if report.errors:
        content["errors"] = {"ap": report.errors.ap, "rows": [asdict(row) for row in report.errors.rows]}
    if report.breakdowns:
        breakdowns = report.breakdowns.items()
        content["breakdowns"] = [{"name": name, "groups": [*map(asdict, groups)]} for name, groups in breakdowns]
    if report.waterfall:
        steps = [asdict(step) for step in report.waterfall.steps]
        parts = {name: getattr(report.waterfall, name) for name in ("protocol", "map", "objects", "found")}
        content["waterfall"] = {**parts, "steps": steps}
    if report.left_out is not None:
        content["left_out"], content["warnings"] = report.left_out, report.warnings
    if report.failures:
        content["failures"] = [{"file": file, "reason": reason} for file, reason in report.failures]
    return plain({**content, "run": report.facts})


def _metric_content(evaluation: Evaluation, report: EvaluationReport) -> dict[str, Any]:
    intervals = report.intervals.get(evaluation.metric)
    return {
        "protocol": evaluation.protocol,
        "map": evaluation.map,
        "interval": _ends(intervals.map if intervals else None),
        "numbers": evaluation.numbers,
        "per_class": {
            one.name: {
                "ap": one.ap,
                "interval": _ends(report.interval(evaluation.metric, one.name)),
                "numbers": one.numbers,
                **one.counts,
                "best_f1": one.best_f1.f1,
                "best_f1_score": one.best_f1.score,
            }
            for one in evaluation.classes
        },
        "without_objects": evaluation.without_objects,
        "images": len(evaluation.table.truths),
        "failed_images": evaluation.table.num_failed,
        "left_out_images": evaluation.table.left_out_images,
        "left_out_detections": evaluation.table.left_out_detections,
    }


def _ends(interval: Interval | None) -> list[float] | None:
    return [interval.low, interval.high] if interval else None


def format_csv(report: EvaluationReport) -> str:
    """A line for each class with all of its numbers; one that does not exist is left empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = []
    for one in report.evaluations:
        ap, numbers = f"ap_{one.metric}", one.classes[0].numbers if one.classes else ()
        columns += [ap, f"{ap}_low", f"{ap}_high", *(f"{one.metric}_{name}" for name in numbers)]
    writer.writerow(["class", *columns, *_COUNTS, "best_f1", "best_f1_score"])
    for row in report.rows:
        cells = []
        for evaluation, one in zip(report.evaluations, row, strict=True):
            low, high = _ends(report.interval(evaluation.metric, one.name)) or (math.nan, math.nan)
            cells += [one.ap, low, high, *one.numbers.values()]
        cells += [*row[0].counts.values(), row[0].best_f1.f1, row[0].best_f1.score]
        writer.writerow([printable(row[0].name), *map(_cell, cells)])
    return stream.getvalue()


def _cell(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.6g}" if isinstance(number, float) else str(number)


def render_html(report: EvaluationReport) -> str:
    """One page that needs nothing from anywhere else; names are escaped."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "number": format_number,
        "span": _span,
        "colour": lambda index: COLOURS[index % len(COLOURS)],
        "curve_points": curve_points,
    }
    evaluations, read = report.evaluations, report.read
    return environment.get_template("report.html").render(
        report=report,
        counts=_COUNTS,
        meanings=_MEANINGS,
        recall_plots=recall_plots(report.recalls),
        sizes=tuple(SIZES),
        images=image_content(evaluations[0], read) if evaluations and read else None,
        limits={"boxes": MOST_BOXES, "side": LONGEST_SIDE, "failures": _MOST_FAILURES},
    )


def _finalized(value: Any) -> Any:
    """A value for the page: text without control characters; markup, which is safe already, as it is."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def format_table(report: EvaluationReport) -> str:
    """The numbers for a terminal: a line for each class, the means with their protocols' names, and notes."""
    lines = [["class", *(f"AP {one.metric}" for one in report.evaluations), "objects", "detections"]]
    for row in report.rows:
        first, aps = row[0], [format_number(one.ap) for one in row]
        lines.append([printable(first.name), *aps, str(first.positives), str(len(first.outcomes))])
    means = []
    for one in report.evaluations:
        intervals, num_classes = report.intervals.get(one.metric), len(one.classes) - len(one.without_objects)
        span = f", 95 % interval {_span(intervals.map)}" if intervals else ""
        means.append(f"{one.protocol}: {format_number(one.map)}{span} (mean of {num_classes} classes)")
        if one.numbers:
            means.append("  " + ", ".join(f"{name} {format_number(value)}" for name, value in one.numbers.items()))
    return "\n".join([*format_columns(lines), "", *means, *report.notes])


def _span(interval: Interval) -> str:
    """An interval as `0.512 to 0.567`, or `n/a`."""
    return "n/a" if math.isnan(interval.low) else f"{interval.low:.3f} to {interval.high:.3f}"
