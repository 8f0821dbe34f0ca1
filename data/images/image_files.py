"""What annotations of other tools call an image, and how large its file is."""

import contextlib
import os
import posixpath
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from PIL import Image

from ..boxes import UNKNOWN_SIZE, Size
from ..errors import DataError
from .decoding import read_image, readable_extensions
from .orientation import TURNED, is_upright, orientation_of

T = TypeVar("T")
Opened = str | Path | BinaryIO  # the path of a file, or a stream of its bytes

_LONGEST = 1000  # characters of a name: no system has longer ones in use, and a message has to hold it

_ANY_ENDING = "/"  # no name has it


def is_image_name(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in readable_extensions()


def image_name(stated: Any, folder: Path | None) -> str | None:
    """The path below `folder` that an annotation states, or None where it is none or leads out of the folder.

    Annotations are made on other machines: where there is no file of the name as it stands, a backslash is a separator,
    the case of letters does not count if just one file matches, a name may go through a folder called as this one, and
    of a path from another root the longest tail counts that is there. What is nowhere has its stated name, without its
    root: evaluation needs no files. Without a folder no file is searched for.

    >>> image_name("./a/../b.jpg", Path("photos")), image_name("../b.jpg", Path("photos"))
    ('b.jpg', None)
    >>> image_name(r"C:\\data\\b.jpg", None)
    'data/b.jpg'
    """
    if not _can_be_a_name(stated):
        return None
    if folder is not None and posixpath.isabs(stated):
        below = posixpath.relpath(stated, os.path.abspath(folder))
        stated = stated if _climbs(below) else below
    elsewhere, name = _split_root(stated)
    if folder is not None and os.path.isdir(folder):
        found = None if elsewhere else existing_name(stated, folder)
        found = found or _tail_below(os.path.abspath(folder), name, elsewhere or _climbs(name))
        if found is not None:
            return found
    if name == "." or _climbs(name) or os.path.splitdrive(name)[0]:
        return None
    # What is there at an absolute path is another file than any below the folder.
    return None if elsewhere and (".." in stated or os.path.lexists(stated)) else name


def literal_name(stated: Any) -> str | None:
    """A relative path as it stands, backslashes and all, or None where it is none or leads out of its folder."""
    if not _can_be_a_name(stated) or posixpath.isabs(stated):
        return None
    name = posixpath.normpath(stated)
    return None if name == "." or _climbs(name) or _climbs(_split_root(name)[1]) else name


def existing_name(name: str, folder: Path) -> str | None:
    """What the file that a relative name means is really called below `folder`; None where there is none, or several.

    A backslash may be a separator, letters may be of another case or composition, the ending may lack.
    """
    root, slashed = os.path.abspath(folder), _split_root(name)[1]
    for each in (slashed,) if os.sep == "\\" else (posixpath.normpath(name), slashed):
        if not _climbs(each) and not posixpath.isabs(each) and _exists(root, each):
            return None if each == "." else each
    return None if _climbs(slashed) else _spelt(root, slashed.split("/"))


def _can_be_a_name(stated: Any) -> bool:
    if not isinstance(stated, str) or len(stated) > _LONGEST or "\0" in stated or not stated.strip():
        return False
    try:
        os.fsencode(stated)
    except UnicodeEncodeError:  # half of a pair of surrogates, which JSON can hold
        return False
    return True


def _climbs(name: str) -> bool:
    return name == ".." or name.startswith("../")


def _split_root(stated: str) -> tuple[bool, str]:
    """Whether a name starts at a root, of a drive or a network folder too, and without it, normalised and with `/`.

    >>> _split_root(r"C:\\a\\b.jpg"), _split_root("./a/c:d.jpg")
    ((True, 'a/b.jpg'), (False, 'a/c:d.jpg'))
    """
    name = stated.replace("\\", "/")
    rest = re.sub("^(?:[A-Za-z]:)?/+", "", name)
    return rest != name, posixpath.normpath(rest)


def _tail_below(root: str, name: str, elsewhere: bool) -> str | None:
    """The longest part of a name from another machine, behind some of its folders, that is there below `root`.

    If it is not from `elsewhere` these folders end with one called as `root`: then it names the same file.
    """
    parts = [part for part in name.split("/") if part not in (".", "..")]
    own = comparable(os.path.basename(root))
    for start in range(len(parts)):
        follows = start > 0 and comparable(parts[start - 1]) == own
        if (elsewhere or follows) and (found := _spelt(root, parts[start:])):
            return found
    return None


def _exists(root: str, name: str) -> bool:
    """Whether a file is there; most are seen in its folder's listing, which may be older than the newest of them."""
    folder, base = posixpath.split(name)
    where = os.path.join(root, folder) if folder else root
    return base in _names_in(where) or os.path.lexists(os.path.join(where, base))


def _spelt(root: str, parts: Sequence[str]) -> str | None:
    """The one path below `root` that differs from these parts in the case or composition of letters or an ending."""
    found: list[str] = []
    for depth, part in enumerate(parts, 1):
        where = os.path.join(root, *found)
        alike = [part] if part in _names_in(where) else _alike_in(where).get(comparable(part), [])
        if not alike and depth == len(parts) and not is_image_name(part):
            alike = _alike_in(where).get(comparable(part) + _ANY_ENDING, [])
        if len(alike) != 1:
            return None
        found += alike
    return "/".join(found)


def comparable(name: str) -> str:
    """What a name has in common with its spellings in letters of another case or composition."""
    return unicodedata.normalize("NFC", name).casefold()


def _names_in(folder: str) -> frozenset[str]:
    return _listing(folder, _changed(folder))


def _alike_in(folder: str) -> dict[str, list[str]]:
    return _spellings(folder, _changed(folder))


def _changed(folder: str) -> int | None:
    try:
        return os.stat(folder).st_mtime_ns
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=256)
def _listing(folder: str, changed: int | None) -> frozenset[str]:
    """The names in a folder as of the time of its last change: listed once for all the images that it holds."""
    try:
        return frozenset() if changed is None else frozenset(os.listdir(folder))
    except (OSError, ValueError):
        return frozenset()


