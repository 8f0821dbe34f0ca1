"""Safetensors files of NumPy arrays, written so that equal content is equal bytes, and read as what they should hold.

`open_tensors` reads what a file says of itself and its arrays; whatever a damaged or foreign file does, a number format
that NumPy lacks, an array that is not there, is a DataError of one sentence.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..diagnostics import cut
from ..errors import DataError
from .atomic import write_atomically
from .checked_json import checked, parse_json

T = TypeVar("T")

# Safetensors' names of number formats.
FLOATS = ("F16", "F32", "F64")
INTEGERS = ("I64",)


def write_tensors(path: str | Path, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, str]) -> None:
    """Write a file, whole or not at all; the same arrays and texts give the same bytes."""
    write_atomically(path, with_sorted_header(save(dict(arrays)), about))


def with_sorted_header(content: bytes, about: Mapping[str, str]) -> bytes:
    """A safetensors file's bytes with other texts about it, in order: safetensors writes them in one that changes."""
    (length,) = struct.unpack_from("<Q", content)
    header = {"__metadata__": dict(sorted(about.items())), **json.loads(content[8 : 8 + length])}
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)  # the format aligns the numbers to eight bytes
    return struct.pack("<Q", len(encoded)) + encoded + content[8 + length :]


@dataclass(frozen=True)
class OpenTensors:
    """An open file: what it says of itself, and its arrays; `open_tensors` words the ValueErrors of its methods."""

    about: Mapping[str, str]
    file: Any

    def text(self, name: str) -> str:
        """What the file says of itself under a name."""
        if name not in self.about:
            raise ValueError(f"it does not say {name!r}")
        return self.about[name]

    def json(self, name: str, kind: type[T]) -> T:
        """The same, of a kind that is written as JSON."""
        try:
            return checked(parse_json(self.text(name), name), kind, name)
        except DataError as error:
            raise ValueError(str(error)) from error

    def slice(self, name: str, formats: tuple[str, ...]) -> Any:
        """An array that is read in parts, if its numbers are of one of these formats."""
        if name not in self.file.keys():  # noqa: SIM118 (it is no dictionary)
            raise ValueError(f"it has no array {name!r}")
        part = self.file.get_slice(name)
        if part.get_dtype() not in formats:
            raise ValueError(f"{name} has numbers of format {part.get_dtype()}, need {' or '.join(formats)}")
        return part

    def array(self, name: str, formats: tuple[str, ...]) -> NDArray[Any]:
        """The whole of one."""
        self.slice(name, formats)
        return np.asarray(self.file.get_tensor(name))


@contextmanager
def open_tensors(path: Path, what: str, fix: str) -> Iterator[OpenTensors]:
    """Open a file to read; whatever goes wrong meanwhile is told as: it cannot be read as `what`, and what to do."""
    try:
        with safe_open(str(path), framework="numpy") as file:
            yield OpenTensors(file.metadata() or {}, file)
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such {what.partition(' ')[2]}") from error
    except (SafetensorError, OSError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise DataError(f"{path}: cannot be read as {what} ({cut(str(error))}); {fix}") from error
