"""Limits that a user states for a run: how many images may fail before it counts as failed."""

import math
import re
from dataclasses import dataclass

from ...data.diagnostics import cut
from ...data.errors import LimitError, UsageError
from ...data.values import shown


@dataclass(frozen=True)
class FailureLimit:
    """How many failures are allowed, as `--fail-on-error` has it: a number, or a percentage of all images.

    >>> FailureLimit("10%").allows(1, of=10), FailureLimit("0").allows(1, of=10), FailureLimit(None).allows(9, of=10)
    (True, False, True)
    """

    text: str | None  # "5", "10%"; None: any number but all

    def __post_init__(self) -> None:
        if self.text is not None and not re.fullmatch(r"\d{1,9}|\d{1,3}(\.\d{1,6})?%", self.text.strip(), re.ASCII):
            raise UsageError(f"--fail-on-error {shown(self.text)}: need a number of images, or a percentage as 10%")

    def allows(self, failed: int, *, of: int) -> bool:
        """Whether `failed` failures among `of` images are within the limit."""
        if self.text is None:
            return True
        text = self.text.strip()
        return failed * 100 <= float(text[:-1]) * of if text.endswith("%") else failed <= int(text)

    def check(self, failed: int, *, of: int, example: str | None) -> None:
        """LimitError where more failed than is allowed, or all; `example` is one of the failures."""
        such = f", as {cut(example)}" if example else ""
        if not self.allows(failed, of=of):
            raise LimitError(f"{failed} of {of} images failed, and --fail-on-error {self.text} allows no more{such}")
        if failed == of > 0:
            raise LimitError(
                f"all of {of} images failed{such}" if of > 1 else f"the image failed: {cut(example or '')}"
            )


def check_seconds(seconds: float) -> None:
    """Refuse a `--time-limit` that is no time."""
    if not 0 < seconds < math.inf:
        raise UsageError(f"--time-limit {seconds:g}: need more than 0 seconds for an image")
