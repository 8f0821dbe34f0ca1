"""WebDataset shards: uncompressed `.tar` files in which the files of one sample stand side by side and have one stem.

A sample is `KEY.jpg` (or another image) with one label: `KEY.cls`, a class number; `KEY.txt`, a class name; or
`KEY.json` with one of either under `label`, `cls` or `class`. The key is the path up to the first dot of its last part.
A shard is read through once, for where everything lies; images are then read from there, in any order.
"""

import glob
import json
import math
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files.folder_walk import natural_key
from ..files.text_files import decode_text, read_text
from ..images.decoding import decode_image, readable_extensions
from ..values import shown
from .labelled_images import LabelledImages

CLASS_LIST = "classes.txt"  # beside the shards: a class name a line, number 0 the first
LABEL_ENDINGS = (".cls", ".txt", ".json")
LABEL_LIMIT = 1 << 20  # bytes; a label larger than that is none
_LABEL_FIELDS = ("label", "cls", "class")
_LARGEST_NUMBER = 10**9  # of a class
_MOST_SHARDS = 100_000  # that a range may name: ImageNet has 147
_RANGE = re.compile(r"\{([0-9]{1,9})\.\.([0-9]{1,9})\}")


@dataclass(frozen=True)
class _Span:
    shard: str
    name: str
    start: int
    size: int

    def read(self) -> bytes:
        try:
            with open(self.shard, "rb") as file:
                file.seek(self.start)
                content = file.read(self.size)
        except OSError as error:
            raise DataError(f"{self}: cannot be read ({error.strerror})") from error
        if len(content) < self.size:
            raise DataError(f"{self}: is cut short; fetch the shard again")
        return content

    def __str__(self) -> str:
        return f"{self.shard}: {self.name}"


def shards_of(source: str | Path) -> list[str]:
    """The `.tar` files of a folder, a glob, a range as `train-{000..146}.tar`, all of which are to be there, or one."""
    text = os.fspath(source)
    if os.path.isdir(text):
        text = os.path.join(glob.escape(text), "*.tar")
    elif not text.lower().endswith(".tar"):
        return []
    if os.path.lexists(text):
        return [text]
    num_named = math.prod(len(range(int(first), int(last) + 1)) for first, last in _RANGE.findall(text))
    if num_named > _MOST_SHARDS:
        raise DataError(f"{text}: names {num_named:,} shards; write the range anew")
    named = _range(text)
    if named != [text]:
        return [path for name in named for path in (_matching(name) or [name])]
    return _matching(text)


def _matching(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern), key=natural_key)


def _range(text: str) -> list[str]:
    """The names that a text with numbers in braces stands for.

    >>> _range("{a}-{08..10}.tar")
    ['{a}-08.tar', '{a}-09.tar', '{a}-10.tar']
    """
    found = _RANGE.search(text)
    if found is None:
        return [text]
    first, last = found.groups()
    before, after = text[: found.start()], text[found.end() :]
    numbers = range(int(first), int(last) + 1)
    return [name for number in numbers for name in _range(f"{before}{number:0{len(first)}}{after}")]


def read_shards(source: str | Path) -> LabelledImages:
    """The samples of all shards, in their order.

    Numbers as labels become names by `classes.txt` beside the first shard, or are the names themselves where there is
    none. DataError where a sample has no image or no label, or some labels are numbers and others names.
    """
    shards = shards_of(source)
    if not shards:
        raise DataError(f"{source}: no .tar file is there")
    samples = [(image, _label(label)) for shard in shards for image, label in _samples(shard)]
    images, labels = [image for image, _ in samples], [label for _, label in samples]
    if not images:
        raise DataError(f"{source}: its {len(shards)} shards hold no samples")
    classes, targets = _targets(labels, Path(shards[0]).with_name(CLASS_LIST), str(source))
    files = tuple(f"{os.path.basename(each.shard)}/{each.name}" for each in images)

    def read(index: int) -> NDArray[np.uint8]:
        return decode_image(images[index].read(), str(images[index]))

    return LabelledImages(str(source), classes, files, targets, read)


