"""Which file an image was read from: its size and time of change, and where it lies."""

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from ..errors import DataError
from ..files.remote import remote_state
from ..records import Origin
from .archives import is_archive, members_of
from .sources import Source


def origin_of(source: Source) -> Origin | None:
    """What the file of a source is now; None where there is none."""
    if source.url:
        return _remote_origin(source)
    try:
        state = os.stat(source.path)
        size = members_of(source.path)[source.member].size if source.member else state.st_size
    except (OSError, ValueError, KeyError, DataError):  # ValueError: a name that no file can have
        return None
    return Origin(size, state.st_mtime_ns, read_as(source))


def _remote_origin(source: Source) -> Origin | None:
    try:
        return Origin(*remote_state(source.url), read_as(source))
    except DataError:
        return None


def read_as(source: Source) -> str:
    """How the pixels of a source are read, in words.

    >>> from pathlib import Path
    >>> read_as(Source(Path("a.jpg"), "a.jpg")), read_as(Source(Path("a.jpg"), "a.jpg", True, (4, 3)))
    ('upright', 'as stored, 4 x 3 stated')
    """
    habit = "as stored" if source.as_stored else "upright"
    return f"{habit}, {source.size[0]} x {source.size[1]} stated" if any(source.size) else habit


def roots_of(sources: Iterable[Source]) -> list[str]:
    """The folders, or archives, that the names of the sources count from, absolute and with a `/` at the end."""
    return sorted({_root(source) for source in sources})


def _root(source: Source) -> str:
    if source.url:
        return source.url.removesuffix(source.file)
    if source.member:
        whole = f"{_real(str(Path.cwd() / source.path))}/{source.member}"
        return whole.removesuffix(source.file) if whole.endswith(f"/{source.file}") else f"{whole}/"
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
    if not roots or any(not os.path.isdir(root) and not is_archive(root.rstrip("/")) for root in roots):
        return False
    return not any(_is_there(root + file) for root in roots)


def _is_there(path: str) -> bool:
    """Whether there is such a file, or a member of an archive; where that cannot be read, it may only be away."""
    archive = next((each for each in Path(path).parents if is_archive(each)), None)
    if archive is None:
        return os.path.lexists(path)
    try:
        return Path(path).relative_to(archive).as_posix() in members_of(archive)
    except DataError:
        return True
