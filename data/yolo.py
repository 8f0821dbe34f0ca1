"""YOLO data sets as Ultralytics lays them out: a YAML file, folders of pictures, a text file of boxes a picture.

The YAML file names the pictures of each split (a folder, a list in a text file, or several of these) below `path`, and
the classes; its other keys are passed over. Paths of another machine (drives, backslashes, another root) mean what is
there below the YAML file's folder. The boxes of `images/a.jpg` are in `labels/a.txt`: the last folder called images is
exchanged. A line is one of
- `class cx cy w h`, all but the class as parts of the picture's size, maybe with a confidence behind;
- that with key points behind, if the YAML file tells of key points (`kpt_shape`, or `kpt_names` or `flip_idx`);
- else `class x1 y1 x2 y2 x3 y3 ...`, a polygon, or a turned box's corners, which become the box around them.
Nothing but the YAML file tells a polygon from key points: as in Ultralytics, labels of poses need `kpt_shape`.
https://docs.ultralytics.com/datasets/detect/ and https://docs.ultralytics.com/datasets/pose/

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
from .images import readable_extensions
from .json_files import shown
from .natural_order import natural_key
from .objects import AnnotatedObject, Unusable, to_truth
from .picture_files import Size, is_image_name, picture_name, picture_size
from .problems import OnProblem, Problem, refuse
from .text_files import check_names, lines_of, read_text
from .walking import files_below
from .yaml_files import YamlValue, parse_yaml
from .yolo_lines import (
    checked_class,
    clipped_shares,
    counted,
    number_row,
    shares_to_lines,
    shares_to_xyxy,
    split_line,
    xyxy_to_shares,
)

_KEYS = ("path", "train", "val", "test", "names", "nc", "kpt_shape")
_OF_KEY_POINTS = ("kpt_names", "flip_idx")  # that tell of them as well
_ANY = -1  # any number of key points
_MOST_CLASSES = 100_000  # of a YAML file that has their number alone


def read_yolo(path: str | Path, split: str, on_problem: OnProblem = refuse) -> Dataset:
    """Read one split of the data set that a YAML file describes.

    A picture without a file of boxes is one without objects, unless none has one: then the labels are elsewhere.
    """
    path = Path(path)
    described = parse_yaml(read_text(path), str(path), {*_KEYS, split}, _OF_KEY_POINTS)
    names = _names(described, path, on_problem)
    key_points = _key_points(described, path)
    pictures = _pictures(described, path, split)
    pictures, folder = _with_shared_folder(pictures)
    if not any(os.path.isfile(_label_file(picture)) for picture in pictures):
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
            objects = _read_labels(_label_file(picture), size, names, key_points, on_problem)
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


def _text(described: Mapping[str, YamlValue], key: str) -> str:
    """A key's text; none for YAML's ways to write nothing."""
    value = described.get(key, "")
    return value if isinstance(value, str) and value not in ("null", "~") else ""


def _names(described: Mapping[str, YamlValue], path: Path, on_problem: OnProblem) -> tuple[str, ...]:
    """The classes in the order of their numbers, which must be 0, 1, 2 and so on."""
    names, number = described.get("names", ""), _text(described, "nc")
    if names == "" and number.isascii() and number.isdigit() and len(number) < 7 and int(number) <= _MOST_CLASSES:
        return tuple(f"class_{index}" for index in range(int(number)))  # what Ultralytics calls them
    if isinstance(names, str):
        raise DataError(f"{path}: has no list of names; need names: [first, second] or a number and a name a line")
    if isinstance(names, dict):
        if {*names} != {*counted([*names])}:
            numbers = ", ".join(names)[:80]
            raise DataError(f"{path}: numbers its names {numbers}; need 0 to {len(names) - 1}, each once")
        names = [names[number] for number in counted([*names])]
    if (unusable := next((name for name in names if not name.strip()), _twice(names))) is not None:
        raise DataError(f"{path}: has the class name {shown(unusable)} twice or without text; rename one of them")
    if number and number != str(len(names)):
        what = f"nc is {shown(number)} and there are {len(names)} names: the names count"
        on_problem(Problem("number of classes that is not that of their names", str(path), what, minor=True))
    return tuple(names)


def _twice(names: Sequence[str]) -> str | None:
    """The first name that was there before."""
    before: set[str] = set()
    return next((name for name in names if name in before or before.add(name)), None)


def _key_points(described: Mapping[str, YamlValue], path: Path) -> int | None:
    """How many numbers a line has behind its box; None where lines have no key points, _ANY where it is not told."""
    shape = described.get("kpt_shape", "")
    if shape in ("", "null", "~"):
        return _ANY if described.keys() & {*_OF_KEY_POINTS} else None
    if not (isinstance(shape, list) and len(shape) == 2 and shape[0].isdecimal() and shape[1] in ("2", "3")):
        raise DataError(f"{path}: kpt_shape is {shown(shape)}: need [number of key points, 2 or 3]")
    if len(shape[0]) > 4:
        raise DataError(f"{path}: kpt_shape is {shown(shape)}: need at most 9999 key points")
    return int(shape[0]) * int(shape[1])


def _pictures(described: Mapping[str, YamlValue], path: Path, split: str) -> list[Path]:
    """The picture files of a split, those of a folder in natural order."""
    entries = described.get(split, "")
    if isinstance(entries, dict) or not (_text(described, split) if isinstance(entries, str) else entries):
        there = ", ".join(
            name for name in ("train", "val", "test") if described.get(name) not in (None, "", "null", "~")
        )
        raise DataError(f"{path}: describes no split {shown(split)}; the splits here are: {there or 'none'}")
    roots = [_below(_text(described, "path"), [path.parent]) or path.parent / _text(described, "path"), path.parent]
    pictures: dict[Path, None] = {}
    for entry in [entries] if isinstance(entries, str) else entries:
        pictures |= dict.fromkeys(_entry_pictures(entry, roots, path))
    if not pictures:
        looked_for = " ".join(readable_extensions())
        raise DataError(f"{path}: the split {split!r} has no pictures; looked for {looked_for}")
    return list(pictures)


def _below(name: str, roots: Sequence[Path]) -> Path | None:
    """Where a name in a description or a list is: in one of the folders, as it stands or as another machine's."""
    tried = [Path(os.path.normpath(root / name)) for root in roots]
    if found := next((each for each in tried if os.path.exists(each)), None):
        return found
    for root in roots:
        # Exports of Roboflow write ../train/images for what lies beside the YAML file; Ultralytics looks there as well.
        for spelling in (name, name.replace("\\", "/").removeprefix("../")):
            inside = picture_name(spelling, root)
            if inside is not None and os.path.exists(root / inside):
                return root / inside
    return None


