"""Proposals written image by image: what readers give is what was there."""

import json

import numpy as np
import pytest
from safetensors import safe_open

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.records import Origin, Proposals
from inception_rcnn.data.stores.proposal_files import read_proposal_file
from inception_rcnn.data.stores.proposal_store import hash_of, read_proposals
from inception_rcnn.data.stores.proposal_writers import read_origins, write_proposals

MADE = {
    "a.jpg": Proposals([[0, 0, 1.5, 4]], [0.75]),
    'sub/猫 "\r.jpg': Proposals(np.zeros((0, 4)), []),
    "caf\udce9.jpg": Proposals([[1, 2, 3, 4], [5, 6, 7, 8]], [1, -0.5]),
}
ORIGINS = {file: Origin(i, 1_700_000_000_123_456_789, "as stored, 3 x 4 stated") for i, file in enumerate(MADE)}


def write(path, made=MADE):
    origins = {file: ORIGINS[file] for file in made}
    write_proposals(path, made, "m", ("p", 1), [*map(len, made.values())], origins, ["/photos/"])
    return path


@pytest.mark.parametrize("kind", ["safetensors", "npz", "csv", "json", "CSV"])
@pytest.mark.parametrize("files", [[], [*MADE][:1], [*MADE][1:2], [*MADE]])
def test_what_is_read_is_what_was_written(tmp_path, kind, files):
    if kind == "CSV":
        write(tmp_path / "a.CSV", {file: MADE[file] for file in files}).rename(tmp_path / "a.csv")
        kind = "csv"
    else:
        write(tmp_path / f"a.{kind}", {file: MADE[file] for file in files})
    found = read_proposal_file(tmp_path / f"a.{kind}")
    assert list(found) == files
    for file in files:
        np.testing.assert_array_equal(found[file].boxes, MADE[file].boxes)
        np.testing.assert_array_equal(found[file].scores, MADE[file].scores)


def test_our_own_format_says_how_and_of_which_files_they_are(tmp_path):
    path = write(tmp_path / "a.safetensors")
    store = read_proposals(path)
    assert (store.method, store.parameters) == ("m", hash_of("p", 1))
    assert read_origins(path) == (ORIGINS, ["/photos/"])
    with safe_open(str(path), framework="numpy") as file:
        assert set(file.keys()) == {"offsets", "boxes", "scores"}
    assert write(tmp_path / "b.safetensors").read_bytes() == path.read_bytes()
    assert (8 + int.from_bytes(path.read_bytes()[:8], "little")) % 8 == 0


@pytest.mark.parametrize("at", [-1, -20])
def test_bytes_that_were_overwritten_are_noticed(tmp_path, at):
    content = bytearray(write(tmp_path / "a.safetensors").read_bytes())
    content[at] ^= 1
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(DataError, match="is damaged or was changed: its sha256 is"):
        read_proposals(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "origins", [None, "", "[]", "{}", '{"files": 3}', '{"files": {"a": 3}, "roots": []}', "[" * 99999]
)
def test_files_that_do_not_say_it_are_of_unknown_files(tmp_path, origins):
    from safetensors.numpy import save

    about = {"format": "x"} if origins is None else {"origins": origins}
    (tmp_path / "a.safetensors").write_bytes(save({"a": np.zeros(1)}, about))
    assert read_origins(tmp_path / "a.safetensors") == ({}, [])
    (tmp_path / "b.safetensors").write_bytes(b"anything")
    assert read_origins(tmp_path / "b.safetensors") == ({}, [])
    assert read_origins(tmp_path / "none.safetensors") == ({}, [])


def test_json_is_json(tmp_path):
    assert json.loads(write(tmp_path / "a.json").read_bytes())["a.jpg"] == {"boxes": [[0, 0, 1.5, 4]], "scores": [0.75]}
