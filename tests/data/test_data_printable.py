import pytest

from inception_rcnn.data.printable import num_cells, pad, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("traffic light", "traffic light"),
        ("猫é", "猫é"),
        ("a\x1b[31m\n", "a\\x1b[31m\\n"),
        ("\udcff", "\\udcff"),
        ("\u202eabc", "\\u202eabc"),  # would turn the line around
    ],
)
def test_printable(text: str, expected: str) -> None:
    assert printable(text) == expected
    expected.encode()


@pytest.mark.parametrize(("text", "cells"), [("", 0), ("cat", 3), ("猫", 2), ("e\u0301", 1)])
def test_cells(text: str, cells: int) -> None:
    assert num_cells(text) == cells
    assert num_cells(pad(text, 5)) == num_cells(pad(text, 5, right=True)) == 5


def test_pad_side() -> None:
    assert (pad("a", 3), pad("a", 3, right=True)) == ("a  ", "  a")
