"""Files of proposals: there and back in every format, what others have published, and what is none."""

import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.files.tensor_files import shard_names
from inception_rcnn.data.records import Proposals
from inception_rcnn.data.stores.proposal_files import NamedProposals, read_proposal_file
from inception_rcnn.data.stores.proposal_store import hash_of
from inception_rcnn.data.stores.proposal_writers import write_proposals

NOTHING = Proposals(as_boxes([]), np.zeros(0))
TWO = Proposals(as_boxes([[0, 0, 10, 20], [1.5, 2.25, 3, 4]]), np.array([1, 0.5]))
ONE = Proposals(as_boxes([[5, 6, 7, 8]]), np.array([-3.0]))
WRITABLE = (".safetensors", ".npz", ".csv", ".json")


def _plain(proposals: Mapping[str, Proposals]) -> dict[str, tuple[list[list[float]], list[float]]]:
    return {file: (each.boxes.tolist(), each.scores.tolist()) for file, each in proposals.items()}


def _round_trip(path: Path, proposals: Mapping[str, Proposals]) -> NamedProposals:
    write_proposals(path, proposals, "some method", ("0123", 4))
    return read_proposal_file(path)


@pytest.mark.parametrize("ending", WRITABLE)
@pytest.mark.parametrize(
    "written",
    [
        {},
        {"a.jpg": ONE},
        {"b.jpg": TWO, "tie.jpg": TWO, "a.jpg": ONE},  # the order is not the alphabet's
        {"empty.jpg": NOTHING, "b.jpg": TWO, "in between.jpg": NOTHING, "a.jpg": ONE, "last.jpg": NOTHING},
        {"empty.jpg": NOTHING},
        {"square.jpg": Proposals(as_boxes([[3, 3, 3, 3]]), np.array([np.inf]))},  # an empty box is a box
    ],
    ids=lambda written: " ".join(written) or "no images",
)
def test_images_come_back_in_order(tmp_path: Path, ending: str, written: dict[str, Proposals]) -> None:
    found = _round_trip(tmp_path / f"p{ending}", written)
    assert _plain(found) == _plain(written)
    assert list(found) == list(written)
    assert len(found) == len(written)
    assert all(each.boxes.shape == (len(each), 4) for each in found.values())


@pytest.mark.parametrize("ending", WRITABLE)
@pytest.mark.parametrize(
    "name",
    [
        *("", "sub/猫.jpg", " a.jpg ", "a,1,2,3,4,5.jpg", '"a".jpg', "'a'.jpg", "#a.jpg", "file", "-1", "../up.jpg"),
        *("two\nlines.jpg", "two\r\nlines.jpg", "Icon\r", "\ta\\n.jpg", os.fsdecode(b"\xff.jpg"), "x" * 5000),
    ],
    ids=ascii,
)
def test_hostile_names_come_back_as_they_were(tmp_path: Path, ending: str, name: str) -> None:
    written = {"before": TWO, name: ONE, name + ".empty": NOTHING}
    assert _plain(_round_trip(tmp_path / f"p{ending}", written)) == _plain(written)


def test_text_keeps_every_digit_and_arrays_are_single_precision(tmp_path: Path) -> None:
    third = {"a.jpg": Proposals(as_boxes([[0, 0, 1 / 3, 1]]), np.array([1 / 3]))}
    single = float(np.float32(1 / 3))
    for ending, kept in ((".csv", 1 / 3), (".json", 1 / 3), (".npz", single), (".safetensors", single)):
        found = _round_trip(tmp_path / f"p{ending}", third)["a.jpg"]
        assert found.boxes[0, 2] == found.scores[0] == kept
        assert found.boxes.dtype == found.scores.dtype == np.float64


def test_only_the_store_says_how_its_boxes_were_made(tmp_path: Path) -> None:
    store = _round_trip(tmp_path / "p.safetensors", {"a.jpg": ONE})
    assert (store.method, store.parameters) == ("some method", hash_of("0123", 4))
    for ending in WRITABLE[1:]:
        found = _round_trip(tmp_path / f"p{ending}", {"a.jpg": ONE})
        assert (found.method, found.parameters) == ("", "")


def test_text_formats_by_eye(tmp_path: Path) -> None:
    for ending in (".csv", ".json"):
        write_proposals(tmp_path / f"p{ending}", {"a,b.jpg": TWO, "none.jpg": NOTHING}, "m", ())
    assert (tmp_path / "p.csv").read_text("utf-8").splitlines() == [
        "file,x1,y1,x2,y2,score",
        '"a,b.jpg",0.0,0.0,10.0,20.0,1.0',
        '"a,b.jpg",1.5,2.25,3.0,4.0,0.5',
        "none.jpg",
    ]
    assert json.loads((tmp_path / "p.json").read_text("utf-8")) == {
        "a,b.jpg": {"boxes": TWO.boxes.tolist(), "scores": [1, 0.5]},
        "none.jpg": {"boxes": [], "scores": []},
    }


