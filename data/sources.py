"""Which pictures a command is about: files, folders, globs and lists become one ordered list of `Source`s.

A source is
- a folder: every picture below it, in natural order. Hidden names and the output folder are left out; symbolic links
  are followed, but no folder is entered twice, so that loops end;
- a glob in quotes (`**` goes through sub-folders): as if the shell had written out what it matches, in natural order;
- `-`: names from standard input, `@list.txt`: names from a file; one a line, or separated by NUL bytes. They count
  from the current folder, as if typed;
- anything else: a file, whatever its extension. (`./-` and `./@a.jpg` name files that look like lists.)

A file that is named or listed stays even if it is missing: reading it gives an error of its own, and a typing mistake
in one of a thousand lines costs one picture. Folders and globs give only names with one of `IMAGE_EXTENSIONS`.
"""

import glob
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .images import IMAGE_EXTENSIONS, UNKNOWN_SIZE, Size, read_image
from .natural_order import natural_key
from .walking import files_below, files_matching


@dataclass(frozen=True)
class Source:
    """A picture to open at `path`, and `file`, what results call it: its path below the source, with `/`, unique."""

    path: Path
    file: str
    as_stored: bool = False  # without EXIF rotation, as the boxes of most data sets are
    size: Size = UNKNOWN_SIZE  # that a data set states: it decides between the two, where only one has it

    def read(self) -> NDArray[np.uint8]:
        """The pixels, RGB (H, W, 3)."""
        return read_image(self.path, ignore_exif=self.as_stored, size=self.size)


@dataclass(frozen=True)
class _Found:
    """A picture at `path`, which is `relative` to the folder `base` (absolute, without symbolic links)."""

    path: str
    base: str
    relative: str


def list_sources(
    sources: Sequence[str | Path], *, skip: Path | None = None, stdin: TextIO | BinaryIO | None = None
) -> list[Source]:
    """The pictures that the sources name, in their order, each once; `skip` is the output folder.

    `file` is relative to the folder or to the fixed part of the glob, for lists to the folder that all their names
    share, and for a single file it is its name. Where two pictures would get one name, both get more of their path:
    `a/1.jpg` and `b/1.jpg`.
    """
    found: dict[str, _Found] = {}
    skipped = None if skip is None else os.path.realpath(skip)
    for source in sources:
        for picture in _expand(os.fspath(source), skipped, stdin):
            found.setdefault(os.path.join(picture.base, picture.relative), picture)
    files = _unique_names(list(found.items()))
    return [Source(Path(picture.path), file) for picture, file in zip(found.values(), files, strict=True)]


def _expand(source: str, skip: str | None, stdin: TextIO | BinaryIO | None) -> list[_Found]:
    if source == "-":
        return _listed(_names(_read_all(stdin), "standard input"), skip)
    if source.startswith("@"):
        return _listed(_names(_read_list(source[1:]), source[1:]), skip)
    if os.path.isdir(source):
        return _in_folder(source, skip)
    if not os.path.lexists(source):
        if glob.has_magic(source):
            return _in_glob(source, skip)
        if not _is_picture(source):  # so that a mistyped folder is not taken for a picture
            raise DataError(f"{source}: there is no such file or folder")
    return [_file(source)]


def _file(path: str) -> _Found:
    folder, name = os.path.split(path.rstrip(os.sep))
    return _Found(path, *os.path.split(os.path.normpath(os.path.join(os.path.realpath(folder), name))))


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_EXTENSIONS


def _in_folder(folder: str, skip: str | None) -> list[_Found]:
    paths = list(files_below(folder, skip))
    pictures = _pictures_in(folder, paths)
    if not pictures:
        raise DataError(f"no pictures in {folder} {_instead(paths)}")
    return pictures


