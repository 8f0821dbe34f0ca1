"""Files of weights: read without running anything that is in them, written whole, and copied into a module by name."""

import difflib
import hashlib
import json
import re
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ..data.errors import DataError
from ..data.files import write_atomically
from .caffe import read_caffemodel

SUFFIXES = (".safetensors", ".caffemodel", ".pth", ".pt")
_WRAPPERS = ("state_dict", "model_state_dict", "model")  # where training scripts keep the weights in a checkpoint
_SHOWN = 3  # names in a message of each kind of misfit


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU; `DataError` says why there are none.

    The suffix tells the format. Of a `.pth` only plain tensors are taken: one that would run code to be read is
    refused, a checkpoint is unwrapped, and the `module.` that data-parallel training puts before names goes.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: {'is a folder, not a file of weights' if path.is_dir() else 'there is no such file'}")
    match path.suffix.lower():
        case ".safetensors":
            tensors = _read_safetensors(path)
        case ".caffemodel":
            tensors = {name: torch.from_numpy(blob) for name, blob in read_caffemodel(path).items()}
        case ".pth" | ".pt":
            tensors = _read_pth(path)
        case other:
            raise DataError(f"{path}: no file of weights ends in {other!r}; known are {', '.join(SUFFIXES)}")
    if not tensors:
        raise DataError(f"{path}: holds no tensors")
    return tensors


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except SafetensorError as error:
        raise DataError(f"{path}: is not a safetensors file, or a damaged one ({error}); fetch it again") from error
    except Exception as error:  # of the operating system, or a number format that this torch lacks
        raise DataError(f"{path}: cannot be read ({error})") from error


def _read_pth(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # torch's own message recommends to load it all the same: not repeated
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        problem = f"would run code ({wanted[1]}) to be read" if wanted else "is damaged, or would run code to be read"
        raise DataError(f"{path}: {problem}, which is refused; save its state_dict as safetensors") from error
    except Exception as error:
        reason = str(error).partition(". ")[0] or type(error).__name__
        raise DataError(f"{path}: is not a file of torch.save, or a damaged one ({reason})") from error
    return _state_dict(content, path)


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    for key in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds a {type(content).__name__}, not tensors by name; save the model's state_dict")
    for name, value in content.items():
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            raise DataError(f"{path}: holds a {type(value).__name__} under {name!r}; save nothing but the state_dict")
    prefix = "module." if all(name.startswith("module.") for name in content) else ""
    return {name.removeprefix(prefix): tensor for name, tensor in content.items()}


def save_weights(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, whole or not at all; the same tensors and metadata give the same bytes."""
    plain = {name: _plain(tensor) for name, tensor in tensors.items()}
    content = safetensors.torch.save(plain)
    (length,) = struct.unpack_from("<Q", content)
    # safetensors writes metadata in the random order of a hash table, and the sha256 would differ with every save.
    header = {"__metadata__": dict(sorted(metadata.items())), **json.loads(content[8 : 8 + length])}
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)  # the format aligns the numbers to eight bytes
    write_atomically(path, struct.pack("<Q", len(encoded)) + encoded + content[8 + length :])


def _plain(tensor: Tensor) -> Tensor:
    """A copy that shares memory with no other tensor, which safetensors refuses, in the usual order of dimensions."""
    return tensor.detach().to("cpu").clone(memory_format=torch.contiguous_format)


def weights_sha256(path: str | Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def read_metadata(path: str | Path) -> dict[str, str]:
    """What a safetensors file says of itself."""
    try:
        with safe_open(str(path), framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def tensors_hash(module: nn.Module) -> str:
    """Sixteen hexadecimal digits that change with any parameter or buffer of a module, seen in fp16."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode() + _plain(tensor).to(torch.float16).numpy().tobytes())
    return digest.hexdigest()[:16]


def load_checked(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy tensors into a module's parameters and buffers by name, converting their number format.

    Nothing is copied unless all names and shapes fit and all numbers are finite; else a `DataError` about `source`
    lists what does not.
    """
    own = module.state_dict()
    _check_names(own, tensors, f"{source} does not fit {type(module).__name__}")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor.float()).all():
            raise DataError(f"{source}: {name} holds numbers that are not finite; the training has diverged")
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)


def _check_names(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], problem: str) -> None:
    missing = [name for name in own if name not in tensors]
    unexpected = [name for name in tensors if name not in own]
    wrong = [name for name in own if name in tensors and own[name].shape != tensors[name].shape]
    faults = [
        _listed("missing", (_with_nearest(name, unexpected) for name in missing), len(missing)),
        _listed("unexpected", (_with_nearest(name, missing) for name in unexpected), len(unexpected)),
        _listed("of the wrong shape", (_shapes(name, own[name], tensors[name]) for name in wrong), len(wrong)),
    ]
    if any(faults):
        raise DataError(f"{problem}: {'; '.join(filter(None, faults))}")


def _listed(fault: str, names: Iterable[str], count: int) -> str:
    """`2 missing (a, b)`, with at most three names; empty for none."""
    if not count:
        return ""
    shown = [name for name, _ in zip(names, range(_SHOWN), strict=False)]
    return f"{count} {fault} ({', '.join(shown)}{', …' if count > _SHOWN else ''})"


def _with_nearest(name: str, others: list[str]) -> str:
    near = difflib.get_close_matches(name, others, n=1)
    return f"{name}, nearest {near[0]}" if near else name


def _shapes(name: str, own: Tensor, given: Tensor) -> str:
    return f"{name} is {tuple(given.shape)} and should be {tuple(own.shape)}"
