"""Returning free memory to the system between images."""

import ctypes
import sys
from collections.abc import Callable
from functools import cache


@cache
def _trim() -> Callable[[int], int] | None:
    """glibc's `malloc_trim`; macOS, Windows and musl have no such thing, nor the need."""
    if sys.platform != "linux":  # Windows has no library of the process itself to ask
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def return_free_memory() -> None:
    """Return to the system the memory that is freed but still held by the C library.

    Images of many sizes leave holes of many sizes in the heaps of several threads, which grow by some megabytes an
    image, hundreds in a long folder.
    """
    trim = _trim()
    if trim is not None:
        trim(0)
