"""Proposals of a whole data set, computed once and kept on disk."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ..data.dataset import Dataset
from ..data.images import read_image
from ..data.records import GroundTruth, Proposals
from ..data.store import hash_of, read_proposals, write_proposals
from .methods import mapped, parameters_of, proposer

REPORT_EVERY = 200  # pictures


def home() -> Path:
    """Where this package keeps what it can compute again: `INCEPTION_RCNN_HOME`, else a folder in the user's cache."""
    own = os.environ.get("INCEPTION_RCNN_HOME")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(own) if own else cache / "inception-rcnn"


def kept_proposals(dataset: Dataset, method: str, report: Callable[[str], None]) -> Mapping[str, Proposals]:
    """The proposals of every picture of a data set, from disk if the same method saw the same files before.

    The file's name carries a hash of the method, its settings, and each picture's name, size and time of change, so
    what is found is never stale. Pictures are read as stored, without EXIF rotation, as annotations are.
    """
    states = [dataset.path(truth).stat() for truth in dataset.pictures]
    marks = tuple((t.file, s.st_size, s.st_mtime_ns) for t, s in zip(dataset.pictures, states, strict=True))
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
