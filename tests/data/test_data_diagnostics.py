"""What stops a reader, and what is only told of."""

import errno

import pytest

from inception_rcnn.data.diagnostics import Notices, Problem, failure_of, refuse
from inception_rcnn.data.errors import DataError, SetupError, UsageError

ODD = Problem("odd flag", "a.xml: object 1", "truncated is 'x'", "set it to 0 or 1", minor=True)
BAD = Problem("box inside out", "a.xml: object 2", "x1 > x2")


def test_a_minor_problem_is_no_reason_to_refuse_a_file() -> None:
    refuse(ODD)
    with pytest.raises(DataError, match=r"^a\.xml: object 2: x1 > x2$"):
        refuse(BAD)


def test_notices_count_minor_problems_by_kind_and_refuse_others() -> None:
    notices = Notices()
    assert notices.lines() == []
    notices(ODD)
    notices(Problem("odd flag", "b.xml: object 1", "truncated is 'y'", minor=True, count=1200))
    notices(Problem("unknown image", "r.json: entry 3", "image_id is 9", minor=True))
    assert notices.lines() == [
        "1,201 x odd flag, as a.xml: object 1: truncated is 'x'; set it to 0 or 1",
        "1 x unknown image, as r.json: entry 3: image_id is 9",
    ]
    with pytest.raises(DataError):
        notices(BAD)


def test_a_message_is_of_a_length_that_can_be_read() -> None:
    problem = Problem("kind", "n" * 9000 + ".xml: object 1", "is " + "x" * 9000, "correct it")
    assert len(str(problem)) < 900
    assert ".xml: object 1: is xxx" in str(problem)
    assert str(problem).endswith("; correct it")
    assert problem.where.startswith("n" * 9000)  # the whole of it, for JSON


class OutOfMemoryError(RuntimeError):
    """Called as torch's."""


class AcceleratorError(RuntimeError):
    """Called as torch's."""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DataError("a.jpg: is empty"), "a.jpg: is empty"),
        (MemoryError(), "a.jpg: does not fit into memory"),
        (
            RuntimeError("could not create a primitive\nand many\nlines"),
            r"\(RuntimeError: could not create a primitive\)",
        ),
        (OutOfMemoryError("CUDA out of memory"), "memory of the accelerator"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (ValueError("x" * 10**6), "ValueError"),
    ],
)
def test_an_image_s_failure_is_one_sentence(error, message):
    failure = failure_of(error, "a.jpg")
    assert isinstance(failure, DataError)
    with pytest.raises(DataError, match=message):
        raise failure
    assert "\n" not in str(failure)
    assert len(str(failure)) < 1000


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OSError),
        (ModuleNotFoundError("No module named 'cv2'"), ModuleNotFoundError),
        (SetupError("install it"), SetupError),
        (UsageError("unknown"), UsageError),
        (AcceleratorError("CUDA error: device-side assert"), SetupError),
    ],
)
def test_what_concerns_every_image_ends_the_run(error, raised):
    with pytest.raises(raised):
        failure_of(error, "a.jpg")
