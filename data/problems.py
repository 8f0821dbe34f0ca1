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
    minor: bool = False  # no reason to refuse the file: what is wrong is left out or read without, and counted
    count: int = 1  # of how many rows this is said, `where` being the first

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"; {self.fix}" if self.fix else "")


# Told of what a reader cannot use. If it returns, the reader leaves that object or picture out and goes on.
OnProblem = Callable[[Problem], None]


def refuse(problem: Problem) -> None:
    """Stop at the first problem that is not minor: what every reader does unless it is told otherwise."""
    if not problem.minor:
        raise DataError(str(problem))


class Notices(list[Problem]):
    """The minor problems that readers met, to tell of them beside a result; any other is refused."""

    def __call__(self, problem: Problem) -> None:
        refuse(problem)
        self.append(problem)

    def lines(self) -> list[str]:
        """A line for each kind, with its number and its first example."""
        kinds: dict[str, list[Problem]] = {}
        for problem in self:
            kinds.setdefault(problem.kind, []).append(problem)
        return [f"{sum(one.count for one in same):,} x {kind}, as {same[0]}" for kind, same in kinds.items()]
