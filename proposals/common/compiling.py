"""How the inner loops of this folder are compiled: once, then kept on disk, and loaded by every process."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit
from numba.core import event

Function = TypeVar("Function", bound=Callable[..., object])
_PROPOSALS = __name__.removesuffix(".common.compiling")


def compiled(*, fastmath: bool = False) -> Callable[[Function], Function]:
    """Decorator for a function of arrays and numbers: machine code, kept on disk, that other threads run beside.

    Numba refuses to define a function whose code it can keep nowhere, as in a read-only container without a home
    folder. Compiling anew in each process, some seconds, is better than not starting.
    """

    def decorate(function: Function) -> Function:
        try:
            return cast(Function, njit(nogil=True, cache=True, fastmath=fastmath)(function))
        except RuntimeError:
            return cast(Function, njit(nogil=True, fastmath=fastmath)(function))

    return decorate


class _FirstCompilation(event.Listener):
    """Says once that something is compiled, lest the first image seem to hang; loading from disk is no such event."""

    def __init__(self) -> None:
        self.said = False

    def on_start(self, event: Any) -> None:
        module = getattr(getattr(event.data["dispatcher"], "py_func", None), "__module__", "")
        if not self.said and module.startswith(_PROPOSALS):
            self.said = True
            logging.getLogger(_PROPOSALS).warning("compiling Selective Search, once on this machine: some seconds")

    def on_end(self, event: Any) -> None:
        pass


event.register("numba:compile", _FirstCompilation())
