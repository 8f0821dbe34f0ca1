"""Writing files so that each is there whole or not at all."""

import contextlib
import errno
import os
import uuid
from pathlib import Path

from .errors import DataError, SetupError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_atomically(path: str | Path, content: str | bytes) -> None:
    """Write a whole file, making its folder where needed; on any failure what was there before stays as it was.

    Text is written as UTF-8; the surrogates with which Python carries undecodable file names become their bytes again.
    """
    path = Path(path)
    data = content if isinstance(content, bytes) else _encode(content, path)
    # A name of its own: the target's may already be as long as the file system allows.
    aside = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_synced(aside, data)
        os.replace(aside, path)
    except OSError as error:
        if error.errno in _FULL:
            raise SetupError(f"{path}: the disk is full; make room for {len(data):,} bytes") from error
        raise SetupError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
    finally:
        with contextlib.suppress(OSError):  # after the rename it is gone; else there is nothing better to do
            aside.unlink()


def _encode(text: str, path: Path) -> bytes:
    try:
        return text.encode("utf-8", errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise DataError(f"{path}: cannot hold the character {text[error.start]!r}; remove it from the name") from error


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())  # else a crash after the rename can leave an empty file under the final name
