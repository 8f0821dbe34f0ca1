"""An evaluation to read: a table for the terminal, `report.json` and `report.csv` for programs, `report.html` for all.

Every number stands beside the name of its protocol: the most frequent question about a mAP is which one it is.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...data.files.atomic import write_atomically
from ...data.terminal import format_columns, printable
from ..metrics.average_precision import best_f1
from ..metrics.evaluation import Evaluation, Outcome
from ..metrics.numbers import format_number, plain
from ..metrics.recall import SIZES, RecallEvaluation
from .class_rows import ClassRow, class_counts, class_rows, format_csv
from .images import LONGEST_SIDE, MOST_BOXES, ReadImage, image_content
from .omissions import omission_line
from .plots import closed, curve_points, waterfall_bars
from .recall_plots import COLOURS, recall_plots

if TYPE_CHECKING:
    from ..analysis.breakdown import Breakdown
    from ..analysis.intervals import Interval, Intervals
    from ..analysis.tide import ErrorTypes
    from ..analysis.waterfall import Waterfall

_TEMPLATES = Path(__file__).with_name("templates")
_MOST_FAILURES = 200  # on the page; `report.json` has all

# What the protocols call their further numbers, in the words of this page.
_MEANINGS = {
    "median": "of the classes' APs",
    "AP": "IoU .5 to .95",
    "AP50": "IoU .5",
    "AP75": "IoU .75",
    "APs": "small objects",
    "APm": "medium objects",
    "APl": "large objects",
    "AR1": "recall, 1 box a class and image",
    "AR10": "recall, 10 boxes",
    "AR100": "recall, 100 boxes",
    "ARs": "recall, small objects",
    "ARm": "recall, medium objects",
    "ARl": "recall, large objects",
}


@dataclass(frozen=True, eq=False)
class Report:
    """All that a report can tell; what is left out has no part in it."""

    evaluations: Sequence[Evaluation] = ()  # the first gives the counts, the curves and the images' boxes
    intervals: Mapping[str, "Intervals"] = field(default_factory=dict)  # by metric
    errors: "ErrorTypes | None" = None
    breakdowns: Sequence["Breakdown"] = ()
    waterfall: "Waterfall | None" = None
    recalls: Sequence[RecallEvaluation] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)  # what else is worth knowing about the run, by name
    failures: Sequence[tuple[str, str]] = ()  # images that could not be read, and why
    left_out: Sequence[str] | None = None  # of the evaluation, and why; None where that is not known
    warnings: Sequence[str] = ()  # what looks like a mistake in the predictions
    read: ReadImage | None = None  # gives an image's pixels; None shows no images


def write_report(report: Report, folder: str | Path) -> None:
    """Write `report.json`, `report.csv` and `report.html`."""
    rows = class_rows(report.evaluations, report.intervals)
    content = json.dumps(report_content(report), indent=1, allow_nan=False)
    write_atomically(Path(folder) / "report.json", content + "\n")
    write_atomically(Path(folder) / "report.csv", format_csv(rows, [one.metric for one in report.evaluations]))
    write_atomically(Path(folder) / "report.html", render_html(report))


def report_content(report: Report) -> dict[str, Any]:
    """What `report.json` holds; a number that does not exist is None."""
    rows = class_rows(report.evaluations, report.intervals)
    content: dict[str, Any] = {
        "metrics": {
            one.metric: _metric_content(one, report.intervals.get(one.metric), place, rows)
            for place, one in enumerate(report.evaluations)
        }
    }
    if report.recalls:
        content["proposals"] = {one.name: asdict(one) for one in report.recalls}
    if report.errors:
        content["errors"] = {"ap": report.errors.ap, "rows": [asdict(row) for row in report.errors.rows]}
    if report.breakdowns:
        content["breakdowns"] = [asdict(one) for one in report.breakdowns]
    if report.waterfall:
        fields = ("protocol", "map", "objects", "found")
        content["waterfall"] = {name: getattr(report.waterfall, name) for name in fields}
        content["waterfall"]["steps"] = [asdict(step) for step in report.waterfall.steps]
    if report.left_out is not None:
        content["left_out"], content["warnings"] = report.left_out, report.warnings
    if report.failures:
        content["failures"] = [{"file": file, "reason": reason} for file, reason in report.failures]
    return plain({**content, "run": report.facts})


def _metric_content(
    evaluation: Evaluation, intervals: "Intervals | None", place: int, rows: Sequence[ClassRow]
) -> dict[str, Any]:
    return {
        "protocol": evaluation.protocol,
        "map": evaluation.map,
        "interval": _ends(intervals.map if intervals else None),
        "numbers": evaluation.numbers,
        "per_class": {row.name: _class_content(row, place, evaluation) for row in rows},
        "without_objects": evaluation.without_objects,
        "images": len(evaluation.table.truths),
        "failed_images": evaluation.table.num_failed,
        "left_out_images": evaluation.table.left_out_images,
        "left_out_detections": evaluation.table.left_out_detections,
    }


def _class_content(row: ClassRow, place: int, evaluation: Evaluation) -> dict[str, Any]:
    one = row.judged[place]
    best = best_f1(one, evaluation.table)
    return {
        "ap": one.ap,
        "interval": _ends(row.intervals[place]),
        "numbers": one.numbers,
        **class_counts(one),
        "best_f1": best.f1,
        "best_f1_score": best.score,
    }


def _ends(interval: "Interval | None") -> list[float] | None:
    return [interval.low, interval.high] if interval else None


def render_html(report: Report) -> str:
    """One page that needs nothing from anywhere else; names are escaped."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "number": format_number,
        "span": _span,
        "short": lambda one: one.protocol.removeprefix("mAP (").removeprefix("AP (").removesuffix(")"),
        "colour": lambda place: COLOURS[place % len(COLOURS)],
        "curve_points": curve_points,
        "closed": closed,
        "largest": lambda rows: max((row.delta_ap for row in rows if row.delta_ap > 0), default=1.0),
        "share": lambda part, whole: part / whole if whole else math.nan,
    }
    evaluations, rows = report.evaluations, class_rows(report.evaluations, report.intervals)
    return environment.get_template("report.html").render(
        report=report,
        evaluations=evaluations,
        rows=rows,
        outcomes=[outcome.name.lower() for outcome in Outcome],
        meanings=_MEANINGS,
        notes=notes(evaluations, report.left_out, report.warnings),
        bars=waterfall_bars(report.waterfall) if report.waterfall else [],
        recalls=report.recalls,
        recall_plots=recall_plots(report.recalls),
        sizes=tuple(SIZES),
        images=image_content(evaluations[0], report.read) if evaluations and report.read else None,
        limits={"boxes": MOST_BOXES, "side": LONGEST_SIDE, "failures": _MOST_FAILURES},
    )