def _entry_pictures(entry: str, roots: Sequence[Path], path: Path) -> list[Path]:
    found = _below(entry, roots)
    if found is None:
        raise DataError(f"{path}: there is no {str(roots[0] / entry)[:200]}; correct the path in the file")
    if found.is_dir():
        inside = filter(is_image_name, files_below(str(found), None))
        return [Path(file) for file in sorted(inside, key=natural_key)]
    names = [line.strip() for line in lines_of(read_text(found)) if line.strip()]
    check_names(names, str(found))
    places = [found.parent, *roots]
    return [_below(name, places) or Path(os.path.normpath(found.parent / name)) for name in names]


def _with_shared_folder(pictures: Sequence[Path]) -> tuple[Sequence[Path], Path]:
    """The pictures, and the folder that all of them share."""
    if len({picture.is_absolute() for picture in pictures}) > 1:
        pictures = [picture.absolute() for picture in pictures]
    try:
        return pictures, Path(os.path.commonpath([picture.parent for picture in pictures]))
    except ValueError:  # on several drives of Windows
        raise DataError(f"{pictures[0]} and others are on several drives; bring them into one folder") from None


def _label_file(picture: Path) -> str:
    """Where the boxes of a picture are: beside it if no folder above it is called images."""
    folder, name = os.path.split(picture)
    parts = folder.split(os.sep)
    above = [place for place, part in enumerate(parts) if part == "images"]
    if above:
        parts[above[-1]] = "labels"
    return os.path.join(os.sep.join(parts), f"{os.path.splitext(name)[0]}.txt")


def _size(picture: Path) -> Size:
    try:
        return picture_size(picture, upright=True)
    except DataError as error:
        what = str(error).removeprefix(f"{picture}: ")
        raise Unusable("picture that cannot be read", str(picture), what) from error


def _read_labels(
    path: str, size: Size, names: Sequence[str], key_points: int | None, on_problem: OnProblem
) -> Iterator[AnnotatedObject]:
    if os.path.isfile(path):
        for number, line in enumerate(lines_of(read_text(path)), 1):
            try:
                if line.strip():
                    yield _read_object(split_line(line), size, names, key_points, f"{path}: line {number}")
            except Unusable as unusable:
                on_problem(unusable.problem)


def _read_object(
    words: Sequence[str], size: Size, names: Sequence[str], key_points: int | None, where: str
) -> AnnotatedObject:
    number, *values = number_row(words, where)
    label = names[checked_class(number, len(names), where)]
    if _is_box(values, key_points, where):
        shares = clipped_shares(values[:4], f"{where} ({label})")
        (box,) = shares_to_xyxy(as_boxes([shares]), np.array(size, dtype=np.float64)).tolist()
        return AnnotatedObject(label, box)
    shares = clipped_shares(values, f"{where} ({label})")
    xs, ys = [x * size[0] for x in shares[::2]], [y * size[1] for y in shares[1::2]]
    return AnnotatedObject(label, [min(xs), min(ys), max(xs), max(ys)])


def _is_box(values: Sequence[float], key_points: int | None, where: str) -> bool:
    """Whether the numbers behind the class begin with a box, and are not a polygon; Unusable where they are neither."""
    if len(values) in (4, 5):  # the fifth is a confidence
        return True
    what = f"has {len(values) + 1} numbers: need class cx cy w h"
    if key_points is not None:
        if len(values) > 5 and key_points in (_ANY, len(values) - 4):
            return True
        behind = "key points" if key_points == _ANY else f"{key_points} numbers of key points"
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
