"""The image files that a run writes beside its rows: the images with their boxes, and each detection cut out."""

import math
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...data.files.folder_walk import CROPS, DRAWN
from ...data.records import ImageDetections
from .drawing import draw_detections
from .drawn_files import Drawings


@dataclass(frozen=True)
class ImageOutputs:
    """Where the drawings and crops of a run's images are, and writing and removing them."""

    drawings: Drawings
    crops: Drawings

    @classmethod
    def below(cls, folder: Path, files: Iterable[str] = ()) -> "ImageOutputs":
        """Those of the images called `files`, and of any other, in a run's folder."""
        return cls(Drawings(folder / DRAWN, files), Drawings(folder / CROPS))

    def paths(self, row: ImageDetections, *, draw: bool, save_crops: bool) -> list[Path]:
        """The files of an image, there or not."""
        drawn = [self.drawings.path(row.file, max(row.width, row.height))] if draw else []
        return [*drawn, *(self.crops.path(name, max(row.width, row.height)) for name in crop_names(row) if save_crops)]

    def write(self, image: NDArray[np.uint8], row: ImageDetections, *, draw: bool, save_crops: bool) -> None:
        """Write the files of an (H, W, 3) image."""
        if draw:
            self.drawings.write(row.file, draw_detections(image, row.detections))
        if save_crops:
            for name, box in zip(crop_names(row), row.detections.boxes, strict=True):
                self.crops.write(name, _cut_out(image, box))

    def remove(self, row: ImageDetections) -> None:
        """Remove whatever was written of an image."""
        self.drawings.remove(row.file)
        for name in crop_names(row):
            self.crops.remove(name)


def _cut_out(image: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The pixels of an (H, W, 3) image that a box (4,) is on, at least one of them."""
    height, width = image.shape[:2]
    left, top = min(max(math.floor(box[0]), 0), width - 1), min(max(math.floor(box[1]), 0), height - 1)
    return np.ascontiguousarray(image[top : max(math.ceil(box[3]), top + 1), left : max(math.ceil(box[2]), left + 1)])


def crop_names(row: ImageDetections) -> Iterator[str]:
    """What an image's crops are called: a folder for the class, the image's name, and the detection's number.

    >>> from ...data.boxes import as_boxes
    >>> from ...data.records import Detections
    >>> found = Detections(as_boxes([[0, 0, 4, 4]]), np.array(["cat"]), np.array([0.9]))
    >>> list(crop_names(ImageDetections("a/b.jpg", 9, 9, found)))
    ['cat/a/b-1.jpg']
    """
    stem, ending = posixpath.splitext(row.file)
    for number, label in enumerate(row.detections.labels, 1):
        folder = re.sub(r"[/\\]", "_", str(label)).strip(".") or "_"
        yield f"{folder}/{stem}-{number}{ending}"
