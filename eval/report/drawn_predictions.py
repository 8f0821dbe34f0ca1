"""Stored predictions drawn on their images, as files."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...data.datasets.dataset import Dataset, read_truth
from ...data.errors import DataError, SetupError, UsageError
from ...data.files.atomic import DiskFullError
from ...data.formats.predictions import merge_parts, needs_sizes, read_predictions
from ...data.formats.specs import open_dataset
from ...data.images.decoding import read_image, readable_extensions
from ...data.images.image_files import image_name, size_if_there
from ...data.images.pairing import pair_files
from ...data.images.sources import list_sources
from ...data.records import GroundTruth, ImageDetections
from ...data.terminal import Report, silent
from ...data.values import NO_INDEX
from .drawing import draw_detections
from .drawn_files import Drawings


def draw_predictions(
    predictions: Path,
    images: Path,
    out: Path,
    data: str | None,
    score: float,
    report: Report = silent,
    *,
    ignore_exif: bool = False,
) -> str:
    """Draw stored predictions of at least `score` on their images, and beside them a data set's ground truth.

    Boxes are of the pixels as stored where `ignore_exif` says so; else the stated sizes decide. An image that cannot be
    read, and a drawing that cannot be written, is reported and left out; where none can, that is an error.
    """
    _check_folders(images, out)
    dataset = None if data is None else open_dataset(data, allow_unannotated=True)
    sized = _sized(images, ignore_exif) if dataset is None and needs_sizes(predictions) else dataset
    results = [each for each in merge_parts(read_predictions(predictions, sized)) if each.error is None]
    names = [_find(images, result.file) for result in results]
    # A name of another machine is drawn under the one that the image has here.
    drawn_as = [name if "\\" in result.file else result.file for name, result in zip(names, results, strict=True)]
    truths = [] if dataset is None else list(dataset.images)
    paired = pair_files([result.file for result in results], [truth.file for truth in truths]).tolist()
    drawings, drawn, failed = Drawings(out, drawn_as), 0, 0
    for result, name, to, index in zip(results, names, drawn_as, paired, strict=True):
        truth = None if index == NO_INDEX else truths[index]
        found = result.detections[result.detections.scores >= score]
        try:
            image = _read(images / name, result, truth, ignore_exif)
            drawings.write(to, draw_detections(image, found, ground_truth=truth))
        except (DataError, SetupError) as error:
            if isinstance(error, DiskFullError):
                raise
            failed += isinstance(error, SetupError)
            report(f"left out: {error}")
        else:
            drawn += 1
    if failed and not drawn:
        raise SetupError(f"{out}: no drawing can be written there; choose another --out")
    if results and not drawn:
        raise DataError(f"{images}: has none of the {len(results)} images of {predictions}; check --images")
    return f"{drawn} of {len(results)} images drawn, written to {out}"


def _check_folders(images: Path, out: Path) -> None:
    """Refuse folders with which no image can be drawn, before any is read."""
    if not images.is_dir():
        what = "is no folder" if os.path.lexists(images) else "there is no such folder"
        raise DataError(f"{images}: {what}; give the folder of the images as --images")
    if out.resolve() == images.resolve():
        raise UsageError(f"{out}: drawing there would overwrite the images; choose another --out")
    there = next(each for each in (out, *out.absolute().parents) if os.path.lexists(each))
    if not there.is_dir():
        raise SetupError(f"{out}: {there} is a file, so that no drawing can be written there; choose another --out")


def _sized(images: Path, ignore_exif: bool) -> Dataset:
    """The images of a folder as a data set that has nothing but their sizes."""
    sizes = {file.file: size_if_there(file.path, upright=not ignore_exif) for file in list_sources([images])}
    no_boxes = (np.zeros((0, 4)), np.zeros(0, np.str_), np.zeros(0, np.bool_))
    # What cannot be read is left out here, and reported where it is drawn.
    truths = (GroundTruth(file, *size, *no_boxes) for file, size in sizes.items() if all(size))
    return Dataset(str(images), (), tuple(truths), images, annotated=False)


def _read(path: Path, image: ImageDetections, truth: GroundTruth | None, ignore_exif: bool) -> NDArray[np.uint8]:
    """The pixels that the boxes are of: by the annotation's size of the image, else by the predictions'."""
    if ignore_exif:
        return read_image(path, ignore_exif=True)
    if truth is None:
        return read_image(path, size=(image.width, image.height))
    known = truth.width and truth.height
    return read_truth(path, truth if known else replace(truth, width=image.width, height=image.height))


def _find(images: Path, file: str) -> str:
    """The name, below the folder, of the image that predictions call `file`, first as it stands.

    VOC's result files name images without their extension, dots and all; those of other machines in their own way.
    """
    kinds = (each for lower in readable_extensions() for each in (lower, lower.upper()))
    for name in (file, *(f"{file}{kind}" for kind in kinds)):
        if os.path.isfile(images / name):  # a folder may have the name of an image without its extension
            return name
    return image_name(file, images) or file