@lru_cache(maxsize=16)
def _spellings(folder: str, changed: int | None) -> dict[str, list[str]]:
    alike: dict[str, list[str]] = {}
    for name in _listing(folder, changed):
        alike.setdefault(comparable(name), []).append(name)
        if is_image_name(name):
            alike.setdefault(comparable(os.path.splitext(name)[0]) + _ANY_ENDING, []).append(name)
    return alike


def image_size(path: str | Path, *, upright: bool = False, stated: Size = UNKNOWN_SIZE) -> Size:
    """Width and height of an image, from the file's header if that has it; DataError where it is no image.

    Of the pixels as stored, or `upright`, turned as the EXIF data say, whichever has the `stated` size.
    """
    if header := _size_and_orientation(path):
        size, orientation = header
        as_seen = orientation in TURNED and is_upright(size, orientation, stated, habit=upright)
        return (size[1], size[0]) if as_seen else size
    height, width, _ = read_image(path, ignore_exif=not upright, size=stated).shape
    return width, height


def is_turned(path: Opened, *, upright: bool = False, stated: Size = UNKNOWN_SIZE) -> bool:
    """Whether an image's pixels are turned or mirrored, as its EXIF data say, when it is read in this way."""
    size, orientation = _size_and_orientation(path) or (UNKNOWN_SIZE, 1)
    return orientation in range(2, 9) and is_upright(size, orientation, stated, habit=upright)


def _size_and_orientation(path: Opened) -> tuple[Size, Any] | None:
    """Of the pixels as stored, from the file's header; None if that has none."""

    def read(image: Image.Image) -> tuple[Size, Any]:
        (width, height), orientation = image.size, orientation_of(image)
        # Of TIFFs Pillow gives the size once they are turned.
        swapped = orientation in TURNED and image.format == "TIFF"
        return ((height, width) if swapped else (width, height)), orientation

    return _of_header(path, read, None)


def pixels_stated(path: Opened) -> int:
    """How many pixels a file's header says that an image has; 0 where it has none, and for what is no file."""
    return _of_header(path, lambda image: image.width * image.height, 0)


def is_animation(path: Opened) -> bool:
    """Whether a file has more than one frame or page, of which the first is read; a photo's preview is none."""
    return _of_header(path, lambda image: image.format != "MPO" and bool(getattr(image, "is_animated", False)), False)


def _of_header(path: Opened, read: Callable[[Image.Image], T], default: T) -> T:
    if not isinstance(path, str | Path) or os.path.isfile(path):  # else opening it might wait for ever
        # A hostile file makes Pillow raise nearly anything; the decoder then reports what is wrong.
        with contextlib.suppress(Exception), Image.open(path, formats=_formats()) as image:
            return read(image)
    return default


@cache
def _formats() -> tuple[str, ...]:
    known = Image.registered_extensions()
    return tuple(sorted({known[ending] for ending in readable_extensions() if known.get(ending) in Image.OPEN}))


def size_if_there(path: Path, *, upright: bool = False) -> Size:
    """The size of an image's file; 0, 0 where there is no such file, since evaluation needs none."""
    try:
        return image_size(path, upright=upright)
    except DataError:
        return 0, 0


def unique_stems(files: Sequence[str]) -> list[str]:
    """The paths without their extensions, by which annotations are named; DataError where two are one."""
    owners: dict[str, str] = {}
    for file in files:
        stem = posixpath.splitext(file)[0]
        if stem in owners:
            raise DataError(f"{file} and {owners[stem]}: would share one file of annotations; rename one of them")
        owners[stem] = file
    return list(owners)
