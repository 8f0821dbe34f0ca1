"""Which images a command is about: files, folders, globs and lists become one ordered list of `Source`s.

A source is
- a folder: every image below it, in natural order, without hidden names and the output folder; links are followed;
- a `.zip` or `.tar` archive: every image in it, as if it were a folder;
- `s3://bucket/folder`, and the like: every image there, or that a pattern matches;
- a glob in quotes (`**` goes through sub-folders): as if the shell had written out what it matches, in natural order;
- `-`: names from standard input, `@list.txt`: names from a file; one a line, or separated by NUL bytes. Quotes around
  a name, as Windows copies paths, are taken off; a line that starts with # is a comment, unless there is such a file;
- anything else: a file, whatever its extension. (`./-` and `./@a.jpg` name files that look like lists.)

A file that is named or listed stays even if it is missing: a typing mistake in one of a thousand lines costs one image.
Folders and globs give only images with the endings that are read here, and that no earlier run has drawn; what they
pass over is counted. A backslash separates folders where nothing has it in its name.
"""

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np
from numpy.typing import NDArray

from ..boxes import UNKNOWN_SIZE, Size
from ..errors import DataError
from ..files.folder_walk import DRAWN, files_below, files_matching, is_drawn, natural_key
from ..files.name_lists import named_path, names_from, read_name_list, with_separators
from ..files.remote import is_remote, open_remote, read_remote, remote_files
from ..values import shown
from .archives import is_archive, members_of, open_member, read_member
from .decoding import decode_image, read_image, readable_extensions
from .image_files import is_image_name

# Called once with how many files of folders and globs are no images that are read here, by kind: `.mp4`, `.heic`.
OnPassedOver = Callable[[Counter[str]], None]

_HEIF = (".heic", ".heif", ".hif")  # read where pillow-heif is installed
_KINDS_SHOWN = 8
_DRAWN = "drawn by an earlier run"


@dataclass(frozen=True)
class Source:
    """An image to open at `path`, and `file`, what results call it: its path below the source, with `/`, unique."""

    path: Path
    file: str
    as_stored: bool = False  # without EXIF rotation, as the boxes of most data sets are
    size: Size = UNKNOWN_SIZE  # that a data set states: it decides between the two, where only one has it
    member: str = ""  # its name in the archive at `path`, if it is in one
    url: str = ""  # where it is, if that is a cloud's storage

    def read(self) -> NDArray[np.uint8]:
        """The pixels, RGB (H, W, 3)."""
        if self.member:
            content = read_member(self.path, self.member)
            return decode_image(content, f"{self.path}/{self.member}", ignore_exif=self.as_stored)
        if self.url:
            return decode_image(read_remote(self.url), self.url, ignore_exif=self.as_stored)
        return read_image(self.path, ignore_exif=self.as_stored, size=self.size)

    def content(self) -> Path | BinaryIO:
        """Its file, or the bytes of it that lie elsewhere; DataError where these cannot be read."""
        if self.url:
            return open_remote(self.url)
        return open_member(self.path, self.member) if self.member else self.path


@dataclass(frozen=True)
class _Found:
    """An image at `path`, which is `relative` to the folder `base` (absolute, without symbolic links).

    Or `member` in the archive at `path`, which then is `base` too, or in it.
    """

    path: str
    base: str
    relative: str
    member: str = ""
    url: str = ""

    @property
    def real(self) -> str:
        return os.path.join(self.base, self.relative)


