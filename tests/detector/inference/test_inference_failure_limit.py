import pytest

from inception_rcnn.data.errors import LimitError, UsageError
from inception_rcnn.detector.inference.failure_limit import FailureLimit


@pytest.mark.parametrize(
    ("text", "failed", "of", "allowed"),
    [
        (None, 0, 0, True),
        (None, 9, 10, True),
        ("0", 0, 10, True),
        ("0", 1, 10, False),
        ("5", 5, 10, True),
        ("5", 6, 10, False),
        ("10%", 1, 10, True),
        ("10%", 2, 10, False),
        ("0%", 1, 10**6, False),
        ("0.1%", 1, 1000, True),
        ("100%", 9, 10, True),
        (" 5 ", 6, 10, False),
    ],
)
def test_failures_within_the_limit_are_allowed(text, failed, of, allowed):
    assert FailureLimit(text).allows(failed, of=of) == allowed
    if allowed:
        FailureLimit(text).check(failed, of=of, example="a.jpg: is empty")
    else:
        with pytest.raises(LimitError, match=f"{failed} of {of} images failed.*a.jpg: is empty"):
            FailureLimit(text).check(failed, of=of, example="a.jpg: is empty")


def test_a_run_of_which_everything_failed_has_failed():
    for text in (None, "100%", "9"):
        with pytest.raises(LimitError, match="all of 3 images failed"):
            FailureLimit(text).check(3, of=3, example=None)
    with pytest.raises(LimitError, match=r"a\.jpg: is empty"):
        FailureLimit(None).check(1, of=1, example="a.jpg: is empty")
    FailureLimit(None).check(0, of=0, example=None)


@pytest.mark.parametrize("text", ["", "-1", "many", "1.5", "%", "nan", "5%%", "1e3", "٣", "9" * 5000])
def test_what_is_no_limit_is_one_sentence(text):
    with pytest.raises(UsageError, match="--fail-on-error") as caught:
        FailureLimit(text)
    assert len(str(caught.value)) < 300
