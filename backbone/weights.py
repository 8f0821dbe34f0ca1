"""Files of weights: read without running anything that is in them, written whole, and copied into a module by name."""

import hashlib
import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ..data.class_names import did_you_mean
from ..data.errors import DataError
from ..data.files.atomic import write_atomically
from ..data.files.tensor_files import CHECKSUM, check_same, own_checksums, with_checksum
from ..data.values import shown
from .caffe import read_caffemodel

SUFFIXES = (".safetensors", ".caffemodel", ".pth", ".pt")
_WRAPPERS = ("state_dict", "model_state_dict", "model")  # what training scripts call the weights in a checkpoint
_FORMATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # others hold scaled or whole numbers
FIX = "copy or download it again"
REPEATS = "equal_tensors"  # in the metadata: names of tensors that are not stored, each with that of its equal
_LARGE = 10_000  # numbers, from which on a tensor is stored once
MOST_OUTPUTS = 100_000
_EARLIER_NAMES = {"trunk": "backbone", "tail": "box_head", "tails": "box_heads", "heads": "box_predictors"}  # of 0.1.0
_SHOWN = 3  # names of each kind in a message
_LENGTH = 200  # characters, of a name or a reason in a message
_COMPARED = 1000  # names, in search of the nearest


def read_weights(path: str | Path, sha256: str | None = None) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU; the suffix tells the format. DataError where there are none.

    A safetensors file of this package's carries a checksum, which is compared. Files of earlier releases have none; for
    those, as for the weights that ship, `sha256` is that of the whole file.

    Of a `.pth` only plain tensors are taken: one that would run code to be read is refused, a checkpoint is unwrapped,
    and the `module.` that data-parallel training puts before names goes.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: {'is a folder, not a file of weights' if path.is_dir() else 'there is no such file'}")
    match path.suffix.lower():
        case ".safetensors":
            tensors = _read_safetensors(path, sha256)
        case ".caffemodel":
            tensors = {name: torch.from_numpy(blob) for name, blob in read_caffemodel(path).items()}
        case ".pth" | ".pt":
            tensors = _read_pth(path)
        case other:
            raise DataError(f"{path}: no file of weights ends in {other!r}; known are {', '.join(SUFFIXES)}")
    if not tensors:
        raise DataError(f"{path}: holds no tensors")
    renamed = {}
    for name, tensor in tensors.items():
        first, dot, rest = name.partition(".")
        renamed[_EARLIER_NAMES.get(first, first) + dot + rest] = tensor
    return renamed


def _read_safetensors(path: Path, sha256: str | None) -> dict[str, Tensor]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if content.startswith(b"version https://git-lfs"):
        raise DataError(f"{path}: is a Git LFS pointer in place of the weights; run `git lfs pull`")
    try:
        tensors = safetensors.torch.load(content)
        _check_sum(path, content, sha256)
        tensors = _with_repeats(path, tensors)
    except DataError:
        raise
    except SafetensorError as error:
        reason = f"is not a safetensors file, or a damaged one ({_short(error)})"
        raise DataError(f"{path}: {reason}; fetch it again") from error
    except Exception as error:  # a number format that this torch lacks, or a header that Python's JSON does not take
        raise DataError(f"{path}: cannot be read ({_short(error)})") from error
    return tensors


