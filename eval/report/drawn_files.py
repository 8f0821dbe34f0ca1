"""Where drawn images go: below a folder, under their images' own names, sub-folders and all, each in a file of its own.

What browsers cannot show becomes a JPEG with `.jpg` behind the whole name, a PNG where the image is too large for its
kind. No name leads out of the folder. A name that is another image's, or too long, gets a hash of the image's name.
"""

import contextlib
import hashlib
import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ...data.files.atomic import write_atomically
from ...data.images.decoding import encode_image

# What browsers show, and the longest side in pixels that files of that kind can have.
_LONGEST_SIDES = {".jpg": 65_500, ".jpeg": 65_500, ".png": 2**31 - 1, ".webp": 16_383}

_LONGEST_PART = 255  # bytes of a file's or folder's name
_LONGEST_PATH = 240 if os.name == "nt" else 4000  # and of all of them together
_HASH_LENGTH = 16


class Drawings:
    """The drawings below `folder` of the images called `files`, and of any other: where each is, and writing it."""

    def __init__(self, folder: Path, files: Iterable[str] = ()):
        self.folder = folder
        self._ignores_case = _ignores_case(folder)
        self._owners: dict[str, str] = {}  # by what a name is to the file system
        for file in files:
            self._owners.setdefault(self._key(_plain(file)), file)

    def path(self, file: str, longest_side: int) -> Path:
        """Where the drawing of an image is, or would be."""
        ending, added = PurePosixPath(_plain(file)).suffix.lower(), ""
        if ending not in _LONGEST_SIDES:
            ending = added = ".jpg"
        if longest_side > _LONGEST_SIDES[ending]:
            ending = added = ".png"
        return self._path(file, added, ending)

    def write(self, file: str, image: NDArray[np.uint8]) -> Path:
        """Write a drawn (H, W, 3) image; gives its path."""
        path = self.path(file, max(image.shape[:2]))
        write_atomically(path, encode_image(image, path.suffix.lower()))
        return path

    def remove(self, file: str) -> None:
        """Remove whatever was drawn of an image."""
        ending = PurePosixPath(_plain(file)).suffix
        for added in ("", ".jpg", ".png"):
            for path in (self._path(file, added, added or ending), self._hashed(file, added or ending)):
                if self._owners.get(self._key(path.relative_to(self.folder).as_posix()), file) == file:
                    with contextlib.suppress(OSError, ValueError):  # never drawn, or of a name that no file can have
                        path.unlink()

    def _path(self, file: str, added: str, ending: str) -> Path:
        name = _plain(file)
        # Its own name may be another's on a disk that ignores case, and `a.gif.jpg` that of an image.
        if self._owners.get(self._key(name), file) != file or (added and self._key(name + added) in self._owners):
            return self._hashed(file, ending)
        return self._fitted(name + added, file, ending)

    def _hashed(self, file: str, ending: str) -> Path:
        return self._fitted(f"{_plain(file)}~{_hash(file)}{ending}", file, ending)

    def _fitted(self, name: str, file: str, ending: str) -> Path:
        path = self.folder.joinpath(*map(_shortened, name.split("/")))
        return path if len(os.fsencode(path)) <= _LONGEST_PATH else self.folder / f"{_hash(file)}{ending}"

    def _key(self, name: str) -> str:
        return unicodedata.normalize("NFC", name).casefold() if self._ignores_case else name


def _plain(file: str) -> str:
    """The name without what would lead out of a folder."""
    path = Path(file)
    return "/".join(part for part in path.parts if part not in (path.anchor, os.pardir)) or "image"


def _shortened(part: str) -> str:
    """A file's or folder's name of a length that file systems take; a hash of it all stands for what is cut off."""
    if len(os.fsencode(part)) <= _LONGEST_PART:
        return part
    stem, ending = os.path.splitext(part)
    ending = f"~{_hash(part)}{ending if len(os.fsencode(ending)) < _HASH_LENGTH else ''}"
    kept = os.fsencode(stem)[: _LONGEST_PART - len(os.fsencode(ending))]
    return kept.decode("utf-8", "ignore") + ending  # whole characters only


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]


def _ignores_case(folder: Path) -> bool:
    """Whether a file system takes `A` for `a`: asked of the nearest folder there that has letters in its name."""
    for each in (folder, *folder.absolute().parents):
        if each.name.swapcase() != each.name and each.is_dir():
            other = each.with_name(each.name.swapcase())
            return other.is_dir() and other.samefile(each)
    return False
