import json
from dataclasses import dataclass

from inception_rcnn.data.benchmark_rows import format_rows, rows_to_json


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
