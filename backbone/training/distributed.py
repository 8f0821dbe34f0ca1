"""Training one model in several processes, as `torchrun` starts them; a process on its own is the first of one.

Each computes its shard of a step's images. The counts that a loss is divided by, its terms and the gradients are
summed over the processes, so a step is the same whatever their number, up to the rounding of sums.
"""

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ...data.errors import SetupError, UsageError
from ...data.terminal import Report, silent

TIMEOUT = timedelta(days=2)  # the others wait while the first computes proposals or validates
Item = TypeVar("Item")


@contextmanager
def joined() -> Iterator[None]:
    """Join the processes that `torchrun` started, one for each GPU where there are some; without it, nothing."""
    if not dist.is_available() or not dist.is_torchelastic_launched() or dist.is_initialized():
        yield
        return
    # Its functions have the group as a default: loaded later (an optimizer does), they would hold on to it for ever,
    # and the threads of a group that is never let go now and then abort a process that exits.
    importlib.import_module("torch.distributed.nn.functional")
    gpus = torch.cuda.device_count()
    if gpus:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % gpus)  # which "cuda" means from now on
    one_each = int(os.environ["LOCAL_WORLD_SIZE"]) <= gpus  # NCCL cannot share a GPU
    dist.init_process_group("cpu:gloo,cuda:nccl" if one_each else "gloo", timeout=TIMEOUT)
    try:
        yield
    except Exception:
        raise  # at once: leaving in good order would wait for processes that wait for this one
    except BaseException:
        dist.destroy_process_group()
        raise
    else:
        dist.destroy_process_group()


def _is_alone() -> bool:
    return not dist.is_available() or not dist.is_initialized()


def rank() -> int:
    """The number of this process, from 0."""
    return 0 if _is_alone() else dist.get_rank()


def world_size() -> int:
    """The number of processes."""
    return 1 if _is_alone() else dist.get_world_size()


def is_first() -> bool:
    """Whether this is the process that reports, validates and writes."""
    return rank() == 0


def only_first(report: Report) -> Report:
    """`report` in the first process, silence in the others."""
    return report if is_first() else silent


def own_shard(items: Sequence[Item]) -> Sequence[Item]:
    """The items of this process: those from its rank on, in steps of the world size."""
    return items[rank() :: world_size()]


def require_shards(count: int, flag: str) -> None:
    """UsageError where a step's `count` items, set by `flag`, leave a process without any."""
    if count < world_size():
        raise UsageError(f"{flag} {count}: need at least 1 for each of the {world_size()} processes")


def totals(*counts: int) -> list[int]:
    """The sum of each count over the processes."""
    return [int(total) for total in _sum(torch.tensor(counts, dtype=torch.int64)).tolist()]


def sums(*values: float) -> list[float]:
    """The sum of each number over the processes."""
    return _sum(torch.tensor(values, dtype=torch.float64)).tolist()


def from_first(compute: Callable[[], float]) -> float:
    """A number that the first process computes while the others wait."""
    return sums(compute() if is_first() else 0.0)[0]


def wait_for_all() -> None:
    """A barrier: go on when every process has come this far."""
    totals(0)


@contextmanager
def first_alone() -> Iterator[None]:
    """The first process does what is inside before the others, which then find on disk what it left."""
    if not is_first():
        wait_for_all()
    yield
    if is_first():
        wait_for_all()


def gather_texts(text: str) -> list[str]:
    """The text of each process, by rank."""
    if _is_alone():
        return [text]
    texts = [""] * world_size()
    dist.all_gather_object(texts, text)
    return texts


@torch.no_grad()
def broadcast_weights(model: nn.Module) -> None:
    """Give every process the first one's weights."""
    if not _is_alone():
        for tensor in model.state_dict().values():
            dist.broadcast(tensor, src=0)


@torch.no_grad()
def sum_gradients(parameters: Sequence[Tensor]) -> None:
    """Make each gradient the sum of the processes'; one that no process has stays absent."""
    if _is_alone():
        return
    gradients = [each.new_zeros(each.shape) if each.grad is None else each.grad for each in parameters]
    used = parameters[0].new_tensor([each.grad is not None for each in parameters])
    summed = _sum(torch.cat([*(each.reshape(-1) for each in gradients), used]))
    parts = summed.split([each.numel() for each in parameters] + [len(parameters)])
    for parameter, gradient, part, count in zip(parameters, gradients, parts, parts[-1].tolist(), strict=False):
        parameter.grad = gradient.copy_(part.view(gradient.shape)) if count else None


def _sum(tensor: Tensor) -> Tensor:
    """The tensor, now the sum of the processes' tensors."""
    if not _is_alone():
        try:
            dist.all_reduce(tensor)
        except RuntimeError as error:
            raise SetupError("another process of this run has ended; its last message gives the reason") from error
    return tensor