def list_sources(
    sources: Sequence[str | Path],
    *,
    skip: Path | None = None,
    stdin: TextIO | BinaryIO | None = None,
    on_passed_over: OnPassedOver | None = None,
) -> list[Source]:
    """The images that the sources name, in their order, each once; `skip` is the output folder.

    `file` is relative to the folder, to the fixed part of the glob, or to the folder of all names of a list, and for a
    single file its name. Where two images would get one name, both get more of their path: `a/1.jpg` and `b/1.jpg`.
    """
    found: dict[str, _Found] = {}
    passed_over: dict[str, str] = {}
    for source in sources:
        listing = _Listing(None if skip is None else os.path.realpath(skip))
        for image in _expand(os.fspath(source), listing, stdin):
            found.setdefault(image.real, image)
        passed_over |= listing.passed_over
    files = _unique_names(list(found.items()))
    if on_passed_over is not None and passed_over.keys() - found.keys():
        on_passed_over(Counter(kind for path, kind in passed_over.items() if path not in found))
    return [
        Source(Path(image.path), file, member=image.member, url=image.url)
        for image, file in zip(found.values(), files, strict=True)
    ]


def passed_over_text(kinds: Counter[str]) -> str:
    """What was passed over, in a line.

    >>> passed_over_text(Counter({".mp4": 3, ".heic": 12}))
    "passed over: 12 .heic (to read them: pip install 'inception-rcnn[heif]'), 3 .mp4"
    """
    hint = " (to read them: pip install 'inception-rcnn[heif]')"
    texts = [f"{count:,} {kind}{hint if kind in _HEIF else ''}" for kind, count in kinds.most_common(_KINDS_SHOWN)]
    others = sum(kinds.values()) - sum(count for _, count in kinds.most_common(_KINDS_SHOWN))
    return f"passed over: {', '.join(texts)}" + (f", {others:,} others" if others else "")


class _Listing:
    def __init__(self, skip: str | None) -> None:
        self.skip = skip
        self.passed_over: dict[str, str] = {}  # absolute, without symbolic links above the file, and of which kind

    def images(self, files: Iterable[_Found], root: str | None) -> list[_Found]:
        """Those of the files that are images, and that no run below `root` has drawn; the others are passed over."""
        images: list[_Found] = []
        for file in files:
            if not is_image_name(file.path):
                self.passed_over[file.real] = _kind(file.path)
            elif root is not None and is_drawn(file.path, root):
                self.passed_over[file.real] = _DRAWN
            else:
                images.append(file)
        return images

    def images_in(self, folder: str) -> list[_Found]:
        base, prefix = os.path.realpath(folder), os.path.join(folder, "")
        files = (_Found(path, base, path.removeprefix(prefix)) for path in files_below(folder, self.skip))
        return sorted(self.images(files, folder), key=lambda image: natural_key(image.path))

    def images_in_archive(self, path: str) -> list[_Found]:
        base, images = os.path.realpath(path), []
        for member in sorted(members_of(path), key=natural_key):
            if is_image_name(member):
                images.append(_Found(path, base, member, member))
            else:
                self.passed_over[f"{base}/{member}"] = _kind(member)
        return images

    def images_remote(self, url: str) -> list[_Found]:
        base, files = remote_files(url)
        images = []
        for file in sorted(files, key=natural_key):
            relative = file.removeprefix(f"{base}/")
            if is_image_name(file) and not any(part.startswith(".") for part in relative.split("/")):
                images.append(_Found(relative, base, relative, url=file))
            else:
                self.passed_over[file] = _kind(file)
        return images

    def inside(self, source: str) -> list[_Found] | None:
        """The images in a folder, an archive or a cloud's storage; None where it is neither."""
        if is_remote(source):
            return self.images_remote(source)
        if os.path.isdir(source):
            return self.images_in(source)
        return self.images_in_archive(source) if is_archive(source) else None

    def instead(self) -> str:
        """What was searched for and what was there: `(looked for .jpg ...); found 12 .heic, 1 .txt`."""
        kinds = Counter(self.passed_over.values()).most_common(4)
        there = ", ".join(f"{count} {kind}" for kind, count in kinds) or "no files"
        return f"(looked for {' '.join(readable_extensions())}); found {there}"