def _shown(value: Any) -> Any:
    """What a template puts on the page: text without control characters; markup, which is safe already, as it is."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def format_table(
    evaluations: Sequence[Evaluation],
    intervals: Mapping[str, "Intervals"] | None = None,
    left_out: Sequence[str] | None = None,
    warnings: Sequence[str] = (),
) -> str:
    """The numbers for a terminal: a line for each class, the means with their protocols' names, and what to know."""
    lines = [["class", *(f"AP {one.metric}" for one in evaluations), "objects", "detections"]]
    for same_class in zip(*(one.classes for one in evaluations), strict=True):
        first = same_class[0]
        aps = [format_number(one.ap) for one in same_class]
        lines.append([printable(first.name), *aps, str(first.positives), str(first.detections)])
    means = [line for one in evaluations for line in _mean_lines(one, (intervals or {}).get(one.metric))]
    return "\n".join([*format_columns(lines), "", *means, *notes(evaluations, left_out, warnings)])


def _mean_lines(evaluation: Evaluation, intervals: "Intervals | None") -> list[str]:
    """The mean, its interval if that is known, and the protocol's further numbers."""
    sure = f", 95 % interval {_span(intervals.map)}" if intervals else ""
    num_classes = len(evaluation.classes) - len(evaluation.without_objects)
    mean = f"{evaluation.protocol}: {format_number(evaluation.map)}{sure} (mean of {num_classes} classes)"
    numbers = ", ".join(f"{name} {format_number(value)}" for name, value in evaluation.numbers.items())
    return [mean, f"  {numbers}"] if numbers else [mean]


def notes(
    evaluations: Sequence[Evaluation], left_out: Sequence[str] | None = None, warnings: Sequence[str] = ()
) -> list[str]:
    """What a reader must know to take the numbers right, in sentences; the last one says what was left out."""
    if not evaluations:
        return []
    one, sentences = (
        evaluations[0],
        [f"Warning: {warning}{'' if warning.endswith('?') else '.'}" for warning in warnings],
    )
    if one.without_objects:
        names = ", ".join(map(printable, one.without_objects))
        sentences.append(f"n/a: no objects to find, left out of the mean: {names}.")
    sentences += [note for each in evaluations if (note := _flags_for_coco(each))]
    return sentences if left_out is None else [*sentences, omission_line(left_out)]


def _flags_for_coco(evaluation: Evaluation) -> str:
    """How objects with flags that COCO does not know were given to its code; nothing where there are none."""
    if evaluation.metric != "coco":
        return ""
    difficult = int(evaluation.table.objects.difficult.sum())
    ignore = sum(int(truth.ignore.sum()) for truth in evaluation.table.truths)
    said = [f"{difficult:,} difficult objects need not be found, as crowds (COCO has no such flag)"] * (difficult > 0)
    said += [f"{ignore:,} objects with `ignore` are to be found (COCO's code does not read that flag)"] * (ignore > 0)
    return f"COCO: {'; '.join(said)}." if said else ""


def _span(interval: "Interval") -> str:
    """An interval as `0.512 to 0.567`, or `n/a`."""
    if math.isnan(interval.low):
        return "n/a"
    return f"{format_number(interval.low, digits=3)} to {format_number(interval.high, digits=3)}"
