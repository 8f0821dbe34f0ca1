"""Results as ILSVRC's server takes them: lines `image_index class_id score xmin ymin xmax ymax`, 1-based inclusive.

Shapes: D lines.
"""

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from ...boxes import UNKNOWN_SIZE, half_open_to_inclusive, inclusive_to_half_open
from ...datasets.dataset import Dataset
from ...detections_by_image import images_from_columns
from ...diagnostics import OnProblem, Problem, refuse
from ...errors import DataError, UsageError
from ...files.atomic import write_atomically
from ...files.text_files import lines_of, numbered_lines, read_text
from ...records import ImageDetections
from ...values import NO_INDEX

_NUM_FIELDS = 7
_LARGEST_NUMBER = 2**53  # of an image: larger floats are not distinct


def read_ilsvrc_results(path: str | Path, data: Dataset, on_problem: OnProblem = refuse) -> list[ImageDetections]:
    """Read lines `image_index class_id score xmin ymin xmax ymax`, plain or compressed by gzip, about a data set.

    Gives every image of the data set in its order, then those that it does not have, as "image INDEX", for an
    evaluation to count. Equal scores stay in order; a box that is inside out, as some official ones, becomes an empty
    one, which counts as false; lines about unknown classes are left out and counted.
    """
    path = Path(path)
    rows = _read_rows(path)
    whole = np.isfinite(rows).all(axis=1) & (rows[:, :2] >= 0).all(axis=1)
    whole &= ((rows[:, :2] == np.floor(rows[:, :2])) & (rows[:, :2] < _LARGEST_NUMBER)).all(axis=1)
    if not whole.all():
        _refuse_row(path, int(np.argmin(whole)))
    classes = _indices(rows[:, 1], data.class_ids, data)
    _count_unknown(path, classes == NO_INDEX, on_problem)
    rows, classes = rows[classes != NO_INDEX], classes[classes != NO_INDEX]
    indices = _indices(rows[:, 0], data.image_ids, data)
    outside = np.unique(rows[indices == NO_INDEX, 0])
    indices[indices == NO_INDEX] = len(data) + np.searchsorted(outside, rows[indices == NO_INDEX, 0])
    return images_from_columns(
        [*(truth.file for truth in data.images), *(f"image {number}" for number in outside.astype(np.int64).tolist())],
        [*(truth.size for truth in data.images), *([UNKNOWN_SIZE] * len(outside))],
        indices,
        boxes=inclusive_to_half_open(rows[:, 3:]),
        labels=np.array(data.classes, dtype=np.str_)[classes],
        scores=rows[:, 2],
        owner=path,
        on_problem=on_problem,
    )


def write_ilsvrc_results(images: Iterable[ImageDetections], path: str | Path, data: Dataset) -> None:
    """The inverse of `read_ilsvrc_results`, compressed if the name ends in .gz; images that failed are left out.

    An image is known by its path below the data set's folder, or by its name without folder and ending.
    """
    require_numbers(data.image_ids, data)
    numbers = dict(zip(data.classes, data.class_ids, strict=True))
    named = list(zip((truth.file for truth in data.images), data.image_ids, strict=True))
    ids = {PurePosixPath(file).stem: index for file, index in named} | dict(named)
    text = "".join(line for image in images if image.error is None for line in _result_lines(image, ids, numbers))
    content = text.encode("ascii")
    write_atomically(path, gzip.compress(content, mtime=0) if str(path).endswith(".gz") else content)


def _result_lines(image: ImageDetections, ids: Mapping[str, str], numbers: Mapping[str, str]) -> Iterator[str]:
    index = ids.get(image.file) or ids.get(PurePosixPath(image.file).stem)
    if index is None:
        raise DataError(f"{image.file}: is no image of the data set; detect in the images of the same split")
    boxes = half_open_to_inclusive(image.detections.boxes).tolist()
    for (_, label, score), box in zip(image.detections, boxes, strict=True):
        if label not in numbers:
            raise DataError(f"{image.file}: has the class {label!r}, which the data set does not have")
        yield " ".join([index, numbers[label], *map(repr, [score, *box])]) + "\n"


def _read_rows(path: Path) -> NDArray[np.float64]:
    """The numbers of all lines, [D, 7]. NumPy reads them without an object for each."""
    text = read_text(path)
    if not text.strip():
        return np.zeros((0, _NUM_FIELDS))
    try:
        rows = np.loadtxt(lines_of(text), comments=None, ndmin=2)
    except ValueError:
        rows = np.zeros((0, 0))
    if rows.shape[1] != _NUM_FIELDS:
        _refuse_row(path, next((i for i, (_, line) in enumerate(numbered_lines(path)) if not _is_row(line)), 0))
    return rows


def _is_row(line: str) -> bool:
    if "_" in line or not line.isascii():  # Python takes these as parts of numbers, NumPy does not
        return False
    try:
        return len([float(field) for field in line.split()]) == _NUM_FIELDS
    except ValueError:
        return False


def _indices(values: NDArray[np.float64], ids: Sequence[str], data: Dataset) -> NDArray[np.int64]:
    """The index of each number among the ids, the first of equal ones; NO_INDEX where it is none of them."""
    require_numbers(ids, data)
    numbers = np.array([*map(float, ids), np.inf])
    order = np.argsort(numbers, kind="stable")
    indices = order[np.searchsorted(numbers, values, sorter=order).clip(max=len(ids))]
    return np.where(numbers[indices] == values, indices, NO_INDEX)


def require_numbers(ids: Sequence[str], data: Dataset) -> None:
    """UsageError where what the images or classes of a data set are called by are no numbers."""
    if not all(text.isdecimal() for text in ids) or (len(data) and not ids):
        raise UsageError(f"{data.name}: its images and classes have no numbers; give a data set as ilsvrc:ROOT:SPLIT")


def _count_unknown(path: Path, unknown: NDArray[np.bool_], on_problem: OnProblem) -> None:
    if unknown.any():
        where, line = _line_of(path, int(np.argmax(unknown)))
        what = f"is {line[:80]!r}: no class of the data set has that number"
        on_problem(Problem("result of an unknown class", where, what, minor=True, count=int(unknown.sum())))


def _refuse_row(path: Path, row: int) -> NoReturn:
    where, line = _line_of(path, row)
    need = "need image_index class_id score xmin ymin xmax ymax, with the number of a class of the data set"
    raise DataError(f"{where} is {line[:80]!r}: {need}")


def _line_of(path: Path, row: int) -> tuple[str, str]:
    where, line = next(islice(numbered_lines(path), row, None))
    return where, line.rstrip()