def _expand(source: str, listing: _Listing, stdin: TextIO | BinaryIO | None) -> list[_Found]:
    if source == "-":
        return _listed(names_from(stdin), listing)
    if source.startswith("@"):
        return _listed(read_name_list(source[1:]), listing)
    if "\0" in source:
        raise DataError(f"{shown(source)}: there is no such file or folder")
    source = source if is_remote(source) else with_separators(named_path(source))
    images = listing.inside(source)
    if images:
        return images
    if images is not None:
        raise DataError(f"no images in {source} {listing.instead()}")
    if not os.path.lexists(source):
        if glob.has_magic(source):
            return _in_glob(source, listing)
        if not is_image_name(source):  # so that a mistyped folder is not taken for an image
            raise DataError(f"{source}: there is no such file or folder")
    return [_file(source)]


def _file(path: str) -> _Found:
    folder, name = os.path.split(path.rstrip(os.sep))
    return _Found(path, *os.path.split(os.path.normpath(os.path.join(os.path.realpath(folder), name))))


def _in_glob(pattern: str, listing: _Listing) -> list[_Found]:
    paths = set(files_matching(pattern, listing.skip))
    if not paths and "\\" in pattern:
        return _in_glob(pattern.replace("\\", "/"), listing)
    if not paths:
        raise DataError(f"{pattern}: nothing matches this pattern")
    base = os.path.dirname(re.split(r"[*?[]", pattern, maxsplit=1)[0])
    found: dict[str, _Found] = {}
    shortest_first = sorted(paths, key=lambda path: (path.count(os.sep), path))
    wants_drawn = DRAWN in pattern.split("/")
    for file in listing.images(map(_file, shortest_first), None if wants_drawn else base):
        found.setdefault(file.real, _below(base, file))  # the shortest of several paths, by links, names it
    if not found:
        raise DataError(f"no images match {pattern} {listing.instead()}")
    return sorted(found.values(), key=lambda image: natural_key(image.path))


def _below(base: str, file: _Found) -> _Found:
    """The same file named from `base`, unless the pattern leads out of it again (`a/*/../../b.jpg`)."""
    relative = os.path.relpath(file.path, base or os.curdir)
    return file if relative.startswith(os.pardir) else _Found(file.path, os.path.realpath(base), relative)


def _listed(names: Sequence[str], listing: _Listing) -> list[_Found]:
    """The files named in a list, relative to the folder they share; a folder or archive in it gives its images."""
    images: dict[str, _Found] = {}  # by their real paths
    for name in (each if is_remote(each) else named_path(each) for each in names):
        inside = listing.inside(name)
        for found in [_file(name)] if inside is None else inside:
            images.setdefault(found.real, found)
    if not images:
        raise DataError(f"no images in the folders of the list, {names[0]} the first {listing.instead()}")
    levels = zip(*(os.path.dirname(real).split(os.sep) for real in images), strict=False)
    common = [names[0] for names in takewhile(lambda names: len({*names}) == 1, levels)]
    if not common:  # on several drives of Windows, or in several storages
        parts = ((each, *os.path.split(real)) for real, each in images.items())
        return [replace(each, base=folder, relative=name) for each, folder, name in parts]
    base, prefix = os.sep.join(common), os.sep.join([*common, ""])
    return [replace(each, base=base, relative=real.removeprefix(prefix)) for real, each in images.items()]


def _kind(path: str) -> str:
    ending = os.path.splitext(path)[1].lower()
    return ending if re.fullmatch(r"\.[\w-]{1,12}", ending) else "without extension"


def _unique_names(images: Sequence[tuple[str, _Found]]) -> list[str]:
    parts = [_parts(real) for real, _ in images]
    depths = [image.relative.count(os.sep) + 1 for _, image in images]
    while True:
        names = ["/".join(part[-depth:]) for part, depth in zip(parts, depths, strict=True)]
        uses = Counter(names)
        clashing = [index for index, name in enumerate(names) if uses[name] > 1]
        if not clashing:
            return names
        for index in clashing:
            depths[index] += 1


def _parts(path: str) -> list[str]:
    drive, rest = os.path.splitdrive(path)
    return [*filter(None, [re.sub(r"\W+", "", drive)]), *rest.split(os.sep)[1:]]
