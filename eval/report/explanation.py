"""One image's story in words, and drawn on the image: what was found, what was lost and where, what is wrong.

A detection that finds an object has a green frame, a wrong one an orange frame, a lost object dashes and a blue label:
three of Okabe and Ito's colours, which any kind of colour vision tells apart, and the dashes besides.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.records import Stages
from ...data.terminal import printable
from ..analysis.image_analysis import FOUND, NOT_ASKED, Story, tell
from ..metrics.evaluation import Evaluation
from .drawing import Colour, Pixels, corners_of, draw_box, draw_dashed, draw_label, style_of

_FOUND: Colour = (0, 158, 115)
_WRONG: Colour = (230, 159, 0)
_LOST: Colour = (0, 114, 178)
_UNASKED: Colour = (200, 200, 200)
_PAPER = 255  # below the image
_ROW, _LETTER = 1.6, 0.65  # a line's height and a letter's usual width, in heights of a letter


def explain(evaluation: Evaluation, image_file: str, stages: Mapping[str, Stages] | None = None) -> str:
    """What happened on one image, in words; without the run's `stages` only what the evaluation knows."""
    return str(tell(evaluation, image_file, stages))


def draw_explanation(
    image: Pixels, evaluation: Evaluation, image_file: str, stages: Mapping[str, Stages] | None = None
) -> Pixels:
    """A copy of the image with what `explain` says drawn on it, and below it a line for each number.

    Lost objects have the numbers that they have in the text, detections as well, after a D.
    """
    marks = _marks(tell(evaluation, image_file, stages))
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
        # Below a lost object, above a detection: the two often are in the same place.
        y = min(y2 + row, height) if mark.dashed else y1
        draw_label(canvas, mark.number, (x1, y, x2, y), mark.colour, style)
    for place, mark in enumerate(marks, 1):
        below = height + row * place
        draw_label(canvas, mark.line, (0, below, canvas_width, below), mark.colour, style)
    return canvas


@dataclass(frozen=True, eq=False)
class _Mark:
    """A box to draw, and what to say of it."""

    number: str  # at the box
    line: str  # below the image
    box: NDArray[np.float64]  # [4]
    colour: Colour
    dashed: bool = False


def _marks(story: Story) -> list[_Mark]:
    """The objects that no detection shows, then the detections, the best first."""
    objects, found = story.objects, story.detections
    marks = []
    for place, chapter in enumerate(story.of_objects):
        if chapter.kind != FOUND:
            line = f"{place + 1} {printable(str(objects.labels[place]))}: {chapter.kind}"
            colour = _UNASKED if chapter.kind == NOT_ASKED else _LOST
            marks.append(_Mark(f"{place + 1}", line, objects.boxes[place], colour, dashed=True))
    for place, chapter in enumerate(story.of_detections):
        name = printable(str(found.labels[place]))
        line = f"D{place + 1} {name} {found.scores[place]:.2f}: {chapter.kind}"
        colour = {FOUND: _FOUND, NOT_ASKED: _UNASKED}.get(chapter.kind, _WRONG)
        marks.append(_Mark(f"D{place + 1}", line, found.boxes[place], colour))
    return marks
