"""The checksum of a file of weights, compared when it is read.

A safetensors file of this package's states it of itself, see `data/files/tensor_files.py`. Files of earlier releases
have none; for those, as for the weights that ship, `config.json` beside them may state the sha256 of the whole file.
"""

import hashlib
import io
from pathlib import Path

from ..data.files.tensor_files import check_same, own_checksums

FIX = "copy or download it again"


def check_sum(path: Path, content: bytes, stated: str | None) -> None:
    """DataError where a safetensors file is not what was written; `stated` counts where it says nothing of itself."""
    if sums := own_checksums(io.BytesIO(content)):
        check_same(path, *sums, FIX)
    elif stated is not None:
        meant = "or take its line out of config.json if it is meant to be another"
        check_same(path, hashlib.sha256(content).hexdigest(), stated, f"{FIX}, {meant}")
