"""A run's stages on disk: one safetensors file for each image, in a folder beside the ledger.

Numbers are stored exactly: with fewer digits many high scores would be equal, and suppression would pick other boxes. A
file's name is a hash of the image's, which may be too long or too strange for one.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from ..errors import DataError
from ..files.json_files import Finite
from ..files.tensor_files import FLOATS, OpenTensors, open_tensors, write_tensors
from ..records import Stages
from .proposal_store import hash_of

FORMAT = "inception-rcnn stages 1"
STAGES_NAME = "stages"  # of the folder in the one that `detect` writes

_ENDING = ".safetensors"
_ARRAYS = ("proposals", "probabilities", "boxes")
_RULES = ("classes", "score_threshold", "nms_threshold", "max_detections", "vote_threshold", "agnostic")


class _Rules(TypedDict):
    classes: list[str]
    score_threshold: Finite
    nms_threshold: Finite
    max_detections: int
    vote_threshold: Finite | None
    agnostic: NotRequired[bool]  # not in files of the first release


@dataclass(frozen=True)
class StageFolder(Mapping[str, Stages]):
    """The stages of many images by the images' names; each is read when it is needed."""

    paths: dict[str, Path]

    def __getitem__(self, file: str) -> Stages:
        return _read(self.paths[file])

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)


def write_stages(out: str | Path, file: str, stages: Stages) -> None:
    """Write one image's stages into the folder of a run; the file appears whole or not at all."""
    arrays = {name: _exact(getattr(stages, name)) for name in _ARRAYS}
    rules = {name: getattr(stages, name) for name in _RULES}
    about = {"format": FORMAT, "file": json.dumps(file), "rules": json.dumps(rules)}
    write_tensors(stages_path(out, file), arrays, about)


def _exact(array: NDArray[np.float64]) -> NDArray[np.floating[Any]]:
    """The same numbers in float32, or as they are if it does not hold them, as with a sigmoid's close to 1."""
    small = array.astype(np.float32)
    return small if np.array_equal(small, array) else array


def has_stages(out: str | Path, file: str) -> bool:
    return stages_path(out, file).is_file()


def read_stages(out: str | Path) -> StageFolder:
    """The stages in the folder that `detect --keep-stages` wrote; without that there are none."""
    by_file: dict[str, Path] = {}
    for path in sorted((Path(out) / STAGES_NAME).glob(f"*{_ENDING}")):  # numbers are checked when they are read
        with _opened(path, compare=False) as content:
            by_file[_checked_header(content, path)[0]] = path
    return StageFolder(by_file)


def remove_stages(out: str | Path) -> None:
    """Remove all stages in the folder of a run, and nothing else."""
    folder = Path(out) / STAGES_NAME
    for path in folder.glob(f"*{_ENDING}"):
        path.unlink()


def remove_stages_of(out: str | Path, file: str) -> None:
    stages_path(out, file).unlink(missing_ok=True)


def stages_path(out: str | Path, file: str) -> Path:
    return Path(out) / STAGES_NAME / f"{hash_of(file)}{_ENDING}"


def _opened(path: Path, *, compare: bool = True) -> AbstractContextManager[OpenTensors]:
    return open_tensors(path, "an image's stages", "remove it and run detect again", compare=compare)


def _read(path: Path) -> Stages:
    with _opened(path) as content:
        rules = _checked_header(content, path)[1]
        arrays = {name: content.array(name, FLOATS) for name in _ARRAYS}
        try:
            return Stages(**arrays, **{**rules, "classes": tuple(rules["classes"])})
        except DataError as error:
            raise ValueError(str(error)) from error


def _checked_header(content: OpenTensors, path: Path) -> tuple[str, _Rules]:
    if content.about.get("format") != FORMAT:
        raise DataError(f"{path}: is no file of stages")
    return content.json("file", str), content.json("rules", _Rules)
