"""Proposals to disk and back, and every file that is not one of ours."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.records import Proposals
from inception_rcnn.data.stores.proposal_store import FORMAT, hash_of, read_proposals
from inception_rcnn.data.stores.proposal_writers import write_proposals

NOTHING = Proposals(as_boxes([]), np.zeros(0))
TWO = Proposals(as_boxes([[0, 0, 10, 20], [1.5, 2.25, 3, 4]]), np.array([1, 0.5]))
ONE = Proposals(as_boxes([[5, 6, 7, 8]]), np.array([-3.0]))


def _round_trip(folder: Path, proposals: Mapping[str, Proposals]) -> Mapping[str, Proposals]:
    write_proposals(folder / "p.safetensors", proposals, "some method", ("0123",))
    return read_proposals(folder / "p.safetensors")


def test_no_images_round_trip(tmp_path: Path) -> None:
    assert dict(_round_trip(tmp_path, {})) == {}


def test_images_come_back_in_order_with_their_boxes_and_scores(tmp_path: Path) -> None:
    written = {"b.jpg": TWO, "empty.jpg": NOTHING, "a.jpg": ONE, "tie.jpg": TWO, "last and empty.jpg": NOTHING}
    stored = _round_trip(tmp_path, written)
    assert list(stored) == list(written)
    assert len(stored) == 5
    for file, proposals in written.items():
        assert stored[file].boxes.tolist() == proposals.boxes.tolist()
        assert stored[file].scores.tolist() == proposals.scores.tolist()
        assert stored[file].boxes.shape == (len(proposals), 4)


def test_only_empty_images_round_trip(tmp_path: Path) -> None:
    stored = _round_trip(tmp_path, {"a.jpg": NOTHING, "b.jpg": NOTHING})
    assert [len(stored[file]) for file in stored] == [0, 0]


@pytest.mark.parametrize(
    "name", ["", "sub/猫.jpg", os.fsdecode(b"caf\xe9.jpg"), 'two\nlines, "quoted"\\.jpg', "\0", "x" * 5000, "../up.jpg"]
)
def test_hostile_names_come_back_as_they_were(tmp_path: Path, name: str) -> None:
    assert list(_round_trip(tmp_path, {"before": TWO, name: ONE})) == ["before", name]


def test_an_image_that_was_not_written_is_not_there(tmp_path: Path) -> None:
    stored = _round_trip(tmp_path, {"a.jpg": ONE})
    assert "b.jpg" not in stored
    with pytest.raises(KeyError):
        stored["b.jpg"]


def test_records_are_double_precision_and_the_file_single(tmp_path: Path) -> None:
    third = Proposals(as_boxes([[0, 0, 1 / 3, 1]]), np.array([1 / 3]))
    found = _round_trip(tmp_path, {"a.jpg": third})["a.jpg"]
    assert (found.boxes.dtype, found.scores.dtype) == (np.float64, np.float64)
    assert found.boxes[0, 2] == found.scores[0] == np.float32(1 / 3)


def test_file_says_how_its_boxes_were_made(tmp_path: Path) -> None:
    path, parameters = tmp_path / "sub" / os.fsdecode(b"\xff.safetensors"), ("abcd", 4, _Settings(scales=(50,)))
    write_proposals(path, {}, "selective-search:fast", parameters)
    stored = read_proposals(path)
    assert (stored.method, stored.parameters) == ("selective-search:fast", hash_of(*parameters))
    assert stored.settings == "('abcd', 4, _Settings(width=500, scales=(50,)))"  # for people


def test_a_file_from_before_there_were_settings_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.safetensors").write_bytes(_content())
    stored = read_proposals(tmp_path / "p.safetensors")
    assert (stored.method, stored.settings, stored.parameters) == ("m", "", "p")


def _content(**changes: Any) -> bytes:
    """A file of two images with one box each, but for the changes; None takes a part away."""
    tensors = {
        "offsets": np.array([0, 1, 2]),
        "boxes": np.array([[0, 0, 1, 1], [0, 0, 2, 2]], np.float32),
        "scores": np.array([1, 0.5], np.float32),
    }
    metadata = {"format": FORMAT, "method": "m", "parameters": "p", "files": json.dumps(["a.jpg", "b.jpg"])}
    tensors |= {name: value for name, value in changes.items() if name in tensors}
    metadata |= {name: value for name, value in changes.items() if name in metadata}
    return save(
        {name: value for name, value in tensors.items() if value is not None},
        {name: value for name, value in metadata.items() if value is not None},
    )


def _refused(folder: Path, content: bytes) -> str:
    (folder / "p.safetensors").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_proposals(folder / "p.safetensors")
    assert str(caught.value).startswith(str(folder / "p.safetensors"))
    return str(caught.value)


def test_the_file_that_the_others_are_changed_from_is_fine(tmp_path: Path) -> None:
    (tmp_path / "p.safetensors").write_bytes(_content())
    assert read_proposals(tmp_path / "p.safetensors")["b.jpg"].boxes.tolist() == [[0, 0, 2, 2]]


@pytest.mark.parametrize("content", [b"", b"{}", b"not proposals at all", b"\xff" * 100, b"\0" * 100])
def test_a_file_of_another_kind_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    assert "cannot be read as a file of proposals" in _refused(tmp_path, content)


def test_weights_are_no_proposals(tmp_path: Path) -> None:
    assert "make one with `inception-rcnn propose`" in _refused(tmp_path, save({"conv1.weight": np.zeros(3)}))
    assert "make one with" in _refused(tmp_path, _content(format="inception-rcnn proposals 0"))


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    whole = _content()
    for length in (1, 8, 20, len(whole) // 2, len(whole) - 1):
        assert "make it anew" in _refused(tmp_path, whole[:length])


@pytest.mark.parametrize(
    "changes",
    [
        {"offsets": np.zeros(0, np.int64)},
        {"offsets": np.array([0, 2])},  # an image too few
        {"offsets": np.array([0, 1, 1, 2])},  # one too many
        {"offsets": np.array([0, 1, 3])},  # past the end
        {"offsets": np.array([0, 1, 1])},  # before the end
        {"offsets": np.array([1, 1, 2])},  # a box of no image
        {"offsets": np.array([0, 3, 2])},  # backwards
        {"offsets": np.array([0, -1, 2])},
        {"offsets": np.array([0.0, 1, 2])},
        {"offsets": np.array([[0, 1, 2]])},
        {"boxes": np.zeros((1, 4), np.float32)},
        {"boxes": np.zeros((2, 3), np.float32)},
        {"boxes": np.zeros(8, np.float32)},
        {"scores": np.zeros(3, np.float32)},
        {"scores": np.zeros((2, 1), np.float32)},
        {"files": '["a.jpg"]'},
        {"files": '["a.jpg", "a.jpg"]'},
        {"files": '["a.jpg", 5]'},
        {"files": '"ab"'},
        {"files": "2"},
    ],
    ids=str,
)
def test_parts_that_do_not_fit_together_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert "do not fit together; make it anew" in _refused(tmp_path, _content(**changes))


@pytest.mark.parametrize("missing", ["offsets", "boxes", "scores", "method", "parameters", "files"])
def test_a_missing_part_is_refused(tmp_path: Path, missing: str) -> None:
    assert missing in _refused(tmp_path, _content(**{missing: None}))


def test_names_that_are_no_json_are_refused(tmp_path: Path) -> None:
    assert "cannot be read" in _refused(tmp_path, _content(files="[a"))


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file of proposals"):
        read_proposals(tmp_path / "none.safetensors")
    with pytest.raises(DataError, match="cannot be read as a file of proposals"):
        read_proposals(tmp_path)


@dataclass(frozen=True)
class _Settings:
    width: int = 500
    scales: tuple[int, ...] = (50, 100)


PARTS = ("method", _Settings(), 0, (("a.jpg", 10, 20),))


@pytest.mark.parametrize(
    "others",
    [
        ("other", *PARTS[1:]),
        (PARTS[0], _Settings(width=501), *PARTS[2:]),
        (PARTS[0], _Settings(scales=(50,)), *PARTS[2:]),
        (*PARTS[:2], 1, PARTS[3]),
        (*PARTS[:2], "0", PARTS[3]),  # a text is no number
        (*PARTS[:3], (("a.jpg", 10, 21),)),
        PARTS[:3],
        (*PARTS, None),
        (),
    ],
)
def test_hash_changes_with_each_part(others: tuple[object, ...]) -> None:
    assert hash_of(*others) != hash_of(*PARTS)


def test_hash_is_the_same_for_the_same_parts() -> None:
    assert hash_of(*PARTS) == hash_of("method", _Settings(500), 0, (("a.jpg", 10, 20),))
    assert hash_of("a") == "d749929fe94b9a37"  # fixed: it names files that another run looks for


def test_hash_tells_where_one_part_ends() -> None:
    assert hash_of(1, 23) != hash_of(12, 3)
    assert len({hash_of("a", "b"), hash_of("ab"), hash_of("a\nb"), hash_of("a'\n'b"), hash_of(("a", "b"))}) == 5


@pytest.mark.parametrize("box", [[np.nan, 0, 1, 1], [0, 0, np.inf, 1], [5, 0, 4, 1], [0, 5, 1, 4]])
def test_a_box_that_is_none_is_named_when_the_file_is_read(tmp_path: Path, box: list[float]) -> None:
    arrays = {
        "offsets": np.array([0, 1, 1, 3]),
        "boxes": np.array([[0, 0, 1, 1], [0, 0, 2, 2], box], np.float32),
        "scores": np.ones(3, np.float32),
    }
    metadata = {"format": FORMAT, "method": "m", "parameters": "p", "files": json.dumps(["a.jpg", "b.jpg", "c.jpg"])}
    (tmp_path / "p.safetensors").write_bytes(save(arrays, metadata))
    with pytest.raises(DataError, match=r"p\.safetensors: a box of c\.jpg is"):
        read_proposals(tmp_path / "p.safetensors")
