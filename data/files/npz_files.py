"""NumPy's `.npz` archives from strangers: no array is made that claims more than its file holds."""

import io
import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ..errors import DataError

_FOLD, _SPARE = 100, 2**26  # boxes shrink about tenfold; a few bytes that stand for gigabytes are no boxes


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
    shape, dtype = _header(stream)
    if not dtype.hasobject and math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise DataError(f"{name}: {len(content):,} bytes are not an array of {dtype.str} of shape {shape}")
    stream.seek(0)
    return npy.read_array(stream, allow_pickle=False)


def _header(stream: io.BytesIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    read = npy.read_array_header_1_0 if npy.read_magic(stream) == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype
