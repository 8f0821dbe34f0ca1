"""What an exception while one image is worked on means: a failure of that image, or the end of the run."""

import errno

from .diagnostics import cut
from .errors import DataError, InceptionRcnnError, SetupError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def failure_of(error: Exception, name: str) -> DataError:
    """The failure of the image called `name` as one sentence; what concerns every image is raised again.

    That is a full disk, a package that is missing, a wrong argument and an accelerator in ruins. All else may be this
    image's own, and a thousand others wait.
    """
    if isinstance(error, DataError):
        return error
    if isinstance(error, InceptionRcnnError | ImportError) or (isinstance(error, OSError) and error.errno in _FULL):
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
    """The failure of an image that took too long."""
    return DataError(f"{name}: took longer than {seconds:g} s to decode and propose regions for; scale it down first")


def _first_line(error: Exception) -> str:
    return cut(str(error).strip().split("\n", 1)[0])
