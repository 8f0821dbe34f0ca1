"""Where the network computes, in which number format, and how much the CPU's library may keep in memory."""

import os
from contextlib import AbstractContextManager, nullcontext

import torch

from ..data.errors import SetupError, UsageError

# oneDNN keeps a compiled layer, and memory for it, for each of the last 1,024 shapes: hundreds of megabytes in a folder
# with pictures of many sizes, for no speed. It reads this when it computes for the first time.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name, or the best there is for "auto"; SetupError says why a wanted GPU cannot be used."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"unknown device {name!r}: use auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        reason = "this torch was built without CUDA" if torch.version.cuda is None else "no GPU or driver was found"
        raise SetupError(f"--device {name} cannot be used: {reason}; use --device cpu")
    return device


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 where the processor multiplies it natively, else float32: emulated it would be slower."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has = getattr(torch.cpu, "get_capabilities", dict)()  # an older torch cannot say: float32 is right everywhere
        native = bool(has.get("avx512_bf16") or has.get("amx_bf16"))
    return torch.autocast(device.type, torch.bfloat16) if native else nullcontext()
