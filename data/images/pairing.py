"""Which image of the ground truth a prediction is about, by the names of their files."""

import posixpath
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..values import NO_INDEX

_NO_EXTENSION = ".id"  # put behind a name that may have none, to be taken off instead of its own end


def pair_files(predicted: Sequence[str], files: Sequence[str]) -> NDArray[np.int64]:
    """For each predicted file its index in `files`, or NO_INDEX. Equal names are one image in several parts.

    Tried in turn on what is left: the same path; that without extension (VOC's result files have none); the same name
    in whatever folder; and these two without what other systems write otherwise: separators, letters' case, composed
    accents. A name that matches two images matches none.

    >>> pair_files(["b/2.png", "1.jpg", "/tmp/3.jpg", "4.jpg"], ["1.jpg", "b/2.jpg", "3.jpg"]).tolist()
    [1, 0, 2, -1]
    >>> pair_files(["C:\\\\photos\\\\A.JPG"], ["a.jpg"]).tolist()
    [0]
    """
    indices = {file: i for i, file in enumerate(files)}
    paired = {file: indices[file] for file in dict.fromkeys(predicted) if file in indices}
    for key in (_stem_path, _stem, lambda file: _stem_path(_plain(file)), lambda file: _stem(_plain(file))):
        paired |= _pair_by(key, [file for file in dict.fromkeys(predicted) if file not in paired], files, paired)
    return np.array([paired.get(file, NO_INDEX) for file in predicted], dtype=np.int64)


def _pair_by(
    key: Callable[[str], str], predicted: Sequence[str], files: Sequence[str], paired: dict[str, int]
) -> dict[str, int]:
    if not predicted:
        return {}
    keys = [key(file) for file in files]
    times = Counter(keys)
    free = {name: i for i, name in enumerate(keys) if times[name] == 1}
    # A predicted name may be an id, in which a dot does not start an extension.
    wanted = {file: free.get(key(file + _NO_EXTENSION), free.get(key(file), NO_INDEX)) for file in predicted}
    claims = Counter([*wanted.values(), *paired.values()])
    return {file: i for file, i in wanted.items() if i != NO_INDEX and claims[i] == 1}


def _stem_path(file: str) -> str:
    return posixpath.splitext(posixpath.normpath(file))[0]


def _stem(file: str) -> str:
    return posixpath.splitext(posixpath.basename(file))[0]


def _plain(file: str) -> str:
    """A name without what differs between systems: separators, letters' case, how accents are written."""
    return unicodedata.normalize("NFC", file.replace("\\", "/")).casefold()
