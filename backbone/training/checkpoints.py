"""Checkpoints, from which a training run goes on exactly where it was."""

import io
import math
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...data.diagnostics import cut
from ...data.errors import DataError, UsageError
from ...data.files.atomic import naming_failures, write_atomically
from ...data.values import Range, shown
from .log import TrainingLog

CHECKPOINT = "last.ckpt"
FORMAT = 3  # of its content
COUNT = Range(0, 10**9, whole=True)
_AT_LEAST_ONE = Range(1, 10**9, whole=True)
ANY_NUMBER = Range(-math.inf, math.inf)
_SHOWN = 10  # differences in a message


@dataclass
class State:
    """Where a run is: what a checkpoint holds beside the weights and the optimiser."""

    step: int = 0
    best: float = -math.inf


@dataclass(frozen=True)
class Training:
    """All that changes in a run, and what must be the same to go on with it. Every step is seeded by its number."""

    model: nn.Module
    ema: nn.Module
    optimizer: torch.optim.Optimizer
    state: State
    log: TrainingLog
    identity: Mapping[str, object]  # the recipe, and facts about data and options, by name


def check_out(out: Path, resume: bool) -> None:
    """UsageError where `resume` finds nothing to go on with, or a new run would overwrite an earlier one."""
    path = out / CHECKPOINT
    if resume and not path.exists():
        raise UsageError(f"nothing to resume: there is no {path}; leave --resume out to start")
    if path.exists() and not resume:
        raise UsageError(f"{path} holds an earlier run: add --resume to go on with it, or choose another --out")


def check_model_folder(out: Path, resume: bool = False) -> None:
    """The same before any work, and UsageError where a model is there; SetupError where nothing can be written."""
    check_out(out, resume)
    if not resume and (out / "config.json").exists():
        raise UsageError(f"{out} holds a model, which would be overwritten: choose another --out, or delete it")
    there = next((folder for folder in (out, *out.absolute().parents) if folder.exists()), out)
    with naming_failures(out):
        tempfile.TemporaryFile(dir=there).close()


def write_checkpoint(out: Path, training: Training) -> None:
    """Write `last.ckpt` in place of an earlier one, whole or not at all."""
    content = {
        "format": FORMAT,
        "model": training.model.state_dict(),
        "ema": training.ema.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "state": asdict(training.state),
        "log": training.log.unwritten,
        "identity": dict(training.identity),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(out / CHECKPOINT, buffer.getvalue())


def restore(out: Path, training: Training) -> None:
    """Put everything where the checkpoint in `out` says; UsageError where it differs from this run."""
    path = out / CHECKPOINT
    saved = _read(path)
    _require_same(path, saved["identity"], training.identity)
    for name in ("model", "ema"):
        if not all(torch.isfinite(each).all() for each in saved[name].values() if isinstance(each, Tensor)):
            raise DataError(f"{path}: its {name} has numbers that are not finite; delete it to start anew")
    try:
        training.model.load_state_dict(saved["model"])
        training.ema.load_state_dict(saved["ema"])
        _restore_optimizer(training.optimizer, saved["optimizer"]["state"])
    except Exception as error:  # torch raises whatever a wrong type leads to, deep inside
        raise DataError(f"{path} is of another network ({_short(error)}); resume with the same options") from error
    training.state.step, training.state.best = saved["state"]["step"], float(saved["state"]["best"])
    training.log.go_on(training.state.step, saved["log"])


def _restore_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[int, Mapping[str, Any]]) -> None:
    """Its moments as they were; its groups and rates follow from the recipe. ValueError where they do not fit."""
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    for index, moments in state.items():
        for name, moment in moments.items():
            if isinstance(moment, Tensor) and moment.ndim and moment.shape != parameters[index].shape:
                raise ValueError(f"{name} of parameter {index} has the shape {tuple(moment.shape)}")
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _read(path: Path) -> dict[str, Any]:
    """A checkpoint's content, with all parts that it must have."""
    try:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():  # torch does not compare the checksums that it writes
                raise DataError(f"its part {damaged} is not what was written")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds on a damaged file
        raise DataError(f"{path} is not a readable checkpoint ({_short(error)}); delete it to start anew") from error
    if isinstance(content, dict) and "identity" in content and content.get("format") != FORMAT:
        raise DataError(
            f"{path} is of another release of this program: finish the run with that, or choose another --out"
        )
    if fault := _fault(content):
        raise DataError(f"{path} is not a checkpoint of this program ({fault}); delete it to start anew")
    return content


def _fault(content: Any) -> str | None:
    """What is wrong with a checkpoint's content, or None."""
    if not isinstance(content, dict):
        return f"it holds a {type(content).__name__}"
    for name in ("model", "ema", "optimizer", "state", "log", "identity"):
        if not isinstance(content.get(name), dict):
            return f"its {name} is missing or no table"
    state, log = content["state"], content["log"]
    if COUNT.fault(state.get("step")) or ANY_NUMBER.fault(state.get("best")):
        return f"its state is {shown(state)}"
    groups = content["optimizer"].get("param_groups")
    if not isinstance(content["optimizer"].get("state"), dict) or {*map(type, groups or [None])} != {dict}:
        return "its optimizer has no state or groups"
    sums, counts = log.get("sums"), log.get("counts")
    if not isinstance(sums, dict) or not isinstance(counts, dict) or sums.keys() != counts.keys():
        return f"its log is {shown(log)}"
    if any(map(ANY_NUMBER.fault, sums.values())) or any(map(_AT_LEAST_ONE.fault, counts.values())):
        return f"its log is {shown(log)}"
    return None


def _require_same(path: Path, saved: Mapping[str, object], now: Mapping[str, object]) -> None:
    names = {**saved, **now}
    # By what they look like: a file may hold values whose comparison is no truth value.
    differences = [
        f"{shown(name)[1:-1]} was {shown(saved.get(name))} and is {shown(now.get(name))}"
        for name in names
        if repr(saved.get(name)) != repr(now.get(name))
    ]
    if differences:
        more = f"; and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        raise UsageError(
            f"{path} is of another run: {'; '.join(differences[:_SHOWN])}{more}. Resume with what it was begun with, "
            "or choose another --out"
        )


def _short(error: Exception) -> str:
    """The first line of what an error says, without torch's advice to run what is in the file."""
    line = str(error).strip().partition("\n")[0].strip()
    return type(error).__name__ if not line or "weights_only" in line else cut(line, 150)
