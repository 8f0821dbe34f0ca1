"""The one training loop: EMA, checkpoints, resume, log, several processes. Nothing in it is about detection.

A step's batch and its seed are functions of the step's number, so a run that was stopped goes on exactly where it was.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...data.errors import DataError
from ...data.images.prefetching import prefetch
from ...data.resources import usable_cores
from ...data.terminal import Report
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
from .run import Run


@dataclass(frozen=True)
class Task:
    """What is trained, on which batches, by which loss, and how it is validated and saved.

    `batch_at` gives the batch of a step, 0, 1, …; of several processes, this one's shard. `loss` gives named terms of a
    batch: "loss" is the one descended, the others are logged, where they are numbers; none where a batch has nothing.
    Of several processes the terms are this one's part of the whole: sums, divided by a count that `totals` added up.
    """

    model: nn.Module
    groups: list[dict[str, Any]]  # torch's parameter groups, with a `scale` each: the multiple of the learning rate
    batch_at: Callable[[int], Any]
    loss: Callable[[nn.Module, Any], dict[str, Tensor]]
    save: Callable[[nn.Module], None]
    validate: Callable[[nn.Module], float] | None = None  # the higher, the better
    metric: str = "validation"  # what `validate` gives
    facts: Mapping[str, object] = field(default_factory=dict)  # what a resumed run must share, beside the recipe
    images: int = 0  # a step, for the log
    unit: str = "images"  # what those are


def train(task: Task, run: Run) -> State:
    """Train a model and save the EMA of its weights, the best by validation if there is any.

    With `run.resume` it goes on from `last.ckpt`, if that is of the same recipe and facts. Ctrl-C and SIGTERM end the
    run after the running step, with a checkpoint of it. Raises DataError where the loss is no longer a finite number,
    the last checkpoint untouched, and UsageError where there is nothing to resume or something that would be
    overwritten.
    """
    recipe, report = run.recipe, only_first(run.report)
    check_out(run.out, run.resume)
    training = _start(task, run)
    state, log = training.state, training.log
    with noticing_signals() as noticed:
        threads = _batch_threads(task.model)
        for step, batch, waited in _prefetched(task.batch_at, state.step, recipe.steps, threads):
            begun = time.monotonic()
            terms, interrupted = _descend(training, task.loss, batch, recipe, step, noticed)
            if terms:
                _update_ema(training.ema, task.model, min(recipe.ema, (step + 1) / (step + 10)))
            state.step = step + 1
            log.add(step, terms, rate_at(step, recipe), seconds=waited + time.monotonic() - begun, waited=waited)
            last = state.step == recipe.steps
            validated = task.validate is not None and (last or state.step % recipe.validate_every == 0)
            if task.validate is not None and validated:
                _save_if_best(training, task.validate, task.save, report)
            if is_first() and (validated or last or interrupted or state.step % recipe.checkpoint_every == 0):
                write_checkpoint(run.out, training)
            if interrupted and not last:
                report(f"stopped after step {state.step}, which {run.out / CHECKPOINT} has: go on with --resume")
                _leave_together(log, noticed)
    if task.validate is None and is_first():
        task.save(training.ema)
    wait_for_all()
    log.close()
    return state


def _leave_together(log: TrainingLog, noticed: Interruption) -> None:
    wait_for_all()  # whoever started the processes may end all of them with the first that leaves
    log.close()
    leave(noticed.signal)


def _start(task: Task, run: Run) -> Training:
    """Everything as at the first step, or as a checkpoint has it; the same in every process."""
    recipe = run.recipe
    shown = {"images": task.images, "unit": task.unit, "metric": task.metric}
    folder = run.out if is_first() else None
    log = TrainingLog(folder, recipe.steps, only_first(run.report), **shown, tensorboard=run.tensorboard)
    broadcast_weights(task.model)
    ema = copy.deepcopy(task.model).eval().requires_grad_(False)
    settings = {**asdict(recipe), "warmup": recipe.warmup_steps, **task.facts, "metric": task.metric}
    del settings["checkpoint_every"]  # decides nothing
    training = Training(task.model, ema, new_optimizer(task.groups, recipe), State(), log, settings)
    if run.resume:
        restore(run.out, training)
    else:
        run.out.mkdir(parents=True, exist_ok=True)
        log.go_on(0, log.unwritten)
    return training


def _descend(
    training: Training,
    loss: Callable[[nn.Module, Any], dict[str, Tensor]],
    batch: Any,
    recipe: Recipe,
    step: int,
    noticed: Interruption,
) -> tuple[dict[str, float], bool]:
    """One step of the optimizer: the terms of the loss as numbers, and whether any process got a signal."""
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
    """End a run whose loss is not finite, with the error in the first process alone."""
    if not is_first():
        raise SystemExit(DataError.exit_code)
    raise DataError(f"the loss is {loss} at step {step}: lower --learning-rate; batch: {', '.join(batches)}")


@torch.no_grad()
def _update_ema(ema: nn.Module, model: nn.Module, decay: float) -> None:
    for mean, now in zip(ema.parameters(), model.parameters(), strict=True):
        if now.requires_grad:
            mean.lerp_(now, 1 - decay)


def _batch_threads(model: nn.Module) -> int:
    """How many threads make batches: a GPU leaves the cores to them, on a CPU the network wants these itself."""
    on_gpu = next(model.parameters()).device.type == "cuda"
    return max(usable_cores() - 1, 1) if on_gpu else 1


def _prefetched(
    batch_at: Callable[[int], Any], start: int, stop: int, threads: int
) -> Iterator[tuple[int, Any, float]]:
    """The batches in order and the seconds waited for each, the next ones being made by threads while one is used."""
    with closing(prefetch(batch_at, range(start, stop), threads, ahead=threads + 2)) as batches:
        for step in range(start, stop):
            begun = time.monotonic()
            batch = next(batches)
            yield step, batch, time.monotonic() - begun


def _save_if_best(
    training: Training,
    validate: Callable[[nn.Module], float],
    save: Callable[[nn.Module], None],
    report: Report,
) -> None:
    """Let the first process validate the EMA, and save it if it is the best so far.

    As long as every score is NaN, the last weights are saved.
    """
    score = from_first(lambda: validate(training.ema))
    best, unknown = score > training.state.best, math.isnan(score) and training.state.best == -math.inf
    if best:
        training.state.best = score
    if (best or unknown) and is_first():
        save(training.ema)
    training.log.validated(training.state.step, score, best)
    if unknown:
        report(f"the score of step {training.state.step} is no number: its weights are saved, best or not")
