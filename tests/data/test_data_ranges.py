import math
from dataclasses import dataclass

import numpy as np
import pytest

from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.ranges import ABOVE_ZERO, COUNT, FRACTION, SEED, Range, check_ranges, whole_number


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
