"""MATLAB's files: SciPy's reader is what ours must agree with, on files that SciPy writes."""

import random
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.files.array_files import read_cells

NUMBERS = [
    np.arange(8.0).reshape(2, 4) + 0.5,
    np.arange(8, dtype=np.float32).reshape(2, 4),
    np.arange(4, dtype=np.uint16).reshape(1, 4),
    np.arange(4, dtype=np.int8).reshape(1, 4) - 2,
    np.array([[2**40, -(2**40)]], dtype=np.int64),
    np.array([[True, False]]),
    np.zeros((0, 4)),
    np.array(7.0),
]


def cells(*values: Any) -> np.ndarray[Any, Any]:
    array = np.empty((len(values), 1), dtype=object)
    array[:, 0] = values
    return array


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("upright", [False, True])
def test_numbers_are_those_that_scipy_reads(tmp_path: Path, compressed: bool, upright: bool) -> None:
    path = tmp_path / "p.mat"
    array = cells(*NUMBERS)
    savemat(path, {"other": np.eye(300), "boxes": array if upright else array.T}, do_compression=compressed)
    ours, theirs = read_cells(path, ["boxes"])["boxes"], loadmat(path)["boxes"].ravel()
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert isinstance(one, np.ndarray)
        assert one.dtype == np.float64
        assert one.shape == other.shape
        assert (one == other).all()


@pytest.mark.parametrize("compressed", [False, True])
def test_text_is_what_scipy_reads(tmp_path: Path, compressed: bool) -> None:
    names = ["a", "000005", "2008_000008", "é", "日本", "a b", "x" * 300]
    savemat(tmp_path / "p.mat", {"images": cells(*names)}, do_compression=compressed)
    assert read_cells(tmp_path / "p.mat", ["images"]) == {"images": names}
    assert [str(name[0]) for name in loadmat(tmp_path / "p.mat")["images"].ravel()] == names


def matlab(order: str, *, utf16: bool = False) -> bytes:
    """A file as MATLAB itself writes it, in either byte order: `images` with one name and `boxes` with one box."""

    def element(kind: int, content: bytes) -> bytes:
        if len(content) <= 4:
            small = struct.pack(f"{order}I", len(content) << 16 | kind)
            return small + content.ljust(4, b"\0")
        return struct.pack(f"{order}II", kind, len(content)) + content + b"\0" * (-len(content) % 8)

    def matrix(kind: int, shape: tuple[int, int], name: bytes, body: bytes) -> bytes:
        flags = element(6, struct.pack(f"{order}II", kind, 0))
        return element(14, flags + element(5, struct.pack(f"{order}ii", *shape)) + element(1, name) + body)

    codec = "utf-16-le" if order == "<" else "utf-16-be"
    text = element(4, "ab".encode(codec)) if utf16 else element(16, b"ab")
    numbers = element(4, struct.pack(f"{order}4H", 1, 2, 3, 500))  # doubles that fit are kept as 16 bits
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}HH", 0x0100, 0x4D49)
    images = matrix(1, (1, 1), b"images", matrix(4, (1, 2), b"", text))
    return header + images + matrix(1, (1, 1), b"boxes", matrix(6, (1, 4), b"", numbers))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("utf16", [False, True])
def test_files_of_either_byte_order(tmp_path: Path, order: str, utf16: bool) -> None:
    (tmp_path / "p.mat").write_bytes(matlab(order, utf16=utf16))
    found = read_cells(tmp_path / "p.mat", ["images", "boxes"])
    assert found["images"] == ["ab"]
    assert np.asarray(found["boxes"][0]).tolist() == [[1, 2, 3, 500]]
    assert loadmat(tmp_path / "p.mat")["boxes"][0, 0].tolist() == [[1, 2, 3, 500]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no file of MATLAB"),
        (b"hello", "is no file of MATLAB"),
        (bytes(128), "is no file of MATLAB"),
        (struct.pack("<5i", 0, 1, 1, 0, 6) + b"boxes\0" + bytes(200), "is of MATLAB 4"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM", "is of MATLAB 7.3"),
        (matlab("<")[:-10], "damaged or cut short"),
        (matlab("<")[:132], "damaged or cut short"),
        (matlab("<")[:128] + struct.pack("<II", 15, 30) + zlib.compress(bytes(10**6))[:30], "damaged or cut short"),
        (matlab("<")[:128] + struct.pack("<II", 14, 2**31), "damaged or cut short"),
        (matlab("<")[:128] + struct.pack("<II", 14, 8) * 9, "damaged or cut short"),
    ],
    ids=range(10),
)
def test_what_is_no_such_file_is_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "p.mat").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_cells(tmp_path / "p.mat", ["boxes", "images"])
    assert len(str(caught.value)) < 200


def test_a_few_bytes_that_claim_gigabytes_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    cell = matlab("<")[128:]
    claimed = struct.pack("<II", 14, 2**30) + cell[8:56] + bytes(2**28)
    packed = zlib.compress(claimed)
    (tmp_path / "p.mat").write_bytes(matlab("<")[:128] + struct.pack("<II", 15, len(packed)) + packed)
    with pytest.raises(DataError, match="compressed bytes claim to be"):
        read_cells(tmp_path / "p.mat", ["images"])


@pytest.mark.parametrize("value", [np.eye(4), {"a": 1}, "text"], ids=str)
def test_other_arrays_of_the_name_are_refused(tmp_path: Path, value: Any) -> None:
    savemat(tmp_path / "p.mat", {"boxes": value})
    with pytest.raises(DataError, match="boxes is no cell array"):
        read_cells(tmp_path / "p.mat", ["boxes"])


@pytest.mark.parametrize("value", [{"a": 1}, cells(1), np.array([[1j]]), np.zeros((2, 2, 2)), np.array(["ab", "cd"])])
def test_other_cells_are_refused(tmp_path: Path, value: Any) -> None:
    savemat(tmp_path / "p.mat", {"boxes": cells(value)})
    with pytest.raises(DataError, match="cell 1 of boxes holds"):
        read_cells(tmp_path / "p.mat", ["boxes"])


def test_any_change_of_a_file_gives_cells_or_a_sentence(tmp_path: Path) -> None:
    chance, path = random.Random(0), tmp_path / "p.mat"
    samples = [matlab("<"), matlab(">", utf16=True)]
    for compressed in (False, True):
        savemat(
            path, {"images": cells("a", "b"), "boxes": cells(np.eye(4), np.ones((1, 4)))}, do_compression=compressed
        )
        samples.append(path.read_bytes())
    for _ in range(2000):
        changed = bytearray(chance.choice(samples))
        for _ in range(chance.randint(1, 4)):
            position = chance.randrange(128, len(changed) - 4)
            changed[position : position + chance.randint(0, 4)] = chance.randbytes(chance.randint(0, 4))
        path.write_bytes(changed)
        try:
            found = read_cells(path, ["boxes", "images"])
        except DataError:
            continue
        assert all(isinstance(cell, str) or cell.dtype == np.float64 for each in found.values() for cell in each)
