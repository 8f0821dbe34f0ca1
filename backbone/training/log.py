"""The log of a training run: files for programs, lines of progress, curves for TensorBoard."""

import csv
import io
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...data.errors import DataError, SetupError
from ...data.files.atomic import write_atomically
from ...data.files.json_files import parse_json
from ...data.files.text_files import read_text
from ...data.terminal import Report
from ...data.values import shown

LOG_EVERY = 25  # steps
ROWS, TABLE = "log.jsonl", "log.csv"
TIMES = ("seconds", "waiting")  # of a step, and the fraction of them spent waiting for its batch


class TrainingLog:
    """`log.jsonl` and `log.csv`, a row every few steps, and the same as lines of progress, with the time that is left.

    `folder` is None in a process that writes nothing; `images` is how many a step has, 0 if unknown, and `unit` what
    they are.
    """

    def __init__(
        self,
        folder: Path | None,
        steps: int,
        report: Report,
        *,
        images: int = 0,
        unit: str = "images",
        metric: str = "score",
        tensorboard: bool = False,
    ):
        self.folder, self.steps, self.report = folder, steps, report
        self.images, self.unit, self.metric = images, unit, metric
        self.sums: dict[str, float] = {}
        self.counts: dict[str, int] = {}  # of the steps that had each
        self.columns: list[str] = []
        self.begun, self.start = time.monotonic(), 0
        self._new_curves = _summary_writer() if tensorboard and folder else None
        self._curves: Any = None

    @property
    def unwritten(self) -> dict[str, Any]:
        """The sums since the last row, for a checkpoint that falls between two."""
        return {"sums": dict(self.sums), "counts": dict(self.counts)}

    def go_on(self, step: int, unwritten: Mapping[str, Any]) -> None:
        """Begin at a step; what an earlier run logged after it is dropped, as it will be done, and logged, again."""
        self.start, self.sums, self.counts = step, dict(unwritten["sums"]), dict(unwritten["counts"])
        if self.folder is not None:
            rows = [row for row in _rows_in(self.folder / ROWS) if row["step"] <= step]
            write_atomically(self.folder / ROWS, "".join(json.dumps(row) + "\n" for row in rows))
            if self._new_curves is not None:
                self._curves = self._new_curves(str(self.folder / "tensorboard"), purge_step=step + 1)

    def add(
        self, step: int, terms: Mapping[str, float], rate: float, *, seconds: float = 0.0, waited: float = 0.0
    ) -> None:
        """Take one step's terms, and its seconds, of which some `waited` for its batch.

        Every so often, and at the end, their means since the last time are written and reported: each over the steps in
        which it was a number.
        """
        for name, value in {**terms, "seconds": seconds, "waiting": waited}.items():
            if not math.isnan(value):
                self.sums[name] = self.sums.get(name, 0.0) + value
                self.counts[name] = self.counts.get(name, 0) + 1
        if not self.columns and terms:
            self._begin_table(["step", "rate", *terms, *TIMES, "score", "best"])
        if (step + 1) % LOG_EVERY and step + 1 != self.steps:
            return
        means = {name: round(value / self.counts[name], 5) for name, value in self.sums.items() if name != "waiting"}
        means["waiting"] = round(self.sums["waiting"] / max(self.sums["seconds"], 1e-9), 3)
        self.sums, self.counts = {}, {}
        self._write({"step": step + 1, "rate": round(rate, 9), **means})
        self.report(self._line(step, means))

    def validated(self, step: int, score: float, best: bool) -> None:
        """Log a score of the validation images, and whether it is the best."""
        self._write({"step": step, "score": round(score, 5), "best": best})
        self.report(f"step {step}: {self.metric} {score:.4f}{' (best so far, saved)' if best else ''}")

    def close(self) -> None:
        if self._curves is not None:
            self._curves.close()

    def _line(self, step: int, means: Mapping[str, float]) -> str:
        values = "  ".join(f"{name} {value:.3f}" for name, value in means.items() if name not in TIMES)
        speed = f"{means['seconds']:.2f} s/step"
        if self.images and means["seconds"]:
            speed += f"  {self.images / means['seconds']:.1f} {self.unit}/s"
        left = (time.monotonic() - self.begun) / (step + 1 - self.start) * (self.steps - step - 1)
        waiting = f"{means['waiting']:.0%} waiting for data"
        return f"step {step + 1}/{self.steps}  {values}  {speed}  {waiting}  {_clock(left)} left"

    def _begin_table(self, columns: list[str]) -> None:
        """Begin `log.csv` with the rows that `log.jsonl` has."""
        self.columns = columns
        if self.folder is not None:
            rows = [dict(zip(columns, columns, strict=True)), *_rows_in(self.folder / ROWS)]
            write_atomically(self.folder / TABLE, "".join(_as_csv(columns, row) for row in rows))

    def _write(self, row: dict[str, Any]) -> None:
        if self.folder is None:
            return
        row = {name: value if math.isfinite(value) else None for name, value in row.items()}  # JSON has no NaN
        with (self.folder / ROWS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        with (self.folder / TABLE).open("a", encoding="utf-8", newline="") as file:
            file.write(_as_csv(self.columns, row))
        if self._curves is not None:
            for name, value in row.items():
                if name != "step" and value is not None:
                    self._curves.add_scalar(name, float(value), row["step"])
            self._curves.flush()


def _rows_in(path: Path) -> list[dict[str, Any]]:
    """The rows of a log; the last may be cut off where the process was killed, and is left out then."""
    if not path.exists():
        return []
    lines = read_text(path).split("\n")[:-1]
    return [_row(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1)]


def _row(line: str, where: str) -> dict[str, Any]:
    """One row of a log; DataError where it is none, since a log that goes on must not lose what it has."""
    try:
        row = parse_json(line, where)
    except DataError as error:
        raise DataError(f"{error}; mend or move the file") from error
    if not isinstance(row, dict) or type(row.get("step")) is not int:
        raise DataError(f"{where}: is {shown(row)}, no row of a training's log; mend or move the file")
    return row


def _as_csv(columns: list[str], row: Mapping[str, Any]) -> str:
    line = io.StringIO()
    csv.DictWriter(line, columns, restval="", extrasaction="ignore", lineterminator="\n").writerow(row)
    return line.getvalue()


def _summary_writer() -> Any:
    """TensorBoard's writer of curves, an extra."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise SetupError(
            "--tensorboard needs the package tensorboard: pip install 'inception-rcnn[tensorboard]'"
        ) from error
    return SummaryWriter


def _clock(seconds: float) -> str:
    """
    >>> _clock(3725)
    '1:02:05'
    """
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
