"""The device and the number format that the network computes with, and the memory of the CPU's library."""

import os
import re
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch

from ..data.errors import SetupError, UsageError
from ..data.values import shown
from .googlenet import STRIDE, Backbone
from .roi_align import roi_align

# oneDNN caches a compiled layer, and memory for it, for each of the last 1,024 shapes, and torch, on top of it, for as
# many: hundreds of megabytes in a folder with images of many sizes, for little speed. An image's layers have about 120
# shapes. Both read this when they compute for the first time.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
os.environ.setdefault("LRU_CACHE_CAPACITY", "128")


_NAME = re.compile(r"(cpu|cuda|mps)(?::(\d{1,3}))?", re.ASCII)

Device = str | int | torch.device | None  # what names one


def choose_device(name: Device = "auto") -> torch.device:
    """The device of that name, or the best there is for "auto"; SetupError says why a wanted GPU cannot be used.

    As in torch, a number is a CUDA device's, and None leaves the choice open.
    """
    if name is None or name == "auto":
        return _best_device()
    name = f"cuda:{name}" if isinstance(name, int) else str(name)
    named = _NAME.fullmatch(name)
    if named is None or (named[1] != "cuda" and int(named[2] or 0) > 0):
        raise UsageError(f"unknown device {shown(name)}: use auto, cpu, cuda, cuda:N or mps")
    reason = {"cpu": lambda number: None, "cuda": _why_no_cuda, "mps": _why_no_mps}[named[1]](int(named[2] or 0))
    if reason:
        raise SetupError(f"--device {name} cannot be used: {reason}; use --device cpu")
    return torch.device(name if named[1] == "cuda" else named[1])


def _best_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    mps = torch.device("mps")
    return mps if torch.backends.mps.is_available() and computes(mps) else torch.device("cpu")


def _why_no_cuda(number: int) -> str | None:
    if not torch.cuda.is_available():
        return "this torch was built without CUDA" if torch.version.cuda is None else "no GPU or driver was found"
    count = torch.cuda.device_count()
    return None if number < count else f"this machine has {count} GPU{'s' if count > 1 else ''}, numbered from cuda:0"


def _why_no_mps(number: int) -> str | None:
    if torch.backends.mps.is_available():
        return None
    return "no Apple GPU was found" if torch.backends.mps.is_built() else "this torch was built without MPS, for Macs"


@cache
@torch.inference_mode()
def computes(device: torch.device) -> bool:
    """Whether a device has all of the network's operations, tried in small: some releases of torch lack some on MPS."""
    try:
        with torch.random.fork_rng(devices=[]):  # random weights will do, and must not change those that follow
            backbone = Backbone().to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        features = backbone(torch.zeros(1, 3, 64, 64, device=device))
        pooled = roi_align(features, torch.tensor([[0.0, 0, 48, 48]], device=device), STRIDE, 7)
        return bool(pooled.isfinite().all())
    except (RuntimeError, TypeError):  # NotImplementedError is one of the former
        return False


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """The network's precision on a device: a context in which it computes."""
    dtype = computing_dtype(device)
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def computing_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the processor multiplies it natively, else float32: emulated it would be slower."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "mps":
        native = False  # its support differs from release to release
    else:
        has = getattr(torch.cpu, "get_capabilities", dict)()  # an older torch cannot say: float32 is right everywhere
        native = bool(has.get("avx512_bf16") or has.get("amx_bf16"))
    return torch.bfloat16 if native else torch.float32
