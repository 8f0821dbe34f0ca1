"""A reader for Caffe's binary `.caffemodel` files: the protobuf wire format, without protobuf.

A `NetParameter` holds layers, a layer its name, type and blobs, a blob its shape and numbers. Two styles exist:
`layer` (field 100) since 2014, `layers` (field 2) before. Everything else in the file is passed over.
Wire format: https://protobuf.dev/programming-guides/encoding/; field numbers: caffe.proto.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError

Value = int | memoryview  # a varint, or the bytes of anything else

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types


class _Style(NamedTuple):
    """The field numbers of a layer, and the types whose blobs are 4-D."""

    name: int
    type: int
    blobs: int
    convolutions: tuple[bytes | int, ...]


_STYLES = {
    100: _Style(name=1, type=2, blobs=7, convolutions=(b"Convolution", b"Deconvolution")),  # LayerParameter
    2: _Style(name=4, type=5, blobs=6, convolutions=(4, 39)),  # V1LayerParameter, whose type is an enum
}
_BLOB_NAMES = ("weight", "bias")
_MAX_DIMENSIONS = 32  # Caffe's own limit
_FOREIGN = {  # what files given by mistake begin with
    b"PK\x03\x04": "a PyTorch or ZIP file",
    b"\x80\x02": "a pickle",
    b"\x89HDF": "an HDF5 file; convert it with Caffe to the binary .caffemodel",
    b"<": "a web page; the download may have failed",
    b"name:": "a prototxt, which describes a net without its weights",
    b"version https://git-lfs": "a Git LFS pointer; run `git lfs pull`",
}


def read_caffemodel(path: str | Path) -> dict[str, NDArray[np.float32]]:
    """The blobs of every layer that has any, as `<layer>.weight` and `<layer>.bias`, in the file's order.

    Further blobs, such as batch normalisation's, are `<layer>.blob2` and so on. Old files give every blob four
    dimensions; here a fully connected layer's weights are (out, in), and biases (out,).
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if foreign := _foreign(content):
        raise DataError(f"{path}: is not a Caffe model but {foreign}")
    try:
        return _net(memoryview(content))
    except ValueError as error:
        raise DataError(f"{path}: is not a Caffe model, or a damaged one: {error}") from error


def _foreign(content: bytes) -> str | None:
    if not content:
        return "an empty file"
    if content[8:10] == b'{"':
        return "a safetensors file; name it .safetensors"
    return next((what for start, what in _FOREIGN.items() if content.startswith(start)), None)


def _net(message: memoryview) -> dict[str, NDArray[np.float32]]:
    blobs: dict[str, NDArray[np.float32]] = {}
    for number, value in _fields(message):
        if number not in _STYLES:
            continue
        for name, blob in _layer(_message(value, "a layer"), _STYLES[number]):
            if name in blobs:
                raise ValueError(f"{name} is there twice")
            blobs[name] = blob
    if not blobs:
        raise ValueError("it holds no layer with weights")
    return blobs


def _layer(message: memoryview, style: _Style) -> Iterator[tuple[str, NDArray[np.float32]]]:
    values = _by_number(message)
    name = bytes(_message(values[style.name][-1], "a layer's name")).decode() if values[style.name] else ""
    kind = values[style.type][-1] if values[style.type] else None
    is_convolution = (kind if isinstance(kind, int | None) else bytes(kind)) in style.convolutions
    for index, blob in enumerate(values[style.blobs]):
        blob_name = f"{name}.{_BLOB_NAMES[index] if index < len(_BLOB_NAMES) else f'blob{index}'}"
        added = 3 if index > 0 else 0 if is_convolution else 2
        yield blob_name, _blob(_message(blob, f"a blob of {name!r}"), blob_name, added)


def _blob(message: memoryview, name: str, added: int) -> NDArray[np.float32]:
    """One blob; of the four dimensions that the old format gave every blob, the first `added` ones mean nothing."""
    values = _by_number(message)
    # Packed, or one number after the other. As bytearrays, since torch wants arrays that can be written to.
    floats, doubles = (bytearray().join(_message(each, name) for each in values[number]) for number in (5, 8))
    if floats and doubles:
        raise ValueError(f"{name} holds both floats and doubles")
    if len(floats) % 4 or len(doubles) % 8:
        raise ValueError(f"{name} ends inside a number")
    numbers = np.frombuffer(doubles, dtype="<f8") if doubles else np.frombuffer(floats, dtype="<f4")
    numbers = numbers.astype(np.float32, copy=False)
    if values[7]:
        shape = _shape(_message(values[7][-1], name), name)
    else:
        shape = [_integer(values[number][-1], name) if values[number] else 0 for number in (1, 2, 3, 4)]
        shape = shape if any(shape) else [len(numbers)]
        shape = shape[added:] if shape[:added] == [1] * added else shape
    if math.prod(shape) != len(numbers) or not len(numbers):
        raise ValueError(f"{name} has {len(numbers)} numbers for the shape {tuple(shape)}")
    return numbers.reshape(shape)


def _shape(message: memoryview, name: str) -> list[int]:
    """The dimensions, packed or one after the other."""
    shape: list[int] = []
    for value in _by_number(message)[1]:
        position = 0
        while not isinstance(value, int) and position < len(value) and len(shape) <= _MAX_DIMENSIONS:
            dimension, position = _varint(value, position)
            shape.append(dimension)
        shape += [value] if isinstance(value, int) else []
        if len(shape) > _MAX_DIMENSIONS:
            raise ValueError(f"{name} has more than {_MAX_DIMENSIONS} dimensions")
    return shape


def _by_number(message: memoryview) -> defaultdict[int, list[Value]]:
    """The values of a message by field number."""
    values: defaultdict[int, list[Value]] = defaultdict(list)
    for number, value in _fields(message):
        values[number].append(value)
    return values


def _fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """The field numbers of a message and their values, in order."""
    position = 0
    while position < len(message):
        start = position
        key, position = _varint(message, position)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise ValueError(f"field number 0 at byte {start} of a message")
        if wire == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire == _BYTES:
            length, position = _varint(message, position)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {wire} at byte {start} of a message, which Caffe never writes")
        if length > len(message) - position:
            raise ValueError(f"it is cut short: {length} bytes promised, {len(message) - position} left")
        yield number, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """The unsigned number at a position, seven bits a byte, at most ten bytes, and the position behind it."""
    value = 0
    for index, byte in enumerate(message[position : position + 10]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise ValueError("it is cut short inside a number" if len(message) - position < 10 else "a number never ends")


def _message(value: Value, what: str) -> memoryview:
    if isinstance(value, int):
        raise ValueError(f"{what} is a bare number")
    return value


def _integer(value: Value, what: str) -> int:
    if isinstance(value, int):
        return value
    raise ValueError(f"a dimension of {what} is not a number")
