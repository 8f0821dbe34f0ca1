"""The lines of YOLO's label files: a class's number, then coordinates normalised by the image's width and height.

Shapes: N boxes.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...boxes import Boxes, Size
from ...diagnostics import Unusable
from ...errors import DataError
from ...values import shown

# How far rounding takes coordinates out of 0 to 1; Ultralytics clips what lies between these and refuses the rest.
_LOWEST, _HIGHEST = -0.01, 1.01


def xyxy_to_normalised(boxes: Boxes, file: str, size: Size) -> Boxes:
    """From corners to `cx cy w h` as fractions of an image's size, which is needed if there are boxes.

    >>> xyxy_to_normalised(np.array([[0, 0, 20, 5]]), "a.jpg", (20, 10)).tolist()
    [[0.5, 0.25, 1.0, 0.5]]
    """
    if len(boxes) and 0 in size:
        raise DataError(f"{file}: YOLO's format needs the image's size, which is not known here")
    x1, y1, x2, y2 = boxes.T
    columns = np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], axis=1)
    return columns / np.maximum(np.array([*size, *size]), 1)


def normalised_to_xyxy(boxes: Boxes, sizes: NDArray[np.float64]) -> Boxes:
    """The inverse of `xyxy_to_normalised`; `sizes` is width and height for all boxes, (2,), or for each, (N, 2)."""
    centres, halves = boxes[:, :2], boxes[:, 2:] / 2
    return np.concatenate([(centres - halves) * sizes, (centres + halves) * sizes], axis=1)


def split_line(line: str) -> list[str]:
    """The words of a line, which spaces and tabs separate, or commas alone.

    >>> split_line("0 .5\\t.5"), split_line("0, .5,.5"), split_line("0 0,5 0,5")
    (['0', '.5', '.5'], ['0', '.5', '.5'], ['0 0', '5 0', '5'])
    """
    return [word.strip() for word in line.split(",")] if "," in line else line.split()


def clipped(coordinates: Sequence[float], where: str) -> list[float]:
    """Coordinates within 0 to 1; those are clipped that rounding took out, and one farther out is Unusable."""
    if outside := [value for value in coordinates if not _LOWEST <= value <= _HIGHEST]:
        what = f"has {outside[0]}: need fractions of the image's size, from 0 to 1"
        raise Unusable("value outside 0 to 1", where, what, "divide pixels by the image's size")
    return [min(max(value, 0.0), 1.0) for value in coordinates]


def number_row(words: Sequence[str], where: str) -> list[float]:
    """The numbers of a line; Unusable where one is none."""
    try:
        row = list(map(float, words))
    except ValueError:
        row = [math.nan]
    if not all(map(math.isfinite, row)):
        what = f"is {shown(' '.join(words))}: need numbers"
        raise Unusable("number that is none", where, what, "write the line anew")
    return row


def checked_class(number: float, num_classes: int, where: str) -> int:
    """The number of a class; Unusable where no class has it."""
    if number % 1 or not 0 <= number < num_classes:
        known = f"need a whole number from 0 to {num_classes - 1}" if num_classes else "there are no names of classes"
        raise Unusable("unknown class number", where, f"the class is {number:g}: {known}", "correct it, or the names")
    return int(number)


def normalised_to_lines(labels: Sequence[str], columns: NDArray[np.float64], numbers: Mapping[str, int]) -> str:
    """A line for each box: its class's number and its columns (N, 4), or (N, 5) with a confidence."""
    rows = zip(labels, columns.tolist(), strict=True)
    return "".join(" ".join([str(numbers[label]), *map(repr, values)]) + "\n" for label, values in rows)
