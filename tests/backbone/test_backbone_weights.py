"""Files of weights: every format read, hostile ones refused, written whole, and copied by name."""

import contextlib
import errno
import hashlib
import json
import os
import pickle
import random
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save, save_file
from torch import Tensor, nn

from inception_rcnn.backbone.classification.model_folder import classifier_of
from inception_rcnn.backbone.weights import (
    compact,
    load_checked,
    read_metadata,
    read_weights,
    save_weights,
    tensors_hash,
    weights_sha256,
)
from inception_rcnn.data.errors import DataError, SetupError
from inception_rcnn.data.files.tensor_files import CHECKSUM


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "conv.weight": torch.randn(4, 3, 2, 2, generator=generator),
        "conv.bias": torch.randn(4, generator=generator).half(),
        "steps": torch.tensor(7),
    }


def assert_same(got: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert set(got) == set(expected)
    for name, tensor in expected.items():
        assert got[name].dtype == tensor.dtype
        assert torch.equal(got[name], tensor)


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_weights(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.safetensors", "A.SafeTensors"])
def test_safetensors(tmp_path: Path, tensors: dict[str, Tensor], name: str) -> None:
    save_file(tensors, tmp_path / name)
    assert_same(read_weights(tmp_path / name), tensors)
    assert_same(read_weights(str(tmp_path / name)), tensors)


@pytest.mark.parametrize("name", ["a.pth", "a.pt"])
@pytest.mark.parametrize("legacy", [False, True])
def test_pth(tmp_path: Path, tensors: dict[str, Tensor], name: str, legacy: bool) -> None:
    torch.save(OrderedDict(tensors), tmp_path / name, _use_new_zipfile_serialization=not legacy)
    assert_same(read_weights(tmp_path / name), tensors)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_checkpoints_are_unwrapped(tmp_path: Path, tensors: dict[str, Tensor], key: str) -> None:
    parallel = {f"module.{name}": tensor for name, tensor in tensors.items()}
    torch.save({"epoch": 3, key: parallel}, tmp_path / "a.pth")
    assert_same(read_weights(tmp_path / "a.pth"), tensors)


def test_caffemodel(tmp_path: Path) -> None:
    def chunk(field: int, content: bytes) -> bytes:
        key = field << 3 | 2
        start = bytes([key]) if key < 128 else bytes([key & 127 | 128, key >> 7])
        return start + bytes([len(content)]) + content

    blob = chunk(5, np.array([1, 2, 3, 4], dtype="<f4").tobytes()) + chunk(7, chunk(1, b"\x02\x02"))
    (tmp_path / "net.caffemodel").write_bytes(chunk(100, chunk(1, b"fc") + chunk(7, blob)))
    assert_same(read_weights(tmp_path / "net.caffemodel"), {"fc.weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]])})


class Hostile:
    """Leaves a trace in the file system if anybody unpickles it."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.trace),))


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_not_run(tmp_path: Path, zipped: bool) -> None:
    trace, path = tmp_path / "trace", tmp_path / "a.pth"
    content = {"conv.weight": torch.zeros(1), "x": Hostile(trace)}
    if zipped:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    message = refused(path)
    assert not trace.exists()
    assert "run code" in message
    assert "weights_only" not in message  # torch's advice to switch the guard off must not reach the user
    if zipped:
        assert "mkdir" in message


def test_whole_modules_are_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "a.pth")
    assert "would run code (torch.nn.modules.linear.Linear)" in refused(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (torch.zeros(3), "holds a Tensor, not tensors by name"),
        ([torch.zeros(3)], "holds a list, not tensors by name"),
        ({"a": torch.zeros(1), "epoch": 3}, "holds a int under 'epoch'"),
        ({1: torch.zeros(1)}, "holds a Tensor under 1"),
        ({}, "holds no tensors"),
    ],
)
def test_pth_without_named_tensors(tmp_path: Path, content: Any, said: str) -> None:
    torch.save(content, tmp_path / "a.pth")
    assert said in refused(tmp_path / "a.pth")


def test_safetensors_without_tensors(tmp_path: Path) -> None:
    save_file({}, tmp_path / "a.safetensors")
    assert "holds no tensors" in refused(tmp_path / "a.safetensors")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".caffemodel"])
@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\x03\x04", b"\0" * 64, bytes(range(200, 256))])
def test_garbage_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_cut_files_are_refused(tmp_path: Path, tensors: dict[str, Tensor], suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    save_file(tensors, path) if suffix == ".safetensors" else torch.save(tensors, path)
    whole = path.read_bytes()
    for part in (0.1, 0.5, 0.9, 0.99):
        path.write_bytes(whole[: int(len(whole) * part)])
        refused(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    assert "there is no such file" in refused(tmp_path / "missing.safetensors")
    assert "is a folder" in refused(tmp_path)
    (tmp_path / "a.onnx").touch()
    assert "'.onnx'" in refused(tmp_path / "a.onnx")
    assert ".caffemodel" in refused(tmp_path / "a.onnx")


SAFETENSORS = save({"a": torch.ones(2, 3), "b": torch.zeros(4)})


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, len(SAFETENSORS) - 1), replacement=st.binary(min_size=1, max_size=8))
def test_damaged_safetensors_give_tensors_or_a_data_error(tmp_path: Path, place: int, replacement: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(SAFETENSORS[:place] + replacement + SAFETENSORS[place + len(replacement) :])
    try:
        assert all(isinstance(tensor, Tensor) for tensor in read_weights(path).values())
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017 (either outcome is right)


def test_saved_weights_come_back_with_their_metadata(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    path = tmp_path / "new folder" / "a.safetensors"
    metadata = {"classes": 'cat\n"dog" ü', "modes": "crops"}
    save_weights(path, tensors, metadata)
    assert_same(read_weights(path), tensors)
    assert read_metadata(path) == metadata
    with safe_open(path, "pt") as file:
        assert {name: value for name, value in file.metadata().items() if name != CHECKSUM} == metadata
    (length,) = struct.unpack("<Q", path.read_bytes()[:8])
    assert length % 8 == 0  # the format's alignment


def test_any_layout_can_be_saved(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(2, 3, 2, 2)
    odd = {
        "channels last": base.to(memory_format=torch.channels_last),
        "transposed": base.transpose(0, 3),
        "shared": base[0],
        "expanded": torch.ones(1).expand(5),
        "grad": nn.Parameter(base.clone()),
        "empty": torch.zeros(0, 4),
    }
    save_weights(tmp_path / "a.safetensors", odd, {})
    assert_same(read_weights(tmp_path / "a.safetensors"), {name: tensor.detach() for name, tensor in odd.items()})


def test_same_weights_give_the_same_bytes(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    metadata = {str(number): "x" for number in range(20)}
    for name in ("a", "b"):
        save_weights(tmp_path / f"{name}.safetensors", tensors, metadata)
        metadata = dict(reversed(metadata.items()))
    digest = weights_sha256(tmp_path / "a.safetensors")
    assert digest == weights_sha256(tmp_path / "b.safetensors")
    assert digest == hashlib.sha256((tmp_path / "a.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("place", ["header", "metadata", "first number", "middle", "end"])
def test_overwritten_bytes_are_noticed(tmp_path: Path, tensors: dict[str, Tensor], place: str) -> None:
    path = tmp_path / "a.safetensors"
    save_weights(path, tensors, {"classes": "cat"})
    content = bytearray(path.read_bytes())
    (length,) = struct.unpack_from("<Q", content)
    numbers = length + 8
    if place == "header":  # another name of the same length is valid too
        content = content.replace(b"conv.bias", b"conv.bais")
    elif place == "metadata":
        content = content.replace(b'"cat"', b'"dog"')
    else:
        at = {"first number": numbers, "middle": (numbers + len(content)) // 2, "end": len(content) - 4}[place]
        content[at : at + 4] = bytes(byte ^ 1 for byte in content[at : at + 4])
    path.write_bytes(content)
    message = refused(path)
    assert "is damaged or was changed: its sha256 is" in message
    assert "copy or download it again" in message


def test_a_file_without_a_checksum_is_compared_with_what_is_stated_elsewhere(tmp_path, tensors) -> None:
    path = tmp_path / "a.safetensors"
    save_file(tensors, path)
    assert_same(read_weights(path), tensors)
    assert_same(read_weights(path, weights_sha256(path)), tensors)
    with pytest.raises(DataError, match="is damaged or was changed"):
        read_weights(path, "0" * 64)
    save_weights(path, tensors, {})
    assert_same(read_weights(path, "0" * 64), tensors)  # its own checksum is right, and newer


def test_a_pointer_of_git_lfs_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    assert "run `git lfs pull`" in refused(path)


@pytest.mark.parametrize("large", [65_504.0, 65_520.0, 1e6, -3e38])
def test_weights_beyond_half_precision_are_kept(tmp_path: Path, large: float) -> None:
    module = nn.Linear(3, 2)
    with torch.no_grad():
        module.weight[1, 2] = large
    save_weights(tmp_path / "a.safetensors", compact(module.state_dict()), {})
    stored = read_weights(tmp_path / "a.safetensors")
    assert stored["bias"].dtype == torch.float16  # the others stay small
    other = nn.Linear(3, 2)
    load_checked(other, stored, "a")
    assert other.weight[1, 2].item() == pytest.approx(large, rel=1e-6)
    assert tensors_hash(other) == tensors_hash(module) != tensors_hash(nn.Linear(3, 2))


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_never_written_over_good_ones(tmp_path: Path, odd: float) -> None:
    path = tmp_path / "a.safetensors"
    save_weights(path, compact({"w": torch.ones(3)}), {})
    with pytest.raises(DataError, match="is not written, as 'w' holds numbers that are not finite"):
        save_weights(path, compact({"w": torch.tensor([1.0, odd])}), {})
    assert_same(read_weights(path), {"w": torch.ones(3).half()})


@pytest.mark.parametrize(
    "weight",
    [
        torch.zeros(2, 3, dtype=torch.int8),
        torch.zeros(2, 3, dtype=torch.bool),
        torch.zeros(2, 3, dtype=torch.complex64),
        torch.zeros(2, 3).to(torch.float8_e4m3fn),
        torch.zeros(2, 3).to_sparse(),
        torch.zeros(2, 3, device="meta"),
    ],
)
def test_load_checked_refuses_numbers_that_are_not_plain(weight: Tensor) -> None:
    with pytest.raises(DataError, match=r"net: weight holds \w+ numbers; need plain ones, of float16, bfloat16"):
        load_checked(nn.Linear(3, 2), {"weight": weight, "bias": torch.zeros(2)}, "net")


def test_bfloat16_is_converted() -> None:
    module = nn.Linear(3, 2)
    load_checked(module, {"weight": torch.full((2, 3), 1.5, dtype=torch.bfloat16), "bias": torch.zeros(2)}, "net")
    assert (module.weight == 1.5).all()


def test_a_message_is_short_whatever_the_names(tmp_path: Path) -> None:
    torch.save({"x" * 10**6: torch.zeros(1), "epoch" * 10**5: 3}, tmp_path / "a.pth")
    assert len(refused(tmp_path / "a.pth")) < 1000
    many = {f"{'y' * 1000}{number}": torch.zeros(1) for number in range(5000)}
    with pytest.raises(DataError) as caught:
        load_checked(nn.Linear(3, 2), many, "net")
    assert len(str(caught.value)) < 2000


def test_sha256_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.pth: cannot be read"):
        weights_sha256(tmp_path / "missing.pth")


def test_full_disk_keeps_what_was_there(
    tmp_path: Path, tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.safetensors"
    save_weights(path, tensors, {})
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SetupError, match=r"a\.safetensors: the disk is full"):
        save_weights(path, {"other": torch.zeros(9)}, {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def module() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4), nn.Linear(4, 5))


def test_load_checked_copies_everything_and_converts(module: nn.Module) -> None:
    wanted = {
        name: (torch.rand_like(tensor) if tensor.is_floating_point() else torch.tensor(3))
        for name, tensor in module.state_dict().items()
    }
    module.to(memory_format=torch.channels_last)
    load_checked(module, {name: tensor.double() for name, tensor in wanted.items()}, "test")
    assert_same(module.state_dict(), wanted)
    assert all(parameter.requires_grad for parameter in module.parameters())
    load_checked(nn.ReLU(), {}, "nothing into nothing")


def test_load_checked_lists_what_does_not_fit(module: nn.Module) -> None:
    tensors = dict(module.state_dict())
    tensors["0.wieght"] = tensors.pop("0.weight")
    for name in ("1.running_mean", "1.running_var", "2.weight"):
        del tensors[name]
    tensors["2.bias"] = torch.zeros(4)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(DataError) as caught:
        load_checked(module, tensors, "net.pth")
    assert str(caught.value) == (
        "net.pth does not fit Sequential: 4 missing (0.weight, nearest 0.wieght, 1.running_mean, 1.running_var, …); "
        "1 unexpected (0.wieght, nearest 0.weight); 1 of the wrong shape (2.bias is (4,) and should be (5,))"
    )
    assert_same(module.state_dict(), before)


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_load_checked_refuses_numbers_that_are_not_finite(module: nn.Module, odd: float) -> None:
    tensors = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    tensors["2.weight"][3, 1] = odd
    with pytest.raises(DataError, match=r"net\.pth: 2\.weight holds numbers that are not finite"):
        load_checked(module, tensors, "net.pth")


FORMATS = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8, "I8": 1, "U8": 1, "BOOL": 1, "I64": 8, "F8_E4M3": 1, "F8_E5M2": 1}
FORMATS |= {"U16": 2, "C64": 8, "F8_E8M0": 1, "F4": 0.5, "X9": 4}


@pytest.mark.parametrize("seed", range(2))
def test_tensors_of_any_format_and_shape_are_a_network_or_one_sentence(tmp_path: Path, seed: int) -> None:
    """Under the names by which the networks are told apart."""
    rng, path = random.Random(seed), tmp_path / "a.safetensors"
    names = ("conv1/7x7_s2.weight", "loss3/classifier.bias", "classifier.bias", "auxiliary1.1.weight", "fc.bias")
    names += ("inception3a.branch1.conv.weight", "backbone.inception3a.branch1.conv.weight", "priors")
    for _ in range(100):
        header, end = {}, 0
        for name in rng.sample(names, rng.randrange(1, 4)):
            kind, shape = rng.choice([*FORMATS]), [rng.randrange(4) for _ in range(rng.randrange(5))]
            begin, end = end, end + int(FORMATS[kind] * np.prod(shape))
            header[name] = {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}
        encoded = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + rng.randbytes(end))
        with pytest.raises(DataError, match=r"a\.safetensors") as caught:
            classifier_of(read_weights(path), str(path))
        assert len(str(caught.value)) < 1000


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("legacy", [False, True])
def test_damaged_pth_give_tensors_or_one_sentence(tmp_path: Path, tensors: dict[str, Tensor], legacy: bool) -> None:
    path, rng = tmp_path / "a.pth", random.Random(0)
    torch.save(tensors, path, _use_new_zipfile_serialization=not legacy)
    whole = path.read_bytes()
    for _ in range(200):
        content = bytearray(whole)
        for _ in range(rng.choice((1, 3, 9))):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(content)
        try:
            found = read_weights(path)
        except DataError as error:
            assert len(str(error)) < 1000  # noqa: PT017 (either outcome is right)
        else:
            with contextlib.suppress(DataError):
                load_checked(nn.Linear(2, 2), found, str(path))


def test_files_of_an_earlier_release_have_other_names_of_tensors(tmp_path):
    names = ("trunk.conv1.weight", "tail.x", "tails.shared.y", "heads.crops.z", "classifier.bias", "trunk")
    save_weights(tmp_path / "old.safetensors", {name: torch.ones(1) for name in names}, {})
    assert {*read_weights(tmp_path / "old.safetensors")} == {
        "backbone.conv1.weight",
        "box_head.x",
        "box_heads.shared.y",
        "box_predictors.crops.z",
        "classifier.bias",
        "backbone",
    }


def test_equal_large_tensors_are_stored_once(tmp_path):
    large = torch.arange(20_000).reshape(100, 200) / 7
    tensors = {
        "a": large,
        "b.weight": large.clone(),
        "c": large.reshape(200, 100),
        "d": torch.zeros(3),
        "e": torch.zeros(3),
    }
    save_weights(tmp_path / "w.safetensors", tensors, {"classes": "x"})
    assert (tmp_path / "w.safetensors").stat().st_size < 2.1 * large.nbytes
    read = read_weights(tmp_path / "w.safetensors")
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())
    assert read_metadata(tmp_path / "w.safetensors") == {"classes": "x"}


@pytest.mark.parametrize("repeats", ['{"b": "nowhere"}', "[1]", "no JSON", '{"b": 3}', '{"b": ["a"]}'])
def test_a_tensor_that_is_equal_to_nothing_is_a_damaged_file(tmp_path, repeats):
    content = save({"a": torch.ones(3)}, {"equal_tensors": repeats})
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=r"w\.safetensors"):
        read_weights(tmp_path / "w.safetensors")
