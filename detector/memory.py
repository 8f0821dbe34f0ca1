"""Giving memory back between pictures."""

import ctypes

_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; macOS and musl have no such thing, nor the need


def return_free_memory() -> None:
    """Hand what the C library has freed, but keeps for later, to the system.

    Pictures of many sizes leave holes of many sizes in the heaps of several threads; kept, they grow by some megabytes
    a picture, hundreds in a long folder.
    """
    if _TRIM is not None:
        _TRIM(0)
