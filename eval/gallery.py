"""Pictures with boxes on them, as files."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset, read_truth
from ..data.errors import DataError, UsageError
from ..data.files import write_atomically
from ..data.images import IMAGE_EXTENSIONS, encode_image, read_image
from ..data.records import GroundTruth, Picture
from ..data.results import merge_parts, read_predictions
from ..data.specs import open_dataset
from .drawing import draw_detections
from .pairing import NOT_PAIRED, pair_files

# What browsers show, and the longest side in pixels that files of that kind can have.
_LONGEST_SIDES = {".jpg": 65_500, ".jpeg": 65_500, ".png": 2**31 - 1, ".webp": 16_383}


def write_drawing(folder: Path, file: str, image: NDArray[np.uint8]) -> Path:
    """Write a drawn (H, W, 3) picture below `folder` under the picture's own name, sub-folders and all.

    What browsers cannot show becomes a JPEG with `.jpg` behind the whole name, so that no two pictures collide; a PNG
    where the picture is too large for its kind. No name leads out of the folder.
    """
    kind, added = Path(file).suffix.lower(), ""
    if kind not in _LONGEST_SIDES:
        kind = added = ".jpg"
    if max(image.shape[:2]) > _LONGEST_SIDES[kind]:
        kind = added = ".png"
    name = Path(f"{file}{added}")
    path = folder.joinpath(*(part for part in name.parts if part not in (name.anchor, os.pardir)))
    write_atomically(path, encode_image(image, kind))
    return path


def draw_predictions(
    predictions: Path,
    images: Path,
    out: Path,
    data: str | None,
    score: float,
    report: Callable[[str], None] = lambda line: None,
) -> str:
    """Draw stored predictions of at least `score` on their pictures, and beside them a data set's ground truth.

    A picture that cannot be read is reported and left out; where none can, that is an error.
    """
    if out.resolve() == images.resolve():
        raise UsageError(f"{out}: drawing there would overwrite the pictures; choose another --out")
    dataset = None if data is None else open_dataset(data, allow_unannotated=True)
    pictures = [each for each in merge_parts(read_predictions(predictions, dataset)) if each.error is None]
    truths = _truths(pictures, dataset)
    drawn = 0
    for picture, truth in zip(pictures, truths, strict=True):
        try:
            path = _find(images, picture.file)
            image = read_image(path) if truth is None else read_truth(path, truth)
        except DataError as error:
            report(f"left out: {error}")
            continue
        found = picture.detections[picture.detections.scores >= score]
        write_drawing(out, picture.file, draw_detections(image, found, ground_truth=truth))
        drawn += 1
    if pictures and not drawn:
        raise DataError(f"{images}: has none of the {len(pictures)} pictures of {predictions}; check --images")
    return f"{drawn} of {len(pictures)} pictures drawn, written to {out}"


def _truths(pictures: list[Picture], dataset: Dataset | None) -> list[GroundTruth | None]:
    """Each picture's ground truth, None without a data set or outside of it."""
    if dataset is None:
        return [None] * len(pictures)
    truths = dataset.pictures
    paired = pair_files([picture.file for picture in pictures], [truth.file for truth in truths])
    return [None if index == NOT_PAIRED else truths[index] for index in paired]


def _find(images: Path, file: str) -> Path:
    """The picture of that name; VOC's result files name pictures without their extension, dots and all."""
    path = images / file
    if os.path.exists(path):
        return path
    others = (Path(f"{path}{kind}") for lower in IMAGE_EXTENSIONS for kind in (lower, lower.upper()))
    return next(filter(os.path.exists, others), path)
