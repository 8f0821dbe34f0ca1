"""Giving memory back between images."""

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
    """Hand what the C library has freed, but keeps for later, to the system.

    Images of many sizes leave holes of many sizes in the heaps of several threads; kept, they grow by some megabytes
    an image, hundreds in a long folder.
    """
    trim = _trim()
    if trim is not None:
        trim(0)
