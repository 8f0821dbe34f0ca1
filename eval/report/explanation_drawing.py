"""An explanation drawn on its image: what was found, what was lost and where, what is wrong.

A detection that finds an object has a green frame, a wrong one an orange frame, a lost object dashes and a blue label:
three of Okabe and Ito's colours, which any kind of colour vision tells apart, and the dashes besides.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.terminal import printable
from ..analysis.image_explanation import FOUND, IGNORED, ImageExplanation
from .drawing import PALETTE, Colour, Pixels, corners_of, draw_box, draw_dashed, draw_label, style_of

_WRONG, _, _FOUND, _, _LOST, *_ = PALETTE
_IGNORED: Colour = (200, 200, 200)
_PAPER = 255  # below the image
_ROW, _LETTER = 1.6, 0.65  # a line's height and a letter's usual width, in heights of a letter


@dataclass(frozen=True, eq=False)
class _Mark:
    """A box to draw, and its texts."""

    number: str  # at the box
    line: str  # below the image
    box: NDArray[np.float64]  # [4]
    colour: Colour
    dashed: bool = False


def draw_explanation(image: Pixels, explanation: ImageExplanation) -> Pixels:
    """A copy of the image with the boxes on it, and below it a line for each number.

    Lost objects have the numbers that they have in the text, detections as well, after a D.
    """
    marks = _marks(explanation)
    height, width, _ = image.shape
    style = style_of(width, height)
    row, longest = round(style.letters * _ROW), max((len(mark.line) for mark in marks), default=0)
    canvas_width = max(width, round(longest * style.letters * _LETTER))
    canvas = np.full((height + row * len(marks), canvas_width, 3), _PAPER, dtype=np.uint8)
    canvas[:height, :width] = image
    corners = corners_of(np.array([mark.box for mark in marks]).reshape(-1, 4), width, height)
    first_on_top = list(zip(marks, corners, strict=True))[::-1]
    for mark, where in first_on_top:
        if mark.dashed:
            draw_dashed(canvas, where, style)
        else:
            draw_box(canvas, where, mark.colour, style)
    for mark, (x1, y1, x2, y2) in first_on_top:
        # Below a lost object, above a detection: the two often have nearly the same box.
        y = min(y2 + row, height) if mark.dashed else y1
        draw_label(canvas, mark.number, (x1, y, x2, y), mark.colour, style)
    for number, mark in enumerate(marks, 1):
        below = height + row * number
        draw_label(canvas, mark.line, (0, below, canvas_width, below), mark.colour, style)
    return canvas


def _marks(explanation: ImageExplanation) -> list[_Mark]:
    """The objects that no detection shows, then the detections, the best first."""
    objects, marks = explanation.objects, []
    for i, reason in enumerate(explanation.object_reasons):
        if reason.kind != FOUND:
            line = f"{i + 1} {printable(str(objects.labels[i]))}: {reason.kind}"
            colour = _IGNORED if reason.kind == IGNORED else _LOST
            marks.append(_Mark(f"{i + 1}", line, objects.boxes[i], colour, dashed=True))
    found = zip(explanation.detections, explanation.detection_reasons, strict=True)
    for i, (detection, reason) in enumerate(found, 1):
        line = f"D{i} {printable(detection.label)} {detection.score:.2f}: {reason.kind}"
        colour = {FOUND: _FOUND, IGNORED: _IGNORED}.get(reason.kind, _WRONG)
        marks.append(_Mark(f"D{i}", line, np.array(detection.box), colour))
    return marks
