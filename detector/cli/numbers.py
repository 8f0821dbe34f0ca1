"""The numbers that options of the command line can take: typer's limits, which `--help` shows, and no NaN."""

import math
from typing import Any, TypedDict

import typer


class Limits(TypedDict, total=False):
    """What `typer.Option` takes of them."""

    min: float
    max: float
    callback: Any


def finite(value: Any) -> Any:
    """The value itself; NaN and infinity, which compare with no limit as they should, are refused."""
    if isinstance(value, float) and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number that can be used")
    return value


COUNT: Limits = {"min": 1}
SEED: Limits = {"min": 0, "max": 2**32 - 1}
SHARE: Limits = {"min": 0, "max": 1, "callback": finite}
NUMBER: Limits = {"min": 0, "callback": finite}
