"""Boxes drawn on images: each with its class and score, in a colour that belongs to the class's name.

Lines and letters grow with the image. Every line has a dark rim and every label a filled ground, so that both can be
seen on any image. The weakest detections are drawn first: the best are on top.
"""

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...data.records import Detections, GroundTruth
from ...data.terminal import printable

Pixels = NDArray[np.uint8]  # [H, W, 3] RGB
Colour = tuple[int, int, int]
Corners = tuple[int, int, int, int]  # x1 y1 x2 y2, the first and the last pixel

# Okabe and Ito's colours, told apart with any kind of colour vision; their black would look like the rim.
PALETTE: tuple[Colour, ...] = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
    *((0, 114, 178), (213, 94, 0), (204, 121, 167)),
)

# Which byte of a name's hash picks its colour: this one gives person, cat, dog, horse, sheep and cow different ones.
_HASH_BYTE = 11
_LETTER_WEIGHT = 550  # between regular and bold: thin letters drown in a strong colour
_BLACK, _WHITE, _RIM = (0, 0, 0), (255, 255, 255), (20, 20, 20)


@dataclass(frozen=True)
class Style:
    """Sizes in pixels that suit an image: lines of 2 and letters of 14 on a photo of 500 by 375."""

    line: int
    rim: int
    letters: int


def class_colour(name: str) -> Colour:
    """The class's colour: the same in every run and on every machine.

    >>> class_colour("cat") != class_colour("dog")
    True
    """
    digest = hashlib.sha256(name.encode("utf-8", errors="surrogatepass")).digest()
    return PALETTE[digest[_HASH_BYTE] % len(PALETTE)]


def draw_detections(image: Pixels, detections: Detections, *, ground_truth: GroundTruth | None = None) -> Pixels:
    """A copy of the image with the detections on it, and under them the ground truth with dashed lines."""
    canvas = image.copy()
    height, width, _ = canvas.shape
    style = style_of(width, height)
    if ground_truth is not None:
        for corners in corners_of(ground_truth.boxes, width, height):
            draw_dashed(canvas, corners, style)
    weakest_first = detections[np.argsort(detections.scores, kind="stable")]
    corners = corners_of(weakest_first.boxes, width, height)
    labels: list[str] = weakest_first.labels.tolist()
    for box, label in zip(corners, labels, strict=True):
        draw_box(canvas, box, class_colour(label), style)
    # After all boxes: a line through a label makes it unreadable, a label over a line does little harm.
    for box, label, score in zip(corners, labels, weakest_first.scores, strict=True):
        draw_label(canvas, f"{printable(label)} {score:.2f}", box, class_colour(label), style)
    return canvas


def style_of(width: int, height: int) -> Style:
    """The sizes that suit an image, by its area: a long strip has room for small letters only."""
    scale = float(np.sqrt(width * height)) / np.sqrt(500 * 375)
    line = max(1, round(2 * scale))
    return Style(line, rim=max(1, line // 2), letters=max(11, round(14 * scale)))


def corners_of(boxes: NDArray[np.float64], width: int, height: int) -> list[Corners]:
    """The boxes' outermost pixels, cut to the image; a box outside it becomes a line or a pixel on its edge."""
    last = np.array([width, height, width, height]) - 1
    pixels = np.clip(np.round(boxes) - [0, 0, 1, 1], 0, last).astype(int)
    return [(x1, y1, max(x1, x2), max(y1, y2)) for x1, y1, x2, y2 in pixels.tolist()]


def _fill(canvas: Pixels, x1: int, y1: int, x2: int, y2: int, colour: Colour) -> None:
    """Colour a rectangle of pixels, half-open; what is outside the image is left out."""
    canvas[max(0, y1) : max(0, y2), max(0, x1) : max(0, x2)] = colour


def _draw_frame(canvas: Pixels, corners: Corners, thickness: int, colour: Colour) -> None:
    """Four lines whose outer edge is the rectangle's; a rectangle thinner than two lines is filled."""
    x1, y1, x2, y2 = corners[0], corners[1], corners[2] + 1, corners[3] + 1
    across, down = min(thickness, x2 - x1), min(thickness, y2 - y1)
    _fill(canvas, x1, y1, x2, y1 + down, colour)
    _fill(canvas, x1, y2 - down, x2, y2, colour)
    _fill(canvas, x1, y1, x1 + across, y2, colour)
    _fill(canvas, x2 - across, y1, x2, y2, colour)


def draw_box(canvas: Pixels, corners: Corners, colour: Colour, style: Style) -> None:
    """A frame with a dark rim, on the canvas itself."""
    x1, y1, x2, y2 = corners
    rim = style.rim
    _draw_frame(canvas, (x1 - rim, y1 - rim, x2 + rim, y2 + rim), style.line + 2 * rim, _RIM)
    _draw_frame(canvas, corners, style.line, colour)


def draw_dashed(canvas: Pixels, corners: Corners, style: Style) -> None:
    """White dashes on a dark line: to be seen on any ground, and like no class's colour."""
    x1, y1, x2, y2 = corners[0], corners[1], corners[2] + 1, corners[3] + 1
    _draw_frame(canvas, corners, style.line, _RIM)
    dash, across, down = 4 * style.line, min(style.line, x2 - x1), min(style.line, y2 - y1)
    columns, rows = (
        start + np.flatnonzero(np.arange(end - start) // dash % 2 == 0) for start, end in ((x1, x2), (y1, y2))
    )
    canvas[y1 : y1 + down, columns] = canvas[y2 - down : y2, columns] = _WHITE
    canvas[rows, x1 : x1 + across] = canvas[rows, x2 - across : x2] = _WHITE


def draw_label(canvas: Pixels, text: str, corners: Corners, colour: Colour, style: Style) -> None:
    """Above the box where there is room, else on its upper edge; inside the image if that is large enough at all."""
    # OpenCV 5 brings its own fonts for Latin, Cyrillic, Greek, Arabic, Chinese, Japanese and Korean names; Pillow's
    # built-in one ends with ASCII.
    font = cv2.FontFace("sans")
    left, top, width, height = cv2.getTextSize((0, 0), text, (0, 0), font, style.letters, _LETTER_WEIGHT)
    margin = style.line + style.rim
    width, height = width + 2 * margin, height + margin
    canvas_height, canvas_width, _ = canvas.shape
    x = max(0, min(corners[0] - style.rim, canvas_width - width))
    above = corners[1] - style.rim - height
    y = above if above >= 0 else max(0, min(corners[1], canvas_height - height))
    _fill(canvas, x, y, x + width, y + height, _RIM)  # neighbouring labels of one class stay apart
    _fill(canvas, x + style.rim, y + style.rim, x + width - style.rim, y + height - style.rim, colour)
    ink = _BLACK if _luminance(colour) > 0.18 else _WHITE
    origin = (x + margin - left, y + margin // 2 - top)
    cv2.putText(canvas, text, origin, ink, font, style.letters, _LETTER_WEIGHT)


def _luminance(colour: Colour) -> float:
    """Relative luminance as WCAG defines it; from .18 on black letters have the stronger contrast."""
    parts = np.array(colour) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
