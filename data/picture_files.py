"""What annotations of other tools call a picture, and how large its file is."""

import contextlib
import os
import posixpath
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from .errors import DataError
from .images import IMAGE_EXTENSIONS, TURNED, UNKNOWN_SIZE, Size, is_upright, orientation_of, read_image


def picture_name(stated: Any, folder: Path) -> str | None:
    """The path below `folder` that an annotation states, or None where it is none or leads out of the folder.

    >>> picture_name("./a/../b.jpg", Path("photos")), picture_name("../b.jpg", Path("photos"))
    ('b.jpg', None)
    """
    if not isinstance(stated, str) or "\0" in stated or not stated.strip():
        return None
    if posixpath.isabs(stated):
        root = folder.absolute()
        if not Path(stated).is_relative_to(root):
            return None
        stated = Path(stated).relative_to(root).as_posix()
    name = posixpath.normpath(stated)
    return None if name == "." or name.split("/")[0] == ".." else name


def picture_size(path: str | Path, *, upright: bool = False, stated: Size = UNKNOWN_SIZE) -> Size:
    """Width and height of a picture, from the file's header if that tells; DataError where it is no picture.

    Of the pixels as stored, or `upright`, turned as the EXIF data say, whichever has the size that its annotation
    states.
    """
    if os.path.isfile(path):  # else opening it might wait for ever
        # A hostile file makes Pillow raise nearly anything; the decoder then says what is wrong.
        with contextlib.suppress(Exception), Image.open(path, formats=_formats()) as image:
            orientation, size = orientation_of(image), image.size
            turned = orientation in TURNED
            # Of TIFFs Pillow gives the size once they are turned.
            width, height = size[::-1] if turned and image.format == "TIFF" else size
            as_seen = turned and is_upright((width, height), orientation, stated, habit=upright)
            return (height, width) if as_seen else (width, height)
    height, width, _ = read_image(path, ignore_exif=not upright, size=stated).shape
    return width, height


@cache
def _formats() -> tuple[str, ...]:
    """Pillow's names for what the decoder reads."""
    known = Image.registered_extensions()
    return tuple(sorted({known[ending] for ending in IMAGE_EXTENSIONS if known.get(ending) in Image.OPEN}))


def size_if_there(path: Path) -> Size:
    """The size of a picture's file as stored; 0, 0 where there is no such file, since evaluation needs none."""
    try:
        return picture_size(path)
    except DataError:
        return 0, 0


def find_pictures(named: Sequence[str], files: Sequence[str]) -> list[int | None]:
    """For each name without an extension its index in `files`, or None: the same path, else the same name anywhere.

    A name that fits two files fits none, and a file that two names fit is neither's. Names are all different.

    >>> find_pictures(["b/2", "1", "3.png", "4"], ["1.jpg", "b/2.jpg", "3.png", "3.jpg"])
    [1, 0, 2, None]
    """
    found: dict[str, int] = {}
    for key_of_file, key_of_name in (
        (posixpath.normpath, str),  # two pictures that differ in the extension keep it
        (lambda file: posixpath.splitext(posixpath.normpath(file))[0], str),
        (lambda file: posixpath.splitext(posixpath.basename(file))[0], posixpath.basename),
    ):
        places, taken = _unique(files, key_of_file), {*found.values()}
        wanted = {name: places.get(key_of_name(name)) for name in named if name not in found}
        claims = Counter(wanted.values())
        found |= {
            name: place
            for name, place in wanted.items()
            if place is not None and place not in taken and claims[place] == 1
        }
    return [found.get(name) for name in named]


def _unique(files: Sequence[str], key: Callable[[str], str]) -> dict[str, int]:
    keys = [key(file) for file in files]
    times = Counter(keys)
    return {name: place for place, name in enumerate(keys) if times[name] == 1}
