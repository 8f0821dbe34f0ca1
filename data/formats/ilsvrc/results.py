"""Results as ILSVRC's server takes them: lines `image_index class_id score xmin ymin xmax ymax`, 1-based inclusive.

Shapes: D lines.
"""

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from ...boxes import half_open_to_inclusive, inclusive_to_half_open
from ...datasets.dataset import Dataset
from ...detections_by_image import emptied
from ...diagnostics import OnProblem, Problem, refuse
from ...errors import DataError, UsageError
from ...files.atomic import write_atomically
from ...files.text_files import lines_of, read_text
from ...records import Detections, ImageDetections

_NUM_FIELDS = 7
_LARGEST_NUMBER = 2**53  # of an image: floats tell no larger ones apart


def read_ilsvrc_results(path: str | Path, data: Dataset, on_problem: OnProblem = refuse) -> list[ImageDetections]:
    """Read lines `image_index class_id score xmin ymin xmax ymax`, plain or compressed by gzip, about a data set.

    Gives every image of the data set in its order, then those that the data set does not have, named "image
    INDEX", so that an evaluation can count them. Lines of equal score keep their order in an image. A box that is
    inside out becomes an empty one: the official results have some, which overlap nothing, and count as false. Lines
    about classes that the data set does not have are left out and counted.
    """
    path = Path(path)
    rows = _read_rows(path)
    whole = np.isfinite(rows).all(axis=1) & (rows[:, :2] >= 0).all(axis=1)
    whole &= ((rows[:, :2] == np.floor(rows[:, :2])) & (rows[:, :2] < _LARGEST_NUMBER)).all(axis=1)
    if not whole.all():
        _refuse_row(path, int(np.argmin(whole)))
    classes = _places(rows[:, 1], data.class_ids, data)
    _count_unknown(path, classes < 0, on_problem)
    rows, classes = rows[classes >= 0], classes[classes >= 0]
    places = _places(rows[:, 0], data.image_ids, data)
    boxes, scores = emptied(inclusive_to_half_open(rows[:, 3:]), path, on_problem), rows[:, 2]
    outside = np.unique(rows[places < 0, 0])
    places[places < 0] = len(data) + np.searchsorted(outside, rows[places < 0, 0])
    order = np.lexsort((-scores, places))  # stable
    boxes, scores, classes = boxes[order], scores[order], classes[order]
    starts = np.searchsorted(places[order], np.arange(len(data) + len(outside) + 1)).tolist()
    names = np.array(data.classes, dtype=np.str_)
    owners = [(truth.file, truth.width, truth.height) for truth in data.images]
    owners += [(f"image {index}", 0, 0) for index in outside.astype(np.int64).tolist()]
    return [
        ImageDetections(*owner, Detections(boxes[start:end], names[classes[start:end]], scores[start:end]))
        for owner, start, end in zip(owners, starts, starts[1:], strict=False)
    ]


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
    found = image.detections
    if index is None:
        raise DataError(f"{image.file}: is no image of the data set; detect in the images of the same split")
    for label, score, box in zip(
        found.labels.tolist(), found.scores.tolist(), half_open_to_inclusive(found.boxes).tolist(), strict=True
    ):
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


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    for number, line in enumerate(lines_of(read_text(path)), 1):
        if line.strip():
            yield number, line.rstrip()


def _places(values: NDArray[np.float64], ids: Sequence[str], data: Dataset) -> NDArray[np.int64]:
    """Where each number stands among the ids, the first place of equal ones; -1 where it does not."""
    require_numbers(ids, data)
    numbers = np.array([*map(float, ids), np.inf])
    order = np.argsort(numbers, kind="stable")
    places = order[np.searchsorted(numbers, values, sorter=order).clip(max=len(ids))]
    return np.where(numbers[places] == values, places, -1)


def require_numbers(ids: Sequence[str], data: Dataset) -> None:
    """UsageError where what the images or classes of a data set are called by are no numbers."""
    if not all(text.isdecimal() for text in ids) or (len(data) and not ids):
        raise UsageError(f"{data.name}: its images and classes have no numbers; give a data set as ilsvrc:ROOT:SPLIT")


def _count_unknown(path: Path, unknown: NDArray[np.bool_], on_problem: OnProblem) -> None:
    """Tell of the lines whose class the data set does not have."""
    if unknown.any():
        number, line = next(found for i, found in enumerate(numbered_lines(path)) if i == int(np.argmax(unknown)))
        what = f"is {line[:80]!r}: no class of the data set has that number"
        count = int(unknown.sum())
        on_problem(Problem("result of an unknown class", f"{path}: line {number}", what, minor=True, count=count))


def _refuse_row(path: Path, row: int) -> NoReturn:
    number, line = next(found for i, found in enumerate(numbered_lines(path)) if i == row)
    need = "need image_index class_id score xmin ymin xmax ymax, with the number of a class of the data set"
    raise DataError(f"{path}: line {number} is {line[:80]!r}: {need}")
