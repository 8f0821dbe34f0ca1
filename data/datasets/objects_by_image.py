"""The ground truth of tables, in which the objects of an image may be anywhere, under names of its file."""

import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..boxes import UNKNOWN_SIZE, Size
from ..diagnostics import Unusable
from ..images.image_files import comparable, image_name, is_image_name, size_if_there
from ..values import shown
from .annotated_objects import AnnotatedObject, to_truth
from .dataset import Dataset, names_seen


class TruthsByFile(dict[str, tuple[Size, list[AnnotatedObject]]]):
    """What has been read so far: by file an image's size and objects."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._files: dict[str, str] = {}  # by what the table calls them
        self._stated: dict[str, str] = {}  # the other way round

    def file(self, stated: Any, where: str) -> str:
        """The image's path below the folder; Unusable for what is none, or for two names that come to one file."""
        if isinstance(stated, str) and stated in self._files:
            return self._files[stated]
        file = image_name(stated, self.folder)
        if file is None:
            what = f"file is {shown(stated)}: need a path below {self.folder}"
            raise Unusable("image without a usable name", where, what, "correct the name")
        name = "/" + posixpath.normpath(stated.replace("\\", "/")).lstrip("./")
        name = comparable(posixpath.splitext(name)[0] if is_image_name(name) else name)
        before = self._stated.setdefault(file, name)
        if not (name.endswith(before) or before.endswith(name)):
            what = f"file is {shown(stated)} here and {shown(before)} before, and below {self.folder} is only {file!r}"
            raise Unusable("two images of one name", where, what, "give the folder that has both")
        self._files[stated] = file
        return file

    def add(self, file: str, size: Size, objects: Sequence[AnnotatedObject], where: str) -> None:
        """Add objects to an image; two different sizes are a problem."""
        before, known = self.get(file, (UNKNOWN_SIZE, []))
        if UNKNOWN_SIZE not in (size, before) and size != before:
            what = f"{file!r} is {size[0]} x {size[1]} here and {before[0]} x {before[1]} before"
            raise Unusable("image with two sizes", where, what, "correct the size")
        known.extend(objects)
        self[file] = (max(size, before), known)

    def dataset(self, name: str) -> Dataset:
        truths = tuple(
            to_truth(file, size if all(size) else size_if_there(self.folder / file), objects)
            for file, (size, objects) in self.items()
        )
        return Dataset(name, names_seen(truths), truths, self.folder)
