"""The files of a folder's tree, and those that a pattern matches, with links followed and loops left; their order.

`skip` is a folder, absolute and without symbolic links, that is left out with all that is in it.
"""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from ..errors import DataError

DRAWN = "drawn"  # the folder of drawn images, below that of a run of `detect`
CROPS = "crops"  # and of what it cut out of them, a folder for each class
RUN_FILES = ("run.json", "detections.jsonl")  # of which such a run leaves one at least


def files_below(root: str, skip: str | None) -> Iterator[str]:
    """Every file below `root` that is not hidden; links to folders last, so that an image gets its real name."""
    entered: set[tuple[int, int]] = set()
    real, links = [root], []
    while real or links:
        folder = real.pop() if real else links.pop(0)
        identity, entries = _entries(folder)
        if identity in entered or (folder != root and os.path.realpath(folder) == skip):
            continue
        entered.add(identity)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                real.append(entry.path)
            elif entry.is_symlink() and os.path.isdir(entry.path):
                links.append(entry.path)
            else:
                yield entry.path


def is_drawn(path: str, root: str) -> bool:
    """Whether an earlier run drew a file, or cut it out: its folder, below `root`, is beside that run's files."""
    folders = path.removeprefix(os.path.join(root, "")).split(os.sep)[:-1]
    runs = (os.path.join(root, *folders[:depth]) for depth, name in enumerate(folders) if name in (DRAWN, CROPS))
    return any(os.path.isfile(os.path.join(run, name)) for run in runs for name in RUN_FILES)


def _entries(folder: str) -> tuple[tuple[int, int], list[os.DirEntry[str]]]:
    try:
        status = os.stat(folder)
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror}); make it readable or name its files") from error
    return (status.st_dev, status.st_ino), sorted(visible, key=lambda entry: entry.name)


def files_matching(pattern: str, skip: str | None) -> Iterator[str]:
    """The files that match or lie in a folder that does. `**` is done here: Python's goes round in loops of links."""
    parts = pattern.replace(os.sep, "/").split("/")
    cut = parts.index("**") if "**" in parts else len(parts)
    head, tail = "/".join(parts[:cut]), [part for part in parts[cut:] if part]
    for match in glob.glob(head or ("/" if pattern.startswith("/") else os.curdir)):
        if skip is not None and os.path.join(os.path.realpath(match), "").startswith(os.path.join(skip, "")):
            continue
        for path in files_below(match, skip) if os.path.isdir(match) else [match]:
            if not tail or _matches(os.path.relpath(path, match).split(os.sep), tail):
                yield path.removeprefix(os.path.join(os.curdir, ""))


def _matches(names: Sequence[str], patterns: Sequence[str]) -> bool:
    """Whether the first of the names match the patterns, `**` standing for any number of names."""
    if not patterns:
        return True
    if patterns[0] == "**":
        return any(_matches(names[skipped:], patterns[1:]) for skipped in range(len(names)))
    return bool(names) and fnmatchcase(names[0], patterns[0]) and _matches(names[1:], patterns[1:])


def natural_key(path: str) -> tuple[tuple[list[str | int], str], ...]:
    """Sorts `2.jpg` before `10.jpg` and `a/z` before `ab/c`, whatever the locale; case decides only between equals.

    >>> sorted(["img10.jpg", "img9.jpg", "Img.jpg", "b/1", "b.txt"], key=natural_key)
    ['b/1', 'b.txt', 'Img.jpg', 'img9.jpg', 'img10.jpg']
    """
    return tuple((_natural(os.path.splitext(name)[0]), name) for name in path.split(os.sep))


def _natural(stem: str) -> list[str | int]:
    return [int(part) if i % 2 else part for i, part in enumerate(re.split("([0-9]+)", stem.casefold()))]
