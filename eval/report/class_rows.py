"""A class's numbers under all protocols side by side: a row of the report's table and of `report.csv`."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...data.terminal import printable
from ..analysis.intervals import Interval, Intervals
from ..metrics.average_precision import BestF1, best_f1
from ..metrics.evaluation import ClassEvaluation, Evaluation, Outcome


@dataclass(frozen=True, eq=False)
class ClassRow:
    """One class; the counts and the best F1 are by the first of the protocols."""

    name: str
    evaluations: Sequence[ClassEvaluation]  # one for each protocol
    intervals: Sequence[Interval | None]  # of the average precisions, where they are known
    counts: Mapping[str, int]  # objects to find, detections, and these by outcome
    best: BestF1

    @property
    def first(self) -> ClassEvaluation:
        return self.evaluations[0]


def class_rows(evaluations: Sequence[Evaluation], intervals: Mapping[str, Intervals]) -> list[ClassRow]:
    """A row for every class, in the order of the evaluations."""
    known = [intervals[one.metric].classes if one.metric in intervals else {} for one in evaluations]
    rows = []
    for first, *others in zip(*(one.classes for one in evaluations), strict=True):
        outcomes = np.bincount(first.outcomes, minlength=len(Outcome)).tolist()
        by_outcome = {outcome.name.lower(): outcomes[outcome] for outcome in Outcome}
        counts = {"positives": first.positives, "detections": first.detections, **by_outcome}
        found = [classes.get(first.name) for classes in known]
        rows.append(ClassRow(first.name, [first, *others], found, counts, best_f1(first, evaluations[0].table)))
    return rows


def format_csv(rows: Sequence[ClassRow], metrics: Sequence[str]) -> str:
    """A line for each class with all of its numbers; one that does not exist is left empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = []
    for i, metric in enumerate(metrics):
        further = rows[0].evaluations[i].numbers if rows else ()
        columns += [f"ap_{metric}", f"ap_{metric}_low", f"ap_{metric}_high", *(f"{metric}_{name}" for name in further)]
    counts = ["positives", "detections", *(outcome.name.lower() for outcome in Outcome)]
    writer.writerow(["class", *columns, *counts, "best_f1", "best_f1_score"])
    for row in rows:
        numbers = []
        for one, interval in zip(row.evaluations, row.intervals, strict=True):
            low, high = (interval.low, interval.high) if interval else (math.nan, math.nan)
            numbers += [one.ap, low, high, *one.numbers.values()]
        numbers += [*row.counts.values(), row.best.f1, row.best.score]
        writer.writerow([printable(row.name), *map(_cell, numbers)])
    return stream.getvalue()


def _cell(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.6g}" if isinstance(number, float) else str(number)
