"""The lists in COCO's JSON files as columns: what its annotations and its results have in common.

COCO's ids are numbers; some tools write text. Here an id is its text: `7` and `"7"` are one.

Shapes: A annotations, or results.
"""

import posixpath
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...boxes import UNKNOWN_SIZE, Boxes, Size, xywh_to_xyxy
from ...datasets.annotated_objects import LONGEST_SIDE, read_size
from ...diagnostics import OnProblem, Problem, Unusable, listed, skipping
from ...errors import DataError
from ...images.image_files import existing_name, image_name, size_if_there
from ...values import NO_INDEX, number_rows, shown

LEFT_OUT = -2  # in place of an index, beside NO_INDEX: what has this id could not be used

_LARGEST_ID = 2**63  # beyond lies no id that anybody gave


@dataclass(frozen=True)
class Named:
    """Images or categories in the order of their ids, and the index of each id, LEFT_OUT where it is not usable."""

    kind: str  # for messages
    ids: tuple[str, ...]
    names: tuple[str, ...]
    indices: Mapping[str, int]
    sizes: tuple[Size, ...] = ()  # of images


@dataclass(frozen=True, eq=False)
class Annotations:
    """Annotations or results, and which image and category each is of, as indices into those."""

    path: Path
    entries: Sequence[Mapping[str, Any]]  # [A]
    images: Named
    categories: Named
    image_indices: NDArray[np.int64]  # [A], with NO_INDEX and LEFT_OUT
    category_indices: NDArray[np.int64]  # [A], with NO_INDEX and LEFT_OUT
    xywh: Boxes  # [A, 4], NaN where there is none

    @property
    def boxes(self) -> Boxes:
        with np.errstate(over="ignore"):  # numbers that no image has may add up to infinity
            return xywh_to_xyxy(self.xywh)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Those with an image and a category, [A]."""
        return (self.image_indices >= 0) & (self.category_indices >= 0)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Those with an image, a category and a box, [A]."""
        return self.known & (np.abs(self.xywh) < LONGEST_SIDE).all(axis=1) & (self.xywh[:, 2:] >= 0).all(axis=1)

    @property
    def labels(self) -> NDArray[np.object_]:
        """The class of each, [A]; of no meaning where it has none."""
        names = np.array([*self.categories.names, ""], dtype=object)  # as text, one long name would widen all
        return names[np.maximum(self.category_indices, NO_INDEX)]

    def column(self, key: str) -> list[Any]:
        """What the annotations have under a key, None where nothing."""
        return [entry.get(key) for entry in self.entries]

    def where(self, row: int) -> str:
        """How messages call an annotation: by its id, else by its number in the file, from 1."""
        text = id_text(self.entries[row].get("id"))
        return f"{self.path}: entry {row + 1}" if text is None else f"{self.path}: annotation {text}"

    def problem(self, row: int) -> Problem | None:
        """What makes an annotation unusable; COCO's own code leaves out minor problems.

        None too where its image or category could not be used, which has been reported already.
        """
        if LEFT_OUT in (self.image_indices[row], self.category_indices[row]):
            return None
        entry, where = self.entries[row], self.where(row)
        for key, index, named in (
            ("image_id", self.image_indices[row], self.images),
            ("category_id", self.category_indices[row], self.categories),
        ):
            if key not in entry:
                return Problem(f"annotation without {key}", where, f"lacks {key}", "export the file again")
            if index == NO_INDEX:
                what = f"{key} is {shown(entry[key])}, which no {named.kind} has"
                known = f"known are {listed(named.ids)}" if named.ids else "the file has none"
                return Problem(f"annotation of an unknown {named.kind}", where, what, known, minor=True)
        box = self.xywh[row]
        if not (np.abs(box) < LONGEST_SIDE).all():  # NaN is not
            what = f"bbox is {shown(entry.get('bbox'))}: need four numbers of pixels, x y width height"
            return Problem("box that is none", where, what, "draw the box anew or remove it")
        if (box[2:] < 0).any():
            what = f"bbox is {box.tolist()}: width and height must not be negative"
            return Problem("box with a negative side", where, what, "draw the box anew or remove it")
        return None


def entries_of(content: Any, key: str, path: Path) -> list[Any]:
    if not isinstance(content, dict) or not isinstance(content.get(key), list):
        raise DataError(f"{path}: is not a COCO file: it has no list of {key}; need images, categories and annotations")
    return content[key]


