"""JSON files: each way in which one cannot be read is one sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..values import shortened
from .text_files import read_bytes


def load_json(path: str | Path) -> Any:
    """What a JSON file holds, plain or compressed by gzip, in whichever of Unicode's encodings it is written."""
    return parse_json(read_bytes(path), str(path))


def parse_json(text: str | bytes, owner: str) -> Any:
    """What a JSON text holds; `owner` is what an error calls it.

    >>> parse_json("\\ufeff[1]".encode(), "a.json")
    [1]
    """
    return guarded(json.loads, text, owner)


def guarded(parse: Callable[[Any], Any], text: str | bytes, owner: str) -> Any:
    """What a parser of JSON gives; one sentence for each way in which such a text cannot be read."""
    try:
        return parse(text)
    except RecursionError as error:
        raise DataError(f"{owner}: cannot be read as JSON (it is nested too deeply)") from error
    except ValueError as error:  # Python's own word on long numbers advises to raise its limit
        reason = "a number has thousands of digits" if "digits" in str(error) else shortened(str(error))
        raise DataError(f"{owner}: cannot be read as JSON ({reason})") from error
