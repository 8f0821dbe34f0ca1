"""Files of proposals in any format, by their endings: our own, and those that others read or have published.

`.safetensors` (one file, or a folder of shards) is the store of this package, see `proposal_store.py`. `.npz` holds the
same arrays. `.csv` has a line `file,x1,y1,x2,y2,score` for each box and a line with the file alone for an image
without any; `.json` maps each file to `boxes` and `scores`. `.mat` is read only: the cells `boxes` and `images` as
published for R-CNN and Fast R-CNN, whose boxes are y1 x1 y2 x2, 1-based inclusive, and whose images have no endings.
"""

import csv
import io
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..boxes import as_boxes, inclusive_to_half_open
from ..diagnostics import cut
from ..errors import DataError, UsageError
from ..files.array_files import Cell, read_cells, read_npz
from ..files.json_files import parse_json
from ..files.text_files import read_text
from ..records import Proposals
from ..values import shown
from .proposal_store import read_proposals, unpack
from .proposal_writers import CSV_HEADER


class NamedProposals(Mapping[str, Proposals]):
    """Proposals by image; an image is also found by its name without folder and ending, as others' files have it."""

    def __init__(self, proposals: Mapping[str, Proposals], method: str = "", parameters: str = ""):
        self._proposals = proposals
        self.method, self.parameters = method, parameters  # how they were made, and a hash of it; empty if unknown

    def __getitem__(self, file: str) -> Proposals:
        return self._proposals[file if file in self._proposals else PurePosixPath(file).stem]

    def __iter__(self) -> Iterator[str]:
        return iter(self._proposals)

    def __len__(self) -> int:
        return len(self._proposals)


def read_proposal_file(path: str | Path) -> NamedProposals:
    """The proposals of a file or of a folder of shards, by image; DataError says why there are none."""
    path = Path(path)
    if path.is_dir():
        return _read_shards(path)
    if not path.is_file():
        raise DataError(f"{path}: there is no such file of proposals")
    if (ending := path.suffix.lower()) == ".safetensors":
        store = read_proposals(path)
        return NamedProposals(store, store.method, store.parameters)
    if ending not in _READERS:
        raise UsageError(f"{path}: no format of proposals; known endings are {', '.join(ENDINGS)}")
    try:
        return NamedProposals(_READERS[ending](path))
    except DataError as error:
        raise DataError(f"{path}: {cut(str(error).removeprefix(f'{path}: '))}") from error
    except Exception as error:  # a broken file makes NumPy, zipfile and csv raise nearly anything
        reason = f"{type(error).__name__}: {cut(str(error))}"
        raise DataError(f"{path} cannot be read as proposals ({reason})") from error


def _read_shards(folder: Path) -> NamedProposals:
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        raise DataError(f"{folder} holds no shards of proposals (*.safetensors)")
    stores = [read_proposals(shard) for shard in shards]
    hashes = {store.parameters for store in stores}
    if len(hashes) > 1:
        ways = ", ".join(sorted(hashes))
        raise DataError(f"{folder} holds proposals made in different ways ({ways}): make them anew")
    return NamedProposals(ChainMap(*reversed(cast(list[Any], stores))), stores[0].method, stores[0].parameters)


def _read_npz(path: Path) -> Mapping[str, Proposals]:
    arrays = read_npz(path, ("files", "offsets", "boxes", "scores"))
    return unpack([str(name) for name in arrays["files"]], arrays)


def _read_csv(path: Path) -> Mapping[str, Proposals]:
    rows: dict[str, list[list[float]]] = {}
    lines = csv.reader(io.StringIO(read_text(path), newline=""))
    if [name.strip().lower() for name in next(lines, [])] != CSV_HEADER:
        raise DataError(f"the first line must be {','.join(CSV_HEADER)}")
    for number, line in enumerate(lines, start=2):
        if len(line) not in (1, 6):
            raise DataError(f"line {number} has {len(line)} fields; need {','.join(CSV_HEADER)}, or a file alone")
        boxes = rows.setdefault(line[0], [])
        if len(line) == 6:
            boxes.append([float(value) for value in line[1:]])
    arrays = {file: np.array(boxes, dtype=np.float64).reshape(-1, 5) for file, boxes in rows.items()}
    return {file: Proposals(array[:, :4], array[:, 4]) for file, array in arrays.items()}


def _read_json(path: Path) -> Mapping[str, Proposals]:
    content = parse_json(read_text(path), str(path))
    if not isinstance(content, dict):
        raise DataError("need an object that maps files to boxes and scores")
    return {file: _from_json(file, entry) for file, entry in content.items()}


def _from_json(file: str, entry: Any) -> Proposals:
    if not isinstance(entry, dict) or "boxes" not in entry:
        raise DataError(f"{shown(file)} needs an object with boxes and scores")
    boxes = as_boxes(entry["boxes"])
    return Proposals(boxes, entry.get("scores", _by_rank(len(boxes))))


def _by_rank(count: int) -> NDArray[np.float64]:
    return 1 - np.arange(count) / max(count, 1)


def _read_mat(path: Path) -> Mapping[str, Proposals]:
    cells = read_cells(path, ("boxes", "images"))
    if not {"boxes", "images"} <= cells.keys():
        raise DataError("needs the cells boxes and images, as published for R-CNN")
    boxes, images = cells["boxes"], cells["images"]
    if len(boxes) != len(images):
        raise DataError(f"has {len(boxes)} cells of boxes for {len(images)} images")
    return dict(map(_from_matlab, range(1, len(images) + 1), images, boxes))


def _from_matlab(number: int, name: Cell, rows: Cell) -> tuple[str, Proposals]:
    """From y1 x1 y2 x2, 1-based inclusive."""
    if not isinstance(name, str) or not name:
        raise DataError(f"cannot be read as proposals: cell {number} of images holds no name")
    if isinstance(rows, str) or (rows.size and rows.shape[1] != 4):
        what = "text" if isinstance(rows, str) else f"numbers of shape {rows.shape}"
        raise DataError(f"cannot be read as proposals: cell {number} of boxes holds {what}, need rows of four numbers")
    boxes = inclusive_to_half_open(as_boxes(rows)[:, [1, 0, 3, 2]])
    return name, Proposals(boxes, _by_rank(len(boxes)))


_READERS: dict[str, Callable[[Path], Mapping[str, Proposals]]] = {
    ".npz": _read_npz,
    ".csv": _read_csv,
    ".json": _read_json,
    ".mat": _read_mat,
}
ENDINGS = (".safetensors", *_READERS)  # of the names of files that are read here
