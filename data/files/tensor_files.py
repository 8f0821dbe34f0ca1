"""Safetensors files of NumPy arrays: equal content is equal bytes, and what is damaged or foreign is a DataError.

The header's metadata states the sha256 of all else in the file, so that overwritten bytes are noticed. Files of earlier
releases and of others state none, and are read without.
"""

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..diagnostics import cut
from ..errors import DataError
from .atomic import write_atomically
from .json_files import checked, parse_json

T = TypeVar("T")

# Safetensors' names of number formats.
FLOATS = ("F16", "F32", "F64")
INTEGERS = ("I64",)

CHECKSUM = "content_sha256"  # its name in the metadata
_CHUNK = 2**20  # bytes that are read at once
_SHOWN = 12  # digits in a message


def write_tensors(path: str | Path, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, str]) -> None:
    """Write a file, whole or not at all; the same arrays and texts give the same bytes."""
    write_atomically(path, with_checksum(save(dict(arrays)), about))


def with_checksum(content: bytes, about: Mapping[str, str]) -> bytes:
    """A safetensors file's bytes with these texts, in order, which safetensors has by their hashes, and a checksum."""
    (length,) = struct.unpack_from("<Q", content)
    numbers = memoryview(content)[8 + length :]
    header = {"__metadata__": dict(sorted(about.items())), **json.loads(content[8 : 8 + length])}
    digest = begin_checksum(header)
    digest.update(numbers)
    return encode_header(header, digest.hexdigest()) + numbers


def encode_header(header: Mapping[str, Any], checksum: str) -> bytes:
    """What is before a file's numbers, as long with any other checksum."""
    about = {**header["__metadata__"], CHECKSUM: checksum}
    text = json.dumps({**header, "__metadata__": about}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format aligns the numbers to eight bytes
    return struct.pack("<Q", len(text)) + text


def begin_checksum(header: Mapping[str, Any]) -> Any:
    """A sha256 of a file's header without its checksum, to be updated with the numbers."""
    about = {name: value for name, value in (header.get("__metadata__") or {}).items() if name != CHECKSUM}
    return hashlib.sha256(json.dumps({**header, "__metadata__": about}, sort_keys=True).encode())


def own_checksums(file: BinaryIO) -> tuple[str, str] | None:
    """The checksum of what a valid file holds, and the one that it states; None where it states none."""
    (length,) = struct.unpack("<Q", file.read(8))
    header = json.loads(file.read(length))
    stated = (header.get("__metadata__") or {}).get(CHECKSUM)
    if stated is None:
        return None
    digest = begin_checksum(header)
    for chunk in iter(lambda: file.read(_CHUNK), b""):
        digest.update(chunk)
    return digest.hexdigest(), stated


def check_same(path: Path, found: str, stated: str, fix: str) -> None:
    """DataError, with what to do, where a file's checksum is not the one that was stated."""
    if found != stated:
        sums = f"its sha256 is {found[:_SHOWN]}… and was {stated[:_SHOWN]}… when it was written"
        raise DataError(f"{path}: is damaged or was changed: {sums}; {fix}")


def shard_names(kind: str, files: Sequence[str], size: int) -> dict[str, list[str]]:
    """Which of many images go into which shard of a folder, in order, for `size` images a shard."""
    starts = range(0, len(files), size)
    return {f"{kind}-{start // size:05d}.safetensors": list(files[start : start + size]) for start in starts}


@dataclass(frozen=True)
class OpenTensors:
    """An open file: its metadata and arrays; `open_tensors` words the ValueErrors of its methods."""

    about: Mapping[str, str]
    file: Any

    def text(self, name: str) -> str:
        if name not in self.about:
            raise ValueError(f"it does not state {name!r}")
        return self.about[name]

    def json(self, name: str, kind: type[T]) -> T:
        """The same, of a kind that is written as JSON."""
        try:
            return checked(parse_json(self.text(name), name, strict=True), kind, name)
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
        self.slice(name, formats)
        return np.asarray(self.file.get_tensor(name))


@contextmanager
def open_tensors(path: Path, what: str, fix: str, *, compare: bool = True) -> Iterator[OpenTensors]:
    """Open a file to read, comparing its checksum first; whatever goes wrong is a DataError with what to do."""
    try:
        with safe_open(str(path), framework="numpy") as file:
            if compare:
                with path.open("rb") as content:
                    if sums := own_checksums(content):
                        check_same(path, *sums, fix)
            about = {name: text for name, text in (file.metadata() or {}).items() if name != CHECKSUM}
            yield OpenTensors(about, file)
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such {what.partition(' ')[2]}") from error
    except (SafetensorError, OSError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise DataError(f"{path}: cannot be read as {what} ({cut(str(error))}); {fix}") from error
