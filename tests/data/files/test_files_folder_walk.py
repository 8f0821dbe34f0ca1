"""The files of a tree and of a pattern; what images come of it is tested with the sources."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.files.folder_walk import files_below, files_matching, natural_key


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


ORDERED = [
    "",
    "1.jpg",
    "2.jpg",
    "02.jpg",
    "10.jpg",
    "a/b.jpg",
    "A.jpg",
    "a.jpg",
    "a10.jpg",
    "b²3.jpg",
    "b٣.jpg",
    "é.jpg",
]


def test_order_is_total() -> None:
    shuffled = random.Random(0).sample(ORDERED, len(ORDERED))
    expected = sorted(ORDERED, key=natural_key)
    assert sorted(shuffled, key=natural_key) == expected
    assert expected.index("2.jpg") < expected.index("10.jpg")
    assert expected.index("a.jpg") < expected.index("a10.jpg")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2.jpg", "10.jpg"),
        ("a/z.jpg", "ab/c.jpg"),  # by folders, not by characters: "/" is above " " and "-"
        ("a/z.jpg", "a b/c.jpg"),
        ("img2/10.jpg", "img10/2.jpg"),
        ("Img.jpg", "img.jpg"),
        ("b.JPG", "c.jpg"),
        ("1.5.jpg", "1.10.jpg"),
    ],
)
def test_first_comes_first(first: str, second: str) -> None:
    assert natural_key(first) < natural_key(second)


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\0"), max_size=12), max_size=8))
def test_any_name_is_taken(names: list[str]) -> None:
    order = sorted(names, key=natural_key)
    names.reverse()
    assert sorted(names, key=natural_key) == order
