"""Ground truth and detections of an image from rows, for the tests of evaluation."""

import gzip
import json
from collections.abc import Sequence

import numpy as np
from conftest import SHARED

from inception_rcnn.data.boxes import as_boxes, inclusive_to_half_open
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections

Box = Sequence[float]


def truth_of(
    file: str, *rows: tuple[str, Box], difficult: Sequence[int] = (), size: tuple[int, int] = (200, 100)
) -> GroundTruth:
    """Rows are class and box; `difficult` are the indices of those that are."""
    labels, flags = np.array([row[0] for row in rows], dtype=str), np.zeros(len(rows), bool)
    flags[list(difficult)] = True
    return GroundTruth(file, *size, as_boxes([row[1] for row in rows]), labels, flags)


def found_of(file: str, *rows: tuple[str, float, Box], size: tuple[int, int] = (200, 100)) -> ImageDetections:
    """Rows are class, score and box."""
    labels, scores = np.array([row[0] for row in rows], dtype=str), np.array([row[1] for row in rows], dtype=float)
    return ImageDetections(file, *size, Detections(as_boxes([row[2] for row in rows]), labels, scores))


def voc2007_test_truths() -> list[GroundTruth]:
    """VOC2007 test, from the development data."""
    with gzip.open(SHARED / "data" / "voc2007" / "test_ground_truth.json.gz") as stream:
        content = json.load(stream)
    return [
        GroundTruth(
            f"{name}.jpg",
            *image["size"][:2],
            inclusive_to_half_open([one["bbox"] for one in image["objects"]]),
            np.array([one["class"] for one in image["objects"]], dtype=str),
            np.array([one["difficult"] for one in image["objects"]], dtype=bool),
        )
        for name, image in content.items()
    ]
