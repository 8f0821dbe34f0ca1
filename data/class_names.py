"""Class names that a format has to hold or a data set has to know."""

import difflib
from collections.abc import Collection, Iterable, Sequence

from .diagnostics import cut, listed
from .errors import DataError, UsageError
from .values import shown

# What COCO calls some of VOC's classes, whose names are too unlike to be found by their letters alone.
_SYNONYMS = [{"airplane", "aeroplane"}, {"couch", "sofa"}, {"motorcycle", "motorbike"}, {"tv", "tvmonitor"}]
_LONGEST = 200  # characters of names that are compared: they may be anything


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that another one was probably meant to be, if there is one; `cutoff` is difflib's likeness.

    >>> did_you_mean("Cat", ["cat", "dog"]), did_you_mean("tv", ["tvmonitor"]), did_you_mean("zebra", ["cat"])
    ('cat', 'tvmonitor', None)
    """
    name, known = name[:_LONGEST], [each for each in known if len(each) <= _LONGEST]
    for each in known:
        if _plain(each) == _plain(name) or {each, name.casefold()} in _SYNONYMS:
            return each
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=cutoff)), None)


def hint(name: str, known: Collection[str], otherwise: str | None = None) -> str:
    """Advice on an unknown name: the known one that was probably meant, else `otherwise`, else all that are known."""
    near = did_you_mean(name, known)
    return f"did you mean {cut(near)!r}?" if near else otherwise or f"known: {', '.join(known)}"


def require_known(what: str, name: str, known: Collection[str]) -> None:
    """UsageError where a name is none of the known ones.

    >>> require_known("--mode", "corps", ("shared", "crops"))
    Traceback (most recent call last):
    inception_rcnn.data.errors.UsageError: unknown --mode 'corps'; did you mean 'crops'?
    """
    if name not in known:
        raise UsageError(f"unknown {what} {shown(name)}; {hint(name, known)}")


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def check_classes(labels: Iterable[str], classes: Collection[str], owner: str) -> None:
    """DataError where one of the labels is not among the classes, with the nearest that is."""
    if unknown := set(labels) - set(classes):
        name = min(unknown)
        among = f"which is not among {listed(list(classes))}; {hint(name, classes, 'rename it or leave it out')}"
        raise DataError(f"{cut(owner)}: has the class {cut(name)!r}, {among}")


def checked_name(label: str, owner: str) -> str:
    """The name itself; DataError where it is blank, which files take for no class at all."""
    if not label.strip():
        raise DataError(f"{owner}: an object's class is {label!r}, which a file cannot hold; rename the class")
    return label


def counted(names: Sequence[str]) -> tuple[str, ...]:
    """The numbers of classes as text: 0, 1, 2 and so on."""
    return tuple(map(str, range(len(names))))
