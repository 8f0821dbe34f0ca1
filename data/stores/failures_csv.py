"""`failures.csv`, a row for each image that a run could not detect in: its name, and the reason."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from ..files.atomic import write_atomically
from ..records import ImageDetections

FAILURES_NAME = "failures.csv"


def write_failures(images: Iterable[ImageDetections], folder: Path) -> None:
    """Write the file, or remove that of an earlier run where no image failed."""
    failed = [(image.file, image.error) for image in images if image.error is not None]
    if not failed:
        (folder / FAILURES_NAME).unlink(missing_ok=True)
        return
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([("file", "error"), *failed])
    write_atomically(folder / FAILURES_NAME, text.getvalue())
