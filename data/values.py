"""Values from other tools, which may be anything: shown in messages, read as numbers, and held to ranges.

Shapes: N values.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UsageError

NO_INDEX = -1  # in an array of indices: there is none
_SHOWN = 80  # characters of a value in a message
_DIGITS = 18  # of a number that can matter anywhere here


def shown(value: Any) -> str:
    """A value for a message, cut to a length that can be read."""
    try:
        text = repr(value[: _SHOWN + 1] if isinstance(value, str) else value)
    except (ValueError, RecursionError):  # too many digits, or too deeply nested, to be written out
        return f"a value of type {type(value).__name__} that is too large to show"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def number_rows(rows: Sequence[Any], length: int) -> NDArray[np.float64]:
    """Lists of `length` numbers, or their texts, as (N, length); a row of anything else, or not finite, is all NaN.

    >>> number_rows([[1, 2], [3], None, ["4", 5], [6, "x"]], 2)[:, 0].tolist()
    [1.0, nan, nan, 4.0, nan]
    """
    try:
        # Types first: NumPy would take text and truth values for numbers.
        plain = {*map(type, rows)} <= {list} and {*map(type, chain.from_iterable(rows))} <= {int, float}
        array = np.array(rows if plain else [_number_row(row, length) for row in rows], dtype=np.float64)
    except (ValueError, OverflowError):
        array = np.array([_number_row(row, length) for row in rows], dtype=np.float64)
    if array.shape != (len(rows), length):
        array = np.full((len(rows), length), np.nan)  # no rows, or all of one wrong length
    array[~np.isfinite(array).all(axis=1)] = np.nan
    return array


def numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    """Numbers, or their texts, as (N,); NaN for anything else."""
    return number_rows([[value] for value in values], 1)[:, 0]


def _number_row(row: Any, length: int) -> list[float]:
    if isinstance(row, list | tuple) and len(row) == length:
        return list(map(number_of, row))
    return [math.nan] * length


def number_of(value: Any) -> float:
    """The finite number that JSON's value or a text is, with a decimal comma too; NaN for anything else.

    >>> number_of(" 12,5 "), number_of(True), number_of("1_000")
    (12.5, nan, nan)
    """
    if isinstance(value, str):
        value = value.replace(",", ".") if value.count(",") == 1 and "." not in value else value
        value = "" if "_" in value else value  # Python's own way to write a number
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    return number if math.isfinite(number) else math.nan


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`; truth values are none, nor is NaN."""

    low: float
    high: float
    whole: bool = False  # integers only
    open_low: bool = False  # `low` itself is not among them
    open_high: bool = False  # nor is `high`
    optional: bool = False  # None is, too

    def fault(self, value: Any) -> str | None:
        """What a value would have to be, or None where it is that.

        >>> Range(1, 9, whole=True).fault(0), Range(0, 1, open_high=True).fault(True), Range(0, 1).fault(0.5)
        ('need at least 1 and at most 9', 'need a number', None)
        """
        if self.optional and value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, Integral if self.whole else Real) or value != value:
            return f"need a {'whole ' if self.whole else ''}number"
        value = int(value) if isinstance(value, Integral) else float(value)
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return None if above and below else f"need {self}"

    def __str__(self) -> str:
        low = f"{'more than' if self.open_low else 'at least'} {_plain(self.low)}"
        high = f"{'less than' if self.open_high else 'at most'} {_plain(self.high)}"
        return low if math.isinf(self.high) and not self.open_high else f"{low} and {high}"


COUNT = Range(1, 10**6, whole=True)
FRACTION = Range(0, 1)
ABOVE_ZERO = Range(0, math.inf, open_low=True, open_high=True)
NOT_NEGATIVE = Range(0, math.inf, open_high=True)
SEED = Range(0, 2**32 - 1, whole=True)  # what every generator in use takes


def check_ranges(record: Any, ranges: Mapping[str, Range], *, flags: bool = False) -> None:
    """Make the named fields of a dataclass plain numbers; UsageError names one out of its range, maybe as a flag."""
    for name, range_ in ranges.items():
        value = getattr(record, name)
        stated = f"--{name.replace('_', '-')} {shown(value)}" if flags else f"{name} is {shown(value)}"
        check_range(stated, value, range_)
        if value is not None and not isinstance(value, int | float):  # NumPy's, which JSON cannot hold
            object.__setattr__(record, name, int(value) if isinstance(value, Integral) else float(value))


def check_range(stated: str, value: Any, range_: Range) -> None:
    """UsageError where a value is out of its range; `stated` begins the sentence."""
    if fault := range_.fault(value):
        raise UsageError(f"{stated}: {fault}")


def whole_number(text: str) -> int | None:
    """The number that a text of plain digits writes; None for any other text, such as `²` or thousands of digits.

    >>> whole_number("200"), whole_number("-1"), whole_number("²")
    (200, None, None)
    """
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else None


def _plain(number: float) -> str:
    return "infinity" if math.isinf(number) else f"{number:g}" if abs(number) < 10**6 else f"{int(number)}"
