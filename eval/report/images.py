"""The images that a report shows: which ones, and their boxes and pixels as its page takes them.

A mistake is a detection that finds nothing, or finds again, though its score is one at which its class does best (the
threshold of the best F1), or an object that no detection of such a score finds. Images with the most mistakes are the
worst; of those with equally few, the ones with the most objects found are the best.

Shapes: P images, D detections, G objects.
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
from ...data.printable import printable
from ...data.records import NO_INDEX, GroundTruth, Indices
from ..metrics.average_precision import best_f1
from ..metrics.evaluation import Evaluation, Outcome

MOST_IMAGES = 200
MOST_BEST = 50  # of them, where not all are shown
MOST_BOXES = 100  # in an image, those with the highest scores
LONGEST_SIDE = 640  # pixels
# A photo of 640 by 480 has 50 to 70 KB at the first quality; confetti must not make the page ten times as large.
_QUALITIES = (80, 60, 40, 20)
_MOST_BYTES = 80_000
_NOT_JUDGED = len(Outcome)  # what a protocol did not look at, as COCO beyond the best 100

ReadImage = Callable[[GroundTruth], NDArray[np.uint8]]  # may raise DataError


@dataclass(frozen=True, eq=False)
class _Judged:
    """The outcomes of all classes in one place."""

    outcomes: NDArray[np.uint8]  # [D] of Outcome, or _NOT_JUDGED
    objects: Indices  # [D], what a detection is about, or NO_INDEX
    found_at: NDArray[np.float64]  # [G], the score that finds an object; minus infinity if none does
    at_best: NDArray[np.float64]  # [K], the threshold of each class's best F1; infinity without one


@dataclass(frozen=True, eq=False)
class ImageOrder:
    """All images from the worst to the best, and what is right and wrong about each."""

    order: Indices  # [P]
    mistakes: Indices  # [P], by image, not in that order
    found: Indices  # [P], as well

    def shown(self) -> Indices:
        """The worst and the best, as many as a page can carry, in the same order."""
        if len(self.order) <= MOST_IMAGES:
            return self.order
        return np.concatenate([self.order[: MOST_IMAGES - MOST_BEST], self.order[len(self.order) - MOST_BEST :]])


def image_content(evaluation: Evaluation, read: ReadImage) -> dict[str, Any]:
    """The classes by number, and for each image that is shown its boxes and its pixels, ready for JSON."""
    judged, ranked = _judged(evaluation), rank_images(evaluation)
    shown = ranked.shown()
    truths = [evaluation.table.truths[i] for i in shown.tolist()]
    with ThreadPoolExecutor() as pool:  # Pillow decodes and encodes outside the interpreter's lock
        pixels = list(pool.map(lambda truth: embedded_image(read, truth), truths))
    return {
        "classes": [printable(name) for name in evaluation.table.classes],
        "total": len(ranked.order),
        "threshold": _threshold(judged),
        "images": [
            {
                "file": printable(truth.file),
                "size": _size(truth, size),
                "image": image,
                "mistakes": int(ranked.mistakes[place]),
                **_boxes(evaluation, judged, place),
            }
            for place, truth, (image, size) in zip(shown.tolist(), truths, pixels, strict=True)
        ],
    }


def _judged(evaluation: Evaluation) -> _Judged:
    table = evaluation.table
    outcomes = np.full(len(table.found), _NOT_JUDGED, np.uint8)
    objects = np.full(len(table.found), NO_INDEX)
    for one in evaluation.classes:
        outcomes[one.rows], objects[one.rows] = one.outcomes, one.objects
    found_at = np.full(len(table.objects), -np.inf)
    finders = np.flatnonzero(outcomes == Outcome.TRUE_POSITIVE)
    found_at[objects[finders]] = table.found.scores[finders]
    at_best = np.array([best_f1(one, table).score for one in evaluation.classes], np.float64)
    return _Judged(outcomes, objects, found_at, np.where(np.isnan(at_best), np.inf, at_best))


def rank_images(evaluation: Evaluation) -> ImageOrder:
    """All images, from the most mistakes to the fewest, then to the most objects found; else in their own order."""
    table, num_images, judged = evaluation.table, len(evaluation.table.truths), _judged(evaluation)
    kept = table.found.scores >= judged.at_best[table.found.classes]
    wrong = kept & np.isin(judged.outcomes, (Outcome.FALSE_POSITIVE, Outcome.DUPLICATE))
    at_best = judged.found_at >= judged.at_best[table.objects.classes]
    missed, found = table.objects.asked & ~at_best, table.objects.asked & at_best
    mistakes = np.bincount(table.found.images[wrong], minlength=num_images)
    mistakes += np.bincount(table.objects.images[missed], minlength=num_images)
    num_found = np.bincount(table.objects.images[found], minlength=num_images)
    return ImageOrder(np.lexsort((num_found, -mistakes)), mistakes, num_found)


def _threshold(judged: _Judged) -> float | None:
    """The score from which on boxes are shown at first: in the middle of the classes' best ones."""
    known = judged.at_best[np.isfinite(judged.at_best)]
    return float(np.median(known)) if len(known) else None


def _boxes(evaluation: Evaluation, judged: _Judged, place: int) -> dict[str, Any]:
    """One image's detections and objects as rows: class, what else, box."""
    table = evaluation.table
    found, objects = table.found, table.objects
    rows = np.flatnonzero((found.images == place) & (judged.outcomes != _NOT_JUDGED))
    rows = rows[np.argsort(-found.scores[rows], kind="stable")]
    own = np.flatnonzero(objects.images == place)
    return {
        "left_out": max(0, len(rows) - MOST_BOXES),
        "found": [
            [int(found.classes[i]), _short(float(found.scores[i])), int(judged.outcomes[i]), *_corners(found.boxes[i])]
            for i in rows[:MOST_BOXES]
        ],
        "objects": [
            [
                int(objects.classes[i]),
                _short(float(judged.found_at[i])) if np.isfinite(judged.found_at[i]) else None,
                int(objects.asked[i]),
                *_corners(objects.boxes[i]),
            ]
            for i in own
        ],
    }


def _short(score: float) -> float:
    return float(f"{score:.6g}")


def _corners(box: NDArray[np.float64]) -> list[float]:
    return [round(float(side), 1) for side in box]


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
    content = b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, optimize=True)
        content = buffer.getvalue()
        if len(content) <= _MOST_BYTES:
            break
    return content
