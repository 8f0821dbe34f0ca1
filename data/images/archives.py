"""Images in `.zip` and `.tar` archives, read where they lie: nothing is unpacked."""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..errors import DataError
from .image_files import literal_name

ARCHIVES = (".zip", ".tar")
MOST_BYTES = 2**30  # of a member: no image that is read here has more
_NO_ARCHIVE = "is no {} archive that can be read ({}); unpack it and name the folder"


@dataclass(frozen=True)
class Member:
    """A file in an archive: its size in bytes, and how to read it."""

    size: int
    read: Callable[[], bytes]


def is_archive(path: str | Path) -> bool:
    """Whether it is a file with the ending of an archive that is read here."""
    return os.path.splitext(path)[1].lower() in ARCHIVES and os.path.isfile(path)


def members_of(path: str | Path) -> Mapping[str, Member]:
    """The files in an archive by their names, `/` between the folders; DataError where it is none.

    Hidden files, links and names that lead out of a folder are left out.
    """
    path = os.path.abspath(path)
    try:
        return _members(path, os.stat(path).st_mtime_ns)
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile, tarfile.TarError) as error:
        kind = os.path.splitext(path)[1].lower()
        raise DataError(f"{path}: {_NO_ARCHIVE.format(kind, str(error) or type(error).__name__)}") from error


def read_member(path: str | Path, name: str) -> bytes:
    """The bytes of a file in an archive; DataError where they cannot be had."""
    member = members_of(path).get(name)
    if member is None:
        raise DataError(f"{path}/{name}: is not in the archive any more")
    if member.size > MOST_BYTES:
        raise DataError(f"{path}/{name}: has {member.size:,} bytes, and {MOST_BYTES:,} are the most; unpack it")
    try:
        return member.read()
    except Exception as error:  # a damaged archive makes the decompressors raise nearly anything
        raise DataError(f"{path}/{name}: cannot be read from the archive ({error}); unpack it") from error


@lru_cache(maxsize=4)
def _members(path: str, changed: int) -> Mapping[str, Member]:
    """Those of an archive as of the time of its last change."""
    return _members_of_zip(path) if path.lower().endswith(".zip") else _members_of_tar(path)


def _members_of_zip(path: str) -> dict[str, Member]:
    archive = zipfile.ZipFile(path)  # stays open for the threads that read members, which it lets take turns
    members: dict[str, Member] = {}
    for info in archive.infolist():
        is_link = info.create_system == 3 and (info.external_attr >> 28) == 0o12
        if not info.is_dir() and not is_link and (name := _visible(info.filename)):
            members[name] = Member(info.file_size, lambda info=info: archive.read(info))
    return members


def _members_of_tar(path: str) -> dict[str, Member]:
    members: dict[str, Member] = {}
    with tarfile.open(path, "r:") as archive:
        for info in archive:
            if info.isreg() and not info.issparse() and (name := _visible(info.name)):
                start, size = info.offset_data, info.size
                members[name] = Member(size, lambda start=start, size=size: _bytes_at(path, start, size))
    return members


def _bytes_at(path: str, start: int, size: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(start)
        content = file.read(size)
    if len(content) < size:
        raise EOFError(f"it ends {size - len(content):,} bytes too early")
    return content


def _visible(stated: str) -> str | None:
    name = literal_name(stated)
    return None if name is None or any(part.startswith(".") for part in name.split("/")) else name


def open_member(path: str | Path, name: str) -> io.BytesIO:
    """A file in an archive as a stream."""
    return io.BytesIO(read_member(path, name))