def _pictures_in(folder: str, paths: Iterable[str]) -> list[_Found]:
    base, prefix = os.path.realpath(folder), os.path.join(folder, "")
    pictures = sorted(filter(_is_picture, paths), key=natural_key)
    return [_Found(path, base, path.removeprefix(prefix)) for path in pictures]


def _in_glob(pattern: str, skip: str | None) -> list[_Found]:
    """Files that match, and the pictures of folders that match, as an unquoted pattern would give them."""
    paths = set(files_matching(pattern, skip))
    if not paths:
        raise DataError(f"{pattern}: nothing matches this pattern")
    base = os.path.dirname(re.split(r"[*?[]", pattern, maxsplit=1)[0])
    found: dict[str, _Found] = {}
    for path in sorted(filter(_is_picture, paths), key=lambda path: (path.count(os.sep), path)):
        file = _file(path)  # where links give a picture several paths, the shortest names it
        found.setdefault(os.path.join(file.base, file.relative), _below(base, file))
    if not found:
        raise DataError(f"no pictures match {pattern} {_instead(paths)}")
    return sorted(found.values(), key=lambda picture: natural_key(picture.path))


def _below(base: str, file: _Found) -> _Found:
    """The same file named from `base`, unless the pattern leads out of it again (`a/*/../../b.jpg`)."""
    relative = os.path.relpath(file.path, base or os.curdir)
    return file if relative.startswith(os.pardir) else _Found(file.path, os.path.realpath(base), relative)


def _listed(names: Sequence[str], skip: str | None) -> list[_Found]:
    """The files named in a list, relative to the folder they share; a folder in the list gives its pictures."""
    places: dict[str, str] = {}
    for name in names:
        for found in _pictures_in(name, files_below(name, skip)) if os.path.isdir(name) else [_file(name)]:
            places.setdefault(os.path.join(found.base, found.relative), found.path)
    if not places:
        raise DataError(f"no pictures in the folders of the list, {names[0]} the first {_instead([])}")
    base = os.path.commonpath([os.path.dirname(place) for place in places])
    return [_Found(path, base, place.removeprefix(os.path.join(base, ""))) for place, path in places.items()]


def _names(content: bytes, origin: str) -> list[str]:
    content = content.removeprefix(b"\xef\xbb\xbf")  # a byte-order mark, which Windows editors write
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{origin}: the list is UTF-16; save it as UTF-8")
    lines = content.split(b"\0") if b"\0" in content else [line.rstrip(b"\r") for line in content.split(b"\n")]
    names = [os.fsdecode(line) for line in lines if line.strip()]
    if not names:
        raise DataError(f"{origin}: the list names no file")
    return names


def _read_all(stdin: TextIO | BinaryIO | None) -> bytes:
    stream = sys.stdin if stdin is None else stdin
    content = getattr(stream, "buffer", stream).read()  # bytes where they can be had: names may not be UTF-8
    return os.fsencode(content) if isinstance(content, str) else content


def _read_list(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: the list of pictures cannot be read ({error.strerror})") from error


def _instead(paths: Iterable[str]) -> str:
    """What was looked for and what was there: `(looked for .jpg ...); found 12 .heic, 1 .txt`."""
    kinds = Counter(os.path.splitext(path)[1].lower() or "without extension" for path in paths)
    there = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(4)) or "no files"
    return f"(looked for {' '.join(IMAGE_EXTENSIONS)}); found {there}"


def _unique_names(pictures: Sequence[tuple[str, _Found]]) -> list[str]:
    """Each picture's relative path, with as many folders before it as tell it from all others."""
    parts = [place.split(os.sep)[1:] for place, _ in pictures]
    depths = [picture.relative.count(os.sep) + 1 for _, picture in pictures]
    while True:
        names = ["/".join(part[-depth:]) for part, depth in zip(parts, depths, strict=True)]
        uses = Counter(names)
        clashing = [index for index, name in enumerate(names) if uses[name] > 1]
        if not clashing:
            return names
        for index in clashing:
            depths[index] += 1
