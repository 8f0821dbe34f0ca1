"""YOLO data sets as Ultralytics lays them out: a YAML file, folders of pictures, a text file of boxes a picture.

The YAML file names the pictures of each split (a folder, a list in a text file, or several of these) below `path`, and
the classes. The boxes of `images/a.jpg` are in `labels/a.txt`: the last folder called images is exchanged. A line is
`class cx cy w h`, all but the class as parts of the picture's size, maybe with a confidence behind; or
`class x1 y1 x2 y2 x3 y3 ...`, a polygon, which becomes the box around it.
https://docs.ultralytics.com/datasets/detect/

Sizes and boxes are of pictures turned upright, as YOLO's tools see them.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from .boxes import as_boxes
from .class_names import check_classes
from .dataset import Dataset
from .errors import DataError
from .files import write_atomically
from .images import IMAGE_EXTENSIONS
from .natural_order import natural_key
from .objects import AnnotatedObject, Unusable, to_truth
from .picture_files import Size, picture_size
from .problems import OnProblem, Problem, refuse
from .text_files import read_text
from .walking import files_below
from .yaml_subset import YamlValue, parse_yaml
from .yolo_lines import checked_class, counted, number_row, shares_to_lines, shares_to_xyxy, xyxy_to_shares


def read_yolo(path: str | Path, split: str, on_problem: OnProblem = refuse) -> Dataset:
    """Read one split of the data set that a YAML file describes.

    A picture without a file of boxes is one without objects, unless none has one: then the labels are elsewhere.
    """
    path = Path(path)
    described = parse_yaml(read_text(path), str(path))
    names = _names(described, path)
    pictures = _pictures(described, path, split)
    folder = Path(os.path.commonpath([picture.parent for picture in pictures]))
    if not any(_label_file(picture).is_file() for picture in pictures):
        what = (
            f"none of its {len(pictures)} pictures has a file of boxes; the first would be {_label_file(pictures[0])}"
        )
        on_problem(Problem("split without labels", f"{path}: {split}", what, "check the labels folder"))
    truths = []
    for picture in pictures:
        try:
            size = _size(picture)
        except Unusable as unusable:
            on_problem(unusable.problem)
        else:
            objects = _read_labels(_label_file(picture), size, names, on_problem)
            truths.append(to_truth(picture.relative_to(folder).as_posix(), size, list(objects), upright=True))
    return Dataset(f"{path.stem} {split}", names, tuple(truths), folder, class_ids=counted(names))


def write_yolo_truth(data: Dataset, folder: str | Path, split: str = "val") -> None:
    """Write `labels/<split>/` and `data.yaml`; the pictures belong into `images/<split>/`, as the data set names them.

    `difficult`, `crowd`, `truncated` and areas have no place in this format and are lost.
    """
    folder, numbers = Path(folder), {name: number for number, name in enumerate(data.classes)}
    written: dict[str, str] = {}
    for truth in data.pictures:
        check_classes(truth.labels.tolist(), data.classes, truth.file)
        stem = os.path.splitext(truth.file)[0]
        if stem in written:
            raise DataError(f"{truth.file} and {written[stem]}: would share one file of boxes; rename one of them")
        written[stem] = truth.file
        shares = xyxy_to_shares(truth.boxes, truth.file, (truth.width, truth.height))
        write_atomically(
            folder / "labels" / split / f"{stem}.txt", shares_to_lines(truth.labels.tolist(), shares, numbers)
        )
    names = json.dumps(list(numbers), ensure_ascii=False)  # YAML's lists in brackets are JSON's
    write_atomically(folder / "data.yaml", f"path: .\n{split}: images/{split}\nnames: {names}\n")


def _names(described: Mapping[str, YamlValue], path: Path) -> tuple[str, ...]:
    """The classes in the order of their numbers, which must be 0, 1, 2 and so on."""
    names = described.get("names", "")
    if isinstance(names, str):
        raise DataError(f"{path}: has no list of names; need names: [first, second] or a number and a name a line")
    if isinstance(names, dict):
        if {*names} != {*counted([*names])}:
            raise DataError(f"{path}: numbers its names {', '.join(names)}; need 0 to {len(names) - 1}, each once")
        names = [names[number] for number in counted([*names])]
    for name in names:
        if names.count(name) > 1 or not name.strip():
            raise DataError(f"{path}: has the class name {name!r} twice or without text; rename one of them")
    return tuple(names)


def _pictures(described: Mapping[str, YamlValue], path: Path, split: str) -> list[Path]:
    """The picture files of a split, those of a folder in natural order."""
    entries = described.get(split, "")
    if not entries or isinstance(entries, dict):
        there = ", ".join(name for name in ("train", "val", "test") if described.get(name)) or "none"
        raise DataError(f"{path}: describes no split {split!r}; the splits here are: {there}")
    stated = described.get("path", "")
    root = path.parent / (stated if isinstance(stated, str) else "")
    pictures: dict[Path, None] = {}
    for entry in [entries] if isinstance(entries, str) else entries:
        pictures |= dict.fromkeys(_entry_pictures(entry, [root, path.parent], path))
    if not pictures:
        raise DataError(f"{path}: the split {split!r} has no pictures; looked for {' '.join(IMAGE_EXTENSIONS)}")
    return list(pictures)


def _entry_pictures(entry: str, roots: Sequence[Path], path: Path) -> list[Path]:
    # Exports of Roboflow write ../train/images for what lies beside the YAML file; Ultralytics looks there as well.
    tried = [root / name for root in roots for name in (entry, entry.removeprefix("../"))]
    found = next((each for each in tried if each.exists()), None)
    if found is None:
        raise DataError(f"{path}: there is no {tried[0]}; correct the path in the file")
    if found.is_dir():
        inside = filter(_is_picture, files_below(str(found), None))
        return [Path(file) for file in sorted(inside, key=natural_key)]
    names = [line.strip() for line in read_text(found).split("\n") if line.strip()]
    return [_listed(name, [found.parent, *roots]) for name in names]


def _listed(name: str, roots: Sequence[Path]) -> Path:
    """Where a name in a list is: from the list's folder, else from that of the data set."""
    tried = [Path(os.path.normpath(root / name)) for root in roots]
    return next((each for each in tried if each.exists()), tried[0])


