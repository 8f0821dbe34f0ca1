"""One shard of a run of `detect`, and merging all of them into what one run would have written."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from ...data.diagnostics import listed
from ...data.errors import DataError, UsageError
from ...data.files.atomic import name_aside, naming_failures, write_atomically
from ...data.files.folder_walk import natural_key
from ...data.files.json_files import read_checked
from ...data.files.run_lock import locked
from ...data.records import ImageDetections
from ...data.stores.detections_jsonl import LEDGER_NAME, read_ledger, write_ledger
from ...data.stores.failures_csv import write_failures
from ...data.stores.stage_files import stages_path
from ...data.terminal import Report, silent
from ...eval.report.image_outputs import ImageOutputs
from ..inference.detect_run import RUN_NAME, DetectOptions, Engine, Job, prepare, run_job, write_run
from ..inference.formats import Formats, formats_named, remove_formats
from ..inference.image_run import Summary
from ..inference.previous_run import remove_unfinished
from ..inference.settings import differences, image_roots, read_settings
from .shards import PART, SHARDS_NAME, Shard, shard_named

RECORD_NAME = "shard.json"
_EXAMPLES = 5


class Record(TypedDict):
    """What a shard says of itself and of the run that it is a part of."""

    shard: str
    sources: list[str]  # as the command named them
    formats: str
    classes: list[str]
    positions: dict[str, int]  # of the shard's images among those of the run


def prepare_shard(named: Sequence[str], out: Path, options: DetectOptions, shard: Shard) -> tuple[Job, Record]:
    """Read and check what a shard of a run needs, in its folder as that is called now, and what it says of itself."""
    whole, part, finished = prepare(named, out, options), shard.folder(out), shard.finished_folder(out)
    record = Record(
        shard=f"{shard.index}/{shard.count}",
        sources=[*named],
        formats=options.formats,
        classes=[*whole.model.config.detected_classes],
        positions={each.file: index for index, each in enumerate(whole.sources) if shard.has(each.file)},
    )
    job = replace(
        whole,
        out=finished if finished.exists() and not part.exists() else part,
        sources=[source for source in whole.sources if source.file in record["positions"]],
        formats=Formats(()),  # merging writes them
        left_out=[],
        limit=whole.limit if options.fail_on_error is not None else None,
    )
    return job, record


def detect_shard(
    named: Sequence[str],
    out: Path,
    options: DetectOptions,
    shard: Shard,
    report: Report = silent,
    engine: Engine | None = None,
) -> Summary:
    """Detect in a shard's images; its folder gets its name when all are done. Run again, it does what is missing.

    Failures are rows, and no error even where all of a shard's images fail, unless the options limit them.
    """
    job, record = prepare_shard(named, out, options, shard)
    part, finished = shard.folder(out), shard.finished_folder(out)
    with locked(part.parent, f".{shard.name}.lock"):
        if finished.exists() and not part.exists():
            os.rename(finished, part)
        write_atomically(part / RECORD_NAME, json.dumps(record) + "\n")
        summary = run_job(replace(job, out=part), report, engine)
        with naming_failures(finished):
            os.rename(part, finished)
    return replace(summary, out=finished)


@dataclass(frozen=True)
class _Finished:
    """A shard that is done."""

    folder: Path
    record: Record
    settings: dict[str, Any]
    rows: list[ImageDetections]

    def position(self, row: ImageDetections) -> tuple[int, Any]:
        """Where a row goes among those of all shards; before all others if its image is not among the sources."""
        return self.record["positions"].get(row.file, -1), natural_key(row.file)


def merge_shards(out: Path, report: Report = silent) -> str:
    """Join the finished shards below `out` into a ledger in input order, and link their images beside it.

    What is written is what one run over all images would have written, and such a run goes on from it. The shards stay.
    """
    shards = _finished_shards(out)
    settings = _common_settings(shards)
    with locked(out):
        remove_unfinished(out)
        _check_target(out, shards)
        ordered = sorted(
            ((shard.position(row), shard, row) for shard in shards for row in shard.rows), key=lambda each: each[0]
        )
        rows = [row for _, _, row in ordered]
        _link_files(out, [(shard, row) for _, shard, row in ordered])
        record = shards[0].record
        formats = formats_named(record["formats"], record["sources"])
        remove_formats(out)
        write_run(out, settings, None)
        write_ledger(rows, out / LEDGER_NAME)
        write_failures(rows, out)
        written = formats.write(rows, out, record["classes"])
        for line in written.notices:
            report(line)
        for error in written.failures:
            raise error
    failed = sum(row.error is not None for row in rows)
    boxes = sum(len(row.detections) for row in rows)
    return f"{len(shards)} shards, {len(rows)} images ({failed} failed), {boxes} detections, merged in {out}"


def _finished_shards(out: Path) -> list[_Finished]:
    """All shards of the run below `out`; DataError where some lack or are not done."""
    folders = {each.name for each in (out / SHARDS_NAME).glob("*-of-*") if each.is_dir()}
    counts = {name.removesuffix(PART).rpartition("-of-")[2] for name in folders}
    if not folders:
        raise DataError(f"{out}: has no shards; run detect with --out {out} --shard 0/8, and so on")
    if len(counts) > 1:
        raise DataError(
            f"{out / SHARDS_NAME}: has shards of {' and of '.join(sorted(counts))}; remove those of other runs"
        )
    count = counts.pop()
    shards = [Shard(index, int(count)) for index in range(shard_named(f"0/{count}").count)]
    missing = [f"{each.index}/{count}" for each in shards if each.name not in folders]
    if missing:
        some = ", ".join(missing[:_EXAMPLES]) + (f" and {len(missing) - _EXAMPLES} more" * (len(missing) > _EXAMPLES))
        raise DataError(f"{out}: of {count} shards {some} are missing or not done; run detect again with --shard each")
    return [_read(each.finished_folder(out)) for each in shards]


def _read(folder: Path) -> _Finished:
    return _Finished(
        folder,
        read_checked(folder / RECORD_NAME, Record),
        read_settings(folder / RUN_NAME),
        read_ledger(folder / LEDGER_NAME),
    )


def _common_settings(shards: Sequence[_Finished]) -> dict[str, Any]:
    """The settings of all shards; UsageError where two differ in more than the folders of their images."""
    first = shards[0]
    roots = sorted({root for shard in shards for root in image_roots(shard.settings)})
    for shard in shards[1:]:
        others = {**shard.settings, "images_from": first.settings.get("images_from")}
        changed = differences(first.settings, others) or differences(_about(first.record), _about(shard.record))
        if changed:
            raise UsageError(
                f"{shard.folder}: was made with other settings than {first.folder.name} ({changed}): "
                "run detect again for one of them, with --overwrite"
            )
    return {**first.settings, "images_from": roots}


def _about(record: Record) -> dict[str, Any]:
    return {name: record[name] for name in ("sources", "formats", "classes")}


def _check_target(out: Path, shards: Iterable[_Finished]) -> None:
    """UsageError where merging would lose rows: those of an earlier run about other images."""
    path = out / LEDGER_NAME
    known = {row.file for shard in shards for row in shard.rows}
    others = [row.file for row in read_ledger(path) if row.file not in known] if path.exists() else []
    if others:
        raise UsageError(
            f"{path}: has {len(others)} images that are in no shard, as {listed(others[:1])}: move it away first"
        )


def _link_files(out: Path, rows: Sequence[tuple[_Finished, ImageDetections]]) -> None:
    """Link each image's drawing, crops and stages to where one run would have written them."""
    targets = ImageOutputs.below(out, [row.file for _, row in rows])
    origins: Mapping[Path, ImageOutputs] = {
        shard.folder: ImageOutputs.below(shard.folder, [row.file for row in shard.rows]) for shard, _ in rows
    }
    for shard, row in rows:
        written = (each.paths(row, draw=True, save_crops=True) for each in (origins[shard.folder], targets))
        stages = stages_path(shard.folder, row.file), stages_path(out, row.file)
        for origin, target in (*zip(*written, strict=True), stages):
            if origin.exists():
                _link(origin, target)


def _link(origin: Path, target: Path) -> None:
    """A second name for a file, or where the disk has none a copy; in place of what was there."""
    if target.exists() and target.samefile(origin):
        return
    aside = name_aside(target)
    with naming_failures(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(origin, aside)
        except OSError:
            shutil.copy2(origin, aside)
        os.replace(aside, target)
