"""Lists of names of files, one a line or separated by NUL bytes, from a file or standard input."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ..errors import DataError, UsageError
from .text_files import check_names, decode_text, lines_of

# That no text has: not Escape, which colours what `ls` lists, nor Ctrl-Z, which ends old texts.
_BINARY = re.compile(r"[\x01-\x08\x0e-\x19\x1c-\x1f]")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # of a letter more than a drive has


def read_name_list(path: str) -> list[str]:
    with _naming_failures(f"{path}: the list of images cannot be read", ""):
        content = Path(path).read_bytes()
    return _names(content, path)


def names_from(stdin: TextIO | BinaryIO | None) -> list[str]:
    """The names on standard input, or another stream."""
    stream, fix = sys.stdin if stdin is None else stdin, "; pipe the names in, or give @list.txt"
    if stream is None:
        raise DataError(f"standard input: is closed{fix}")
    with _naming_failures("standard input: cannot be read", fix):
        content = getattr(stream, "buffer", stream).read()  # bytes where they can be had: names may not be UTF-8
    return _names(os.fsencode(content) if isinstance(content, str) else content, "standard input")


@contextmanager
def _naming_failures(what: str, fix: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise DataError(f"{what} ({getattr(error, 'strerror', None) or error}){fix}") from error


def with_separators(name: str) -> str:
    """The name with `/` for each backslash if only then something is there."""
    slashed = name.replace("\\", "/")
    # A lone backslash would become the root of all files.
    return slashed if not os.path.lexists(name) and not name.startswith("\\") and os.path.lexists(slashed) else name


def named_path(name: str) -> str:
    """The path that a name stands for, be it a URL of this machine's; UsageError for one of another's.

    >>> named_path("file:///photos/a%20b.jpg"), named_path("photos/a%20b.jpg")
    ('/photos/a b.jpg', 'photos/a%20b.jpg')
    """
    if not _URL.match(name) or os.path.lexists(name):
        return name
    try:
        parts = urlsplit(name)
        if parts.scheme == "file" and parts.netloc in ("", "localhost") and "%00" not in parts.path:
            return url2pathname(parts.path)
    except ValueError:  # a host in brackets that is none
        pass
    raise UsageError(f"{name}: is a URL: download it first")


def _names(content: bytes, origin: str) -> list[str]:
    text = decode_text(content, origin)
    names = [name for name in (text.split("\0") if "\0" in text else lines_of(text)) if name.strip()]
    binary = [name for name in names if _BINARY.search(name)]
    if binary and not any(map(os.path.lexists, binary)):
        raise DataError(f"{origin}: is an image or another binary file, not a list of names; name the image itself")
    check_names(names, origin)
    if "\0" not in text:
        names = [name for line in names if (name := _name_in(line))]
    if not names:
        raise DataError(f"{origin}: the list names no file")
    return names


def _name_in(line: str) -> str:
    if os.path.lexists(line):
        return line
    if line.lstrip().startswith("#"):
        return ""
    text = line.strip()
    return with_separators(text[1:-1] if len(text) > 2 and text[0] == text[-1] and text[0] in "\"'" else line)
