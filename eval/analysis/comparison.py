"""The difference between two evaluations on the same images, with intervals.

Both are resampled to the same images, so what makes an image easy or hard for both does not count.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...data.errors import UsageError
from ...data.files.atomic import write_atomically
from ...data.terminal import format_columns, printable
from ..metrics.evaluation import Evaluation
from ..metrics.numbers import format_number, plain
from .intervals import Interval, interval, mean_of_classes, num_replicates, resampled_aps


@dataclass(frozen=True)
class Difference:
    """A number's change from A to B, and the 95 % interval of the change; NaN without objects."""

    name: str
    a: float
    b: float
    change: float  # b - a
    interval: Interval

    @property
    def is_clear(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.interval.low > 0 or self.interval.high < 0


@dataclass(frozen=True)
class Comparison:
    """Two evaluations by one protocol, class by class."""

    metric: str
    protocol: str
    mean: Difference
    classes: tuple[Difference, ...]
    draws: int  # bootstrap samples, under the name that the JSON file has for them


def compare(a: Evaluation, b: Evaluation, seed: int = 0) -> Comparison:
    """Compare two evaluations by the same protocol, of the same classes on the same images."""
    same = a.metric == b.metric and a.table.classes == b.table.classes
    if not (same and [truth.file for truth in a.table.truths] == [truth.file for truth in b.table.truths]):
        raise UsageError("only evaluations by one protocol, on the same images and classes, can be compared")
    replicates = min(num_replicates(len(one.table.found)) for one in (a, b))
    first, second = (resampled_aps(one, seed, replicates) for one in (a, b))  # [replicates, classes]
    classes = tuple(
        _difference(one.name, one.ap, other.ap, second[:, i] - first[:, i])
        for i, (one, other) in enumerate(zip(a.classes, b.classes, strict=True))
    )
    mean = _difference("mean", a.map, b.map, mean_of_classes(second) - mean_of_classes(first))
    return Comparison(a.metric, a.protocol, mean, classes, replicates)


def _difference(name: str, a: float, b: float, changes: NDArray[np.float64]) -> Difference:
    return Difference(name, a, b, b - a, interval(b - a, changes))


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write the comparison as JSON; a number that does not exist is null."""
    write_atomically(path, json.dumps(plain(asdict(comparison)), indent=1) + "\n")


def format_comparison(comparison: Comparison) -> str:
    """The comparison for a terminal; a star marks a change whose interval does not hold 0."""
    lines = [["class", "A", "B", "B - A", "95 % interval", ""]]
    for one in (*comparison.classes, comparison.mean):
        change, low, high = (format_number(x, sign=True) for x in (one.change, one.interval.low, one.interval.high))
        numbers = [format_number(one.a), format_number(one.b), change, f"{low} ... {high}"]
        lines.append([printable(one.name), *numbers, "*" if one.is_clear else ""])
    about = f"{comparison.protocol}; {comparison.draws} bootstrap samples; *: the interval does not hold 0"
    return "\n".join([*format_columns(lines), "", about])
