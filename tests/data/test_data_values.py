import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inception_rcnn.data.values import number_of, number_rows, numbers, shown

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
