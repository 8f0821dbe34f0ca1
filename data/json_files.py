"""JSON of other tools, which may hold anything: read whole, and its numbers as arrays with NaN where there are none.

Shapes: N values.
"""

import json
import math
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError

_SHOWN = 80  # characters of a value in a message


def load_json(path: str | Path) -> Any:
    """What a JSON file holds."""
    try:
        return json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from error


def shown(value: Any) -> str:
    """A value for a message, cut to a length that can be read."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def number_rows(rows: Sequence[Any], length: int) -> NDArray[np.float64]:
    """Lists of `length` numbers as (N, length); a row that is anything else, or not finite, is all NaN.

    >>> number_rows([[1, 2], [3], None, ["4", 5]], 2)[:, 0].tolist()
    [1.0, nan, nan, nan]
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
    """Numbers as (N,); NaN for anything else."""
    return number_rows([[value] for value in values], 1)[:, 0]


def _number_row(row: Any, length: int) -> list[float]:
    if isinstance(row, list | tuple) and len(row) == length and all(map(_is_number, row)):
        return [float(value) for value in row]
    return [math.nan] * length


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 2**1000
