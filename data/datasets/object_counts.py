"""Whether a data set has objects to learn from, or to measure on, before hours go into it."""

from collections.abc import Callable, Sequence

from ..diagnostics import listed
from ..errors import UsageError
from .dataset import Dataset


def require_objects(
    data: Dataset, classes: Sequence[str], purpose: str, report: Callable[[str], None], *, of_each: bool = False
) -> None:
    """UsageError where no object of any class, or `of_each`, is to be found; classes that lack objects are told.

    `purpose` says what they are for, as in "to learn from".
    """
    found = {str(label) for truth in data.images for label in truth.labels[truth.to_find]}
    missing = [name for name in classes if name not in found]
    if missing and (of_each or len(missing) == len(classes)):
        raise UsageError(f"{data.name}: no object {purpose}, of {listed(missing)}; choose other images or classes")
    if missing:
        report(f"{data.name}: no object {purpose} of {len(missing)} of {len(classes)} classes: {listed(missing)}")
