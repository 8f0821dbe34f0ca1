"""Lists of boxes and names from strangers: MATLAB's .mat files of level 5 (-v6, -v7), and NumPy's .npz archives.

SciPy's reader trusts a file's lengths and can end the whole process. Here every length is checked against the bytes
that are there, no array claims more, and what is packed may not unpack to more than `_FOLD` times its size.
"""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
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


class _Element(NamedTuple):
    kind: int
    body: memoryview


class _Matrix(NamedTuple):
    kind: int  # MATLAB's class
    flags: int
    shape: tuple[int, ...]
    name: str
    parts: Iterator[_Element]  # behind the name


_NOTHING = _Element(0, memoryview(b""))  # for the element behind the last


def read_cells(path: Path, names: Collection[str]) -> dict[str, list[Cell]]:
    """The cell arrays of these names in a .mat file, column by column; DataError where it is none that is read here."""
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


def _byte_order(header: bytes) -> str:
    if header.startswith((b"MATLAB 7.3", b"\x89HDF")):
        raise DataError("is of MATLAB 7.3; save it with -v7 to have it read")
    order = {b"IM": "<", b"MI": ">"}.get(header[126:128])
    if order is None:
        old = len(header) >= 20 and 0 in header[:4] and any(header[:20])
        raise DataError("is of MATLAB 4; save it with -v7 to have it read" if old else "is no file of MATLAB")
    return order


def _elements(content: memoryview, order: str) -> Iterator[_Element]:
    while len(content):
        if len(content) < 8:
            raise _damaged("ends within an element")
        kind, length = struct.unpack_from(f"{order}II", content)
        start, size = 8, 8 + length + (0 if kind == _COMPRESSED else -length % 8)
        if kind >> 16:  # a small one: length and type are in four bytes, and the content fills the other four
            kind, length, start, size = kind & 0xFFFF, kind >> 16, 4, 8
        if length > min(size, len(content)) - start:
            raise _damaged(f"an element claims {length:,} bytes, and {min(size, len(content)) - start:,} follow")
        yield _Element(kind, content[start : start + length])
        content = content[size:]


def _unpacked(packed: memoryview, order: str, names: Collection[str]) -> _Element:
    """The element in a compressed one; of an array of another name nothing but the head."""
    head = _inflated(packed, 512)
    if len(head) < 8:
        raise _damaged("a compressed element is empty")
    kind, length = struct.unpack_from(f"{order}II", head)
    if kind != _MATRIX or (len(head) == 512 and _matrix(memoryview(head)[8:], order).name not in names):
        return _Element(kind, memoryview(b""))
    if length > _FOLD * len(packed) + _SPARE:
        raise _damaged(f"{len(packed):,} compressed bytes claim to be {length:,}")
    whole = memoryview(_inflated(packed, length + 8, to_end=True))
    if len(whole) < length + 8:
        raise _damaged(f"a compressed element claims {length:,} bytes and has {max(len(whole) - 8, 0):,}")
    return _Element(kind, whole[8 : length + 8])


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
    parts = _elements(content, order)
    flags, shape, name = (_part(parts, *each) for each in ((_UINT32, "flags"), (_INT32, "dimensions"), (_INT8, "name")))
    if len(flags) < 4 or len(shape) % 4 or len(name) > _LONGEST_NAME:
        raise _damaged("an array has flags, dimensions or a name of another length")
    (word,) = struct.unpack_from(f"{order}I", flags)
    sides = tuple(np.frombuffer(shape, f"{order}i4").tolist())
    if any(side < 0 for side in sides):
        raise _damaged("an array has a negative dimension")
    return _Matrix(word & 0xFF, word, sides, bytes(name).decode("latin-1"), parts)


def _part(parts: Iterator[_Element], wanted: int, what: str) -> memoryview:
    kind, body = next(parts, _NOTHING)
    if kind != wanted:
        raise _damaged(f"an array has no {what}")
    return body


def _cells(matrix: _Matrix, order: str) -> list[Cell]:
    if matrix.kind != _CELL_CLASS:
        raise DataError(f"{matrix.name} is no cell array")
    cells: list[Cell] = []
    while len(cells) < math.prod(matrix.shape):
        owner = f"cell {len(cells) + 1} of {matrix.name}"
        kind, body = next(matrix.parts, _NOTHING)
        if kind != _MATRIX:
            raise _damaged(f"{owner} is no array")
        cells.append(_cell(_matrix(body, order), order, owner) if len(body) else np.zeros((0, 0)))
    return cells


def _cell(matrix: _Matrix, order: str, owner: str) -> Cell:
    if len(matrix.shape) != 2 or (matrix.kind != _CHAR_CLASS and matrix.kind not in _NUMBER_CLASSES):
        raise DataError(f"{owner} holds neither text nor a matrix of numbers")
    if matrix.flags & _COMPLEX:
        raise DataError(f"{owner} holds complex numbers")
    kind, content = next(matrix.parts, _NOTHING)
    if matrix.kind == _CHAR_CLASS:
        return _text(kind, content, matrix.shape[0], order, owner)
    if kind not in _NUMBERS:
        raise _damaged(f"{owner} has no numbers")
    stored = np.dtype(f"{order}{_NUMBERS[kind]}")
    if math.prod(matrix.shape) * stored.itemsize != len(content):
        raise _damaged(f"{owner} has {len(content):,} bytes for {shown(matrix.shape)} numbers")
    return np.frombuffer(content, stored).astype(np.float64).reshape(matrix.shape, order="F")


def _text(kind: int, content: memoryview, num_lines: int, order: str, owner: str) -> str:
    if kind not in _TEXTS:
        raise _damaged(f"{owner} has no characters")
    encoding = _TEXTS[kind]
    if encoding in ("utf-16", "utf-32"):
        encoding += "-le" if order == "<" else "-be"
    try:
        text = bytes(content).decode(encoding, "surrogateescape" if encoding == "utf-8" else "strict")
    except UnicodeDecodeError as error:
        raise _damaged(f"{owner} is no text, {error.reason}") from error
    if len(text) > 1 and num_lines != 1:
        raise DataError(f"{owner} holds several lines of text")
    return text


def _damaged(what: str) -> DataError:
    return DataError(f"is damaged or cut short ({what}); fetch it again")


def read_npz(path: str | Path, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """The arrays of these names in an archive; nothing that would run code is read."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: info for info in archive.infolist()}
        return {name: _array(archive, members.get(f"{name}.npy"), name) for name in names}


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo | None, name: str) -> NDArray[Any]:
    if member is None:
        raise DataError(f"holds no array {name!r}")
    if member.file_size > _FOLD * member.compress_size + _SPARE:
        raise DataError(f"{name}: {member.compress_size:,} compressed bytes claim to be {member.file_size:,}")
    content = archive.read(member)
    stream = io.BytesIO(content)
    read = npy.read_array_header_1_0 if npy.read_magic(stream) == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(stream)
    if not dtype.hasobject and math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise DataError(f"{name}: {len(content):,} bytes are not an array of {dtype.str} of shape {shape}")
    stream.seek(0)
    return npy.read_array(stream, allow_pickle=False)
