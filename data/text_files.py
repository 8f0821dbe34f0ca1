"""Text files, of which names of pictures can be a part: those need not be UTF-8."""

from pathlib import Path

from .errors import DataError


def read_text(path: str | Path) -> str:
    """A file as text without a byte-order mark; bytes that are not UTF-8 travel as surrogates, as in file names."""
    try:
        return Path(path).read_bytes().decode("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); is it the right file?") from error
