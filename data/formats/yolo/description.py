"""A YOLO data set's YAML file: the classes, the images of each split, and whether labels have key points.

Paths of another machine (drives, backslashes, another root) mean what is there below the YAML file's folder.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...class_names import counted
from ...diagnostics import OnProblem, Problem
from ...errors import DataError
from ...files.folder_walk import files_below, natural_key
from ...files.text_files import check_names, lines_of, read_text
from ...files.yaml_files import YamlValue, parse_yaml
from ...images.decoding import readable_extensions
from ...images.image_files import image_name, is_image_name
from ...values import shown

ANY = -1  # any number of numbers of key points

_KEYS = ("path", "train", "val", "test", "names", "nc", "kpt_shape")
_OF_KEY_POINTS = ("kpt_names", "flip_idx")  # that mean the same
_MOST_CLASSES = 100_000  # of a YAML file that has their number alone


@dataclass(frozen=True)
class YoloSplit:
    names: tuple[str, ...]  # of the classes, in the order of their numbers
    images: tuple[Path, ...]
    folder: Path  # of all images
    key_points: int | None  # how many numbers a line has behind its box: ANY, or None where it may be a polygon


def read_description(path: Path, split: str, on_problem: OnProblem) -> YoloSplit:
    described = parse_yaml(read_text(path), str(path), {*_KEYS, split}, _OF_KEY_POINTS)
    names = _names(described, path, on_problem)
    key_points = _key_points(described, path)
    images = _resolved(_images(described, path, split))
    try:
        folder = Path(os.path.commonpath([image.parent for image in images]))
    except ValueError:  # on several drives of Windows
        raise DataError(f"{path}: its images are on several drives; bring them into one folder") from None
    return YoloSplit(names, images, folder, key_points)


def _text(described: Mapping[str, YamlValue], key: str) -> str:
    value = described.get(key, "")
    return value if isinstance(value, str) and value not in ("null", "~") else ""


def _names(described: Mapping[str, YamlValue], path: Path, on_problem: OnProblem) -> tuple[str, ...]:
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
    if odd := [name for name, times in Counter(names).items() if times > 1 or not name.strip()]:
        raise DataError(f"{path}: has the class name {shown(odd[0])} twice or without text; rename one of them")
    if number and number != str(len(names)):
        what = f"nc is {shown(number)} and there are {len(names)} names: the names count"
        on_problem(Problem("number of classes that is not that of their names", str(path), what, minor=True))
    return tuple(names)


def _key_points(described: Mapping[str, YamlValue], path: Path) -> int | None:
    """How many numbers a line has behind its box: None without key points, ANY where that is not stated."""
    shape = described.get("kpt_shape", "")
    if shape in ("", "null", "~"):
        return ANY if described.keys() & {*_OF_KEY_POINTS} else None
    if not (isinstance(shape, list) and len(shape) == 2 and shape[0].isdecimal() and shape[1] in ("2", "3")):
        raise DataError(f"{path}: kpt_shape is {shown(shape)}: need [number of key points, 2 or 3]")
    if len(shape[0]) > 4:
        raise DataError(f"{path}: kpt_shape is {shown(shape)}: need at most 9999 key points")
    return int(shape[0]) * int(shape[1])


def _images(described: Mapping[str, YamlValue], path: Path, split: str) -> list[Path]:
    entries = described.get(split, "")
    if isinstance(entries, dict) or not (_text(described, split) if isinstance(entries, str) else entries):
        there = [name for name in ("train", "val", "test") if described.get(name) not in (None, "", "null", "~")]
        splits = ", ".join(there) or "none"
        raise DataError(f"{path}: describes no split {shown(split)}; the splits here are: {splits}")
    roots = [_below(_text(described, "path"), [path.parent]) or path.parent / _text(described, "path"), path.parent]
    images: dict[Path, None] = {}
    for entry in [entries] if isinstance(entries, str) else entries:
        images |= dict.fromkeys(_entry_images(entry, roots, path))
    if not images:
        looked_for = " ".join(readable_extensions())
        raise DataError(f"{path}: the split {split!r} has no images; looked for {looked_for}")
    return list(images)


def _below(name: str, roots: Sequence[Path]) -> Path | None:
    """Where a name in a description or a list is: in one of the folders, as it stands or as another machine's."""
    for root in roots:
        if os.path.exists(found := os.path.normpath(root / name)):
            return Path(found)
    for root in roots:
        # Exports write paths for another folder than they are unpacked in: ../train/images is Roboflow's for what lies
        # beside the YAML file, where Ultralytics looks as well, and data/obj_train_data/1.jpg CVAT's for Darknet.
        slashed = name.replace("\\", "/")
        for spelling in (name, slashed.removeprefix("../"), slashed.removeprefix("data/")):
            inside = image_name(spelling, root)
            if inside is not None and os.path.exists(root / inside):
                return root / inside
    return None


def _entry_images(entry: str, roots: Sequence[Path], path: Path) -> list[Path]:
    found = _below(entry, roots)
    if found is None:
        raise DataError(f"{path}: there is no {str(roots[0] / entry)[:200]}; correct the path in the file")
    if found.resolve() == Path(found.resolve().anchor):  # whose listing takes minutes, and is never meant
        raise DataError(f"{path}: {shown(entry)} is the whole disk; name the folder of the images")
    if found.is_dir():
        inside = filter(is_image_name, files_below(str(found), None))
        return [Path(file) for file in sorted(inside, key=natural_key)]
    names = [line.strip() for line in lines_of(read_text(found)) if line.strip()]
    check_names(names, str(found))
    folders = [found.parent, *roots]
    return [_below(name, folders) or Path(os.path.normpath(found.parent / name)) for name in names]


def _resolved(images: Sequence[Path]) -> tuple[Path, ...]:
    """The images, all from the root where not all are below the current folder: then they have a folder in common."""
    if any(image.is_absolute() or ".." in image.parts for image in images):
        images = [Path(os.path.abspath(image)) for image in images]
    return tuple(images)
