"""YOLO data sets as Ultralytics lays them out: a YAML file, folders of images, a text file of boxes an image.

The YAML file names the images of each split (a folder, a list in a text file, or several of these) below `path`, and
the classes. The boxes of `images/a.jpg` are in `labels/a.txt`: the last folder called images is exchanged. A line is
`class cx cy w h`, as fractions of the size of the image turned upright, maybe with a confidence or, if the YAML file
has `kpt_shape`, `kpt_names` or `flip_idx`, key points behind; else `class x1 y1 x2 y2 x3 y3 ...`, a polygon or a turned
box's corners, which become the box around them. https://docs.ultralytics.com/datasets/detect/ and
https://docs.ultralytics.com/datasets/pose/
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ...boxes import Size, as_boxes
from ...class_names import check_classes, counted
from ...datasets.annotated_objects import AnnotatedObject, to_truth
from ...datasets.dataset import Dataset
from ...diagnostics import OnProblem, Problem, Unusable, refuse, skipping
from ...errors import DataError
from ...files.atomic import write_atomically
from ...files.text_files import numbered_lines
from ...images.image_files import image_size, unique_stems
from .description import ANY, read_description
from .lines import (
    checked_class,
    clipped,
    normalised_to_lines,
    normalised_to_xyxy,
    number_row,
    split_line,
    xyxy_to_normalised,
)


def read_yolo(path: str | Path, split: str, on_problem: OnProblem = refuse) -> Dataset:
    """Read one split of the data set that a YAML file describes.

    An image without a file of boxes is one without objects, unless none has one: then the labels are elsewhere, or the
    split is called test and has none.
    """
    path = Path(path)
    described = read_description(path, split, on_problem)
    names, images = described.names, described.images
    annotated = any(os.path.isfile(_label_file(image)) for image in images)
    if not annotated:
        first = _label_file(images[0])
        what = f"none of its {len(images)} images has a file of boxes; the first would be {first}"
        where, fix = f"{path}: {split}", "check the labels folder"
        on_problem(Problem("split without labels", where, what, fix, minor=split.startswith("test")))
    truths = []
    for image in images:
        with skipping(on_problem):
            size = _size(image)
            objects = _read_labels(_label_file(image), size, names, described.key_points, on_problem)
            truths.append(to_truth(image.relative_to(described.folder).as_posix(), size, list(objects), upright=True))
    name, numbers = f"{path.stem} {split}", counted(names)
    return Dataset(name, names, tuple(truths), described.folder, class_ids=numbers, annotated=annotated)


def write_yolo_truth(data: Dataset, folder: str | Path, split: str = "val") -> None:
    """Write `labels/<split>/` and `data.yaml`; the images belong into `images/<split>/`, as the data set names them.

    Flags and areas cannot be held and are lost.
    """
    folder, numbers = Path(folder), {name: number for number, name in enumerate(data.classes)}
    unique_stems([truth.file for truth in data.images])
    for truth in data.images:
        check_classes(truth.labels.tolist(), data.classes, truth.file)
        boxes = xyxy_to_normalised(truth.boxes, truth.file, truth.size)
        lines = normalised_to_lines(truth.labels.tolist(), boxes, numbers)
        write_atomically(_label_file(folder / "images" / split / truth.file), lines)
    names = json.dumps(list(numbers), ensure_ascii=False)  # YAML's lists in brackets are JSON's
    splits = dict.fromkeys([split, "train", "val"])  # Ultralytics wants the last two, whatever there is
    content = "".join(f"{name}: images/{split}\n" for name in splits)
    write_atomically(folder / "data.yaml", f"path: .\n{content}names: {names}\n")


def _label_file(image: Path) -> str:
    """Where the boxes of an image are: beside it if no folder above it is called images."""
    folder, name = os.path.split(image)
    parts = folder.split(os.sep)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return os.path.join(os.sep.join(parts), f"{os.path.splitext(name)[0]}.txt")


def _size(image: Path) -> Size:
    try:
        return image_size(image, upright=True)
    except DataError as error:
        what = str(error).removeprefix(f"{image}: ")
        raise Unusable("image that cannot be read", str(image), what) from error


def _read_labels(
    path: str, size: Size, names: Sequence[str], key_points: int | None, on_problem: OnProblem
) -> Iterator[AnnotatedObject]:
    if os.path.isfile(path):
        for where, line in numbered_lines(path):
            with skipping(on_problem):
                yield _read_object(split_line(line), size, names, key_points, where)


def _read_object(
    words: Sequence[str], size: Size, names: Sequence[str], key_points: int | None, where: str
) -> AnnotatedObject:
    number, *values = number_row(words, where)
    label = names[checked_class(number, len(names), where)]
    if _is_box(values, key_points, where):
        normalised = as_boxes([clipped(values[:4], f"{where} ({label})")])
        return AnnotatedObject(label, normalised_to_xyxy(normalised, np.array(size, dtype=np.float64))[0].tolist())
    corners = clipped(values, f"{where} ({label})")
    xs, ys = [x * size[0] for x in corners[::2]], [y * size[1] for y in corners[1::2]]
    return AnnotatedObject(label, [min(xs), min(ys), max(xs), max(ys)])


def _is_box(values: Sequence[float], key_points: int | None, where: str) -> bool:
    """Whether the numbers behind the class begin with a box, and are not a polygon; Unusable where they are neither."""
    if len(values) in (4, 5):  # the fifth is a confidence
        return True
    what = f"has {len(values) + 1} numbers: need class cx cy w h"
    if key_points is not None:
        if len(values) > 5 and key_points in (ANY, len(values) - 4):
            return True
        behind = "key points" if key_points == ANY else f"{key_points} numbers of key points"
        raise Unusable("line of another length", where, f"{what} and {behind}", "correct it, or kpt_shape")
    maybe_key_points = not (len(values) - 4) % 3 and {*values[6::3]} <= {0, 1, 2}
    if len(values) < 6 or len(values) % 2:
        fix = "add kpt_shape to the YAML file" if len(values) > 6 and maybe_key_points else "write the line anew"
        what = f"{what}, or class and the corners x y of a polygon"
        raise Unusable("line of another length", where, what, fix)
    if maybe_key_points and 2 in values[6::3]:
        what = "has a 2, as the visibility of a key point: is no polygon"
        raise Unusable("line with key points", where, what, "add kpt_shape to the YAML file")
    return False
