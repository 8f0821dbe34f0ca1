"""Proposals of a whole data set, computed once and kept on disk."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ..data.dataset import Dataset
from ..data.errors import DataError
from ..data.images import read_image
from ..data.records import GroundTruth, Proposals
from ..data.store import hash_of, read_proposals, write_proposals
from .methods import mapped, parameters_of, proposer

REPORT_EVERY = 200  # pictures


def home() -> Path:
    """Where this package keeps what it can compute again: `INCEPTION_RCNN_HOME`, else a folder in the user's cache."""
    own = os.environ.get("INCEPTION_RCNN_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"  # set to nothing it counts as not set
    return Path(own) if own else Path(cache) / "inception-rcnn"


def kept_proposals(dataset: Dataset, method: str, report: Callable[[str], None]) -> Mapping[str, Proposals]:
    """The proposals of every picture of a data set, from disk if the same method saw the same files before.

    The file's name carries a hash of the method, its settings, and each picture's name, size and time of change, so
    what is found is never stale. Pictures are read as stored, without EXIF rotation, as annotations are.
    """
    marks = tuple((truth.file, *_mark(dataset.path(truth))) for truth in dataset.pictures)
    key = hash_of(parameters_of(method), marks)
    path = home() / "proposals" / f"{key}.safetensors"
    if path.exists():
        report(f"proposals of {dataset.name}: found in {path}")
        return read_proposals(path)
    report(f"proposals of {dataset.name}: {method} on {len(dataset)} pictures, kept in {path}")
    propose = proposer(method)

    def of_picture(truth: GroundTruth) -> Proposals:
        return propose(read_image(dataset.path(truth), ignore_exif=True))

    made = {}
    for truth, found in zip(dataset.pictures, mapped(of_picture, dataset.pictures), strict=True):
        made[truth.file] = found
        if len(made) % REPORT_EVERY == 0:
            report(f"proposals: {len(made)} of {len(dataset)} pictures")
    write_proposals(path, made, method, key)
    return read_proposals(path)


def _mark(picture: Path) -> tuple[int, int]:
    """What changes when the file does: its size and time of change."""
    try:
        state = picture.stat()
    except OSError as error:
        raise DataError(f"{picture}: the picture cannot be found ({error.strerror}); is the data set whole?") from error
    return state.st_size, state.st_mtime_ns
