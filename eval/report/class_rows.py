"""A class's numbers under all protocols side by side: a row of the report's table and of `report.csv`.

Shapes: D detections of one class, the best first.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...data.terminal import printable
from ..metrics.average_precision import BestF1, best_f1
from ..metrics.evaluation import ClassEvaluation, Evaluation, Outcome

if TYPE_CHECKING:
    from ..analysis.intervals import Interval, Intervals


@dataclass(frozen=True, eq=False)
class ClassRow:
    """One class; the counts and the best F1 are by the first of the protocols."""

    name: str
    judged: Sequence[ClassEvaluation]  # one for each protocol
    intervals: Sequence["Interval | None"]  # of the average precisions, where they are known
    counts: Mapping[str, int]
    best: BestF1

    @property
    def first(self) -> ClassEvaluation:
        return self.judged[0]


def class_rows(evaluations: Sequence[Evaluation], intervals: Mapping[str, "Intervals"]) -> list[ClassRow]:
    """A row for every class, in the order of the evaluations."""
    known = [intervals[one.metric].classes if one.metric in intervals else {} for one in evaluations]
    return [
        ClassRow(
            name=judged[0].name,
            judged=judged,
            intervals=[classes.get(judged[0].name) for classes in known],
            counts=class_counts(judged[0]),
            best=best_f1(judged[0], evaluations[0].table),
        )
        for judged in zip(*(one.classes for one in evaluations), strict=True)
    ]


def class_counts(one: ClassEvaluation) -> dict[str, int]:
    """Objects to find, detections, and how many of these came to each outcome."""
    outcomes = np.bincount(one.outcomes, minlength=len(Outcome)).tolist()
    by_name = {outcome.name.lower(): outcomes[outcome] for outcome in Outcome}
    return {"positives": one.positives, "detections": one.detections, **by_name}


def format_csv(rows: Sequence[ClassRow], metrics: Sequence[str]) -> str:
    """A line for each class with everything that is known of it; a number that does not exist is left empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    aps = [column for place, metric in enumerate(metrics) for column in _ap_columns(rows, place, metric)]
    counts = ["positives", "detections", *(outcome.name.lower() for outcome in Outcome)]
    writer.writerow(["class", *aps, *counts, "best_f1", "best_f1_score"])
    for row in rows:
        numbers = [number for place in range(len(metrics)) for number in _ap_numbers(row, place)]
        best = [row.best.f1, row.best.score]
        writer.writerow([printable(row.name), *map(_cell, [*numbers, *row.counts.values(), *best])])
    return stream.getvalue()


def _ap_columns(rows: Sequence[ClassRow], place: int, metric: str) -> list[str]:
    others = list(rows[0].judged[place].numbers) if rows else []
    return [f"ap_{metric}", f"ap_{metric}_low", f"ap_{metric}_high", *(f"{metric}_{name}" for name in others)]


def _ap_numbers(row: ClassRow, place: int) -> list[float]:
    one, interval = row.judged[place], row.intervals[place]
    ends = [float("nan")] * 2 if interval is None else [interval.low, interval.high]
    return [one.ap, *ends, *one.numbers.values()]


def _cell(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.6g}" if isinstance(number, float) else str(number)
