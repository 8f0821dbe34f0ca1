"""Other names for the classes of data sets, which may call one thing by several.

A class that is renamed to nothing is to be ignored: it may be one of several others, or of none.
"""

import os
from collections.abc import Collection, Mapping

from ..class_names import hint
from ..diagnostics import cut
from ..errors import UsageError
from ..files.text_files import lines_of, read_text
from ..values import shown


def read_renames(text: str | None) -> dict[str, str]:
    """The classes to rename, and to what: `airplane=aeroplane,tv=tvmonitor`, or a file with one such pair a line.

    >>> read_renames("airplane=aeroplane, dining table=diningtable, bottle=")
    {'airplane': 'aeroplane', 'dining table': 'diningtable', 'bottle': ''}
    """
    if not text:
        return {}
    is_file = os.path.isfile(text)
    renames: dict[str, str] = {}
    for pair in lines_of(read_text(text)) if is_file else text.split(","):
        old, equals, new = (part.strip() for part in pair.partition("="))
        if not (old or equals):
            continue
        if not (old and equals) or renames.setdefault(old, new) != new:
            what = f"two new names for {shown(old)}" if old and equals else f"{shown(pair)} is no pair"
            raise UsageError(f"--rename {cut(text)}: {what}; need OLD=NEW,OLD=NEW or a file with an OLD=NEW a line")
    return renames


def check_renamed(renames: Mapping[str, str], classes: Collection[str]) -> None:
    """UsageError where a name that is to be changed is none of the classes."""
    for name in renames:
        if name not in classes:
            raise UsageError(f"--rename {cut(name)}: no data set has that class; {hint(name, classes)}")
