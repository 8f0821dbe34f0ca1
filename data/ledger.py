"""`detections.jsonl`, the ledger of a run: one line of JSON for each picture, in input order, failures included.

A line is `{"file", "width", "height", "detections": [{"label", "score", "box": [x1, y1, x2, y2]}]}`, or
`{"file", "error"}`. All of it is ASCII: a file name that is not UTF-8 travels as escaped surrogates. A run that was
killed may leave a last line without its end; it is dropped, and the picture is simply not done yet.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from .errors import DataError, SetupError
from .files import write_atomically
from .records import Detections, Picture
from .text_files import lines_of, read_text

LEDGER_NAME = "detections.jsonl"


def picture_to_line(picture: Picture) -> str:
    """One picture's line, with its line end.

    >>> picture_to_line(Picture("a.jpg", error="empty file"))
    '{"file": "a.jpg", "error": "empty file"}\\n'
    """
    if picture.error is not None:
        return json.dumps({"file": picture.file, "error": picture.error}) + "\n"
    found = picture.detections
    rows = zip(found.labels.tolist(), found.scores.tolist(), found.boxes.tolist(), strict=True)
    record = {
        "file": picture.file,
        "width": picture.width,
        "height": picture.height,
        "detections": [{"label": label, "score": score, "box": box} for label, score, box in rows],
    }
    return json.dumps(record) + "\n"


def picture_from_line(line: str | bytes, owner: str) -> Picture:
    """The inverse of `picture_to_line`; `owner` says in an error where the line is from."""
    try:
        record: Any = json.loads(line)
        file = record["file"]
        if not isinstance(file, str):
            raise TypeError(f"file is {file!r}")
        if "error" in record:
            return Picture(file, error=str(record["error"]))
        rows = record["detections"]
        found = Detections(
            boxes=[row["box"] for row in rows],  # pyright: ignore[reportArgumentType] (the record makes it an array)
            labels=[str(row["label"]) for row in rows],  # pyright: ignore[reportArgumentType]
            scores=[row["score"] for row in rows],  # pyright: ignore[reportArgumentType]
        )
        return Picture(file, int(record["width"]), int(record["height"]), found)
    except KeyError as error:
        raise DataError(
            f"{owner}: has no {error}; need file, width, height and detections, or file and error"
        ) from None
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"{owner}: is not one picture's detections ({error}); remove it or run detect again") from error


def write_ledger(pictures: Iterable[Picture], path: str | Path) -> None:
    """Write a whole ledger at once."""
    write_atomically(path, "".join(map(picture_to_line, pictures)))


def read_ledger(path: str | Path) -> list[Picture]:
    """Every picture in the ledger, in order, without a torn last line."""
    path = Path(path)
    lines = lines_of(read_text(path))
    if _is_torn(lines[-1]):
        lines.pop()
    return [picture_from_line(line, f"{path}: line {i}") for i, line in enumerate(lines, 1) if line.strip()]


def open_ledger(path: str | Path) -> TextIO:
    """Open for appending, on disk line by line; what a killed run left of its last line is cut off first."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            data = _read(path)
            whole = data[: _whole_length(data)]
            if whole and not whole.endswith(b"\n"):
                whole += b"\n"
            if whole != data:
                write_atomically(path, whole)
        return path.open("a", encoding="ascii", newline="\n", buffering=1)
    except OSError as error:
        raise SetupError(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def _whole_length(data: bytes) -> int:
    """How much of a ledger is whole lines. One that only lacks its line end is whole: half an object never parses."""
    end = data.rfind(b"\n") + 1
    return end if _is_torn(data[end:].decode("ascii", "replace")) else len(data)


def _is_torn(line: str) -> bool:
    """Whether it is the beginning of a line, and no more. What never was one is no torn line, and not to be dropped."""
    try:
        json.JSONDecoder().raw_decode(line)
    except ValueError:
        return line.startswith("{")
    except RecursionError:
        return False
    return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
