"""Which file an image was read from: its size and time of change, and where it lies."""

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from ..records import Origin
from .sources import Source


def origin_of(source: Source) -> Origin | None:
    """What the file of a source is now; None where there is none."""
    try:
        state = os.stat(source.path)
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return None
    return Origin(state.st_size, state.st_mtime_ns, read_as(source))


def read_as(source: Source) -> str:
    """How the pixels of a source are read, in words.

    >>> from pathlib import Path
    >>> read_as(Source(Path("a.jpg"), "a.jpg")), read_as(Source(Path("a.jpg"), "a.jpg", True, (4, 3)))
    ('upright', 'as stored, 4 x 3 stated')
    """
    habit = "as stored" if source.as_stored else "upright"
    return f"{habit}, {source.size[0]} x {source.size[1]} stated" if any(source.size) else habit


def roots_of(sources: Iterable[Source]) -> list[str]:
    """The folders that the names of the sources count from, absolute and with a `/` at the end."""
    return sorted({_root(source) for source in sources})


def _root(source: Source) -> str:
    folder, name = os.path.split(Path.cwd() / source.path)
    real = f"{_real(folder).rstrip('/')}/{name}"
    for path in (real, os.path.abspath(source.path).replace(os.sep, "/")):
        if path.endswith(f"/{source.file}"):
            return path.removesuffix(source.file)
    return real.removesuffix(name)


@lru_cache(maxsize=1024)
def _real(folder: str) -> str:
    return os.path.realpath(folder).replace(os.sep, "/")


def is_gone(file: str, roots: Sequence[str]) -> bool:
    """Whether a file is below none of the folders, all of which can be seen: a drive that is away loses nothing."""
    if not roots or any(not os.path.isdir(root) for root in roots):
        return False
    return not any(os.path.lexists(root + file) for root in roots)
