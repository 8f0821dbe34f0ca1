"""What is wrong in a data set's files: a reader refuses it at once, `check` collects all of it."""

from collections.abc import Callable
from dataclasses import dataclass

from .errors import DataError


@dataclass(frozen=True)
class Problem:
    """Something that cannot be used, or that a person should know of."""

    kind: str  # what problems of this sort have in common, to count them: "box with xmin > xmax"
    where: str  # the file, and the object in it: "Annotations/3.xml: object 2 (cat)"
    what: str  # what is wrong there
    fix: str = ""  # what to do about it

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"; {self.fix}" if self.fix else "")


# Told of what a reader cannot use. If it returns, the reader leaves that object or picture out and goes on.
OnProblem = Callable[[Problem], None]


def refuse(problem: Problem) -> None:
    """Stop at the first problem: what every reader does unless it is told otherwise."""
    raise DataError(str(problem))
