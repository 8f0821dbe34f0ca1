"""Text for a terminal: names of classes and files made safe to show, as users' files may hold anything, and tables."""

import unicodedata
from collections.abc import Sequence


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


def format_columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Lines of equally many cells as the lines of a table, the first column to the left, the others to the right.

    >>> format_columns([["class", "AP"], ["cat", "0.5"]])
    ['class   AP', 'cat    0.5']
    """
    widths = [max(map(num_cells, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            pad(cell, width, right=i > 0) for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
