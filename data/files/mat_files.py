"""MATLAB's files of level 5 (-v6, -v7), as far as lists of boxes and names come in them: cells of numbers and of text.

SciPy's reader trusts a file's lengths and can end the whole process; here every length is checked against the bytes
that are there, and what is packed may not unpack to more than `_FOLD` times its size.
"""

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..values import shown

Cell = NDArray[np.float64] | str

_HEADER = 128  # bytes
_INT8, _UINT32, _INT32, _MATRIX, _COMPRESSED = 1, 6, 5, 14, 15  # types of an element
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL_CLASS, _CHAR_CLASS, _NUMBER_CLASSES = 1, 4, range(6, 16)
_COMPLEX = 0x0800  # a flag beside the class

_LONGEST_NAME = 63  # of a variable, in MATLAB
_FOLD, _SPARE = 100, 2**26  # boxes shrink about tenfold; a few bytes that stand for gigabytes are no boxes


def read_cells(path: Path, names: Collection[str]) -> dict[str, list[Cell]]:
    """The cell arrays of these names in a file, column by column; DataError where it is none that is read here."""
    content = memoryview(path.read_bytes())
    order = _byte_order(bytes(content[:_HEADER]))
    found: dict[str, list[Cell]] = {}
    for kind, body in _elements(content[_HEADER:], order):
        if kind == _COMPRESSED:
            kind, body = _unpacked(body, order, names)
        if kind != _MATRIX:
            raise _damaged(f"an element of type {kind} is no array")
        if len(body):
            matrix = _matrix(body, order)
            if matrix.name in names:
                found[matrix.name] = _cells(matrix, order)
    return found


@dataclass(frozen=True)
class _Matrix:
    kind: int  # MATLAB's class
    flags: int
    shape: tuple[int, ...]
    name: str
    body: memoryview


def _byte_order(header: bytes) -> str:
    if header.startswith((b"MATLAB 7.3", b"\x89HDF")):
        raise DataError("is of MATLAB 7.3; save it with -v7 to have it read")
    order = {b"IM": "<", b"MI": ">"}.get(header[126:128])
    if order is None:
        old = len(header) >= 20 and 0 in header[:4] and any(header[:20])
        raise DataError("is of MATLAB 4; save it with -v7 to have it read" if old else "is no file of MATLAB")
    return order


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    position = 0
    while position < len(content):
        kind, body, position = _element(content, position, order)
        yield kind, body


def _element(content: memoryview, position: int, order: str) -> tuple[int, memoryview, int]:
    if len(content) - position < 8:
        raise _damaged("ends within an element")
    kind, length = struct.unpack_from(f"{order}II", content, position)
    start = position + 8
    if kind >> 16:  # a small one: length and type are in four bytes, and the content fills the other four
        kind, length, start = kind & 0xFFFF, kind >> 16, position + 4
        if length > 4:
            raise _damaged(f"a small element claims {length} bytes")
        return kind, content[start : start + length], position + 8
    if length > len(content) - start:
        raise _damaged(f"an element claims {length:,} bytes, and {len(content) - start:,} follow")
    padding = 0 if kind == _COMPRESSED else -length % 8
    return kind, content[start : start + length], start + length + padding


def _unpacked(packed: memoryview, order: str, names: Collection[str]) -> tuple[int, memoryview]:
    """The element in a compressed one; of an array of another name nothing but the head."""
    head = _inflated(packed, 512)
    if len(head) < 8:
        raise _damaged("a compressed element is empty")
    kind, length = struct.unpack_from(f"{order}II", head)
    if kind != _MATRIX:
        return kind, memoryview(b"")
    if len(head) == 512 and _matrix(memoryview(head)[8:], order).name not in names:
        return kind, memoryview(b"")
    if length > _FOLD * len(packed) + _SPARE:
        raise _damaged(f"{len(packed):,} compressed bytes claim to be {length:,}")
    whole = memoryview(_inflated(packed, length + 8, to_end=True))
    if len(whole) < length + 8:
        raise _damaged(f"a compressed element claims {length:,} bytes and has {max(len(whole) - 8, 0):,}")
    return kind, whole[8 : length + 8]


