"""The one training loop: schedule, averaging, checkpoints, resume, log. Nothing in it is about detection.

A step's batch is a function of the step's number, so a run that was stopped goes on exactly where it was.
"""

import copy
import io
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data.errors import DataError, UsageError
from ..data.files import write_atomically
from .training_log import TrainingLog

CHECKPOINT = "last.ckpt"


@dataclass(frozen=True)
class Recipe:
    """How to train; the rates of the parameter groups are multiples of `learning_rate`."""

    steps: int = 5000
    learning_rate: float = 0.0001
    warmup: int = 200  # steps from 0 to the full rate
    weight_decay: float = 0.01
    average: float = 0.999  # decay of the weights' moving average, which is what is validated and kept (Polyak)
    gradient_limit: float = 35.0  # norm: a rare bad batch must not throw the weights off
    checkpoint_every: int = 250  # steps
    validate_every: int = 1000  # steps
    seed: int = 0


@dataclass
class State:
    """Where a run is: what a checkpoint holds beside the weights and the optimiser."""

    step: int = 0
    best: float = -math.inf


def rate_at(step: int, recipe: Recipe) -> float:
    """The learning rate of a step: a linear warm-up, then half a cosine down to zero.

    >>> recipe = Recipe(steps=100, learning_rate=1.0, warmup=10)
    >>> [round(rate_at(step, recipe), 3) for step in (0, 9, 55, 99)]
    [0.1, 1.0, 0.5, 0.0]
    """
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    progress = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    return recipe.learning_rate * (1 + math.cos(math.pi * progress)) / 2


def train(
    model: nn.Module,
    groups: list[dict[str, Any]],
    batch_at: Callable[[int], Any],
    loss: Callable[[nn.Module, Any], dict[str, Tensor]],
    recipe: Recipe,
    out: Path,
    *,
    save: Callable[[nn.Module], None],
    validate: Callable[[nn.Module], float] | None = None,
    resume: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> State:
    """Train `model` on `batch_at(0)`, `batch_at(1)`, … and `save` its averaged weights, the best by `validate`.

    `groups` are torch's parameter groups with a `scale` each: the multiple of the learning rate. `loss` gives named
    terms; "loss" is the one descended, the others are logged. `out` receives `log.jsonl` and `last.ckpt`; with
    `resume` the run goes on from the latter. Raises DataError where the loss is no longer a finite number, the last
    checkpoint untouched, and UsageError where there is nothing to resume or something that would be overwritten.
    """
    torch.manual_seed(recipe.seed)
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
    average = copy.deepcopy(model).eval().requires_grad_(False)
    state = _start(out, model, average, optimizer, recipe, resume)
    log = TrainingLog(out / "log.jsonl", recipe.steps, state.step, report)
    for step, batch in _prefetched(batch_at, state.step, recipe.steps):
        terms = _descend(model, loss, batch, optimizer, recipe, step)
        _average(average, model, min(recipe.average, (step + 1) / (step + 10)))
        state.step = step + 1
        log.add(step, terms, rate_at(step, recipe))
        last = state.step == recipe.steps
        if validate and (last or state.step % recipe.validate_every == 0):
            _keep_if_best(average, validate, save, state, log)
            _write_checkpoint(out, model, average, optimizer, recipe, state)
        elif last or state.step % recipe.checkpoint_every == 0:
            _write_checkpoint(out, model, average, optimizer, recipe, state)
    if validate is None:
        save(average)
    return state


def _descend(
    model: nn.Module,
    loss: Callable[[nn.Module, Any], dict[str, Tensor]],
    batch: Any,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    step: int,
) -> dict[str, float]:
    """One step down the gradient; the terms of the loss as numbers."""
    for group in optimizer.param_groups:
        group["lr"] = rate_at(step, recipe) * group["scale"]
    model.train()
    optimizer.zero_grad(set_to_none=True)
    terms = loss(model, batch)
    if not torch.isfinite(terms["loss"]):
        raise DataError(f"the loss is {terms['loss'].item()} at step {step}: lower --learning-rate; batch: {batch}")
    terms["loss"].backward()
    nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_limit)
    optimizer.step()
    return {name: float(term.detach()) for name, term in terms.items()}


@torch.no_grad()
def _average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the averaged weights a little towards the model's."""
    for kept, now in zip(average.parameters(), model.parameters(), strict=True):
        if now.requires_grad:
            kept.lerp_(now, 1 - decay)


def _prefetched(batch_at: Callable[[int], Any], start: int, stop: int) -> Iterator[tuple[int, Any]]:
    """The batches in order, the next two being made by a thread while one is used."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = {step: pool.submit(batch_at, step) for step in range(start, min(start + 2, stop))}
        for step in range(start, stop):
            batch = waiting.pop(step).result()
            if step + 2 < stop:
                waiting[step + 2] = pool.submit(batch_at, step + 2)
            yield step, batch


def _keep_if_best(
    average: nn.Module,
    validate: Callable[[nn.Module], float],
    save: Callable[[nn.Module], None],
    state: State,
    log: TrainingLog,
) -> None:
    score = validate(average)
    best = score > state.best
    if best:
        state.best = score
        save(average)
    log.validated(state.step, score, best)


def check_out(out: Path, resume: bool) -> None:
    """UsageError where `resume` finds nothing to go on with, or a new run would overwrite an earlier one."""
    path = out / CHECKPOINT
    if resume and not path.exists():
        raise UsageError(f"nothing to resume: there is no {path}; leave --resume out to start")
    if path.exists() and not resume:
        raise UsageError(f"{path} holds an earlier run: add --resume to go on with it, or choose another --out")


def _start(
    out: Path, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, resume: bool
) -> State:
    """The state to begin with: a checkpoint's where asked for, else the first step in an empty place."""
    check_out(out, resume)
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        return State()
    path = out / CHECKPOINT
    kept = _read_checkpoint(path)
    if kept["recipe"] != asdict(recipe):
        raise UsageError(f"{path} was made with {kept['recipe']}; resume with the same recipe")
    try:
        model.load_state_dict(kept["model"])
        average.load_state_dict(kept["average"])
        optimizer.load_state_dict(kept["optimizer"])
    except (RuntimeError, ValueError) as error:
        raise DataError(f"{path} is of another network ({error}); resume with the same options") from error
    torch.set_rng_state(kept["rng"])
    if kept["cuda_rng"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(kept["cuda_rng"])
    return State(**kept["state"])


def _read_checkpoint(path: Path) -> dict[str, Any]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds on a damaged file
        raise DataError(f"{path} is not a readable checkpoint ({error}); delete it to start anew") from error


def _write_checkpoint(
    out: Path, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, state: State
) -> None:
    content = {
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "recipe": asdict(recipe),
        "state": asdict(state),
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(out / CHECKPOINT, buffer.getvalue())
