"""Values from other tools, which may be anything: shown in messages, and read as numbers, NaN where they are none.

Shapes: N values.
"""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_INDEX = -1  # in an array of indices: there is none
_SHOWN = 80  # characters of a value in a message


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
