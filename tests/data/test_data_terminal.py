import io
import json
import sys
from dataclasses import dataclass

import pytest

from inception_rcnn.data import terminal
from inception_rcnn.data.terminal import (
    Progress,
    format_columns,
    format_rows,
    num_cells,
    printable,
    rows_to_json,
    silent,
    tracked,
)


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


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set."""
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    return now


def test_lines_come_every_ten_seconds_with_the_pace_and_the_time_that_is_left(clock):
    lines = []
    with Progress("detecting", 8, lines.append) as run:
        for seconds in (6, 12, 15, 24):
            clock[0] = seconds
            run.add(note="3 failed")
    assert lines == [
        "detecting: 2/8 images, 0.17 images/s, 36 s left, 3 failed",
        "detecting: 4/8 images, 0.17 images/s, 24 s left, 3 failed",
    ]


def test_nothing_to_do_reports_nothing(clock):
    lines = []
    assert list(tracked([], "detecting", 0, lines.append)) == lines == []


def test_items_are_counted_once_they_are_done(clock):
    lines = []
    for number in tracked("abc", "detecting", 3, lines.append):
        clock[0] += 11
        assert len(lines) == "abc".index(number)
    assert [line.partition(" images")[0] for line in lines] == [f"detecting: {i}/3" for i in (1, 2, 3)]


def test_a_terminal_has_a_bar_and_lines_above_it(monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    lines = []
    with Progress("detecting", 2, lines.append) as run:
        run.add(note="5 detections")
        sys.stderr.write("left out: a.png\n")
        run.add(note="7 detections")
    assert lines == []
    assert "left out: a.png" in screen.getvalue()
    assert "detecting" in screen.getvalue()
    assert "2/2" in screen.getvalue()
    assert "7 detections" in screen.getvalue()
    assert sys.stderr is screen


def test_who_wants_no_messages_has_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    assert list(tracked([1, 2], "detecting", 2, silent)) == [1, 2]
    assert screen.getvalue() == ""
