"""Proposals on disk as they are made, image by image, until they are all there and become one file.

A spool begins with a line of JSON on how its proposals are made. Each image follows with a line of JSON and its
boxes and scores in float64. A run that was killed may leave half an image at the end; it is cut off, and made anew.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np

from ..errors import DataError
from ..files.atomic import naming_failures
from ..records import Origin, Proposals
from .proposal_store import hash_of

FORMAT = "inception-rcnn spool 1"

_BOX_BYTES = 5 * 8  # of a box and its score
_LONGEST_LINE = 2**16  # bytes; a name has a few thousand at most


@dataclass(frozen=True)
class _Entry:
    start: int
    count: int
    origin: Origin


class ProposalSpool(Mapping[str, Proposals]):
    """The proposals of the images that are done, each read when it is needed; a context that closes the file."""

    def __init__(self, path: Path, method: str, parameters: tuple[object, ...]):
        """Open what an earlier run left, or begin; DataError where that made other proposals."""
        self.path = path
        self._entries: dict[str, _Entry] = {}
        head = {"format": FORMAT, "method": method, "parameters": hash_of(*parameters)}
        with naming_failures(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("r+b" if path.exists() else "w+b")
        try:
            self._read(json.dumps(head).encode() + b"\n")
        except BaseException:
            self._file.close()
            raise

    def _read(self, head: bytes) -> None:
        first = self._file.readline(_LONGEST_LINE)
        if first.endswith(b"\n") and first != head:
            what = "was begun with another method or other parameters, or is no spool of proposals"
            raise DataError(f"{self.path}: {what}: delete it, or choose another --out")
        size = self._file.seek(0, 2)
        end = self._file.seek(min(len(head), size))
        while first == head and (entry := self._next(size)) is not None:
            file, self._entries[file] = entry[0], entry[1]
            end = self._file.seek(entry[1].start + entry[1].count * _BOX_BYTES)
        with naming_failures(self.path):
            self._file.truncate(end if first == head else 0)
            self._file.seek(0, 2)
            if first != head:
                self._write(head)

    def _next(self, size: int) -> tuple[str, _Entry] | None:
        """The image that begins here; None at the end, and where there is no whole one."""
        line = self._file.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            return None
        try:
            file, count, *origin = json.loads(line)
        except (ValueError, TypeError, RecursionError):
            return None
        start = self._file.tell()
        kinds = [type(value) for value in (file, count, *origin)]
        if kinds != [str, int, int, int, str] or not 0 <= count <= (size - start) // _BOX_BYTES:
            return None
        return file, _Entry(start, count, Origin(*origin))

    def add(self, file: str, found: Proposals, origin: Origin) -> None:
        """Write an image's proposals; they are on disk when this returns."""
        line = json.dumps([file, len(found), origin.bytes, origin.modified_ns, origin.read_as]).encode() + b"\n"
        numbers = np.concatenate([found.boxes.ravel(), found.scores]).astype("<f8")
        with naming_failures(self.path):
            start = self._file.seek(0, 2) + len(line)
            self._write(line + numbers.tobytes())
        self._entries[file] = _Entry(start, len(found), origin)

    def _write(self, content: bytes) -> None:
        self._file.write(content)
        self._file.flush()

    def keep(self, files: Collection[str]) -> None:
        """Leave all out but these, in their order."""
        self._entries = {file: self._entries[file] for file in files if file in self._entries}

    def origins(self) -> dict[str, Origin]:
        return {file: entry.origin for file, entry in self._entries.items()}

    def counts(self) -> list[int]:
        return [entry.count for entry in self._entries.values()]

    def __getitem__(self, file: str) -> Proposals:
        entry = self._entries[file]
        self._file.seek(entry.start)
        numbers = np.frombuffer(self._file.read(entry.count * _BOX_BYTES), dtype="<f8")
        return Proposals(numbers[: 4 * entry.count].reshape(-1, 4), numbers[4 * entry.count :])

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
