"""Names of classes and files made safe to show: they come from users' files and may hold anything."""

import unicodedata


def printable(text: str) -> str:
    """The text with whatever could move a cursor, or cannot be encoded, as an escape.

    >>> printable("cat\\x1b[2J")
    'cat\\\\x1b[2J'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def num_cells(text: str) -> int:
    """How many columns of a terminal the text takes.

    >>> num_cells("cat"), num_cells("猫")
    (3, 2)
    """
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, width: int, right: bool = False) -> str:
    """The text with spaces up to so many columns; on the right when they go before it."""
    space = " " * (width - num_cells(text))
    return space + text if right else text + space
