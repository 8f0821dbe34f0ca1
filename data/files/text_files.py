"""Text files, of which names of images can be a part: those need not be UTF-8."""

import codecs
import gzip
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from ..errors import DataError

# By the mark that a file begins with. Windows' PowerShell writes UTF-16; UTF-32's mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}

_LONGEST_NAME = 4096  # characters; no system opens longer paths

_GZIP = b"\x1f\x8b"
_LARGEST = 2**31  # bytes of a text
_FOLD, _SPARE = 200, 2**26  # of a compressed one at most so large: a few bytes can stand for any number
_AT_ONCE = 2**20  # bytes: Python makes room for all that it is to read, though the file be small


def read_text(path: str | Path) -> str:
    """A file, plain or gzipped, as text without a byte-order mark; bytes that are not UTF-8 are surrogates."""
    return decode_text(read_bytes(path), str(path))


def read_head(path: str | Path, size: int) -> str:
    """The text of about the first `size` bytes of a file; whatever is none of it becomes replacement characters."""
    content = read_bytes(path, size)
    encoding, start = _encoding(content)
    return content[start:].decode(encoding, "replace")


def read_bytes(path: str | Path, size: int = -1) -> bytes:
    """A file, or the first `size` bytes of it, as they are where gzip has not compressed them."""
    try:
        with open(path, "rb") as file:
            compressed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if compressed else file
            most = min(_LARGEST, _FOLD * os.fstat(file.fileno()).st_size + _SPARE) if compressed else _LARGEST
            content = _read(stream, size if size >= 0 else most)
    except (OSError, EOFError, ValueError, zlib.error) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read ({reason}); is it the right file?") from error
    if size < 0 and len(content) >= most:
        raise DataError(f"{path}: is larger than {most:,} bytes{' unpacked' * compressed}; split it")
    return content


def _read(stream: IO[bytes] | gzip.GzipFile, size: int) -> bytes:
    parts = []
    while size > 0 and (part := stream.read(min(size, _AT_ONCE))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _encoding(content: bytes) -> tuple[str, int]:
    """The encoding by the byte-order mark, and that mark's length: UTF-8 and 0 without one."""
    mark = next((mark for mark in _MARKS if content.startswith(mark)), b"")
    return _MARKS.get(mark, "utf-8"), len(mark)


def lines_of(text: str) -> list[str]:
    """The lines of a text from any system: old Macs end theirs with a carriage return alone."""
    return re.split(r"\r\n?|\n", text)


def numbered_lines(path: str | Path) -> Iterator[tuple[str, str]]:
    """The lines of a text file that are not blank, each behind what messages call it, as in `a.txt: line 3`."""
    for number, line in enumerate(lines_of(read_text(path)), 1):
        if line.strip():
            yield f"{path}: line {number}", line


def check_names(names: Iterable[str], owner: str) -> None:
    """DataError where one of a list's names is too long for any file, so that it is no list of names."""
    if longest := next((name for name in names if len(name) > _LONGEST_NAME), None):
        raise DataError(f"{owner}: has a line of {len(longest):,} characters; is it a list of names?")


def decode_text(content: bytes, owner: str) -> str:
    """The text of a file's bytes: UTF-8, or by its byte-order mark, which is left out.

    >>> decode_text("cat".encode("utf-8-sig"), "list.txt")
    'cat'
    """
    encoding, start = _encoding(content)
    try:
        return content[start:].decode(encoding, "surrogateescape" if encoding == "utf-8" else "strict")
    except UnicodeDecodeError as error:
        what = f"begins as {encoding.upper()} and is not ({error.reason}); save it as UTF-8"
        raise DataError(f"{owner}: {what}") from error
