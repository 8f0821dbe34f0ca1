"""The reader of `.caffemodel` against an encoder of twenty lines, in both styles, and against garbage."""

import struct
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inception_rcnn.backbone import caffe
from inception_rcnn.backbone.caffe import read_caffemodel
from inception_rcnn.data.errors import DataError

Array = NDArray[np.float32]


def varint(value: int) -> bytes:
    value &= 2**64 - 1  # a negative int64 takes ten bytes
    low = bytearray()
    while value >= 0x80:
        low.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*low, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def chunk(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def blob(array: NDArray[np.generic], packed: bool = True, shape: Sequence[int] | None = None) -> bytes:
    """A BlobProto of today: a packed shape, and floats packed or one by one."""
    dims = b"".join(varint(dim) for dim in (array.shape if shape is None else shape))
    values = array.astype("<f4").ravel()
    data = chunk(5, values.tobytes()) if packed else b"".join(varint(5 << 3 | 5) + value.tobytes() for value in values)
    return data + chunk(7, chunk(1, dims))


def old_blob(array: Array) -> bytes:
    """A BlobProto of before 2014: four dimensions, filled up with ones from the left."""
    shape = (1,) * (4 - array.ndim) + array.shape
    return b"".join(number(field, dim) for field, dim in zip(range(1, 5), shape, strict=True)) + chunk(
        5, array.astype("<f4").tobytes()
    )


def layer(name: str, kind: str, *blobs: bytes) -> bytes:
    loss_weight = varint(5 << 3 | 5) + struct.pack("<f", 1)
    body = chunk(1, name.encode()) + chunk(2, kind.encode()) + chunk(3, b"data") + loss_weight
    return chunk(100, body + b"".join(chunk(7, content) for content in blobs))


def old_layer(name: str, kind: int, *blobs: bytes) -> bytes:
    body = chunk(2, b"data") + chunk(3, name.encode()) + chunk(4, name.encode()) + number(5, kind)
    return chunk(2, body + b"".join(chunk(6, content) for content in blobs))


CONVOLUTION, INNER_PRODUCT, RELU = 4, 14, 18


@pytest.fixture
def arrays(rng: np.random.Generator) -> dict[str, Array]:
    shapes = {
        "conv1/7x7_s2.weight": (4, 3, 7, 7),
        "conv1/7x7_s2.bias": (4,),
        "inception_3a/3x3_reduce.weight": (5, 4, 1, 1),
        "inception_3a/3x3_reduce.bias": (5,),
        "loss3/classifier.weight": (6, 5),
        "loss3/classifier.bias": (6,),
    }
    return {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}


def new_style(arrays: dict[str, Array], packed: bool = True) -> bytes:
    content = chunk(1, b"GoogLeNet") + layer("data", "Data") + layer("relu", "ReLU")
    for name in dict.fromkeys(name.rpartition(".")[0] for name in arrays):
        kind = "InnerProduct" if "classifier" in name else "Convolution"
        content += layer(name, kind, *(blob(arrays[f"{name}.{which}"], packed) for which in ("weight", "bias")))
    return content


def old_style(arrays: dict[str, Array]) -> bytes:
    content = chunk(1, b"GoogLeNet") + old_layer("relu", RELU)
    for name in dict.fromkeys(name.rpartition(".")[0] for name in arrays):
        kind = INNER_PRODUCT if "classifier" in name else CONVOLUTION
        content += old_layer(name, kind, *(old_blob(arrays[f"{name}.{which}"]) for which in ("weight", "bias")))
    return content


def write(folder: Path, content: bytes) -> Path:
    path = folder / "net.caffemodel"
    path.write_bytes(content)
    return path


def refused(folder: Path, content: bytes) -> str:
    path = write(folder, content)
    with pytest.raises(DataError) as caught:
        read_caffemodel(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def assert_equal(got: dict[str, Array], expected: dict[str, Array]) -> None:
    assert list(got) == list(expected)
    for name, array in expected.items():
        assert got[name].dtype == np.float32
        assert got[name].shape == array.shape
        np.testing.assert_array_equal(got[name], array)


@pytest.mark.parametrize("packed", [True, False])
def test_new_style(tmp_path: Path, arrays: dict[str, Array], packed: bool) -> None:
    assert_equal(read_caffemodel(write(tmp_path, new_style(arrays, packed))), arrays)


def test_old_style(tmp_path: Path, arrays: dict[str, Array]) -> None:
    assert_equal(read_caffemodel(write(tmp_path, old_style(arrays))), arrays)


def test_both_styles_in_one_file(tmp_path: Path, arrays: dict[str, Array]) -> None:
    first = {name: array for name, array in arrays.items() if name.startswith("conv1")}
    rest = {name: array for name, array in arrays.items() if name not in first}
    assert_equal(read_caffemodel(write(tmp_path, old_style(first) + new_style(rest))), arrays)


def test_old_shapes_are_squeezed_by_the_kind_of_layer(tmp_path: Path) -> None:
    one = np.ones((1, 1, 3, 3), dtype=np.float32)  # the same four numbers mean a filter here and a matrix there
    content = old_layer("filter", CONVOLUTION, old_blob(one)) + old_layer("matrix", INNER_PRODUCT, old_blob(one))
    content += old_layer("single", INNER_PRODUCT, old_blob(np.ones((1, 7), dtype=np.float32)))
    shapes = {name: array.shape for name, array in read_caffemodel(write(tmp_path, content)).items()}
    assert shapes == {"filter.weight": (1, 1, 3, 3), "matrix.weight": (3, 3), "single.weight": (1, 7)}


def test_doubles_scalars_unpacked_shapes_and_further_blobs(tmp_path: Path) -> None:
    doubles = chunk(8, np.array([1.5, -2], dtype="<f8").tobytes()) + chunk(7, number(1, 1) + number(1, 2))
    shapeless = chunk(5, np.array([1, 2, 3], dtype="<f4").tobytes())
    scalar = chunk(5, np.array([4], dtype="<f4").tobytes()) + chunk(7, b"")
    found = read_caffemodel(write(tmp_path, layer("bn", "BatchNorm", doubles, shapeless, scalar)))
    assert {name: array.tolist() for name, array in found.items()} == {
        "bn.weight": [[1.5, -2]],
        "bn.bias": [1, 2, 3],
        "bn.blob2": 4,
    }


def test_fields_may_come_in_any_order_and_unknown_ones_are_passed_over(tmp_path: Path) -> None:
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    unknown = number(99, 2**63) + chunk(98, b"??") + varint(97 << 3 | 1) + b"8 bytes!"
    body = unknown + chunk(7, unknown + blob(weight)) + chunk(2, b"InnerProduct") + chunk(1, b"fc")
    assert_equal(read_caffemodel(write(tmp_path, unknown + chunk(100, body))), {"fc.weight": weight})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty file"),
        (struct.pack("<Q", 60) + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}      ', "a safetensors file"),
        (b"PK\x03\x04archive/data.pkl", "a PyTorch or ZIP file"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"<!DOCTYPE html>", "a web page"),
        (b'name: "GoogLeNet"\nlayer {', "a prototxt"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (chunk(1, b"a net") + layer("relu", "ReLU"), "no layer with weights"),
        (layer("fc", "InnerProduct", blob(np.ones(6), shape=(2, 4))), "fc.weight has 6 numbers for the shape (2, 4)"),
        (layer("fc", "InnerProduct", blob(np.ones(4), shape=(-2, -2))), "fc.weight has 4 numbers"),
        (layer("fc", "InnerProduct", blob(np.ones(1), shape=(2**62, 2**62))), "1 numbers for the shape"),
        (layer("fc", "InnerProduct", blob(np.ones(0), shape=(2**63, 0))), "fc.weight has 0 numbers"),
        (layer("fc", "InnerProduct", b""), "fc.weight has 0 numbers"),
        (layer("fc", "InnerProduct", blob(np.ones(1), shape=(1,) * 33)), "more than 32 dimensions"),
        (layer("fc", "InnerProduct", blob(np.ones(1))) * 2, "fc.weight is there twice"),
        (layer("fc", "InnerProduct", chunk(5, b"123")), "ends inside a number"),
        (layer("fc", "InnerProduct", chunk(5, b"1234") + chunk(8, b"12345678")), "both floats and doubles"),
        (number(100, 5), "a layer is a bare number"),
        (chunk(100, number(7, 5)), "is a bare number"),
        (chunk(100, chunk(1, b"\xff\xfe")), "decode"),
        (b"\x00\x00", "field number 0"),
        (b"\x0b", "wire type 3"),
        (b"\x08" + b"\xff" * 11, "never ends"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "never ends"),
        (b"\x08\xff", "cut short inside a number"),
        (layer("fc", "InnerProduct", blob(np.ones(1))) + b"\x0a\x02a", "cut short: 2 bytes promised, 1 left"),
    ],
)
def test_bad_files_are_refused_with_a_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    assert reason in refused(tmp_path, content)


def test_every_cut_is_noticed(tmp_path: Path, arrays: dict[str, Array]) -> None:
    """Cut anywhere but between two layers, a file is refused; between two, it lacks the rest."""
    content = new_style({name: array for name, array in arrays.items() if name.startswith("loss3")})
    whole = read_caffemodel(write(tmp_path, content))
    assert len(whole) == 2
    for length in range(len(content)):
        refused(tmp_path, content[:length])


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.caffemodel: cannot be read \(No such file"):
        read_caffemodel(tmp_path / "missing.caffemodel")
    with pytest.raises(DataError, match="directory"):
        read_caffemodel(tmp_path)


SMALL = new_style({"fc.weight": np.ones((2, 3), dtype=np.float32), "fc.bias": np.ones(2, dtype=np.float32)})


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=100).map(lambda body: chunk(100, body)),
        st.binary(max_size=60).map(lambda body: chunk(100, chunk(7, body))),
        st.binary(max_size=60).map(lambda body: chunk(2, chunk(6, body))),
        st.tuples(st.integers(0, len(SMALL) - 1), st.binary(min_size=1, max_size=4)).map(
            lambda edit: SMALL[: edit[0]] + edit[1] + SMALL[edit[0] + len(edit[1]) :]
        ),
    )
)
def test_garbage_gives_arrays_or_a_data_error(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, content)
    try:
        found = read_caffemodel(path)
    except DataError:
        return
    assert all(array.dtype == np.float32 for array in found.values())


def test_work_grows_with_the_file_only(tmp_path: Path) -> None:
    """7 million numbers, as many as GoogLeNet's, and 100,000 tiny fields: seconds would mean a copy per field."""
    weight = np.zeros((1000, 7000), dtype=np.float32)
    content = layer("fc", "InnerProduct", blob(weight)) + number(99, 1) * 100_000
    path = write(tmp_path, content)
    start = time.process_time()
    assert read_caffemodel(path)["fc.weight"].shape == (1000, 7000)
    assert time.process_time() - start < 2


def test_field_numbers_are_caffes() -> None:
    assert {number: (style.name, style.type, style.blobs) for number, style in caffe._STYLES.items()} == {
        100: (1, 2, 7),
        2: (4, 5, 6),
    }
