"""What is wrong in a data set's files: a reader refuses it at once, `check` collects all of it.

And what an exception while one image is worked on means: a failure of that image, or the end of the run.
"""

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from .errors import DataError, InceptionRcnnError, SetupError

_FEW = 5  # names in a message
_LONGEST = 400  # characters of a part of a message
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Problem:
    """Something in a data set that cannot be used, or that its owner should know."""

    kind: str  # what problems of this sort have in common, to count them: "box with xmin > xmax"
    where: str  # the file, and the object in it: "Annotations/3.xml: object 2 (cat)"
    what: str  # what is wrong there
    fix: str = ""  # what to do about it
    minor: bool = False  # no reason to refuse the file: what is wrong is left out or read without, and counted
    count: int = 1  # of how many rows this holds, `where` being the first

    def __str__(self) -> str:
        return self.without_fix + (f"; {self.fix}" if self.fix else "")

    @property
    def without_fix(self) -> str:
        """Where and what, each of a length that can be read, whatever the file holds."""
        return f"{cut(self.where)}: {cut(self.what)}"


class Unusable(DataError):
    """A problem on its way from where it shows to where the object or the image is left out."""

    def __init__(self, kind: str, where: str, what: str, fix: str = "") -> None:
        self.problem = Problem(kind, where, what, fix)
        super().__init__(str(self.problem))


def cut(text: str, longest: int = _LONGEST) -> str:
    """A text without its middle if it is too long: a path is known by its end."""
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[-half:]}"


def listed(names: Sequence[str]) -> str:
    """Names for a message, the first few of many.

    >>> listed(["cat", "dog"]), listed([str(number) for number in range(9)])
    ('cat, dog', '0, 1, 2, 3, 4 and 4 more')
    """
    few = ", ".join(map(cut, names[:_FEW]))
    return few if len(names) <= _FEW else f"{few} and {len(names) - _FEW} more"


# Called with what a reader cannot use. If it returns, the reader leaves that object or image out and goes on.
OnProblem = Callable[[Problem], None]


@contextmanager
def skipping(on_problem: OnProblem) -> Iterator[None]:
    """Report what is unusable in the block, and leave the rest of the block."""
    try:
        yield
    except Unusable as unusable:
        on_problem(unusable.problem)


def refuse(problem: Problem) -> None:
    """DataError for a problem that is not minor: what every reader does by default."""
    if not problem.minor:
        raise DataError(str(problem))


def counted_by_kind(problems: Iterable[Problem]) -> list[Problem]:
    """The first problem of each kind, with the count of all of them."""
    first: dict[str, Problem] = {}
    for problem in problems:
        before = first.get(problem.kind)
        first[problem.kind] = problem if before is None else replace(before, count=before.count + problem.count)
    return list(first.values())


class Notices(list[Problem]):
    """The minor problems that readers met, to report beside a result; any other is refused."""

    def __call__(self, problem: Problem) -> None:
        refuse(problem)
        self.append(problem)

    def lines(self) -> list[str]:
        """A line for each kind, with its number and its first example."""
        return [f"{problem.count:,} x {problem.kind}, as {problem}" for problem in counted_by_kind(self)]


def failure_of(error: Exception, name: str) -> DataError:
    """The failure of the image called `name` as one sentence; what concerns every image is raised again.

    That is a full disk, a missing package, a wrong argument and a failed accelerator. All else may be this image's own.
    """
    if isinstance(error, DataError):
        return error
    if isinstance(error, InceptionRcnnError | ImportError) or (isinstance(error, OSError) and error.errno in NO_ROOM):
        raise error
    kinds = {kind.__name__ for kind in type(error).__mro__}  # by name: nothing here imports torch
    if "AcceleratorError" in kinds:  # all further calls fail too
        raise SetupError(f"{name}: the accelerator failed ({_first_line(error)}); start again, or with --device cpu")
    if "OutOfMemoryError" in kinds:
        reason = "does not fit into the memory of the accelerator; ask for fewer --regions or --device cpu"
    elif isinstance(error, MemoryError):
        reason = "does not fit into memory; scale it down first"
    else:
        reason = f"failed ({type(error).__name__}: {_first_line(error)}); convert it, and report this if it is sound"
    failure = DataError(f"{name}: {reason}")
    failure.__cause__ = error
    return failure


def late(name: str, seconds: float) -> DataError:
    return DataError(f"{name}: took longer than {seconds:g} s to decode and propose regions for; scale it down first")


def _first_line(error: Exception) -> str:
    return cut(str(error).strip().split("\n", 1)[0])