def test_text_by_hand_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("file,x1,y1,x2,y2,score\na.jpg,1,2,3,4,-1\nb.jpg\na.jpg,0,0,1e1,9,nan\n")
    found = read_proposal_file(tmp_path / "p.csv")
    assert list(found) == ["a.jpg", "b.jpg"]
    assert found["a.jpg"].boxes.tolist() == [[1, 2, 3, 4], [0, 0, 10, 9]]  # lines of an image may lie apart
    (tmp_path / "p.json").write_text('{"a": {"boxes": [[0, 0, 1, 1], [0, 0, 2, 2]]}, "b": {"boxes": []}}')
    found = read_proposal_file(tmp_path / "p.json")
    assert _plain(found) == {"a": ([[0, 0, 1, 1], [0, 0, 2, 2]], [1, 0.5]), "b": ([], [])}  # by rank without scores


def _cells(*values: Any) -> np.ndarray:
    cells = np.empty((1, len(values)), dtype=object)
    cells[0, :] = values
    return cells


@pytest.mark.parametrize("upright", [False, True])  # Fast R-CNN's files have a row of cells and a column of them
@pytest.mark.parametrize("compressed", [False, True])
def test_boxes_published_for_r_cnn_are_read(tmp_path: Path, upright: bool, compressed: bool) -> None:
    tables = [np.array([[1, 1, 375, 500], [11, 21, 40, 80]], np.uint16), np.zeros((0, 0)), np.array([[1.0, 2, 1, 2]])]
    boxes, images = np.empty((1, 3), dtype=object), _cells("2007_000027", "2007_000032", "2007_000033")
    for i, table in enumerate(tables):
        boxes[0, i] = table
    savemat(tmp_path / "p.mat", {"boxes": boxes, "images": images.T if upright else images}, do_compression=compressed)
    found = read_proposal_file(tmp_path / "p.mat")
    assert _plain(found) == {
        "2007_000027": ([[0, 0, 500, 375], [20, 10, 80, 40]], [1, 0.5]),  # an image 500 wide and 375 high
        "2007_000032": ([], []),
        "2007_000033": ([[1, 0, 2, 1]], [1]),  # one pixel
    }
    assert found["2007_000027.jpg"].boxes.tolist() == found["2007_000027"].boxes.tolist()
    assert (found.method, found.parameters) == ("", "")


def test_an_image_is_found_by_its_own_name_first_and_else_without_folder_and_ending() -> None:
    found = NamedProposals({"a": ONE, "a.jpg": TWO, "b.jpg": TWO, "c.v2": ONE})
    assert [len(found[file]) for file in ("a", "a.jpg", "a.png", "sub/a.jpg", "c.v2.png")] == [1, 2, 1, 1, 1]
    for file in ("b", "b.png", "sub/b.jpg", "A", ""):
        assert file not in found
        with pytest.raises(KeyError):
            found[file]


def test_shards_are_joined_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, images in (("1", {"c.jpg": NOTHING}), ("0", {"b.jpg": TWO, "a.jpg": ONE}), ("2", {})):
        write_proposals(tmp_path / f"{name}.safetensors", images, "m", ("same",))
    (tmp_path / "notes.txt").write_text("something else")
    found = read_proposal_file(tmp_path)
    assert list(found) == ["b.jpg", "a.jpg", "c.jpg"]
    assert _plain(found) == _plain({"b.jpg": TWO, "a.jpg": ONE, "c.jpg": NOTHING})
    assert (found.method, found.parameters) == ("m", hash_of("same"))


def test_folders_that_are_no_store_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no shards of proposals \(\*\.safetensors\)"):
        read_proposal_file(tmp_path)
    for name in ("one", "other"):
        write_proposals(tmp_path / f"{name}.safetensors", {}, "m", (name,))
    with pytest.raises(DataError, match="made in different ways") as caught:
        read_proposal_file(tmp_path)
    assert all(text in str(caught.value) for text in (str(tmp_path), hash_of("one"), hash_of("other")))
    (tmp_path / "other.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match=r"other\.safetensors: cannot be read"):
        read_proposal_file(tmp_path)


@pytest.mark.parametrize("name", ["p", "p.txt", "p.csv.gz", "p.safetensors.gz", "p.mat"])
def test_other_endings_are_refused_and_the_known_ones_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"known endings are \.safetensors, \.npz, \.csv, \.json$") as caught:
        write_proposals(tmp_path / name, {}, "m", ())
    assert str(caught.value).startswith(str(tmp_path / name))
    assert not list(tmp_path.iterdir())
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError if name == "p.mat" else UsageError, match=name):
        read_proposal_file(tmp_path / name)


