"""Output of the command line: results to stdout, messages to stderr, whatever these can encode."""

import io
import os
import sys
from typing import TextIO

from ...data.terminal import printable

CLOSED_PIPE = 141  # 128 + SIGPIPE, as of any program whose reader has left
_MOST_LINES = 8  # of a complaint
_LONGEST_LINE = 1500

# Where torchrun started this process as one of several.
RANK = int(os.environ.get("RANK", 0)) if "TORCHELASTIC_RUN_ID" in os.environ else 0


def escape_what_cannot_be_encoded() -> None:
    """Names that a console's encoding lacks are written as escapes from now on, instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show(result: object) -> None:
    """A result: machine output and tables."""
    _write(str(result), sys.stdout)


def report(line: object) -> None:
    """A message or a line of progress, from the first of several processes."""
    if RANK == 0:
        _write(str(line), sys.stderr)


def report_error(sentence: str) -> None:
    """An error in a few lines, whatever the user's files hold."""
    process = f" in process {RANK}" if "TORCHELASTIC_RUN_ID" in os.environ else ""
    _write(f"error{process}: {short(sentence)}", sys.stderr)


def short(text: str) -> str:
    """A text of a few lines that a terminal can show: each without its middle where it is too long.

    >>> short("no class 'a\\x1b[2J'")
    "no class 'a\\\\x1b[2J'"
    """
    lines = [printable(_cut(line)) for line in _cut(text, 10 * _LONGEST_LINE).splitlines()]
    return "\n".join(lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], "…"])


def _cut(line: str, longest: int = _LONGEST_LINE) -> str:
    return line if len(line) <= longest else f"{line[: longest // 2]}…{line[-longest // 2 :]}"


def _write(text: str, stream: TextIO) -> None:
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:  # `| head` has seen enough
        # What is left in the buffer goes nowhere, else Python would report_error of it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise SystemExit(CLOSED_PIPE) from None
