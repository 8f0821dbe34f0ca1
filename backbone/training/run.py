"""The settings of a training run, whatever it trains."""

from dataclasses import dataclass
from pathlib import Path

from ...data.terminal import Report, silent
from .recipe import Recipe


@dataclass(frozen=True)
class Run:
    """How to train, where the files go, and who reads the progress."""

    recipe: Recipe
    out: Path  # `log.jsonl`, `log.csv`, `last.ckpt` and the model
    resume: bool = False  # go on from `last.ckpt`
    tensorboard: bool = False  # write its curves too
    report: Report = silent
