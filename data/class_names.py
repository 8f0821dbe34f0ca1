"""Class names that a format has to hold or a data set has to know."""

import difflib
from collections.abc import Collection, Iterable

from .errors import DataError


def check_classes(labels: Iterable[str], classes: Collection[str], owner: str) -> None:
    """DataError where one of the labels is not among the classes, with the nearest that is."""
    if unknown := set(labels) - set(classes):
        name = min(unknown)
        near = difflib.get_close_matches(name, classes, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise DataError(f"{owner}: has the class {name!r}, which is not among {', '.join(classes)}{hint}")


def checked_name(label: str, owner: str) -> str:
    """The name itself; DataError where it is blank, which files take for no class at all."""
    if not label.strip():
        raise DataError(f"{owner}: an object's class is {label!r}, which no file can tell from none; rename the class")
    return label
