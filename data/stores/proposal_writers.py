"""Files of proposals written image by image, so that those of a large set need no memory.

The formats are those of `data/stores/proposal_files.py`; our own files also hold which files the images were.
"""

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from ..errors import DataError, UsageError
from ..files.atomic import writing_atomically
from ..files.json_files import parse_json
from ..files.tensor_files import begin_checksum, encode_header
from ..records import Origin, Proposals
from .proposal_store import header_of

WRITTEN = (".safetensors", ".npz", ".csv", ".json")  # endings of the names of files that can be written
CSV_HEADER = ["file", "x1", "y1", "x2", "y2", "score"]


def write_proposals(
    path: str | Path,
    proposals: Mapping[str, Proposals],
    method: str,
    parameters: tuple[object, ...],
    counts: Sequence[int] | None = None,
    origins: Mapping[str, Origin] | None = None,
    roots: Sequence[str] = (),
) -> None:
    """Write proposals in the format that the ending names, whole or not at all; `counts` are their numbers of boxes.

    `origins` and `roots` say which files the images are, and where they lie: our own format has room for it.
    """
    path = Path(path)
    check_writable(path)
    counts = [len(each) for each in proposals.values()] if counts is None else counts
    with writing_atomically(path) as stream:
        match path.suffix.lower():
            case ".npz":
                _write_npz(stream, proposals, counts, method)
            case ".csv":
                _write_csv(stream, proposals)
            case ".json":
                _write_json(stream, proposals)
            case _:
                about = header_of(proposals, method, parameters)
                if origins is not None:
                    files = {file: [each.bytes, each.modified_ns, each.read_as] for file, each in origins.items()}
                    about["origins"] = json.dumps({"files": files, "roots": list(roots)})
                _write_safetensors(stream, proposals, counts, about)


def check_writable(path: Path) -> None:
    if path.suffix.lower() not in WRITTEN:
        raise UsageError(f"{path}: no format to write proposals in; known endings are {', '.join(WRITTEN)}")


def read_origins(path: Path) -> tuple[dict[str, Origin], list[str]]:
    """Which files the images of our own files of proposals are, and the folders their names count from, if known."""
    try:
        with safe_open(str(path), framework="numpy") as file:
            about = parse_json((file.metadata() or {}).get("origins", "{}"), str(path))
        origins = {file: Origin(*values) for file, values in about["files"].items()}
        return origins, [root for root in about["roots"] if isinstance(root, str)]
    except (SafetensorError, OSError, DataError, TypeError, KeyError, AttributeError):
        return {}, []


def _offsets(counts: Sequence[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *counts], dtype=np.int64)


def _boxes(found: Proposals) -> bytes:
    return found.boxes.astype("<f4").tobytes()


def _scores(found: Proposals) -> bytes:
    return found.scores.astype("<f4").tobytes()


def _write_safetensors(
    stream: BinaryIO, proposals: Mapping[str, Proposals], counts: Sequence[int], about: dict[str, str]
) -> None:
    offsets, total = _offsets(counts), sum(counts)
    # The widest numbers first, then by name, as the safetensors package lays them out.
    tensors = (("offsets", "I64", [len(offsets)], 8), ("boxes", "F32", [total, 4], 4), ("scores", "F32", [total], 4))
    header: dict[str, Any] = {"__metadata__": dict(sorted(about.items()))}
    end = 0
    for name, kind, shape, width in tensors:
        start, end = end, end + width * int(np.prod(shape))
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [start, end]}
    digest = begin_checksum(header)
    stream.write(encode_header(header, digest.hexdigest()))  # to be written anew when the numbers are known
    parts = (part(found) for part in (_boxes, _scores) for found in proposals.values())
    for numbers in chain([offsets.astype("<i8").tobytes()], parts):
        digest.update(numbers)
        stream.write(numbers)
    stream.seek(0)
    stream.write(encode_header(header, digest.hexdigest()))


def _write_npz(stream: BinaryIO, proposals: Mapping[str, Proposals], counts: Sequence[int], method: str) -> None:
    total = sum(counts)
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in (("files", np.array(list(proposals), np.str_)), ("method", np.array(method))):
            _write_array(archive, name, array)
        _write_array(archive, "offsets", _offsets(counts))
        for name, shape, part in (("boxes", (total, 4), _boxes), ("scores", (total,), _scores)):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                about = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(member, about)
                for found in proposals.values():
                    member.write(part(found))


def _write_array(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


def _write_csv(stream: BinaryIO, proposals: Mapping[str, Proposals]) -> None:
    _write_lines(stream, [CSV_HEADER])
    for file, found in proposals.items():
        rows = zip(found.boxes.tolist(), found.scores.tolist(), strict=True)
        _write_lines(stream, [[file, *map(repr, box), repr(score)] for box, score in rows] or [[file]])


def _write_lines(stream: BinaryIO, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(rows)  # ends lines in \r\n, else it would not quote a name with \r
    stream.write(text.getvalue().encode("utf-8", "surrogateescape"))


def _write_json(stream: BinaryIO, proposals: Mapping[str, Proposals]) -> None:
    stream.write(b"{")
    for number, (file, found) in enumerate(proposals.items()):
        entry = {"boxes": found.boxes.tolist(), "scores": found.scores.tolist()}
        stream.write(f"{', ' if number else ''}{json.dumps(file)}: {json.dumps(entry)}".encode())
    stream.write(b"}\n")
