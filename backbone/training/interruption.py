"""Stopping a run from outside without losing the step at hand."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """The signal to stop, 0 until there is one."""

    signal: int = 0


@contextmanager
def noticing_signals() -> Iterator[Interruption]:
    """Ctrl-C and SIGTERM are noted, to be acted on at the end of a step; a second one ends the process at once.

    In another thread than the main one, where Python lets nobody handle signals, none are noted.
    """
    noticed = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield noticed
        return

    def note(number: int, frame: FrameType | None) -> None:
        noticed.signal = number
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)

    earlier = {each: signal.signal(each, note) for each in SIGNALS}
    try:
        yield noticed
    finally:
        for each, handler in earlier.items():
            signal.signal(each, handler if handler is not None else signal.SIG_DFL)


def leave(number: int) -> None:
    """End as the signal asks for: KeyboardInterrupt for Ctrl-C, exit code 143 for SIGTERM."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + signal.SIGTERM)
