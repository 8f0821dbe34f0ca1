"""What a check of a data set found, to show line by line or as JSON."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from ..diagnostics import Problem, cut
from ..errors import LimitError
from ..terminal import format_columns

EXAMPLES = 5  # shown of each kind of problem; the JSON holds all


@dataclass(frozen=True)
class ClassCount:
    """How much of a class there is, and how large: a size is the square root of a box's area, in pixels."""

    name: str
    objects: int
    images: int
    difficult: int
    median_size: float | None
    smallest: float | None


@dataclass(frozen=True)
class CheckReport:
    data: str
    images: int
    objects: int
    difficult: int
    classes: tuple[ClassCount, ...]
    unusable: tuple[Problem, ...]  # left out here; commands that need it refuse the data set
    minor: tuple[Problem, ...]  # left out or read without by all commands, as by official tools
    doubtful: tuple[Problem, ...]  # read as it is
    normal: tuple[Problem, ...]  # no fault, but good to know

    def lines(self) -> Iterator[str]:
        """The summary, the classes, and the problems by kind, to show line by line."""
        yield f"{self.data}: {self.images:,} images, {self.objects:,} objects, {self.difficult:,} of them difficult"
        if self.classes:
            yield ""
            yield from _table(self.classes)
        parts = {
            "Cannot be used": self.unusable,
            "Left out, or read without": self.minor,
            "Doubtful, but read as it is": self.doubtful,
            "Normal, but good to know": self.normal,
        }
        for heading, problems in parts.items():
            if problems:
                yield from ("", f"{heading}: {_number(problems):,}")
                yield from _grouped(problems)
        if not (self.unusable or self.minor or self.doubtful):
            yield from ("", "Nothing wrong was found.")

    def require_usable(self) -> None:
        """LimitError where something cannot be used: other commands refuse the data set."""
        if self.unusable:
            count = f"{_number(self.unusable):,}"
            raise LimitError(f"{self.data}: what cannot be used: {count}; mend or remove the objects and files listed")

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"


def _number(problems: Sequence[Problem]) -> int:
    return sum(problem.count for problem in problems)


def _table(classes: Sequence[ClassCount]) -> Iterator[str]:
    rows = [["class", "objects", "images", "difficult", "median size", "smallest"]]
    for one in classes:
        counts = [f"{count:,}" for count in (one.objects, one.images, one.difficult)]
        rows.append([cut(one.name), *counts, _pixels(one.median_size), _pixels(one.smallest)])
    yield from format_columns(rows)
    yield "(a size is the square root of the box's area, in pixels)"


def _pixels(size: float | None) -> str:
    return "-" if size is None else f"{size:.1f}"


def _grouped(problems: Sequence[Problem]) -> Iterator[str]:
    times: Counter[str] = Counter()
    for problem in problems:
        times[problem.kind] += problem.count
    ranked = sorted(problems, key=lambda problem: (-times[problem.kind], problem.kind))
    for kind, group in groupby(ranked, key=lambda problem: problem.kind):
        same = list(group)
        shared = len({problem.fix for problem in same}) == 1
        yield f"  {kind}: {times[kind]:,}" + (f" ({same[0].fix})" if shared and same[0].fix else "")
        for problem in same[:EXAMPLES]:
            yield f"    {problem.without_fix}" if shared else f"    {problem}"
        if more := times[kind] - len(same[:EXAMPLES]):
            yield f"    and {more:,} more"
