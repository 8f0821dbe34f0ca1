"""The numbers that options of the command line can take: the limits that `--help` shows, and no NaN."""

import math
from collections.abc import Callable
from typing import TypedDict

import typer


class Limits(TypedDict, total=False):
    """What `typer.Option` takes of them."""

    min: float
    max: float
    metavar: str
    callback: Callable[[float | None], float | None]


def _within(what: str, valid: Callable[[float], bool]) -> Limits:
    """Limits of a number with a fraction, in words: typer's own name the wrong limit for NaN, and none is open."""

    def checked(value: float | None) -> float | None:
        if value is not None and not (math.isfinite(value) and valid(value)):
            raise typer.BadParameter(f"{value:g}: need a number {what}")
        return value

    return {"metavar": f"<number {what}>", "callback": checked}


COUNT: Limits = {"min": 1}
SEED: Limits = {"min": 0, "max": 2**32 - 1}
FRACTION = _within("from 0 to 1", lambda value: 0 <= value <= 1)
NUMBER = _within("from 0", lambda value: value >= 0)
ABOVE_ZERO = _within("above 0", lambda value: value > 0)
