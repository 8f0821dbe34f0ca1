"""How the inner loops of this folder are compiled."""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., object])


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
