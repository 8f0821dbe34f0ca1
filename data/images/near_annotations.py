"""Where the images of a file of annotations are, if that is not stated."""

import os
from collections.abc import Iterator
from pathlib import Path

from .decoding import IMAGE_EXTENSIONS

_NAMES = ("images", "JPEGImages", "data", "img")  # of folders that hold nothing but images


def image_folder_of(file: Path) -> Path:
    """The folder of the images that belong to a file of annotations; its own where no other is likely.

    COCO has `annotations/instances_val2017.json` beside `val2017/`, Roboflow its file among the images, others
    `images/` beside the file or its folder.
    """
    if _has_images(file.parent):
        return file.parent
    return next((folder for folder in _likely(file) if os.path.isdir(folder)), file.parent)


def _likely(file: Path) -> Iterator[Path]:
    splits = dict.fromkeys([file.stem, file.stem.rpartition("_")[2]])
    above = [file.parent, file.parent.absolute().parent] if file.parent.name else [file.parent]
    for folder in above:
        for name in _NAMES:
            yield from (folder / name / split for split in splits)
        yield from (folder / split for split in splits)
    for folder in above:
        yield from (folder / name for name in _NAMES)


def _has_images(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(os.path.splitext(entry.name)[1].lower() in IMAGE_EXTENSIONS for entry in entries)
    except (OSError, ValueError):
        return False
