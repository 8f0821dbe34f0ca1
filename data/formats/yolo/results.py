"""Detections in YOLO's label files, each line with a confidence at its end, and the list of the classes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...boxes import UNKNOWN_SIZE
from ...class_names import counted
from ...datasets.dataset import Dataset, size_or_unknown
from ...detections_by_image import images_from_columns
from ...diagnostics import OnProblem, Unusable, refuse
from ...errors import DataError
from ...files.folder_walk import files_below, natural_key
from ...files.text_files import lines_of, numbered_lines, read_text
from ...images.pairing import pair_files
from ...records import ImageDetections
from ...values import NO_INDEX
from .lines import checked_class, normalised_to_xyxy, number_row, split_line

CLASSES_NAME = "classes.txt"  # of the file that names the classes
LABELS_NAME = "labels"  # of the folder of label files


def labels_folder(folder: Path) -> Path | None:
    """The folder of YOLO's label files: `labels` in a folder of predictions, or that itself; None without one."""
    if (folder / LABELS_NAME).is_dir():
        return folder / LABELS_NAME
    return folder if folder.resolve().name == LABELS_NAME else None


def read_yolo_predictions(labels: Path, data: Dataset | None, on_problem: OnProblem = refuse) -> list[ImageDetections]:
    """Read `**.txt` with lines `class cx cy w h confidence`; sizes are those of the data set's images.

    An image is found by its path below `labels` without the extension, else by its name alone. One that the data set
    lacks gets no size, and its boxes stay normalised. The number of a track behind a line is passed over; lines of a
    class that the names do not have are left out and counted.
    """
    if data is None:
        raise DataError(f"{labels}: boxes of YOLO are fractions of the images' sizes; give the data set (--data SPEC)")
    names = yolo_names(labels, data)
    files = (file for file in files_below(str(labels), None) if file.endswith(".txt"))
    paths = sorted((file for file in files if Path(file).name != CLASSES_NAME), key=natural_key)
    stems = [Path(path).relative_to(labels).as_posix().removesuffix(".txt") for path in paths]
    paired = pair_files(stems, [truth.file for truth in data.images]).tolist()
    truths = [None if index == NO_INDEX else data.images[index] for index in paired]
    rows = [_predicted_rows(Path(path), len(names), on_problem) for path in paths]
    sizes = [UNKNOWN_SIZE if truth is None else size_or_unknown(data, truth) for truth in truths]
    for truth, some, size in zip(truths, rows, sizes, strict=True):
        if truth is not None and len(some) and 0 in size:
            what = f"boxes of YOLO need sizes, and the data set {data.name} has none of {truth.file}"
            raise DataError(f"{labels}: {what}")
    indices, table = np.repeat(np.arange(len(rows)), list(map(len, rows))), np.concatenate([np.zeros((0, 6)), *rows])
    scales = np.maximum(np.array(sizes, dtype=np.float64).reshape(-1, 2), 1)
    with np.errstate(over="ignore"):  # what is then infinite is refused
        boxes = normalised_to_xyxy(table[:, 1:5], scales[indices])
    return images_from_columns(
        [stem if truth is None else truth.file for stem, truth in zip(stems, truths, strict=True)],
        *(sizes, indices),
        boxes=boxes,
        labels=np.array([*names, ""], dtype=np.str_)[table[:, 0].astype(np.int64)],
        scores=table[:, 5],
        owner=labels,
        on_problem=on_problem,
    )


def yolo_names(labels: Path, data: Dataset | None) -> tuple[str, ...]:
    """The classes of predictions by number: those of `classes.txt`, else those of a YOLO data set."""
    # Beside the folder of labels, or, as labelImg has it, among them.
    path = next((each for each in (labels.parent / CLASSES_NAME, labels / CLASSES_NAME) if each.is_file()), None)
    if path is not None:
        names = lines_of(read_text(path))
        return tuple(names if names[-1] else names[:-1])
    if data is not None and data.classes and data.class_ids == counted(data.classes):
        return data.classes
    what = f"has no {CLASSES_NAME}, which names the classes; add it, or give a yolo: data set"
    raise DataError(f"{labels.parent}: {what}")


def _predicted_rows(path: Path, num_classes: int, on_problem: OnProblem) -> NDArray[np.float64]:
    """The lines of a file of predictions, (D, 6)."""
    rows = []
    for where, line in numbered_lines(path):
        row = number_row(split_line(line), where)
        if len(row) not in (6, 7) or row[0] % 1 or row[-1] % 1 * (len(row) == 7):
            raise DataError(f"{where} is {line[:80]!r}: need class cx cy w h confidence")
        try:
            checked_class(row[0], num_classes, where)
            rows.append(row[:6])
        except Unusable as unusable:
            on_problem(replace(unusable.problem, minor=True))
    return np.array(rows, dtype=np.float64).reshape(-1, 6)
