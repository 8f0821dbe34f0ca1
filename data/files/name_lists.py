"""Lists of names of files, one a line or separated by NUL bytes, from a file or standard input."""

import os
import sys
from pathlib import Path
from typing import BinaryIO, TextIO

from ..errors import DataError
from .text_files import check_names, decode_text, lines_of


def read_name_list(path: str) -> list[str]:
    """The names in a file."""
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: the list of images cannot be read ({reason})") from error
    return _names(content, path)


def names_from(stdin: TextIO | BinaryIO | None) -> list[str]:
    """The names on standard input, or another stream."""
    stream = sys.stdin if stdin is None else stdin
    content = getattr(stream, "buffer", stream).read()  # bytes where they can be had: names may not be UTF-8
    return _names(os.fsencode(content) if isinstance(content, str) else content, "standard input")


def with_separators(name: str) -> str:
    """The name with `/` for each backslash if only then something is there."""
    slashed = name.replace("\\", "/")
    # A lone backslash would become the root of all files.
    return slashed if not os.path.lexists(name) and not name.startswith("\\") and os.path.lexists(slashed) else name


def _names(content: bytes, origin: str) -> list[str]:
    text = decode_text(content, origin)
    names = [name for name in (text.split("\0") if "\0" in text else lines_of(text)) if name.strip()]
    check_names(names, origin)
    if "\0" not in text:
        names = [name for line in names if (name := _name_in(line))]
    if not names:
        raise DataError(f"{origin}: the list names no file")
    return names


def _name_in(line: str) -> str:
    """The name in a line of a list; none in a comment."""
    if os.path.lexists(line):
        return line
    if line.lstrip().startswith("#"):
        return ""
    text = line.strip()
    return with_separators(text[1:-1] if len(text) > 2 and text[0] == text[-1] and text[0] in "\"'" else line)
