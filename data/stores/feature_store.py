"""Features of regions on disk: safetensors shards of some hundred images each, and how they were made.

Of each image the annotated objects come first, then the proposals. Boxes are stored in float32 and features in
float16; those of all images of a shard lie end to end, and `offsets[i]` is where image i's begin. A shard appears
whole or not at all. The header's metadata carries the images' names and a hash of all that decides the numbers.

Shapes: R regions of an image, D features of a region.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..boxes import Boxes
from ..datasets.dataset import evenly_spaced
from ..diagnostics import cut
from ..errors import DataError, SetupError
from ..files.tensor_files import FLOATS, INTEGERS, OpenTensors, open_tensors, shard_names, write_tensors

FORMAT = "inception-rcnn features 1"
SHARD_BYTES = 2**29  # a shard is in memory twice while it is written
BYTES_OF_BOX = 16
BYTES_OF_FEATURE = 2
SPARE_BYTES = 2**28  # left free on the disk for everything else

_FIX = "delete it and run the same again"


@dataclass(frozen=True, eq=False)
class RegionFeatures:
    """The features of one image's regions, as a network computes them."""

    file: str
    num_objects: int  # the first regions, as many, are the annotated objects, in their order
    boxes: Boxes  # [R, 4]
    features: NDArray[np.float16]  # [R, D]

    def __post_init__(self) -> None:
        if self.boxes.shape != (len(self.features), 4) or not 0 <= self.num_objects <= len(self.boxes):
            raise DataError(f"{self.file}: {self.boxes.shape} boxes do not fit {self.features.shape} features")
        if not np.isfinite(self.boxes).all():
            raise DataError(f"{self.file}: a box is not of finite numbers")
        if not np.isfinite(self.features).all():
            raise DataError(f"{self.file}: a feature is not a finite number in float16; the training has diverged")

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, eq=False)
class Shard:
    """One file, of which all but the boxes and features is in memory."""

    path: Path
    files: tuple[str, ...]
    num_objects: NDArray[np.int64]  # [images]
    offsets: NDArray[np.int64]  # [images + 1]

    def read(self, indices: Sequence[int]) -> Iterator[RegionFeatures]:
        """Some of its images, one in memory at a time."""
        with _opened(self.path, compare=False) as content:
            boxes, features = content.slice("boxes", FLOATS), content.slice("features", FLOATS)
            for i in indices:
                own_boxes, own_features = self._rows(boxes, i), self._rows(features, i).astype(np.float16)
                yield RegionFeatures(
                    self.files[i], int(self.num_objects[i]), own_boxes.astype(np.float64), own_features
                )

    def check_regions(self, expected: Sequence[tuple[int, Boxes]]) -> None:
        """DataError unless its images have as many objects, and these boxes."""
        with _opened(self.path, compare=False) as content:
            boxes = content.slice("boxes", FLOATS)
            for index, (num_objects, wanted) in enumerate(expected):
                stored = self._rows(boxes, index)
                if self.num_objects[index] != num_objects or not np.array_equal(stored, wanted.astype(np.float32)):
                    file = cut(self.files[index])
                    raise DataError(f"{self.path}: has other boxes of {file} than the data set and proposals: {_FIX}")

    def _rows(self, stored: Any, image: int) -> NDArray[Any]:
        """An image's rows of a stored array; safetensors itself refuses none at the end."""
        start, stop = self.offsets[image : image + 2].tolist()
        return stored[start:stop] if stop > start else np.zeros((0, stored.get_shape()[1]))


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """The features of a data set's images, in their order; one image is in memory at a time."""

    shards: tuple[Shard, ...]
    width: int  # D

    def __len__(self) -> int:
        return sum(len(shard.files) for shard in self.shards)

    def __iter__(self) -> Iterator[RegionFeatures]:
        for shard in self.shards:
            yield from shard.read(range(len(shard.files)))

    def spread(self, count: int) -> Iterator[RegionFeatures]:
        """At most `count` of the images, evenly spaced: the same each time."""
        begin, wanted = 0, evenly_spaced(len(self), count)
        for shard in self.shards:
            end = begin + len(shard.files)
            yield from shard.read((wanted[(wanted >= begin) & (wanted < end)] - begin).tolist())
            begin = end


