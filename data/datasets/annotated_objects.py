"""Objects one by one, as readers of annotations meet them, until an image's become its ground truth."""

import math
import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..boxes import UNKNOWN_SIZE, Size, box_area
from ..diagnostics import OnProblem, Problem, Unusable
from ..images.image_files import comparable, image_name, is_image_name, size_if_there
from ..records import GroundTruth
from ..values import number_of, shown
from .dataset import Dataset, names_seen

CORNERS = ("x1", "y1", "x2", "y2")
FLAGS = ("difficult", "crowd", "ignore", "truncated")
LONGEST_SIDE = 2**31  # pixels: no file has more

# Flags that other tools than VOC's wrote: converters copy "Unspecified" from VOC's <pose>.
_TRUE, _FALSE = ("true", "yes"), ("", "false", "no", "none", "null", "unspecified")


class AnnotatedObject(NamedTuple):
    """One object; `area` is None where it is the box's."""

    label: str
    box: list[float]  # x1 y1 x2 y2
    difficult: bool = False
    crowd: bool = False
    ignore: bool = False
    truncated: bool = False
    area: float | None = None


def to_truth(file: str, size: Size, objects: Sequence[AnnotatedObject], *, upright: bool = False) -> GroundTruth:
    boxes = np.array([one.box for one in objects], dtype=np.float64).reshape(-1, 4)
    stated = np.array([one.area for one in objects], dtype=np.float64)  # NaN for None
    areas = np.where(np.isnan(stated), box_area(boxes), stated)
    flags: dict[str, Any] = {name: np.array([getattr(one, name) for one in objects], dtype=np.bool_) for name in FLAGS}
    labels = np.array([one.label for one in objects], dtype=np.str_)
    return GroundTruth(file, *size, boxes, labels, areas=areas, upright=upright, **flags)


def checked_label(value: Any, where: str) -> str:
    """The name of a class; Unusable for anything but a text with something in it."""
    if not isinstance(value, str) or not value.strip():
        raise Unusable("object without a label", where, f"the label is {shown(value)}: need a class's name", "name it")
    try:
        value.encode("utf-8", "surrogateescape")  # bytes that are no UTF-8 travel so
    except UnicodeEncodeError:
        what = f"the label is {shown(value)}, with half a pair of surrogates, which no file can hold"
        raise Unusable("label that is no text", where, what, "name it anew") from None
    return value


def checked_number(value: Any, name: str, where: str) -> float:
    """A finite number from JSON, or from the text of a table; else Unusable."""
    number = number_of(value)
    if math.isnan(number):
        raise Unusable("number that is none", where, f"{name} is {shown(value)}: need a number", "correct it")
    return number


def checked_box(box: Sequence[float], where: str, names: Sequence[str] = CORNERS) -> list[float]:
    """The corners of a box, under these names in its file; Unusable where they are the wrong way round."""
    x1, y1, x2, y2 = names
    if box[0] > box[2] or box[1] > box[3]:
        what = f"the box is {' '.join(names)} = {list(box)}: need {x1} <= {x2} and {y1} <= {y2}"
        kind = f"box with {x1} > {x2} or {y1} > {y2}"
        raise Unusable(kind, where, what, "draw the box anew or remove the object")
    return list(box)


def flag_of(value: Any) -> bool | None:
    """Whether a flag is set: any number above 0 sets it, and what is not there does not; None where it is neither.

    >>> flag_of("0.06"), flag_of(None), flag_of("Unspecified"), flag_of("maybe")
    (True, False, False, None)
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    text = value.strip().lower() if isinstance(value, str) else None
    if text in (*_TRUE, *_FALSE):
        return text in _TRUE
    number = number_of(value)
    return number > 0 if number >= 0 else None


def read_flag(value: Any, name: str, where: str, on_problem: OnProblem) -> bool:
    """A flag; one that is neither is not set, which is a minor problem: the object itself is not in doubt."""
    flag = flag_of(value)
    if flag is None:
        kind, what = f"{name} flag that is neither 0 nor 1", f"{name} is {shown(value)}: need 0 or 1"
        on_problem(Problem(kind, where, what, "it is taken for 0", minor=True))
    return bool(flag)


def read_size(width: Any, height: Any, where: str, on_problem: OnProblem) -> Size:
    """The size that is stated; unknown where none is, or, as a minor problem, where it makes no sense."""
    sides = [0.0 if side is None or side == "" else number_of(side) for side in (width, height)]
    if not all(0 <= side < LONGEST_SIDE and side % 1 == 0 for side in sides):  # NaN is not
        what = f"width and height are {shown(width)} and {shown(height)}: need whole numbers of pixels"
        fix = "that of the image file is taken"
        on_problem(Problem("size that is none", where, what, fix, minor=True))
        return UNKNOWN_SIZE
    return (int(sides[0]), int(sides[1])) if all(sides) else UNKNOWN_SIZE


def checked_side(value: Any, name: str, where: str) -> int:
    """An image's width or height in pixels; 0 where there is none."""
    number = 0.0 if value is None or value == "" else checked_number(value, name, where)
    if number < 0 or number % 1:
        what = f"{name} is {shown(value)}: need a whole number of pixels"
        raise Unusable("image without a usable size", where, what, "correct the size")
    return int(number)


class TruthsByFile(dict[str, tuple[Size, list[AnnotatedObject]]]):
    """By file an image's size and objects, of tables in which they may be anywhere, under several names of the file."""

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
