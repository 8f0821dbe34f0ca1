"""What a training run says of itself: a file for programs and lines for whoever watches."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..data.files import write_atomically

LOG_EVERY = 25  # steps


class TrainingLog:
    """`log.jsonl`, a line every few steps, and the same to whoever watches, with the time that is left."""

    def __init__(self, path: Path, steps: int, start: int, report: Callable[[str], None]):
        self.path, self.steps, self.report = path, steps, report
        self._forget_after(start)
        self.begun, self.start = time.monotonic(), start
        self.sums: dict[str, float] = {}
        self.count = 0

    def add(self, step: int, terms: dict[str, float], rate: float) -> None:
        """Take one step's terms; every so often, and at the end, write and tell their means since the last time."""
        self.count += 1
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        if (step + 1) % LOG_EVERY and step + 1 != self.steps:
            return
        means = {name: round(total / self.count, 5) for name, total in self.sums.items()}
        self.sums, self.count = {}, 0
        self._write({"step": step + 1, "rate": round(rate, 7), **means})
        seconds = (time.monotonic() - self.begun) / (step + 1 - self.start)
        left = seconds * (self.steps - step - 1)
        values = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
        self.report(f"step {step + 1}/{self.steps}  {values}  {seconds:.2f} s/step  {_clock(left)} left")

    def validated(self, step: int, score: float, best: bool) -> None:
        """Write and tell a score of the validation pictures, and whether these weights are kept."""
        self._write({"step": step, "score": round(score, 5), "best": best})
        self.report(f"step {step}: validation {score:.4f}{' (best so far, kept)' if best else ''}")

    def _forget_after(self, step: int) -> None:
        """Drop what a stopped run logged after its last checkpoint: it will be done, and logged, again."""
        if self.path.exists():
            rows = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            write_atomically(self.path, "".join(row for row in rows if json.loads(row)["step"] <= step))

    def _write(self, row: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _clock(seconds: float) -> str:
    """
    >>> _clock(3725)
    '1:02:05'
    """
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
