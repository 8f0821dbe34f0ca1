"""Numbers that may not exist: NaN in arithmetic, `n/a` for people, null in JSON."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


def format_number(value: float, *, digits: int = 4, sign: bool = False) -> str:
    """With this number of digits after the point, or `n/a`.

    >>> format_number(0.5), format_number(float("nan")), format_number(0.25, digits=2, sign=True)
    ('0.5000', 'n/a', '+0.25')
    """
    return "n/a" if math.isnan(value) else f"{value:{'+' if sign else ''}.{digits}f}"


def mean(values: Iterable[float]) -> float:
    """The mean of those that are numbers; NaN if none is.

    >>> mean([0.25, float("nan"), 0.75]), mean([])
    (0.5, nan)
    """
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def plain(value: Any) -> Any:
    """The value as JSON can hold it: no NaN, no infinity, nothing but JSON's own types."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if isinstance(value, str | int | None) else str(value)
