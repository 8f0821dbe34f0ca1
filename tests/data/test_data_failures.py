"""One image's failure is a sentence; what concerns all images is raised again."""

import errno

import pytest

from inception_rcnn.data.errors import DataError, SetupError, UsageError
from inception_rcnn.data.failures import failure_of


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
