"""Which numbers a setting may have, stated once, so that files, flags and Python users meet the same limits."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from .errors import UsageError
from .values import shown

_DIGITS = 18  # of a number that can matter anywhere here


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
    """Make the named fields of a dataclass plain numbers; UsageError names one that is out of its range.

    With `flags` they are named as on the command line.
    """
    for name, range_ in ranges.items():
        value = getattr(record, name)
        check_range(
            f"--{name.replace('_', '-')} {shown(value)}" if flags else f"{name} is {shown(value)}", value, range_
        )
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
