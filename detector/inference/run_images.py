"""The images of a run as it is to read them, and the command that goes on with it."""

import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...data.boxes import UNKNOWN_SIZE
from ...data.formats.specs import resolve_sources
from ...data.images.sources import Source, passed_over_text

_OURS = ("inception-rcnn", "inception_rcnn", "__main__.py")  # what our command is called


def list_images(
    named: Sequence[str], *, skip: Path | None = None, ignore_exif: bool = False
) -> tuple[list[Source], list[str]]:
    """The images, and a line on the files of their folders that are none. `ignore_exif` takes all as stored."""
    notices: list[str] = []

    def passed_over(kinds: Counter[str]) -> None:
        notices.append(passed_over_text(kinds))

    sources = resolve_sources(named, skip=skip, on_passed_over=passed_over)
    if ignore_exif:
        sources = [replace(source, as_stored=True, size=UNKNOWN_SIZE) for source in sources]
    return sources, notices


def command_to_go_on() -> str:
    """The command that this process was started by, ready to paste, but that it throws nothing away."""
    if Path(sys.argv[0]).stem not in {Path(name).stem for name in _OURS}:
        return "run it again with the same --out"
    return shlex.join(["inception-rcnn", *(word for word in sys.argv[1:] if word != "--overwrite")])