def _with_repeats(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file and those that it names as equal to one of them."""
    with safe_open(str(path), framework="pt") as file:
        repeats = json.loads((file.metadata() or {}).get(REPEATS, "{}"))
    for name, other in repeats.items():
        if other not in tensors:
            raise DataError(f"{path}: {shown(name)} is to be equal to {shown(other)}, which it does not hold; {FIX}")
        tensors.setdefault(name, tensors[other])
    return tensors


def _check_sum(path: Path, content: bytes, stated: str | None) -> None:
    if sums := own_checksums(io.BytesIO(content)):
        check_same(path, *sums, FIX)
    elif stated is not None:
        or_else = "or take its line out of config.json if it is meant to be another"
        check_same(path, hashlib.sha256(content).hexdigest(), stated, f"{FIX}, {or_else}")


def _read_pth(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # torch's own message recommends to load it all the same: not repeated
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        problem = f"would run code ({wanted[1]}) to be read" if wanted else "is damaged, or would run code to be read"
        raise DataError(f"{path}: {problem}, which is refused; save its state_dict as safetensors") from error
    except Exception as error:
        reason = _short(error).partition(". ")[0] or type(error).__name__
        raise DataError(f"{path}: is not a file of torch.save, or a damaged one ({reason})") from error
    return _state_dict(content, path)


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(content, dict):
        content = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), dict)), content)
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds a {type(content).__name__}, not tensors by name; save the model's state_dict")
    for name, value in content.items():
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            raise DataError(
                f"{path}: holds a {type(value).__name__} under {shown(name)}; save nothing but the state_dict"
            )
    prefix = "module." if all(name.startswith("module.") for name in content) else ""
    return {name.removeprefix(prefix): tensor for name, tensor in content.items()}


def save_weights(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, whole or not at all; the same tensors and metadata give the same bytes.

    A large tensor that is equal to another one is not stored again: modes may share layers. DataError, and an earlier
    file stays, where a number is not finite.
    """
    plain = {name: _plain(tensor) for name, tensor in tensors.items()}
    for name, tensor in plain.items():
        if not _is_finite(tensor):
            raise DataError(
                f"{path}: is not written, as {shown(name)} holds numbers that are not finite: the training has "
                "diverged; lower --learning-rate"
            )
    repeats = _repeats(plain)
    about = {**metadata, **({REPEATS: json.dumps(repeats)} if repeats else {})}
    stored = {name: tensor for name, tensor in plain.items() if name not in repeats}
    write_atomically(path, with_checksum(safetensors.torch.save(stored), about))


def _repeats(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The large tensors that are equal to an earlier one, and the name of that."""
    first: dict[bytes, str] = {}
    repeats: dict[str, str] = {}
    for name, tensor in tensors.items():
        if tensor.numel() >= _LARGE:
            facts = f"{tensor.dtype} {tuple(tensor.shape)}".encode()
            numbers = (tensor + 0).view(torch.uint8).numpy().tobytes()  # 0 for -0, which is equal
            digest = hashlib.sha256(facts + numbers).digest()
            if (other := first.setdefault(digest, name)) != name:
                repeats[name] = other
    return repeats


def compact(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, in half precision where it holds them: numbers above 65,504 would be infinite there."""
    return {name: _compact(_plain(tensor)) for name, tensor in tensors.items()}


def _compact(tensor: Tensor) -> Tensor:
    half = tensor.to(torch.float16)
    return half if _is_finite(half) else tensor.to(torch.float32)


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


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
    """The metadata of a safetensors file, less what is about its tensors."""
    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: value for name, value in (file.metadata() or {}).items() if name not in (CHECKSUM, REPEATS)}
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: cannot be read ({_short(error)})") from error


def tensors_hash(module: nn.Module) -> str:
    """Sixteen hexadecimal digits that change with any parameter or buffer of a module, seen in fp16."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode() + _compact(_plain(tensor)).numpy().tobytes())
    return digest.hexdigest()[:16]


def count_outputs(biases: Tensor, source: str) -> int:
    """The number of outputs of a layer with these biases; DataError for none, or too many for any network."""
    if not 1 <= biases.numel() <= MOST_OUTPUTS or biases.ndim != 1:
        raise DataError(f"{source}: a classifier's biases have the shape {tuple(biases.shape)}; need one a class")
    return biases.numel()


def load_checked(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy tensors into a module's parameters and buffers by name, converting their number format.

    Nothing is copied unless all names and shapes fit and all numbers are finite; else a `DataError` about `source`
    lists what does not.
    """
    own = module.state_dict()
    _check_names(own, tensors, f"{source} does not fit {type(module).__name__}")
    for name, tensor in tensors.items():
        known = (*_FORMATS, own[name].dtype)
        if tensor.dtype not in known or tensor.layout is not torch.strided or tensor.device.type != "cpu":
            kind = str(tensor.dtype).removeprefix("torch.")
            formats = ", ".join(str(each).removeprefix("torch.") for each in _FORMATS)
            raise DataError(f"{source}: {name} holds {kind} numbers; need plain ones, of {formats}")
        if not _is_finite(tensor.float()):
            raise DataError(f"{source}: {name} holds numbers that are not finite; the training has diverged")
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)


def _check_names(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], problem: str) -> None:
    missing = [name for name in own if name not in tensors]
    unexpected = [name for name in tensors if name not in own]
    wrong = [name for name in own if name in tensors and own[name].shape != tensors[name].shape]

    def shapes(name: str) -> str:
        return f"{name} is {tuple(tensors[name].shape)} and should be {tuple(own[name].shape)}"

    faults = [
        *_listed("missing", missing, lambda name: _with_nearest(name, unexpected)),
        *_listed("unexpected", unexpected, lambda name: _with_nearest(name, missing)),
        *_listed("of the wrong shape", wrong, shapes),
    ]
    if faults:
        raise DataError(f"{problem}: {'; '.join(faults)}")


def _listed(fault: str, names: list[str], describe: Callable[[str], str]) -> list[str]:
    """`2 missing (a, b)`, with at most three names; nothing for none."""
    more = ", …" if len(names) > _SHOWN else ""
    return [f"{len(names)} {fault} ({', '.join(map(describe, names[:_SHOWN]))}{more})"] if names else []


def _with_nearest(name: str, others: list[str]) -> str:
    near = did_you_mean(name[:_LENGTH], [other[:_LENGTH] for other in others[:_COMPARED]])
    return f"{name[:_LENGTH]}, nearest {near}" if near else name[:_LENGTH]


def _short(error: Exception) -> str:
    return str(error)[:_LENGTH]
