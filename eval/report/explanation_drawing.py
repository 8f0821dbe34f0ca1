"""An explanation drawn on its image: what was found, what was lost and where, what is wrong.

A detection that finds an object has a green frame, a wrong one an orange frame, a lost object dashes and a blue label:
three of Okabe and Ito's colours, which any kind of colour vision tells apart, and the dashes besides.
"""

from dataclasses import dataclass

import numpy as np

from ..analysis.image_explanation import FOUND, IGNORED, Explained, ImageExplanation
from .drawing import PALETTE, Colour, Pixels, corners_of, draw_box, draw_dashed, draw_label, style_of

_WRONG, _, _FOUND, _, _LOST, *_ = PALETTE
_IGNORED: Colour = (200, 200, 200)
_PAPER = 255  # below the image
_ROW, _LETTER = 1.6, 0.65  # a line's height and a letter's usual width, in heights of a letter


@dataclass(frozen=True, eq=False)
class _Mark:
    """A box to draw, and its texts."""

    number: str  # at the box
    explained: Explained
    colour: Colour
    dashed: bool = False

    @property
    def line(self) -> str:
        return f"{self.number} {self.explained.about}: {self.explained.kind}"


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
    corners = corners_of(np.array([mark.explained.box for mark in marks]).reshape(-1, 4), width, height)
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
    objects, detections = enumerate(explanation.objects, 1), enumerate(explanation.detections, 1)
    lost, found = {IGNORED: _IGNORED}, {IGNORED: _IGNORED, FOUND: _FOUND}
    return [
        *(_Mark(f"{i}", one, lost.get(one.kind, _LOST), dashed=True) for i, one in objects if one.kind != FOUND),
        *(_Mark(f"D{i}", one, found.get(one.kind, _WRONG)) for i, one in detections),
    ]
