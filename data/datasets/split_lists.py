"""Lists of images, a line each, in the forms that people's tools write: what a line means is what is there.

Besides names, lines hold names with endings, paths of an image, or of it and its annotation, quotes, a second column
of -1, 0 or 1 (the lists of one class), and comments behind #. The most literal reading that names a file counts.
"""

import os
import posixpath
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from ..errors import DataError
from ..files.text_files import lines_of, read_text
from ..images.decoding import IMAGE_EXTENSIONS

_LISTED_SPLITS = 20  # in the message about one that is not there: ILSVRC has hundreds
_COLUMN = re.compile(r"\s+(?:-1|0|1)$")  # 1 has the class, -1 has not, 0 only difficult ones
_COMMENT = re.compile(r"\s+#.*$")
_PAIR = re.compile(r"(\S.*?\.\w{3,4})[\s,;]+(\S.*\.\w{3,4})")
_LONGEST = 2000  # characters of a line: longer ones name nothing, and take long to read
_ROOT = re.compile(r"(?:[A-Za-z]:)?/+")

Exists = Callable[[str], bool]  # whether there is an annotation, or an image, of a name


def read_split_list(path: Path, exists: Exists = lambda name: False) -> list[str]:
    """The lines of one split's list that are not blank, in the file's order; comments only if they `exists`."""
    if not os.path.isfile(path):
        splits = sorted((found.stem for found in path.parent.glob("*.txt")), key=lambda name: (len(name), name))
        more = f" and {len(splits) - _LISTED_SPLITS} more" if len(splits) > _LISTED_SPLITS else ""
        there = ", ".join(splits[:_LISTED_SPLITS]) or "none"
        raise DataError(f"{path}: no such split; the splits here are: {there}{more}")
    lines = [line.strip() for line in lines_of(read_text(path)) if line.strip()]
    return [line for line in lines if not line.startswith("#") or exists(line)]


def listed_name(line: str, exists: Exists, folders: Collection[str]) -> str:
    """The name that a line means: the most literal one that exists, else the plainest.

    It may have one of the data set's own `folders` (in small letters) before it.

    >>> listed_name(r"JPEGImages\\a.jpg Annotations\\a.xml", lambda name: name == "a", {"jpegimages", "annotations"})
    'a'
    """
    plainest = posixpath.basename(_plain(line))
    for name in _readings(line, folders):
        if not _leads_out(name):
            if exists(name):
                return name
            plainest = name
    return plainest


def _readings(line: str, folders: Collection[str]) -> Iterator[str]:
    yield line
    if len(line) > _LONGEST:
        return
    texts = [line, _COLUMN.sub("", line), _COLUMN.sub("", _COMMENT.sub("", line))]
    if pair := _PAIR.fullmatch(texts[-1]):
        texts += [pair[1], pair[2]]
    for text in dict.fromkeys(texts):
        yield text
        yield from dict.fromkeys((_slashed(text), _plain(text), _below(_plain(text), folders)))


def _slashed(text: str) -> str:
    return posixpath.normpath(text.strip("\"'").replace("\\", "/"))


def _plain(text: str) -> str:
    """Without an ending."""
    stem, ending = posixpath.splitext(_slashed(text))
    return stem if ending.lower() in (*IMAGE_EXTENSIONS, ".xml") else _slashed(text)


def _below(name: str, folders: Collection[str]) -> str:
    """Without the path to one of the folders; of a path from a root that has none of them the last part."""
    parts = name.split("/")
    own = [i for i, part in enumerate(parts[:-1]) if part.lower() in folders]
    return "/".join(parts[own[-1] + 1 if own else -1 if _ROOT.match(name) else 0 :])


def _leads_out(name: str) -> bool:
    return _ROOT.match(name) is not None or ".." in re.split(r"[\\/]", name)
