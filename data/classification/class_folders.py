"""Folders in ImageNet's layout: `FOLDER/CLASS/image.jpg`, a folder for each class, named after it."""

import os
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..files.folder_walk import files_below, natural_key
from ..images.decoding import read_image
from ..images.image_files import is_image_name
from .labelled_images import LabelledImages


def read_class_folders(folder: str | Path) -> LabelledImages:
    """The images below each class's folder, in natural order; classes in the order of their names' characters.

    That is the order in which ImageNet numbers its synsets. Hidden names and files that are no images are left out;
    a class without images is refused, since nothing could be learnt of it.
    """
    root = Path(folder)
    classes = _class_names(root)
    files: list[str] = []
    targets: list[int] = []
    for index, name in enumerate(classes):
        found = [path for path in files_below(str(root / name), None) if is_image_name(path)]
        if not found:
            raise DataError(f"{root / name}: holds no images of its class; add some or remove the folder")
        files += [os.path.relpath(path, root) for path in sorted(found, key=natural_key)]
        targets += [index] * len(found)
    paths = [str(root / file) for file in files]
    names = tuple(Path(file).as_posix() for file in files)
    return LabelledImages(
        str(root), classes, names, np.array(targets, dtype=np.int64), lambda place: read_image(paths[place])
    )


def _class_names(root: Path) -> tuple[str, ...]:
    try:
        entries = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(
            f"{root}: cannot be listed ({error.strerror}); give a folder with one folder a class"
        ) from error
    if not entries:
        raise DataError(f"{root}: has no folders of classes; looked for CLASS/*.jpg and for *.tar")
    return tuple(entries)
