import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.values import (
    ABOVE_ZERO,
    COUNT,
    FRACTION,
    SEED,
    Range,
    check_ranges,
    number_of,
    number_rows,
    numbers,
    shown,
    whole_number,
)

CELLS = st.one_of(st.integers(), st.floats(), st.booleans(), st.none(), st.text(max_size=2), st.just(10**400))
ROWS = st.one_of(CELLS, st.lists(CELLS, max_size=3), st.lists(st.integers(-9, 9), min_size=2, max_size=2))


@pytest.mark.parametrize("rows", [[], [[]], [[], []], [[1], [2]], [[1, 2, 3]] * 2, [None], [{}], [[[1], [2]]]])
def test_rows_of_another_length_are_none(rows: list[Any]) -> None:
    found = number_rows(rows, 2)
    assert found.shape == (len(rows), 2)
    assert np.isnan(found).all()


@given(st.lists(ROWS, max_size=5))
def test_rows_are_what_a_look_at_each_gives(rows: list[Any]) -> None:
    for row, found in zip(rows, number_rows(rows, 2), strict=True):
        cells = row if isinstance(row, list) and len(row) == 2 else [math.nan] * 2
        expected = np.array(list(map(number_of, cells)))
        np.testing.assert_array_equal(found, expected if np.isfinite(expected).all() else np.full(2, np.nan))


def test_truth_values_are_no_numbers_and_texts_of_them_are() -> None:
    values = json.loads('[1, 2.5, "3", "x", "", "nan", true, null, NaN, Infinity, [4]]')
    assert numbers(values)[:3].tolist() == [1, 2.5, 3]
    assert np.isnan(numbers(values)[3:]).all()


def test_long_values_are_cut() -> None:
    assert shown("a") == "'a'"
    assert len(shown("a" * 1000)) == 81


def test_any_value_is_shown() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert "too large to show" in shown(deep)
    assert "too large to show" in shown(10**5000)


@pytest.mark.parametrize(
    ("range_", "good", "bad"),
    [
        (COUNT, [1, 10**6, np.int32(7)], [0, -1, 10**6 + 1, 10**400, 1.0, "1", None, True, math.nan]),
        (FRACTION, [0, 1, 0.5, np.float32(0.5)], [-1e-9, 1.1, math.nan, math.inf, "0.5", None, False, [0.5]]),
        (ABOVE_ZERO, [1e-300, 5], [0, -1, math.inf, math.nan]),
        (SEED, [0, 2**32 - 1], [-1, 2**32]),
        (Range(0, 1, open_high=True, optional=True), [None, 0, 0.999], [1]),
    ],
)
def test_what_is_in_a_range(range_, good, bad):
    assert [range_.fault(value) for value in good] == [None] * len(good)
    assert all(range_.fault(value).startswith("need ") for value in bad)


@dataclass(frozen=True)
class Record:
    batch_size: object = 1

    def __post_init__(self):
        check_ranges(self, {"batch_size": COUNT}, flags=True)


def test_a_record_is_checked_and_its_numbers_made_plain():
    assert type(Record(np.int64(3)).batch_size) is int
    with pytest.raises(UsageError, match=r"^--batch-size 0: need at least 1 and at most 1000000$"):
        Record(0)


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "²", "٣", "9" * 5000, " 1"])
def test_a_text_that_is_no_plain_number(text):
    assert whole_number(text) is None
