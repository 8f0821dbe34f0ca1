"""Shards of a run: each of several processes, on one machine or many, detects in the images that its number gets.

A shard has its own folder, `OUT/shards/2-of-8`, which is called so once all of its images are done; until then `.part`
is behind its name. Which shard an image is in follows from its name alone, so that new images move none.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from ...data.errors import UsageError
from ...data.values import shown

SHARDS_NAME = "shards"  # of the folder of all shards in the one that a run writes
PART = ".part"  # behind the name of the folder of one that is not done
_MOST = 1_000_000


@dataclass(frozen=True)
class Shard:
    """The `index`th of `count` shards, from 0 on."""

    index: int
    count: int

    @property
    def name(self) -> str:
        return f"{self.index}-of-{self.count}"

    def folder(self, out: Path) -> Path:
        """Its folder while it is not done, below that of the run."""
        return out / SHARDS_NAME / (self.name + PART)

    def finished_folder(self, out: Path) -> Path:
        return out / SHARDS_NAME / self.name

    def has(self, file: str) -> bool:
        """Whether an image is in it."""
        return shard_index(file, self.count) == self.index


def shard_index(file: str, count: int) -> int:
    """The shard of an image, by its name.

    >>> shard_index("a.jpg", 8), shard_index("c.jpg", 8)
    (2, 5)
    """
    digest = hashlib.sha256(file.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % count


def shard_named(text: str) -> Shard:
    """The shard that `--shard` names, as 2/8; UsageError where there is none.

    >>> shard_named("2/8")
    Shard(index=2, count=8)
    """
    found = re.fullmatch(r"(\d{1,7})/(\d{1,7})", text.strip(), re.ASCII)
    index, count = map(int, found.groups()) if found else (0, 0)
    if not 0 <= index < count <= _MOST:
        counted = f"0/{count} to {count - 1}/{count}" if 0 < count <= _MOST else "as 0/8 to 7/8"
        raise UsageError(f"--shard {shown(text)}: need INDEX/COUNT, counted from 0: {counted}")
    return Shard(index, count)
