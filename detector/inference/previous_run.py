"""The results of an earlier run in its output folder: which still hold, and which are removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...data.errors import DataError
from ...data.files.atomic import UNFINISHED
from ...data.files.folder_walk import CROPS, DRAWN
from ...data.images.file_identity import is_gone, origin_of
from ...data.images.sources import Source
from ...data.records import ImageDetections
from ...data.stores.detections_jsonl import LEDGER_NAME, read_ledger, write_ledger
from ...data.stores.failures_csv import FAILURES_NAME
from ...data.stores.stage_files import STAGES_NAME, has_stages, remove_stages, remove_stages_of
from ...eval.report.image_outputs import ImageOutputs


@dataclass(frozen=True)
class Earlier:
    """The rows of an earlier run, by whether they still hold, and where the image files of all images go."""

    done: dict[str, ImageDetections]  # of today's sources
    others: list[ImageDetections]  # of images that are still there and not among the sources
    changed: list[ImageDetections]  # of images whose file is another now
    gone: list[ImageDetections]  # of images that are no more
    rows: int  # all of them, and of images that failed
    outputs: ImageOutputs

    def lines(self) -> list[str]:
        """Notices about it."""
        gone, others = len(self.gone), len(self.others)
        counts = (
            (len(self.changed), "changed since, or may have: detected in again"),
            (gone, f"{'is' if gone == 1 else 'are'} gone and left out"),
            (others, f"{'is' if others == 1 else 'are'} not among the sources: the rows stay"),
        )
        return [f"{count} image{'s' * (count > 1)} of an earlier run {text}" for count, text in counts if count]


def read_earlier(out: Path, sources: Sequence[Source], roots: Sequence[str], keep_stages: bool) -> Earlier:
    """Sort out what an earlier run left.

    A row holds as long as its file is the same. Rows of failures are tried again, and so are those without stages where
    stages are to be written. `roots` are the folders in which images of the earlier run, which may not be among the
    sources, would be.
    """
    path = out / LEDGER_NAME
    rows = read_ledger(path) if path.exists() else []
    by_file = {source.file: source for source in sources}
    done, others, changed, gone = {}, [], [], []
    for row in rows:
        source = by_file.get(row.file)
        if source is None:
            (gone if is_gone(row.file, roots) else others).append(row)
        elif row.error is None and (row.origin is None or row.origin != origin_of(source)):
            changed.append(row)
        elif row.error is None and (not keep_stages or has_stages(out, row.file)):
            done[row.file] = row
    outputs = ImageOutputs.below(out, [*by_file, *(row.file for row in others)])
    return Earlier(done, others, changed, gone, len(rows), outputs)


def remove_what_no_longer_holds(out: Path, earlier: Earlier) -> None:
    """Remove the rows of an earlier run that do not hold, with their image files and stages."""
    for row in (*earlier.changed, *earlier.gone):  # before their rows: if the run ends here, the next one knows of them
        earlier.outputs.remove(row)
        remove_stages_of(out, row.file)
    holding = [*earlier.others, *earlier.done.values()]
    if len(holding) < earlier.rows:
        write_ledger(holding, out / LEDGER_NAME)


def remove_unfinished(out: Path) -> None:
    """Remove the files that a killed run was writing; no other process may write to the folder meanwhile."""
    below = (path for name in (DRAWN, CROPS, STAGES_NAME) for path in (out / name).rglob(UNFINISHED))
    for path in [*out.glob(UNFINISHED), *below]:
        path.unlink()


def has_results(out: Path) -> bool:
    """Whether an earlier run could detect in any image, or may have: its ledger may be damaged."""
    try:
        return any(row.error is None for row in read_ledger(out / LEDGER_NAME))
    except DataError:
        return True


def forget(out: Path) -> None:
    """Remove all that an earlier run wrote of its images: image files, stages, and then the ledger."""
    path = out / LEDGER_NAME
    try:
        rows = read_ledger(path) if path.exists() else []
    except DataError:  # damaged: what was written is not known
        rows = []
    outputs = ImageOutputs.below(out)
    for row in rows:
        outputs.remove(row)
    remove_stages(out)
    (out / FAILURES_NAME).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
