"""The order in which people list numbered files: `2.jpg` before `10.jpg`."""

import os
import re

NaturalKey = tuple[tuple[tuple[str | int, ...], str], ...]


def natural_key(path: str) -> NaturalKey:
    """Sorts `2.jpg` before `10.jpg` and `a/z` before `ab/c`, whatever the locale; case decides only between equals.

    >>> sorted(["img10.jpg", "img9.jpg", "Img.jpg", "b/1", "b.txt"], key=natural_key)
    ['b/1', 'b.txt', 'Img.jpg', 'img9.jpg', 'img10.jpg']
    """
    return tuple((_natural(os.path.splitext(name)[0]), name) for name in path.split(os.sep))


def _natural(stem: str) -> tuple[str | int, ...]:
    return tuple(int(part) if i % 2 else part for i, part in enumerate(re.split("([0-9]+)", stem.casefold())))
