"""Writing files so that each is there whole or not at all."""

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..diagnostics import NO_ROOM, cut
from ..errors import DataError, SetupError, UsageError

UNFINISHED = f".{'[0-9a-f]' * 32}.tmp"  # of what is not whole yet, or never was: the pattern of its name


class DiskFullError(SetupError):
    """There is no room left: nothing more can be written, whatever its name."""


def write_atomically(path: str | Path, content: str | bytes) -> None:
    """Write a whole file, making its folder where needed; on any failure what was there before stays as it was.

    Text is written as UTF-8; the surrogates with which Python carries undecodable file names become their bytes again.
    """
    data = content if isinstance(content, bytes) else _encode(content, Path(path))
    with writing_atomically(path, f"{len(data):,} bytes") as stream:
        stream.write(data)


@contextlib.contextmanager
def writing_atomically(path: str | Path, room: str = "it") -> Iterator[BinaryIO]:
    """A stream into a file that is there, whole, when the block ends, or not at all; a full disk needs `room`."""
    path = Path(path)
    aside = name_aside(path)
    try:
        with naming_failures(path, room):
            path.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())  # else a crash after the rename can leave an empty file under the final name
            os.replace(aside, path)
    finally:
        with contextlib.suppress(OSError):  # after the rename it is gone; else there is nothing better to do
            aside.unlink()


@contextlib.contextmanager
def writing_folder(path: str | Path) -> Iterator[Path]:
    """A folder that gets its name when the block ends; UsageError where there is something of that name already."""
    path = Path(path)
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise UsageError(f"{path}: is not empty; choose another folder")
    aside = name_aside(path)
    try:
        with naming_failures(path):
            aside.mkdir(parents=True)
            yield aside
            if path.is_dir():
                path.rmdir()
            os.replace(aside, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def name_aside(path: Path) -> Path:
    """Where to write what is to become `path`: a short name, for that of `path` may be as long as the system allows."""
    return path.with_name(f".{uuid.uuid4().hex}.tmp")


@contextlib.contextmanager
def naming_failures(path: str | Path, room: str = "it") -> Iterator[None]:
    """Errors of the system while `path` is written become one sentence about it."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise DiskFullError(f"{path}: the disk is full; make room for {room}") from error
        if error.errno == errno.ENAMETOOLONG:
            raise SetupError(f"{cut(str(path))}: is too long a name for this file system; shorten it") from error
        raise SetupError(f"{path}: cannot be written ({error.strerror}); choose another path") from error


def _encode(text: str, path: Path) -> bytes:
    try:
        return text.encode("utf-8", errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise DataError(f"{path}: cannot hold the character {text[error.start]!r}; remove it from the name") from error