def _refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_proposal_file(path)
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


@pytest.mark.parametrize("ending", [*WRITABLE, ".mat"])
def test_what_cannot_be_a_file_of_proposals_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"p{ending}"
    assert "there is no such file of proposals" in _refused(path)
    for content in (
        b"",
        b"\0" * 200,
        b"\xff\xd8\xff\xe0 JPEG",
        b"some words\nof text\n",
        b"PK\x03\x04 zip",
        b"[" * 99999,
    ):
        path.write_bytes(content)
        _refused(path)


@pytest.mark.parametrize("ending", [".safetensors", ".npz", ".json", ".mat", ".MAT"])
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"p{ending.lower()}"
    if path.suffix == ".mat":
        savemat(path, {"boxes": _cells(np.eye(4)), "images": _cells("a")}, do_compression=ending == ".MAT")
    else:
        write_proposals(path, {"a.jpg": TWO, "b.jpg": ONE}, "m", ())
    whole = path.read_bytes()
    for length in {1, 8, 20, 130, 140, len(whole) // 3, len(whole) // 2, len(whole) * 3 // 4, len(whole) - 2}:
        path.write_bytes(whole[:length])
        _refused(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line must be file,x1,y1,x2,y2,score"),
        ("a.jpg,0,0,1,1,1\n", "the first line must be"),  # without a header
        ("file,x1,y1,x2,y2\n", "the first line must be"),
        ("file,label,score,x1,y1,x2,y2\n", "the first line must be"),  # detections
        ("{header}a.jpg,0,0,1,1\n", "line 2 has 5 fields"),
        ("{header}a.jpg\nb.jpg,0,0,1,1,1,1\n", "line 3 has 7 fields"),
        ("{header}a.jpg\n\n", "line 3 has 0 fields"),
        ("{header}a.jpg,0,0,one,1,1\n", "could not convert string to float: 'one'"),
        ("{header}a.jpg,0,0,nan,1,1\n", "need finite x1 <= x2"),
        ("{header}a.jpg,9,0,1,1,1\n", r"boxes[0] is [9.0, 0.0, 1.0, 1.0]"),
        ("{header}" + "x" * 200_000, "field larger than field limit"),
    ],
    ids=range(11),
)
def test_a_table_with_a_mistake_says_which(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.csv").write_text(text.replace("{header}", "file,x1,y1,x2,y2,score\n"))
    assert message in _refused(tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "need an object that maps files"),
        (3, "need an object that maps files"),
        ({"a.jpg": [[0, 0, 1, 1]]}, "'a.jpg' needs an object with boxes and scores"),
        ({"a.jpg": {"scores": []}}, "'a.jpg' needs an object with boxes and scores"),
        ({"a.jpg": {"boxes": [[0, 0, 1]]}}, "boxes must have shape (N, 4)"),
        ({"a.jpg": {"boxes": [0, 0, 1, 1]}}, "boxes must have shape (N, 4)"),
        ({"a.jpg": {"boxes": [[0, 0, 1, 1], [0]]}}, "cannot be read as proposals"),
        ({"a.jpg": {"boxes": None}}, "cannot be read as proposals"),
        ({"a.jpg": {"boxes": [[0, 0, 10**400, 1]]}}, "cannot be read as proposals"),
        ({"a.jpg": {"boxes": [[0, 0, 1, 1]], "scores": [1, 2]}}, "scores must have shape (1,)"),
        ({"a.jpg": {"boxes": [[0, 0, 1, 1]], "scores": None}}, "scores must have shape (1,)"),
    ],
    ids=str,
)
def test_json_of_another_shape_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    (tmp_path / "p.json").write_text(json.dumps(content))
    assert message in _refused(tmp_path / "p.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": None}, "files"),
        ({"boxes": None}, "boxes"),
        ({"files": np.array(["a.jpg"])}, "do not fit together"),
        ({"files": np.array(["a.jpg", "a.jpg"])}, "do not fit together"),
        ({"files": np.array(["a.jpg", 5], dtype=object)}, "allow_pickle"),  # never run
        ({"offsets": np.array([0, 1, 3])}, "do not fit together"),
        ({"boxes": np.zeros((2, 3))}, "do not fit together"),
        ({"boxes": np.array([[0, 0, 1, 1], [0, 0, np.nan, 1]])}, "need finite x1 <= x2"),
        ({"boxes": np.array([[0, 0, 1, 1], [5, 0, 1, 1]])}, "need finite x1 <= x2"),
    ],
    ids=range(9),
)
def test_arrays_that_are_no_proposals_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    arrays = {"files": np.array(["a.jpg", "b.jpg"]), "offsets": np.array([0, 1, 2])}
    arrays |= {"boxes": np.array([[0, 0, 1, 1], [0, 0, 2, 2]]), "scores": np.array([1, 0.5])}
    np.savez(tmp_path / "p.npz", **arrays)
    assert read_proposal_file(tmp_path / "p.npz")["b.jpg"].boxes.tolist() == [[0, 0, 2, 2]]  # fine but for the changes
    np.savez(tmp_path / "p.npz", **{name: value for name, value in (arrays | changes).items() if value is not None})
    assert message in _refused(tmp_path / "p.npz")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"boxes": _cells(np.eye(4))}, "needs the cells boxes and images"),
        ({"all_boxes": _cells(np.eye(4)), "images": _cells("a")}, "needs the cells boxes and images"),
        ({"boxes": _cells(np.eye(4)), "images": _cells("a", "b")}, "has 1 cells of boxes for 2 images"),
        ({"boxes": _cells(np.ones((2, 3))), "images": _cells("a")}, "cannot be read as proposals"),
        ({"boxes": _cells(np.array([[9, 9, 1, 1]])), "images": _cells("a")}, "need finite x1 <= x2"),
        ({"boxes": _cells("text"), "images": _cells("a")}, "cannot be read as proposals"),
        ({"boxes": _cells(np.ones((1, 4))), "images": _cells("")}, "cannot be read as proposals"),  # no name
    ],
    ids=range(7),
)
def test_cells_that_are_no_proposals_are_refused(tmp_path: Path, cells: dict[str, Any], message: str) -> None:
    savemat(tmp_path / "p.mat", cells)
    assert message in _refused(tmp_path / "p.mat")