def shard_files(files: Sequence[str], num_regions: int, width: int) -> dict[str, list[str]]:
    """Which images go into which shard, for at most `num_regions` regions of `width` features an image."""
    size = max(SHARD_BYTES // max(num_regions * (BYTES_OF_FEATURE * width + BYTES_OF_BOX), 1), 1)
    return shard_names("features", files, size)


def check_room(folder: Path, num_regions: int, width: int) -> str:
    """How much room `num_regions` need below `folder`, and how much there is; SetupError where it is too little."""
    needed = num_regions * (BYTES_OF_FEATURE * width + BYTES_OF_BOX)
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    needs = f"the features of {num_regions:,} regions need {needed / 1e9:.2f} GB; {free / 1e9:.2f} GB are free"
    if needed + SPARE_BYTES > free:
        raise SetupError(f"{needs} at {existing}: use fewer --regions, or put the --features elsewhere")
    return needs


def write_shard(path: Path, images: Sequence[RegionFeatures], parameters: str) -> None:
    """Write one shard; `parameters` is a hash of everything that decides its numbers."""
    about = {"format": FORMAT, "parameters": parameters, "files": json.dumps([each.file for each in images])}
    arrays = {
        "num_objects": np.array([each.num_objects for each in images], dtype=np.int64),
        "offsets": np.cumsum([0, *map(len, images)], dtype=np.int64),
        "boxes": np.concatenate([each.boxes for each in images]).astype(np.float32),
        "features": np.concatenate([each.features for each in images]).astype(np.float16),
    }
    write_tensors(path, arrays, about)


def has_shard(path: Path, files: Sequence[str], parameters: str) -> bool:
    """Whether an earlier run left this very shard; DataError, with both hashes, if it was made otherwise."""
    if not path.exists():
        return False
    _read_shard(path, files, parameters, compare=False)
    return True


def open_features(folder: Path, shards: dict[str, list[str]], parameters: str) -> FeatureStore:
    """The features in a folder; DataError where a shard is missing, damaged or made otherwise."""
    opened = [_read_shard(folder / name, files, parameters) for name, files in shards.items()]
    widths = {width for _, width in opened}
    if len(widths) > 1:
        raise DataError(f"{folder}: its shards have {sorted(widths)} features a region; delete the folder")
    return FeatureStore(tuple(shard for shard, _ in opened), widths.pop() if widths else 0)


def _read_shard(path: Path, files: Sequence[str], parameters: str, *, compare: bool = True) -> tuple[Shard, int]:
    with _opened(path, compare=compare) as content:
        if content.about.get("format") != FORMAT:
            raise DataError(f"{path} is no file of features: delete it, or choose another folder")
        if content.text("parameters") != parameters:
            raise DataError(
                f"{path} was made with parameters {cut(content.text('parameters'))}, which now are {parameters}: "
                "it is of an earlier release, or of another model, other settings, proposals or images; delete the "
                "folder, or choose another"
            )
        num_objects, offsets = (content.array(name, INTEGERS) for name in ("num_objects", "offsets"))
        shapes = [content.slice(name, FLOATS).get_shape() for name in ("boxes", "features")]
        shard = Shard(path, tuple(content.json("files", list[str])), num_objects, offsets)
    if shard.files != tuple(files) or not _consistent(shard, shapes):
        raise DataError(f"{path}: is damaged, or of another data set: its images and numbers do not fit; {_FIX}")
    return shard, shapes[1][1]


def _consistent(shard: Shard, shapes: list[Any]) -> bool:
    images, (boxes, features) = len(shard.files), shapes
    if shard.offsets.shape != (images + 1,) or shard.num_objects.shape != (images,):
        return False
    counts = np.diff(shard.offsets)
    return (
        shard.offsets[0] == 0
        and bool((counts >= shard.num_objects).all() and (shard.num_objects >= 0).all())
        and len(features) == 2
        and boxes == [int(shard.offsets[-1]), 4]
        and features[0] == boxes[0]
    )


def _opened(path: Path, *, compare: bool = True) -> AbstractContextManager[OpenTensors]:
    return open_tensors(path, "a file of features", _FIX, compare=compare)
