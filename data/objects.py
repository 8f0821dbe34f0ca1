"""Objects one by one, as readers of annotations meet them, until a picture's become its ground truth."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .json_files import shown
from .picture_files import Size
from .problems import Problem
from .records import GroundTruth

_TRUE, _FALSE = ("1", "true", "yes"), ("", "0", "false", "no")


class Unusable(Exception):
    """Carries a problem from where it shows to where the object or the picture is left out."""

    def __init__(self, kind: str, where: str, what: str, fix: str = "") -> None:
        super().__init__()
        self.problem = Problem(kind, where, what, fix)


class AnnotatedObject(NamedTuple):
    """One object; `area` is None where it is the box's."""

    label: str
    box: list[float]  # x1 y1 x2 y2
    difficult: bool = False
    crowd: bool = False
    truncated: bool = False
    area: float | None = None


def to_truth(file: str, size: Size, objects: Sequence[AnnotatedObject], *, upright: bool = False) -> GroundTruth:
    """The ground truth of a picture with these objects."""
    boxes = np.array([one.box for one in objects], dtype=np.float64).reshape(-1, 4)
    areas = [
        (box[2] - box[0]) * (box[3] - box[1]) if one.area is None else one.area
        for one, box in zip(objects, boxes.tolist(), strict=True)
    ]
    return GroundTruth(
        *(file, *size, boxes),
        labels=np.array([one.label for one in objects], dtype=np.str_),
        difficult=np.array([one.difficult for one in objects], dtype=np.bool_),
        crowd=np.array([one.crowd for one in objects], dtype=np.bool_),
        truncated=np.array([one.truncated for one in objects], dtype=np.bool_),
        areas=np.array(areas, dtype=np.float64),
        upright=upright,
    )


def checked_label(value: Any, where: str) -> str:
    """The name of a class; Unusable for anything but a text with something in it."""
    if not isinstance(value, str) or not value.strip():
        raise Unusable("object without a label", where, f"the label is {shown(value)}: need a class's name", "name it")
    return value


def checked_number(value: Any, name: str, where: str) -> float:
    """A finite number from JSON, or from the text of a table; else Unusable."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise Unusable("number that is none", where, f"{name} is {shown(value)}: need a number", "correct it")
    return number


def checked_box(box: Sequence[float], where: str) -> list[float]:
    """The corners `x1 y1 x2 y2`; Unusable where they are the wrong way round."""
    x1, y1, x2, y2 = box
    if x1 > x2 or y1 > y2:
        what = f"the box is x1 y1 x2 y2 = {list(box)}: need x1 <= x2 and y1 <= y2"
        raise Unusable("box with x1 > x2 or y1 > y2", where, what, "draw the box anew or remove the object")
    return list(box)


def checked_flag(value: Any, name: str, where: str) -> bool:
    """A flag of JSON or of a table; one that is not there is not set."""
    text = "" if value is None else str(value).strip().lower()
    if text not in (*_TRUE, *_FALSE):
        what = f"{name} is {shown(value)}: need 0 or 1"
        raise Unusable(f"{name} flag that says neither 0 nor 1", where, what, "correct the flag")
    return text in _TRUE


def checked_side(value: Any, name: str, where: str) -> int:
    """A picture's width or height in pixels; 0 where there is none."""
    number = 0.0 if value is None or value == "" else checked_number(value, name, where)
    if number < 0 or number % 1:
        what = f"{name} is {shown(value)}: need a whole number of pixels"
        raise Unusable("picture without a usable size", where, what, "correct the size")
    return int(number)
