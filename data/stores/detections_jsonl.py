"""`detections.jsonl`, the ledger of a run: one line of JSON for each image, in input order, failures included.

A line is `{"file", "width", "height", "detections": [{"label", "score", "box": [x1, y1, x2, y2]}]}`, or
`{"file", "error"}`. What `detect` writes also has `"bytes"`, `"modified_ns"` and `"read_as"`, which identify the file
that was read. All of it is ASCII: a file name that is not UTF-8 travels as escaped surrogates. A run that was killed
may leave a last line without its end; it is dropped, and the image is simply not done yet.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ..datasets.annotated_objects import LONGEST_SIDE
from ..detections_by_image import emptied
from ..diagnostics import OnProblem, refuse
from ..errors import DataError
from ..files.atomic import naming_failures, write_atomically
from ..files.json_files import parse_json
from ..files.text_files import decode_text, lines_of, read_bytes, read_text
from ..records import Detections, ImageDetections, Origin
from ..values import number_rows, numbers, shown

LEDGER_NAME = "detections.jsonl"


def image_to_line(image: ImageDetections) -> str:
    """One image's line, with its line end.

    >>> image_to_line(ImageDetections("a.jpg", error="empty file"))
    '{"file": "a.jpg", "error": "empty file"}\\n'
    """
    record = image.to_dict()
    if image.origin is not None and image.error is None:
        found = record.pop("detections")
        record = {**record, **vars(image.origin), "detections": found}
    return json.dumps(record) + "\n"


def image_from_line(line: str | bytes, owner: str, on_problem: OnProblem = refuse) -> ImageDetections:
    """The inverse of `image_to_line`; `owner` says in an error where the line is from."""
    try:
        record = _object(parse_json(line, "the line"), "the line")
        file = record["file"]
        if not isinstance(file, str):
            raise DataError(f"file is {shown(file)}")
        if record.get("error") is not None:
            return ImageDetections(file, error=str(record["error"]))
        # Other tools may leave the size out, which no box needs; half of one is a mistake.
        sized = "width" in record or "height" in record
        width, height = (_side(record[name], name) if sized else 0 for name in ("width", "height"))
        found = _detections(record["detections"], owner, on_problem)
        return ImageDetections(file, width, height, found, None, _origin(record))
    except KeyError as error:
        need = "need file, width, height and detections, or file and error"
        raise DataError(f"{owner}: has no {error}; {need}") from None
    except ValueError as error:
        raise DataError(f"{owner}: is not one image's detections ({error}); remove it or run detect again") from error


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{name} is {shown(value)} and must be an object")
    return value


def _side(value: Any, name: str) -> int:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or not 0 <= value < LONGEST_SIDE:
        raise DataError(f"{name} is {shown(value)} and must be a number of pixels")
    return int(value)


def _detections(rows: Any, owner: str, on_problem: OnProblem) -> Detections:
    if not isinstance(rows, list):
        raise DataError(f"detections are {shown(rows)} and must be a list")
    for row in rows:
        if not isinstance(_object(row, "a detection")["label"], str | int):
            raise DataError(f"a label is {shown(row['label'])} and must be a text")
    scores, boxes = numbers([row["score"] for row in rows]), number_rows([row["box"] for row in rows], 4)
    for name, values in (("score", scores[:, None]), ("box", boxes)):
        for index in np.flatnonzero(np.isnan(values).any(axis=1))[:1]:
            raise DataError(f"a {name} is {shown(rows[index][name])}")
    labels = np.array([str(row["label"]) for row in rows], dtype=np.str_)
    return Detections(emptied(boxes, owner, on_problem), labels, scores)


def _origin(record: dict[str, Any]) -> Origin | None:
    """None where the line is from elsewhere, and its file is not known."""
    size, modified, how = (record.get(name) for name in ("bytes", "modified_ns", "read_as"))
    return Origin(size, modified, how) if type(size) is int and type(modified) is int and type(how) is str else None


def write_ledger(images: Iterable[ImageDetections], path: str | Path) -> None:
    write_atomically(path, "".join(map(image_to_line, images)))


def read_ledger(path: str | Path, on_problem: OnProblem = refuse) -> list[ImageDetections]:
    """Every image in the ledger, in order, without a torn last line.

    A line with the file that was read is all about that image: of several the last counts, as two runs at a time
    leave them. Those of other tools are parts of an image.
    """
    path = Path(path)
    lines = lines_of(read_text(path))
    if _is_torn(lines[-1]):
        lines.pop()
    images = [
        image_from_line(line, f"{path}: line {number}", on_problem)
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    last = {image.file: index for index, image in enumerate(images) if image.origin is not None}
    return [image for index, image in enumerate(images) if index >= last.get(image.file, 0)]


def open_ledger(path: str | Path) -> TextIO:
    """Open for appending, on disk line by line; what a killed run left of its last line is cut off first."""
    path = Path(path)
    with naming_failures(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            content = read_bytes(path)
            # An editor may have saved it in another encoding, or with a mark; lines are added in ASCII.
            data = decode_text(content, str(path)).encode("utf-8", "surrogateescape")
            end = data.rfind(b"\n") + 1
            whole = data[:end] if _is_torn(data[end:].decode("ascii", "replace")) else data
            if whole and not whole.endswith(b"\n"):  # half an object never parses: it only lacks its line end
                whole += b"\n"
            if whole != content:
                write_atomically(path, whole)
        return path.open("a", encoding="ascii", newline="\n", buffering=1)


def _is_torn(line: str) -> bool:
    """Whether it is the beginning of a line, and no more. What never was one is no torn line, and not to be dropped."""
    try:
        json.JSONDecoder().raw_decode(line)
    except ValueError:
        return line.startswith("{")
    except RecursionError:  # of something else
        pass
    return False
