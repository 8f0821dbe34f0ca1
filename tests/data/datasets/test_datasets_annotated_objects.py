import math
from typing import Any

import pytest

from inception_rcnn.data.datasets.annotated_objects import flag_of, number_of, read_flag, read_size, to_truth
from inception_rcnn.data.diagnostics import Problem


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7),
        (0.5, 0.5),
        (" -1.5\n", -1.5),
        ("1e3", 1000),
        ("12,5", 12.5),
        ("1,000.5", math.nan),  # thousands: nobody writes coordinates so, and 1.0005 would be wrong
        ("1,2,3", math.nan),
        ("1_000", math.nan),
        ("", math.nan),
        ("nan", math.nan),
        ("-inf", math.nan),
        ("1e400", math.nan),
        (10**400, math.nan),
        (True, math.nan),
        (None, math.nan),
        ([1], math.nan),
    ],
)
def test_numbers(value: Any, expected: float) -> None:
    assert number_of(value) == expected or (math.isnan(number_of(value)) and math.isnan(expected))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((value, False) for value in (None, "", " ", 0, 0.0, "0", "0.0", False, "False", "no", "None", "Unspecified")),
        *((value, True) for value in (1, 1.0, "1", True, "TRUE", "yes", "0.0597", 0.2, 2, " 1 ")),
        *((value, None) for value in (-1, "-1", "maybe", math.nan, "nan", [], [1], {}, "9" * 5000)),
    ],
)
def test_flags(value: Any, expected: bool | None) -> None:
    assert flag_of(value) is expected
    told: list[Problem] = []
    assert read_flag(value, "crowd", "a.json: annotation 1", told.append) is bool(expected)
    assert [problem.minor for problem in told] == ([True] if expected is None else [])


@pytest.mark.parametrize(
    ("sides", "expected", "odd"),
    [
        ((20, 10), (20, 10), False),
        (("20", " 10.0 "), (20, 10), False),
        ((None, None), (0, 0), False),
        (("", None), (0, 0), False),
        ((20, None), (0, 0), False),  # one alone says nothing
        ((0, 0), (0, 0), False),
        ((0, 10), (0, 0), False),
        ((-20, 10), (0, 0), True),
        ((20.5, 10), (0, 0), True),
        ((2**31, 10), (0, 0), True),
        (("wide", 10), (0, 0), True),
        (([20], {}), (0, 0), True),
    ],
)
def test_sizes(sides: tuple[Any, Any], expected: tuple[int, int], odd: bool) -> None:
    told: list[Problem] = []
    assert read_size(*sides, "a.xml", told.append) == expected
    assert [problem.minor for problem in told] == [True] * odd


def test_no_objects_are_a_truth_too() -> None:
    truth = to_truth("a.jpg", (20, 10), [], upright=True)
    assert (truth.boxes.shape, truth.upright, (truth.width, truth.height)) == ((0, 4), True, (20, 10))
