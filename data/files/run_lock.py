"""One run at a time in a folder: a lock that the system frees when its process ends, however that is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import UsageError
from .atomic import naming_failures

LOCK_NAME = ".lock"


@contextmanager
def locked(folder: Path, name: str = LOCK_NAME) -> Iterator[None]:
    """Hold the folder, which is made where needed, until the block ends; UsageError where another run has it.

    Or what else a lock of that `name` in the folder stands for.
    """
    with naming_failures(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise UsageError(
                f"{folder}: another run is writing to it; wait until it ends, or choose another --out"
            ) from None
    try:
        yield
    finally:
        lock.release()
