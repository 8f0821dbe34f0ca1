"""Files of arrays: equal content is equal bytes, and whatever another file holds is one sentence."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.files.tensor_files import CHECKSUM, FLOATS, open_tensors, write_tensors
from inception_rcnn.data.records import Proposals, Stages
from inception_rcnn.data.stores.feature_store import RegionFeatures, open_features, write_shard
from inception_rcnn.data.stores.proposal_store import read_proposals
from inception_rcnn.data.stores.proposal_writers import write_proposals
from inception_rcnn.data.stores.stage_files import read_stages, write_stages

ARRAYS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.arange(3, dtype=np.int64)}
BOX = np.array([[0.0, 0, 2, 2]])


def test_equal_content_is_equal_bytes(tmp_path: Path) -> None:
    about = {f"key {i}": str(i) for i in range(20)}
    contents = set()
    for i in range(8):
        write_tensors(tmp_path / "a", ARRAYS, about if i % 2 else dict(reversed(about.items())))
        contents.add((tmp_path / "a").read_bytes())
    assert len(contents) == 1
    assert all((load_file(tmp_path / "a")[name] == array).all() for name, array in ARRAYS.items())
    with open_tensors(tmp_path / "a", "a file", "make it anew") as file:
        assert dict(file.about) == about
        assert (file.array("b", FLOATS) == ARRAYS["b"]).all()


def proposals(folder: Path) -> Path:
    write_proposals(folder / "p.safetensors", {"a.jpg": Proposals(BOX, np.ones(1))}, "m", ("x",))
    return folder / "p.safetensors"


def stages(folder: Path) -> Path:
    write_stages(folder, "a.jpg", Stages(BOX, np.full((1, 2), 0.5), BOX[None], ("cat",), 0.1, 0.3, 9))
    return next((folder / "stages").iterdir())


def features(folder: Path) -> Path:
    write_shard(folder / "f.safetensors", [RegionFeatures("a.jpg", 1, BOX, np.ones((1, 3), np.float16))], "0")
    return folder / "f.safetensors"


KINDS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Any]]] = {
    "proposals": (proposals, lambda path: read_proposals(path)["a.jpg"]),
    "stages": (stages, lambda path: [*read_stages(path.parent.parent).values()]),
    "features": (features, lambda path: list(open_features(path.parent, {path.name: ["a.jpg"]}, "0"))),
}


def parts(path: Path) -> tuple[dict[str, Any], bytes]:
    """Header and numbers; without the checksum, as in earlier releases, so that others are not refused for that."""
    content = path.read_bytes()
    length = struct.unpack_from("<Q", content)[0]
    header = json.loads(content[8 : 8 + length])
    del header["__metadata__"][CHECKSUM]
    return header, content[8 + length :]


def put(path: Path, header: Any, body: bytes) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


@pytest.mark.parametrize("kind", KINDS)
def test_any_other_content_is_one_sentence(tmp_path: Path, kind: str) -> None:
    make, read = KINDS[kind]
    path = make(tmp_path)
    read(path)
    header, body = parts(path)
    names = [name for name in header if name != "__metadata__"]
    changed: list[Any] = [b"[" * 10_000, b'{"__metadata__": ' + b'{"a":' * 5_000, {}, [], {"__metadata__": None}]
    for name in names:
        rest = {other: entry for other, entry in header.items() if other != name}
        begin, end = header[name]["data_offsets"]
        changed.append(rest)
        for dtype, size in (("BF16", 2), ("F8_E4M3", 1), ("I32", 4), ("BOOL", 1), ("U64", 8), ("X", 1)):
            entry = {"dtype": dtype, "shape": [(end - begin) // size], "data_offsets": [begin, end]}
            changed.append({**rest, name: entry})
        changed.append({**rest, name: {**header[name], "shape": [2**62, 2**62]}})
        changed.append({**rest, name: {**header[name], "data_offsets": [0, 10**30]}})
    texts = ["", "null", "3", "[3]", '{"a": 1}', "[" * 100_000, "9" * 5000, "NaN", '["' + "x" * 10**5 + '"]']
    about = header["__metadata__"]
    changed += [{**header, "__metadata__": {**about, key: text}} for key in about for text in texts]
    messages = []
    for other in changed:
        put(path, other, body)
        try:
            read(path)
        except DataError as error:
            messages.append(str(error))
        except KeyError as error:  # the file says that it is another image's
            messages.append(str(error))
    assert len(messages) > len(changed) // 2
    assert max(map(len, messages)) < 1500


@pytest.mark.parametrize("where", ["first number", "middle", "end", "array", "image"])
@pytest.mark.parametrize("kind", KINDS)
def test_bytes_that_were_overwritten_are_noticed(tmp_path: Path, kind: str, where: str) -> None:
    make, read = KINDS[kind]
    path = make(tmp_path)
    content = path.read_bytes()
    numbers = 8 + struct.unpack_from("<Q", content)[0]
    if where == "array":
        content = content.replace(b'"boxes"', b'"boxer"')
    elif where == "image":
        content = content.replace(b"a.jpg", b"b.jpg")
    else:
        at = {"first number": numbers, "middle": (numbers + len(content)) // 2, "end": len(content) - 1}[where]
        content = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged or was changed: its sha256 is"):
        read(path)


@pytest.mark.parametrize("kind", KINDS)
def test_files_without_a_checksum_are_read(tmp_path: Path, kind: str) -> None:
    make, read = KINDS[kind]
    path = make(tmp_path)
    put(path, *parts(path))
    read(path)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_that_are_none_are_refused(tmp_path: Path, kind: str) -> None:
    make, read = KINDS[kind]
    path = make(tmp_path)
    header, body = parts(path)
    begin, end = header["boxes"]["data_offsets"]
    put(path, header, body[:begin] + b"\xff" * (end - begin) + body[end:])
    with pytest.raises(DataError):
        read(path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_and_no_file_are_one_sentence(tmp_path: Path, kind: str) -> None:
    make, read = KINDS[kind]
    path = make(tmp_path)
    path.unlink()
    if kind != "stages":  # a folder may have none
        with pytest.raises(DataError):
            read(path)
    path.mkdir()
    with pytest.raises(DataError):
        read(path)
