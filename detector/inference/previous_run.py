"""The results of an earlier run in its output folder: which still hold, and which are removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...data.errors import DataError
from ...data.files.folder_walk import DRAWN
from ...data.images.file_identity import is_gone, origin_of
from ...data.images.sources import Source
from ...data.records import ImageDetections
from ...data.stores.detections_jsonl import LEDGER_NAME, read_ledger, write_ledger
from ...data.stores.stage_files import has_stages, remove_stages, remove_stages_of
from ...eval.report.drawn_files import Drawings


@dataclass(frozen=True)
class Earlier:
    """The rows of an earlier run that hold, and where the drawings of all images go."""

    done: dict[str, ImageDetections]  # of today's sources
    others: list[ImageDetections]  # of images that are still there and not among the sources
    changed: int  # images of which there was a row, and whose file is another now
    gone: int  # images of which there was a row, and that are no more
    drawings: Drawings

    def lines(self) -> list[str]:
        """Notices about it."""
        counts = (
            (self.changed, "changed since, or may have: detected in again"),
            (self.gone, f"{'is' if self.gone == 1 else 'are'} gone and left out"),
            (len(self.others), f"{'is' if len(self.others) == 1 else 'are'} not among the sources: the rows stay"),
        )
        return [f"{count} image{'s' * (count > 1)} of an earlier run {text}" for count, text in counts if count]


def take_over(out: Path, sources: Sequence[Source], roots: Sequence[str], keep_stages: bool) -> Earlier:
    """Sort out what an earlier run left, and remove the rows, drawings and stages that no longer hold.

    A row holds as long as its file is the same. Rows of failures are tried again, and so are those without stages where
    stages are to be written. `roots` are the folders in which images of the earlier run, which may not be among the
    sources, would be.
    """
    path = out / LEDGER_NAME
    rows = read_ledger(path) if path.exists() else []
    by_file = {source.file: source for source in sources}
    done, others, stale, gone = {}, [], [], []
    for row in rows:
        source = by_file.get(row.file)
        if source is None:
            (gone if is_gone(row.file, roots) else others).append(row)
        elif row.error is None and (row.origin is None or row.origin != origin_of(source)):
            stale.append(row)
        elif row.error is None and (not keep_stages or has_stages(out, row.file)):
            done[row.file] = row
    drawings = Drawings(out / DRAWN, [*by_file, *(row.file for row in others)])
    for row in (*stale, *gone):  # before their rows: if the run ends here, the next one still knows of them
        drawings.remove(row.file)
        remove_stages_of(out, row.file)
    if len(done) + len(others) < len(rows):
        write_ledger([*others, *done.values()], path)
    return Earlier(done, others, len(stale), len(gone), drawings)


def has_results(out: Path) -> bool:
    """Whether an earlier run could detect in any image, or may have: its ledger may be damaged."""
    try:
        return any(row.error is None for row in read_ledger(out / LEDGER_NAME))
    except DataError:
        return True


def forget(out: Path) -> None:
    """Remove all that an earlier run wrote of its images: drawings, stages, and then the ledger."""
    path = out / LEDGER_NAME
    try:
        rows = read_ledger(path) if path.exists() else []
    except DataError:  # damaged: what was drawn is not known
        rows = []
    drawings = Drawings(out / DRAWN)
    for row in rows:
        drawings.remove(row.file)
    remove_stages(out)
    path.unlink(missing_ok=True)
