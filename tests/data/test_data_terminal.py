import json
from dataclasses import dataclass

import pytest

from inception_rcnn.data.terminal import format_columns, format_rows, num_cells, printable, rows_to_json


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
    for align in ("<", ">"):
        first, _ = format_columns([[text, text, "|"], ["wider", "wider", "|"]], align=align)
        assert num_cells(first) == 5 + 2 + 5 + 2 + 1


def test_cells_are_padded_on_either_side() -> None:
    assert format_columns([["a", "b", "|"], ["abc", "abc", "|"]], align="<")[0] == "a    b    |"
    assert format_columns([["a", "b", "|"], ["abc", "abc", "|"]], align=">")[0] == "a      b  |"


@dataclass(frozen=True)
class Row:
    name: str
    seconds: float | None
    boxes: int


def test_rows_as_a_table_and_as_json() -> None:
    rows = [Row("a long name", 0.12345, 7), Row("b", 12.0, 1234), Row("c", None, 0)]
    assert format_rows(rows).splitlines() == [
        "name         seconds  boxes",
        "a long name  0.123    7",
        "b            12.000   1234",
        "c            -        0",
    ]
    assert json.loads(rows_to_json(rows))[1] == {"name": "b", "seconds": 12.0, "boxes": 1234}


def test_no_rows() -> None:
    assert (format_rows([]), json.loads(rows_to_json([]))) == ("", [])