def _samples(shard: str) -> Iterator[tuple[_Span, _Span]]:
    for _, parts in groupby(_spans(shard), key=lambda span: _key(span.name)):
        yield _paired(list(parts))


def _spans(shard: str) -> Iterator[_Span]:
    try:
        length = os.path.getsize(shard)
        with tarfile.open(shard, "r:") as archive:
            for member in archive:
                if not 0 <= member.size <= length - member.offset_data:
                    raise DataError(f"{shard}: {member.name} goes beyond the shard's end; fetch the shard again")
                hidden = os.path.basename(member.name).startswith(".")
                if member.isreg() and not member.issparse() and not hidden:
                    yield _Span(shard, member.name, member.offset_data, member.size)
    except (tarfile.TarError, OSError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        if isinstance(error, DataError):
            raise
        what = f"is not an uncompressed tar archive, or a damaged one ({str(error)[:200]})"
        raise DataError(f"{shard}: {what}") from error


def _key(name: str) -> str:
    folder, base = os.path.split(name)
    return os.path.join(folder, base.partition(".")[0])


def _paired(parts: list[_Span]) -> tuple[_Span, _Span]:
    images = [part for part in parts if part.name.lower().endswith(readable_extensions())]
    labels = [part for ending in LABEL_ENDINGS for part in parts if part.name.lower().endswith(ending)]
    if len(images) != 1 or not labels:
        names = shown([part.name for part in parts])
        need = f"a sample is one image and a label ({' '.join(LABEL_ENDINGS)}), this one has {names}"
        raise DataError(f"{parts[0].shard}: {need}")
    return images[0], labels[0]


def _label(span: _Span) -> int | str:
    if span.size > LABEL_LIMIT:
        raise DataError(f"{span}: has {span.size:,} bytes, too many for a label")
    try:
        text = decode_text(span.read(), str(span)).strip()
        value: Any = json.loads(text) if span.name.lower().endswith(".json") else text
        if isinstance(value, dict):
            value = next((value[field] for field in _LABEL_FIELDS if field in value), None)
        if span.name.lower().endswith(".cls") and isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, str):
            value.encode("utf-8")  # a name is shown everywhere: bytes that are no text are refused
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{span}: is not a label ({str(error)[:200]})") from error
    is_number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST_NUMBER
    if not is_number and not (isinstance(value, str) and value):
        raise DataError(f"{span}: need a class number or a name, got {shown(value)}")
    return value


def _targets(labels: list[int | str], list_file: Path, source: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    kinds = {type(label) for label in labels}
    if len(kinds) > 1:
        raise DataError(f"{source}: some labels are numbers and others names; use one kind throughout")
    names = _listed_names(list_file)
    if kinds == {str}:
        classes = names or tuple(sorted({str(label) for label in labels}))
        indices = {name: index for index, name in enumerate(classes)}
        for label in labels:
            if label not in indices:
                raise DataError(f"{list_file}: a label is {shown(label)}, which is not in this list; add it")
        return classes, np.array([indices[str(label)] for label in labels], dtype=np.int64)
    numbers = [int(label) for label in labels]
    if names and max(numbers) >= len(names):
        raise DataError(f"{list_file}: has {len(names)} names, and there is a label {max(numbers)}; add the rest")
    if names:
        return names, np.array(numbers, dtype=np.int64)
    used = sorted(set(numbers))
    return tuple(map(str, used)), np.searchsorted(used, numbers).astype(np.int64)


def _listed_names(list_file: Path) -> tuple[str, ...]:
    if not list_file.exists():
        return ()
    names = tuple(line.strip() for line in read_text(list_file).splitlines() if line.strip())
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{list_file}: has the class {shown(twice)} twice; give each its own name")
    return names