def _is_picture(file: str) -> bool:
    return os.path.splitext(file)[1].lower() in IMAGE_EXTENSIONS


def _label_file(picture: Path) -> Path:
    """Where the boxes of a picture are: beside it if no folder above it is called images."""
    parts = list(picture.parts)
    above = [place for place, part in enumerate(parts[:-1]) if part == "images"]
    if above:
        parts[above[-1]] = "labels"
    return Path(*parts[:-1], f"{os.path.splitext(parts[-1])[0]}.txt")


def _size(picture: Path) -> Size:
    try:
        return picture_size(picture, upright=True)
    except DataError as error:
        what = str(error).removeprefix(f"{picture}: ")
        raise Unusable("picture that cannot be read", str(picture), what) from error


def _read_labels(path: Path, size: Size, names: Sequence[str], on_problem: OnProblem) -> Iterator[AnnotatedObject]:
    if path.is_file():
        for number, line in enumerate(read_text(path).split("\n"), 1):
            try:
                if line.strip():
                    yield _read_object(line.split(), size, names, f"{path}: line {number}")
            except Unusable as unusable:
                on_problem(unusable.problem)


def _read_object(words: Sequence[str], size: Size, names: Sequence[str], where: str) -> AnnotatedObject:
    number, *values = number_row(words, where)
    label = names[checked_class(number, len(names), where)]
    is_box = len(values) in (4, 5)  # the fifth is a confidence
    shares = values[:4] if is_box else values
    if not is_box and (len(values) < 6 or len(values) % 2):
        what = f"has {len(words)} numbers: need class cx cy w h, or class and the corners x y of a polygon"
        raise Unusable("line of another length", where, what, "write the line anew")
    if outside := [value for value in shares if not 0 <= value <= 1]:
        what = f"has {outside[0]}: need parts of the picture's size, from 0 to 1"
        raise Unusable("value outside 0 to 1", f"{where} ({label})", what, "divide pixels by the picture's size")
    if is_box:
        (box,) = shares_to_xyxy(as_boxes([shares]), np.array(size, dtype=np.float64)).tolist()
        return AnnotatedObject(label, box)
    xs, ys = [x * size[0] for x in shares[::2]], [y * size[1] for y in shares[1::2]]
    return AnnotatedObject(label, [min(xs), min(ys), max(xs), max(ys)])