def _inflated(packed: memoryview, most: int, *, to_end: bool = False) -> bytes:
    """At most `most` bytes of a compressed stream; `to_end` wants all of it, and its checksum right."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(packed, most)
        if to_end and not stream.eof:
            stream.decompress(stream.unconsumed_tail, 64)  # the checksum, and what pads the last element
    except zlib.error as error:
        raise _damaged(f"a compressed element cannot be unpacked, {error}") from error
    if to_end and not stream.eof:
        raise _damaged("a compressed element is cut short or longer than it claims")
    return content


def _matrix(content: memoryview, order: str) -> _Matrix:
    kind, flags, position = _element(content, 0, order)
    if kind != _UINT32 or len(flags) < 4:
        raise _damaged("an array has no flags")
    kind, shape, position = _element(content, position, order)
    if kind != _INT32 or len(shape) % 4:
        raise _damaged("an array has no dimensions")
    kind, name, position = _element(content, position, order)
    if kind != _INT8 or len(name) > _LONGEST_NAME:
        raise _damaged("an array has no name")
    (word,) = struct.unpack_from(f"{order}I", flags)
    sides = tuple(np.frombuffer(shape, f"{order}i4").tolist())
    if any(side < 0 for side in sides):
        raise _damaged("an array has a negative dimension")
    return _Matrix(word & 0xFF, word, sides, bytes(name).decode("latin-1"), content[position:])


def _cells(matrix: _Matrix, order: str) -> list[Cell]:
    if matrix.kind != _CELL_CLASS:
        raise DataError(f"{matrix.name} is no cell array")
    count, position, cells = math.prod(matrix.shape), 0, []
    if count * 8 > len(matrix.body):
        raise _damaged(f"{matrix.name} claims {shown(count)} cells in {len(matrix.body):,} bytes")
    for number in range(1, count + 1):
        kind, body, position = _element(matrix.body, position, order)
        if kind != _MATRIX:
            raise _damaged(f"cell {number} of {matrix.name} is no array")
        cells.append(_cell(body, order, f"cell {number} of {matrix.name}") if len(body) else np.zeros((0, 0)))
    return cells


def _cell(body: memoryview, order: str, owner: str) -> Cell:
    matrix = _matrix(body, order)
    if len(matrix.shape) != 2 or (matrix.kind != _CHAR_CLASS and matrix.kind not in _NUMBER_CLASSES):
        raise DataError(f"{owner} holds neither text nor a matrix of numbers")
    if matrix.flags & _COMPLEX:
        raise DataError(f"{owner} holds complex numbers")
    kind, content, _ = _element(matrix.body, 0, order)
    if matrix.kind == _CHAR_CLASS:
        return _text(kind, content, matrix, order, owner)
    if kind not in _NUMBERS:
        raise _damaged(f"{owner} has no numbers")
    stored = np.dtype(f"{order}{_NUMBERS[kind]}")
    if math.prod(matrix.shape) * stored.itemsize != len(content):
        raise _damaged(f"{owner} has {len(content):,} bytes for {shown(matrix.shape)} numbers")
    return np.frombuffer(content, stored).astype(np.float64).reshape(matrix.shape, order="F")


def _text(kind: int, content: memoryview, matrix: _Matrix, order: str, owner: str) -> str:
    encoding = _TEXTS.get(kind)
    if encoding is None:
        raise _damaged(f"{owner} has no characters")
    if encoding in ("utf-16", "utf-32"):
        encoding += "-le" if order == "<" else "-be"
    try:
        text = bytes(content).decode(encoding, "surrogateescape" if encoding == "utf-8" else "strict")
    except UnicodeDecodeError as error:
        raise _damaged(f"{owner} is no text, {error.reason}") from error
    if len(text) > 1 and matrix.shape[0] != 1:
        raise DataError(f"{owner} holds several lines of text")
    return text


def _damaged(what: str) -> DataError:
    return DataError(f"is damaged or cut short ({what}); fetch it again")
