"""The files of a tree and of a pattern; what images come of it is tested with the sources."""

from pathlib import Path

import pytest

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.files.folder_walk import files_below, files_matching


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("t/2.txt", "t/a/b/1.jpg", "t/a/.hidden", "t/.git/x", "empty/.keep"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return tmp_path / "t"


def test_a_folder_without_visible_files_gives_none() -> None:
    assert list(files_below("empty", None)) == []
    assert list(files_matching("empty/*", None)) == []


def test_every_visible_file_is_given_whatever_its_kind() -> None:
    assert sorted(files_below("t", None)) == ["t/2.txt", "t/a/b/1.jpg"]


def test_a_skipped_folder_is_left_out_except_as_the_root(tree: Path) -> None:
    assert list(files_below("t", str(tree / "a"))) == ["t/2.txt"]
    assert list(files_below("t/a", str(tree / "a"))) == ["t/a/b/1.jpg"]
    assert list(files_matching("t/*", str(tree / "a"))) == ["t/2.txt"]


def test_a_folder_with_two_ways_to_it_is_entered_once_by_its_real_name(tree: Path) -> None:
    (tree / "0 link").symlink_to("a")
    (tree / "a" / "loop").symlink_to("..")
    assert sorted(files_below("t", None)) == ["t/2.txt", "t/a/b/1.jpg"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("t/*.jpg", []),
        ("t/**/*.jpg", ["t/a/b/1.jpg"]),
        ("t/**/b", ["t/a/b/1.jpg"]),  # a folder that matches gives its files
        ("t/**", ["t/2.txt", "t/a/b/1.jpg"]),
        ("**/[0-9].*", ["t/2.txt", "t/a/b/1.jpg"]),
        ("t/a/**/b/**/1.*", ["t/a/b/1.jpg"]),
        ("t/**/c", []),
    ],
)
def test_pattern(pattern: str, expected: list[str]) -> None:
    assert sorted(set(files_matching(pattern, None))) == expected


def test_a_folder_that_cannot_be_listed_is_named() -> None:
    with pytest.raises(DataError, match=r"t/2\.txt: cannot be listed"):
        list(files_below("t/2.txt", None))
