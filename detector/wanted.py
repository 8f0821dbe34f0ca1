"""Whether a data set has objects to learn from, or to measure on, before hours go into it."""

from collections.abc import Callable, Sequence

from ..data.dataset import Dataset
from ..data.errors import UsageError

_SHOWN = 10  # classes in a message


def require_objects(data: Dataset, classes: Sequence[str], purpose: str, report: Callable[[str], None]) -> None:
    """UsageError where no object of any class is to be found in a data set; classes that lack objects are told.

    `purpose` says what they are for, as in "to learn from".
    """
    found = {str(label) for truth in data.pictures for label in truth.labels[truth.to_find]}
    missing = [name for name in classes if name not in found]
    if len(missing) == len(classes):
        raise UsageError(f"{data.name}: no object {purpose}, of {listed(classes)}; choose other pictures or classes")
    if missing:
        report(f"{data.name}: no object {purpose} of {len(missing)} of {len(classes)} classes: {listed(missing)}")


def listed(names: Sequence[str]) -> str:
    """Names for a message, the first of many.

    >>> listed([str(number) for number in range(12)])
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more'
    """
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
