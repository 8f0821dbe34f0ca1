"""The one training loop: averaging, checkpoints, resume, log, several processes. Nothing in it is about detection.

A step's batch and its chance are functions of the step's number, so a run that was stopped goes on exactly where it
was.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...data.errors import DataError
from ...data.images.prefetching import prefetch
from .checkpoints import CHECKPOINT, State, Training, check_out, restore, write_checkpoint
from .distributed import (
    broadcast_weights,
    from_first,
    gather_texts,
    is_first,
    only_first,
    rank,
    sum_gradients,
    sums,
    wait_for_all,
)
from .interruption import Interruption, leave, noticing_signals
from .log import TrainingLog
from .random_state import seed_of
from .recipe import Recipe, new_optimizer, rate_at

__all__ = ["CHECKPOINT", "Recipe", "State", "check_out", "rate_at", "train"]

Loss = Callable[[nn.Module, Any], dict[str, Tensor]]


def train(
    model: nn.Module,
    groups: list[dict[str, Any]],
    batch_at: Callable[[int], Any],
    loss: Loss,
    recipe: Recipe,
    out: Path,
    *,
    save: Callable[[nn.Module], None],
    validate: Callable[[nn.Module], float] | None = None,
    resume: bool = False,
    report: Callable[[str], None] = lambda line: None,
    facts: Mapping[str, object] | None = None,
    metric: str = "validation",
    images: int = 0,
    unit: str = "images",
    tensorboard: bool = False,
) -> State:
    """Train `model` on `batch_at(0)`, `batch_at(1)`, … and `save` its averaged weights, the best by `validate`.

    `groups` are torch's parameter groups with a `scale` each: the multiple of the learning rate. `loss` gives named
    terms; "loss" is the one descended, the others are logged, where they are numbers; none where a step has nothing.
    `out` receives `log.jsonl`, `log.csv` and `last.ckpt`; with `resume` the run goes on from the latter, if it is of
    the same recipe and `facts` (any values, by name). `metric` names what `validate` gives; `images`, how many a step
    looks at, or of what `unit`, is for the log.

    Where `torchrun` started several processes, `batch_at` gives this one's share (`own_shard`) and the terms are its
    parts of the whole, which are added up: sums, divided by a count that `totals` added up too.

    Ctrl-C and SIGTERM end the run after the running step, with a checkpoint of it. Raises DataError where the loss is
    no longer a finite number, the last checkpoint untouched, and UsageError where there is nothing to resume or
    something that would be overwritten.
    """
    report = only_first(report)
    check_out(out, resume)
    folder, shown = out if is_first() else None, {"images": images, "unit": unit, "metric": metric}
    log = TrainingLog(folder, recipe.steps, report, **shown, tensorboard=tensorboard)
    training = _start(model, groups, recipe, out, log, resume, _identity(recipe, facts or {}, metric))
    state = training.state
    with noticing_signals() as noticed:
        for step, batch, waited in _prefetched(batch_at, state.step, recipe.steps):
            begun = time.monotonic()
            terms, interrupted = _descend(training, loss, batch, recipe, step, noticed)
            if terms:
                _average(training.average, model, min(recipe.average, (step + 1) / (step + 10)))
            state.step = step + 1
            log.add(step, terms, rate_at(step, recipe), seconds=waited + time.monotonic() - begun, waited=waited)
            last = state.step == recipe.steps
            judged = validate is not None and (last or state.step % recipe.validate_every == 0)
            if validate is not None and judged:
                _keep_if_best(training, validate, save, report)
            if is_first() and (judged or last or interrupted or state.step % recipe.checkpoint_every == 0):
                write_checkpoint(out, training)
            if interrupted and not last:
                report(f"stopped after step {state.step}, which {out / CHECKPOINT} has: go on with --resume")
                _leave_together(log, noticed)
    if validate is None and is_first():
        save(training.average)
    wait_for_all()
    log.close()
    return state


def _identity(recipe: Recipe, facts: Mapping[str, object], metric: str) -> dict[str, object]:
    """What a resumed run must have in common with what it goes on with; how often it is saved decides nothing."""
    settings = {**asdict(recipe), "warmup": recipe.warmup_steps, **facts, "metric": metric}
    return {name: value for name, value in settings.items() if name != "checkpoint_every"}


def _leave_together(log: TrainingLog, noticed: Interruption) -> None:
    wait_for_all()  # whoever started the processes may end all of them with the first that leaves
    log.close()
    leave(noticed.signal)


def _start(
    model: nn.Module,
    groups: list[dict[str, Any]],
    recipe: Recipe,
    out: Path,
    log: TrainingLog,
    resume: bool,
    identity: Mapping[str, object],
) -> Training:
    """Everything as at the first step, or as a checkpoint has it; the same in every process."""
    broadcast_weights(model)
    average = copy.deepcopy(model).eval().requires_grad_(False)
    training = Training(model, average, new_optimizer(groups, recipe), State(), log, identity)
    if resume:
        restore(out, training)
    else:
        out.mkdir(parents=True, exist_ok=True)
        log.go_on(0, log.unwritten)
    return training


def _descend(
    training: Training, loss: Loss, batch: Any, recipe: Recipe, step: int, noticed: Interruption
) -> tuple[dict[str, float], bool]:
    """One step down the gradient: the terms of the loss as numbers, and whether a process was told to stop."""
    optimizer = training.optimizer
    for group in optimizer.param_groups:
        group["lr"] = rate_at(step, recipe) * group["scale"]
    training.model.train()
    optimizer.zero_grad(set_to_none=True)
    torch.manual_seed(seed_of(recipe.seed, step, rank()))
    terms = loss(training.model, batch)  # the same names in every process
    parts = [float(term.detach()) for term in terms.values()]
    *added, signals = sums(*parts, noticed.signal)
    values = dict(zip(terms, added, strict=True))
    if not values:
        return values, signals > 0
    if not np.isfinite(values["loss"]):
        _refuse(values["loss"], step, gather_texts(str(batch)))
    terms["loss"].backward()
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    sum_gradients(parameters)
    nn.utils.clip_grad_norm_(parameters, recipe.gradient_limit)
    optimizer.step()
    return values, signals > 0


def _refuse(loss: float, step: int, batches: list[str]) -> None:
    """End a run whose loss is no number; the first process says so for all."""
    if not is_first():
        raise SystemExit(DataError.exit_code)
    raise DataError(f"the loss is {loss} at step {step}: lower --learning-rate; batch: {', '.join(batches)}")


@torch.no_grad()
def _average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the averaged weights a little towards the model's."""
    for kept, now in zip(average.parameters(), model.parameters(), strict=True):
        if now.requires_grad:
            kept.lerp_(now, 1 - decay)


def _prefetched(batch_at: Callable[[int], Any], start: int, stop: int) -> Iterator[tuple[int, Any, float]]:
    """The batches in order and the seconds waited for each, the next two being made by a thread while one is used."""
    with closing(prefetch(batch_at, range(start, stop), 1, ahead=3)) as batches:
        for step in range(start, stop):
            begun = time.monotonic()
            batch = next(batches)
            yield step, batch, time.monotonic() - begun


def _keep_if_best(
    training: Training,
    validate: Callable[[nn.Module], float],
    save: Callable[[nn.Module], None],
    report: Callable[[str], None],
) -> None:
    """Let the first process judge the averaged weights, and save them if they are the best so far.

    A score that is no number says nothing: as long as no other came, the last weights are saved.
    """
    score = from_first(lambda: validate(training.average))
    best, unknown = score > training.state.best, math.isnan(score) and training.state.best == -math.inf
    if best:
        training.state.best = score
    if (best or unknown) and is_first():
        save(training.average)
    training.log.validated(training.state.step, score, best)
    if unknown:
        report(f"the score of step {training.state.step} is no number: its weights are saved, best or not")
