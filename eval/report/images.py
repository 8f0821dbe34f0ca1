"""The images that a report shows: which ones, and their boxes and pixels as its page takes them.

A mistake is a detection that finds nothing, or finds again, with a score from the threshold of its class's best F1 on,
or an object that no such detection finds. Images with the most mistakes are the worst; of those with equally few, the
ones with the most objects found are the best.

Shapes: P images, D detections, G objects, K classes.
"""

import base64
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...data.errors import DataError
from ...data.records import GroundTruth, Indices
from ...data.terminal import printable
from ...data.values import NO_INDEX
from ..metrics.evaluation import NOT_COUNTED, Evaluation, Outcome

MOST_IMAGES = 200
MOST_BEST = 50  # of them, where not all are shown
MOST_BOXES = 100  # in an image, those with the highest scores
LONGEST_SIDE = 640  # pixels
# A photo of 640 by 480 has 50 to 70 KB at the first quality; confetti must not make the page ten times as large.
_QUALITIES = (80, 60, 40, 20)
_MOST_BYTES = 80_000

ReadImage = Callable[[GroundTruth], NDArray[np.uint8]]  # may raise DataError


@dataclass(frozen=True, eq=False)
class ImageOrder:
    """All images from the worst to the best, with their mistakes and found objects."""

    order: Indices  # [P]
    mistakes: Indices  # [P], by image, not in that order
    found: Indices  # [P], as well

    def shown(self) -> Indices:
        """The worst and the best, as many as a page can carry, in the same order."""
        if len(self.order) <= MOST_IMAGES:
            return self.order
        return np.concatenate([self.order[: MOST_IMAGES - MOST_BEST], self.order[len(self.order) - MOST_BEST :]])


def image_content(evaluation: Evaluation, read: ReadImage) -> dict[str, Any]:
    """The classes, and for each image that is shown its boxes and its pixels, ready for JSON."""
    ranked, thresholds = rank_images(evaluation), evaluation.best_f1_scores
    shown = ranked.shown().tolist()
    truths = [evaluation.table.truths[i] for i in shown]
    with ThreadPoolExecutor() as pool:  # Pillow decodes and encodes outside the interpreter's lock
        pixels = list(pool.map(lambda truth: embedded_image(read, truth), truths))
    return {
        "classes": [printable(name) for name in evaluation.table.classes],
        "total": len(ranked.order),
        # The score from which on boxes are shown at first: the median of the classes' best ones.
        "threshold": None if np.isnan(thresholds).all() else float(np.nanmedian(thresholds)),
        "images": [
            {
                "file": printable(truth.file),
                "size": _size(truth, size),
                "image": image,
                "mistakes": int(ranked.mistakes[i]),
                **_boxes(evaluation, i),
            }
            for i, truth, (image, size) in zip(shown, truths, pixels, strict=True)
        ],
    }


def rank_images(evaluation: Evaluation) -> ImageOrder:
    """All images, from the most mistakes to the fewest, then to the most objects found; else in their own order."""
    table, matches = evaluation.table, evaluation.matches
    thresholds = np.nan_to_num(evaluation.best_f1_scores, nan=np.inf)  # [K]
    used = table.found.scores >= thresholds[table.found.classes]  # [D]
    wrong = used & np.isin(matches.outcomes, (Outcome.FALSE_POSITIVE, Outcome.DUPLICATE))
    by_used = np.append(used, False)[matches.finders]  # [G]
    missed, found = table.objects.to_find & ~by_used, table.objects.to_find & by_used

    images = table.found.images[wrong], table.objects.images[missed], table.objects.images[found]
    num_wrong, num_missed, num_found = (np.bincount(each, minlength=len(table.truths)) for each in images)
    mistakes = num_wrong + num_missed
    return ImageOrder(np.lexsort((num_found, -mistakes)), mistakes, num_found)


def _boxes(evaluation: Evaluation, index: int) -> dict[str, Any]:
    """One image's detections and objects as rows: class, what else, box."""
    found, objects, matches = evaluation.table.found, evaluation.table.objects, evaluation.matches
    rows = np.flatnonzero((found.images == index) & (matches.outcomes != NOT_COUNTED))
    rows = rows[np.argsort(-found.scores[rows], kind="stable")]

    def score(i: int) -> float | None:
        return None if i == NO_INDEX else float(f"{found.scores[i]:.6g}")

    def corners(box: NDArray[np.float64]) -> list[float]:
        return [round(side, 1) for side in box.tolist()]

    return {
        "left_out": max(0, len(rows) - MOST_BOXES),
        "found": [
            [int(found.classes[i]), score(i), int(matches.outcomes[i]), *corners(found.boxes[i])]
            for i in rows[:MOST_BOXES].tolist()
        ],
        "objects": [
            [int(objects.classes[i]), score(matches.finders[i]), int(objects.to_find[i]), *corners(objects.boxes[i])]
            for i in np.flatnonzero(objects.images == index).tolist()
        ],
    }


def _size(truth: GroundTruth, pixels: Sequence[int]) -> list[int]:
    """Width and height that the boxes are meant for: the annotation's, else the file's, else what holds all objects."""
    if truth.width > 0 and truth.height > 0:
        return [truth.width, truth.height]
    return list(pixels) or [int(max(1, side)) for side in truth.boxes.max(axis=0, initial=1.0)[2:]]


def embedded_image(read: ReadImage, truth: GroundTruth) -> tuple[str | None, tuple[int, ...]]:
    """An image as a JPEG in a `data:` address and its own width and height; None and () if it cannot be read."""
    try:
        image = Image.fromarray(read(truth))
    except DataError:
        return None, ()
    size = image.size
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return f"data:image/jpeg;base64,{base64.b64encode(_jpeg(image)).decode()}", size


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= _MOST_BYTES:
            break
    return buffer.getvalue()
