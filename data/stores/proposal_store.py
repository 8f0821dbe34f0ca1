"""Proposals on disk: a safetensors file of the boxes of many images, and how they were made.

Boxes and scores of all images lie end to end, in float32; `offsets[i]` is where image i's begin. The header's
metadata carries the images' names, the method, and a hash of everything that went into the boxes.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..diagnostics import cut
from ..errors import DataError
from ..files.tensor_files import FLOATS, INTEGERS, open_tensors
from ..records import Proposals

FORMAT = "inception-rcnn proposals 1"


def hash_of(*parts: object) -> str:
    """Sixteen hexadecimal digits that change with any of the parts; dataclasses and tuples count by their repr."""
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class ProposalStore(Mapping[str, Proposals]):
    """The proposals of many images by the images' names, as read from a file."""

    files: dict[str, int]
    offsets: NDArray[np.int64]  # [images + 1]
    boxes: NDArray[np.float32]  # [M, 4]
    scores: NDArray[np.float32]  # [M]
    method: str
    settings: str  # everything that decided the boxes, to read
    parameters: str  # a hash of that

    def __getitem__(self, file: str) -> Proposals:
        start, stop = self.offsets[self.files[file] :][:2]
        return Proposals(self.boxes[start:stop].astype(np.float64), self.scores[start:stop].astype(np.float64))

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


def header_of(files: Iterable[str], method: str, parameters: tuple[object, ...]) -> dict[str, str]:
    """The header of such a file: which images it has, and how they were made."""
    return {
        "format": FORMAT,
        "method": method,
        "settings": repr(parameters),
        "parameters": hash_of(*parameters),
        "files": json.dumps(list(files)),
    }


def unpack(
    names: Any, arrays: Mapping[str, NDArray[Any]], method: str = "", settings: str = "", parameters: str = ""
) -> ProposalStore:
    """The proposals in the arrays of a file; DataError where these are not consistent."""
    offsets, boxes, scores = (arrays[name] for name in ("offsets", "boxes", "scores"))
    if not _consistent(names, offsets, boxes, scores):
        raise DataError("its names, offsets, boxes and scores do not fit together; make it anew")
    bad = np.flatnonzero(~(np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] >= boxes[:, :2]).all(axis=1)))
    if len(bad):
        name = names[int(np.searchsorted(offsets, bad[0], side="right")) - 1]
        box = boxes[bad[0]].tolist()
        raise DataError(f"a box of {cut(name)} is {box}: need finite x1 <= x2 and y1 <= y2; make it anew")
    files = {name: index for index, name in enumerate(names)}
    return ProposalStore(files, offsets, boxes, scores, method, settings, parameters)


def read_proposals(path: str | Path) -> ProposalStore:
    """Read a file of our own; DataError says why another cannot be used."""
    with open_tensors(Path(path), "a file of proposals", "make it anew") as file:
        if file.about.get("format") != FORMAT:
            raise DataError(f"{path} is no file of proposals: make one with `inception-rcnn propose`")
        names = file.json("files", object)
        about = file.text("method"), file.about.get("settings", ""), file.text("parameters")
        arrays = {"offsets": file.array("offsets", INTEGERS + FLOATS)}
        arrays |= {name: file.array(name, FLOATS) for name in ("boxes", "scores")}
    try:
        return unpack(names, arrays, *about)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _consistent(names: Any, offsets: NDArray[Any], boxes: NDArray[Any], scores: NDArray[Any]) -> bool:
    return (
        isinstance(names, list)
        and all(isinstance(name, str) for name in names)
        and len(set(names)) == len(names)
        and offsets.dtype == np.int64
        and offsets.shape == (len(names) + 1,)
        and offsets[0] == 0
        and bool((np.diff(offsets) >= 0).all())
        and scores.shape == (offsets[-1],)
        and boxes.shape == (offsets[-1], 4)
    )
