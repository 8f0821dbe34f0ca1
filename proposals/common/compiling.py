"""Compilation of inner loops with numba: once, then cached on disk and loaded by every process."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit
from numba.core import event

Function = TypeVar("Function", bound=Callable[..., object])
_PROPOSALS = __name__.removesuffix(".common.compiling")


def compiled(*, fastmath: bool = False) -> Callable[[Function], Function]:
    """Decorator for a function of arrays and numbers: compiled without Python's lock, and cached on disk.

    Numba refuses to define a function whose code it can cache nowhere, as in a read-only container without a home
    folder. Compiling anew in each process, some seconds, is better than not starting.
    """

    def decorate(function: Function) -> Function:
        try:
            return cast(Function, njit(nogil=True, cache=True, fastmath=fastmath)(function))
        except RuntimeError:
            return cast(Function, njit(nogil=True, fastmath=fastmath)(function))

    return decorate


class _FirstCompilation(event.Listener):
    """Logs once that something is compiled, lest the first image seem to hang; loading from disk is no such event."""

    logged = False

    def on_start(self, event: Any) -> None:
        module = getattr(getattr(event.data["dispatcher"], "py_func", None), "__module__", "")
        if not self.logged and module.startswith(_PROPOSALS):
            self.logged = True
            logging.getLogger(_PROPOSALS).warning("compiling Selective Search, once on this machine: some seconds")

    def on_end(self, event: Any) -> None:
        pass


event.register("numba:compile", _FirstCompilation())