def id_text(value: Any) -> str | None:
    """An id as text; None where a value cannot be one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        return None
    return value if isinstance(value, str) else str(value) if abs(value) < _LARGEST_ID else None


def id_of(text: str) -> int | str:
    """The inverse of `id_text`: a number where the text is one."""
    return int(text) if re.fullmatch(r"0|-?[1-9][0-9]{0,18}", text) else text


def as_dicts(entries: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
    """The entries with an empty one in place of each that is no JSON object."""
    if {*map(type, entries)} <= {dict}:
        return entries
    return [entry if isinstance(entry, dict) else {} for entry in entries]


def read_images(content: Any, path: Path, folder: Path | None, on_problem: OnProblem) -> Named:
    """The images; one without a size has its file's. Without a folder, as for predictions, names are as they stand."""
    files: set[str] = set()

    def name_of(entry: Mapping[str, Any], where: str) -> tuple[str, Size]:
        stated = entry.get("file_name")
        file = _file_name(stated, folder, files) if folder else stated
        if not isinstance(file, str):
            what = f"file_name is {shown(stated)}: need a path below {folder or 'the images'}"
            raise Unusable("image without a usable name", where, what, "correct the name")
        if folder and file in files:
            what, fix = f"the file {shown(file)} is another image's already", "keep one of them"
            raise Unusable("file that two images name", where, what, fix)
        files.add(file)
        size = read_size(entry.get("width"), entry.get("height"), where, on_problem)
        return file, size_if_there(folder / file) if folder and size == UNKNOWN_SIZE else size

    return _named(entries_of(content, "images", path), "image", path, on_problem, name_of)


def read_category_entries(content: Any, path: Path, on_problem: OnProblem) -> Named:
    """The categories; several may have one name, and are one class."""

    def name_of(entry: Mapping[str, Any], where: str) -> tuple[str, Size]:
        name = entry.get("name")
        if isinstance(name, int) and not isinstance(name, bool):
            name = str(name)
        if not isinstance(name, str) or not name.strip() or "\0" in name:
            what = f"has the name {shown(entry.get('name'))}: need a text"
            raise Unusable("category without a name", where, what, "give the class's name")
        return name, UNKNOWN_SIZE

    return _named(entries_of(content, "categories", path), "category", path, on_problem, name_of)


def read_annotations(entries: Sequence[Any], path: Path, images: Named, categories: Named) -> Annotations:
    entries = as_dicts(entries)
    return Annotations(
        *(path, entries, images, categories),
        image_indices=_indices(entries, "image_id", images),
        category_indices=_indices(entries, "category_id", categories),
        xywh=number_rows([entry.get("bbox") for entry in entries], 4),
    )


def _indices(entries: Sequence[Mapping[str, Any]], key: str, named: Named) -> NDArray[np.int64]:
    values = [entry.get(key) for entry in entries]
    plain = {*map(type, values)} <= {int, str}
    texts: Iterable[Any] = map(str, values) if plain else map(id_text, values)
    return np.fromiter((named.indices.get(text, NO_INDEX) for text in texts), np.int64, len(values))


def _named(entries: list[Any], kind: str, path: Path, on_problem: OnProblem, name_of: Any) -> Named:
    """The usable entries, sorted by id: numbers by value before text, as COCO's own evaluator has them."""
    usable: dict[str, tuple[str, Size]] = {}
    seen: dict[str, Any] = {}
    for row, entry in enumerate(as_dicts(entries)):
        text = id_text(entry.get("id"))
        where = f"{path}: {kind} {row + 1 if text is None else text}"
        with skipping(on_problem):
            if text is None:
                what = f"has the id {shown(entry.get('id'))}: need a whole number"
                raise Unusable(f"{kind} without an id", where, what, "number it")
            if text in seen:
                what, fix = f"two of the file's entries have the id {text}", "number them anew"
                raise Unusable(f"id that two entries ({kind}) have", where, what, fix)
            seen[text] = entry["id"]
            usable[text] = name_of(entry, where)
    ids = sorted(usable, key=lambda text: (isinstance(seen[text], str), seen[text]))
    return Named(
        kind=kind,
        ids=tuple(ids),
        names=tuple(usable[text][0] for text in ids),
        indices=dict.fromkeys(seen, LEFT_OUT) | {text: index for index, text in enumerate(ids)},
        sizes=tuple(usable[text][1] for text in ids),
    )


def _file_name(stated: Any, folder: Path, taken: Collection[str]) -> str | None:
    """The file that an image names; below another folder than this one it is known by its own name alone."""
    file = image_name(stated, folder)
    if file is None or "/" not in file or existing_name(file, folder):
        return file
    alone = existing_name(posixpath.basename(file), folder)
    return file if alone is None or alone in taken else alone
