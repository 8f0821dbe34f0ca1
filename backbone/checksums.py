"""The sha256 that a file of weights states of itself, so that overwritten bytes are noticed when it is read.

It is in the metadata of the safetensors header and covers all else that the file says: names, shapes, other metadata
and numbers. File and checksum are thus written, copied and replaced as one. Files of earlier releases have none; for
those, as for the weights that ship, `config.json` beside them may state the sha256 of the whole file.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..data.errors import DataError

KEY = "content_sha256"
_SHOWN = 12  # digits in a message


def with_checksum(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """A safetensors file's bytes with this metadata and a checksum; equal content gives equal bytes."""
    header, numbers = _parts(content)
    # safetensors writes metadata in the random order of a hash table, and the sha256 would differ with every save.
    header = {"__metadata__": dict(sorted(metadata.items())), **header}
    header["__metadata__"][KEY] = _digest(header, numbers)
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)  # the format aligns the numbers to eight bytes
    return struct.pack("<Q", len(encoded)) + encoded + numbers


def check_sum(path: Path, content: bytes, stated: str | None) -> None:
    """DataError where a safetensors file is not what was written; `stated` counts where it says nothing of itself."""
    header, numbers = _parts(content)
    expected = header.get("__metadata__", {}).get(KEY)
    if expected is None and stated is None:
        return
    found = _digest(header, numbers) if expected is not None else hashlib.sha256(content).hexdigest()
    if found != (expected or stated):
        was = (expected or stated or "")[:_SHOWN]
        meant = "" if expected else ", or take its line out of config.json if it is meant to be another"
        raise DataError(
            f"{path}: is damaged or was changed: its sha256 is {found[:_SHOWN]}… and was {was}… when it was written; "
            f"copy or download it again{meant}"
        )


def _parts(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """The header of a valid safetensors file, and the numbers behind it."""
    (length,) = struct.unpack_from("<Q", content)
    return json.loads(content[8 : 8 + length]), memoryview(content)[8 + length :]


def _digest(header: Mapping[str, Any], numbers: memoryview) -> str:
    metadata = {name: value for name, value in header.get("__metadata__", {}).items() if name != KEY}
    digest = hashlib.sha256(json.dumps({**header, "__metadata__": metadata}, sort_keys=True).encode())
    digest.update(numbers)
    return digest.hexdigest()
