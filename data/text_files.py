"""Text files, of which names of pictures can be a part: those need not be UTF-8."""

import codecs
from pathlib import Path

from .errors import DataError

# By the mark that a file begins with. Windows' PowerShell writes UTF-16; UTF-32's mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def read_text(path: str | Path) -> str:
    """A file as text without a byte-order mark; bytes that are not UTF-8 travel as surrogates, as in file names."""
    try:
        return decode_text(Path(path).read_bytes(), str(path))
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        if isinstance(error, DataError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read ({reason}); is it the right file?") from error


def decode_text(content: bytes, owner: str) -> str:
    """The text of a file's bytes: UTF-8, or what its byte-order mark says, which is left out.

    >>> decode_text("cat".encode("utf-8-sig"), "list.txt")
    'cat'
    """
    mark = next((mark for mark in _MARKS if content.startswith(mark)), b"")
    encoding = _MARKS.get(mark, "utf-8")
    try:
        errors = "surrogateescape" if encoding == "utf-8" else "strict"
        return content[len(mark) :].decode(encoding, errors)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{owner}: begins as {encoding.upper()} and is not ({error.reason}); save it as UTF-8"
        ) from error