def test_a_file_of_matlab_7_3_says_how_to_save_it(tmp_path: Path) -> None:
    head = b"MATLAB 7.3 MAT-file".ljust(116) + b"\0" * 8 + b"\x00\x02IM"
    (tmp_path / "p.mat").write_bytes(head.ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n")
    assert "save it with -v7" in _refused(tmp_path / "p.mat")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], {}),
        (["a"], {"00000": ["a"]}),
        (["b", "a"], {"00000": ["b", "a"]}),  # full
        (["c", "b", "a"], {"00000": ["c", "b"], "00001": ["a"]}),
        (iter("dcba"), {"00000": ["d", "c"], "00001": ["b", "a"]}),
    ],
)
def test_shard_names(files: Any, expected: dict[str, list[str]]) -> None:
    named = {f"proposals-{name}.safetensors": part for name, part in expected.items()}
    assert shard_names("proposals", list(files), 2) == named


def test_names_of_shards_sort_in_the_order_of_the_images() -> None:
    names = list(shard_names("proposals", [*map(str, range(1200))], 1))
    assert names == sorted(names)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "p.CSV").write_text("File, X1,y1,x2,y2,score\né.jpg,0,0,2,1,1\n", encoding=encoding)
    (tmp_path / "p.json").write_text('{"é.jpg": {"boxes": [[0, 0, 2, 1]]}}', encoding=encoding)
    for name in ("p.CSV", "p.json"):
        assert read_proposal_file(tmp_path / name)["é.jpg"].boxes.tolist() == [[0, 0, 2, 1]]


@pytest.mark.parametrize("claimed", [{"descr": "<f8", "shape": (10**6, 10**6)}, {"descr": "<U100000000", "shape": ()}])
def test_an_archive_that_claims_more_than_it_holds_is_refused(tmp_path: Path, claimed: dict[str, Any]) -> None:
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"fortran_order": False, **claimed})
    with zipfile.ZipFile(tmp_path / "p.npz", "w") as archive:
        archive.writestr("files.npy", member.getvalue() + bytes(32))
    assert "are not an array" in _refused(tmp_path / "p.npz")


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("files.npy", bytes(2**27))
    assert "compressed bytes claim to be" in _refused(tmp_path / "p.npz")


@pytest.mark.parametrize("ending", [".csv", ".json", ".npz"])
def test_a_mistake_of_any_length_is_told_in_short(tmp_path: Path, ending: str) -> None:
    long = "x" * 100_000
    content = {".csv": f"file,x1,y1,x2,y2,score\na,{long},1,1,1,1\n", ".json": json.dumps({long: 3}), ".npz": long}
    (tmp_path / f"p{ending}").write_text(content[ending])
    assert len(_refused(tmp_path / f"p{ending}")) < 1000
