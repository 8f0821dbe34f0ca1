"""A data set by one line of text, the SPEC: `voc:ROOT:YEAR:SPLIT` or `voc:FOLDER:SPLIT`."""

import re
from collections.abc import Callable
from pathlib import Path

from .dataset import Dataset
from .errors import UsageError
from .voc import read_voc

__all__ = ["Dataset", "is_spec", "open_dataset"]


def is_spec(text: str) -> bool:
    """Whether the text names a data set rather than a file or folder.

    >>> is_spec("voc:photos:val"), is_spec("photos/cat.jpg")
    (True, False)
    """
    kind, colon, _ = text.partition(":")
    return bool(colon) and kind in _READERS


def open_dataset(spec: str) -> Dataset:
    """Read the annotations of the data set that a SPEC names."""
    kind, _, rest = spec.partition(":")
    if kind not in _READERS:
        known = "; ".join(form for form, _ in _READERS.values())
        raise UsageError(f"{spec!r}: {kind!r} is no kind of data set; known are {known}")
    form, read = _READERS[kind]
    dataset = read(rest)
    if dataset is None:
        raise UsageError(f"{spec!r}: need {form}")
    return dataset


def _open_voc(rest: str) -> Dataset | None:
    # From the right, so that a colon in the folder's name does no harm.
    folder, _, split = rest.rpartition(":")
    if not folder or not split:
        return None
    root, _, year = folder.rpartition(":")
    if root and re.fullmatch(r"\d{4}", year):
        return read_voc(Path(root).expanduser(), split, year)
    return read_voc(Path(folder).expanduser(), split)


_READERS: dict[str, tuple[str, Callable[[str], Dataset | None]]] = {
    "voc": ("voc:ROOT:YEAR:SPLIT or voc:FOLDER:SPLIT", _open_voc),
}
