"""ILSVRC's detection data (DET, 2013 to 2017), in the official layout.

`Annotations/DET/FOLDER/NAME.xml` and `Data/DET/FOLDER/NAME.JPEG` belong together; `ImageSets/DET/SPLIT.txt` lists
names. The annotations are VOC's, with wnids for classes and without flags; the 0 that one coordinate in ten has stays.
"""

import csv
import os
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from ...datasets.dataset import Dataset
from ...datasets.split_lists import Exists, listed_name, read_split_list
from ...diagnostics import OnProblem, Problem, cut, refuse
from ...errors import DataError, UsageError
from ...files.text_files import read_text
from ...records import GroundTruth
from ...values import shown
from ..voc.annotations import find_image, is_file, placed, read_voc_annotation, unannotated


def _rows_beside(name: str) -> list[list[str]]:
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))[1:]


DET_NAMES = dict(_rows_beside("ilsvrc_classes.csv"))  # by wnid
ILSVRC_CLASSES = tuple(DET_NAMES.values())  # in the official order: the first has id 1

TRAIN = "train"  # the folder of the images that are not annotated exhaustively
_SUFFIXES = (".JPEG", ".jpg", ".jpeg", ".JPG", ".png")
_FLAGS = ("", "-1", "0", "1")
_LONGEST_INDEX = 20  # digits: what has more is a name

_LONGEST_NAME = 100  # characters that are compared with the names of classes


class _Listed(NamedTuple):
    name: str
    number: str
    negative: bool  # the list of one class states that the image has none of it


def read_ilsvrc(root: str | Path, split: str, on_problem: OnProblem = refuse) -> Dataset:
    """Read one split of `root`, or of `root/ILSVRC`. Splits belong to the folder whose name they start with.

    The official blacklist names the classes that are not evaluated in an image. Those of `train` are not exhaustive:
    objects of other classes than the one an image was found for may lack (R-CNN, section 4.1). The images that the
    list of one class names as negative have no annotation in the official data, and are then left out.
    """
    root = _find_root(Path(root))
    annotations, images = root / "Annotations" / "DET", root / "Data" / "DET"
    rows = _read_list(root / "ImageSets" / "DET" / f"{split}.txt")
    folder = _folder_of(split, (annotations, images))
    listed, annotated = _named(rows, annotations / folder, images / folder)
    blacklist = {
        image: tuple(DET_NAMES[one] for one in wnids.split()) for image, wnids in _rows_beside("ilsvrc_blacklist.csv")
    }
    truths: list[GroundTruth] = []
    ids: list[str] = []
    for name, number, negative in listed:
        path, file = annotations / folder / f"{name}.xml", find_image(images, f"{folder}/{name}", _SUFFIXES)
        if negative and not is_file(path):
            continue
        truth = read_voc_annotation(path, file, on_problem) if annotated else unannotated(file)
        if truth is not None:
            classes = blacklist.get(PurePosixPath(name).name, ())
            truth = placed(_with_names(truth, path, on_problem), images, file) if annotated else truth
            truths.append(replace(truth, ignored_classes=classes, exhaustive=folder != TRAIN))
            ids.append(number)
    class_ids = tuple(str(i) for i in range(1, len(ILSVRC_CLASSES) + 1))
    name = f"{root.resolve().name} {split}"
    return Dataset(name, ILSVRC_CLASSES, tuple(truths), images, tuple(ids), class_ids, annotated)


def _find_root(root: Path) -> Path:
    roots = (root, root / "ILSVRC")
    for found in roots:
        if any(os.path.isdir(found / part / "DET") for part in ("Annotations", "Data")):
            return found
    missing = "" if os.path.isdir(root) else f" ({root} does not exist)"
    wanted = " and ".join(str(found / "Annotations" / "DET") for found in roots)
    raise DataError(f"{root}: no ILSVRC detection data set here{missing}: looked for {wanted}")


def _folder_of(split: str, parents: Sequence[Path]) -> str:
    """The folder of a split: `val` has those of val1 and val2, `train` those of train_1 and so on."""
    entries = [entry for parent in parents if parent.is_dir() for entry in parent.iterdir()]
    folders = sorted({entry.name for entry in entries if entry.is_dir()})
    own = [name for name in folders if split.startswith(name)]
    if not own:
        there = ", ".join(folders) or "none"
        raise DataError(f"{parents[0]}: has no folder for the split {split!r}; the folders here are: {there}")
    return max(own, key=len)


def _named(rows: Sequence[_Listed], annotations: Path, images: Path) -> tuple[list[_Listed], bool]:
    """The rows with the names of files, and whether there are annotations: the official test set has none."""

    def has_annotation(name: str) -> bool:
        return is_file(annotations / f"{name}.xml")

    def has_image(name: str) -> bool:
        return is_file(images / find_image(images, name, _SUFFIXES))

    def resolved(exists: Exists) -> list[_Listed]:
        return [row._replace(name=listed_name(row.name, exists, {annotations.name.lower()})) for row in rows]

    named = resolved(has_annotation)
    if any(row.negative or has_annotation(row.name) for row in named):
        return named, True
    imaged = resolved(has_image)
    return imaged, not any(has_image(row.name) for row in imaged)


def _read_list(path: Path) -> list[_Listed]:
    """Lines `name index`, or `name flag` as in the lists of one class, whose images are then numbered from 1."""
    rows = [_split_line(line) for line in read_split_list(path)]
    if all(column in _FLAGS for _, column in rows):
        return [_Listed(name, str(i), column == "-1") for i, (name, column) in enumerate(rows, 1)]
    owners: dict[str, str] = {}
    for name, column in rows:
        if not column:
            raise DataError(f"{path}: {cut(name)} has no index, others have; give it one or leave all out")
        if owners.setdefault(column, name) != name:
            both = f"{cut(owners[column])} and {cut(name)}"
            raise DataError(f"{path}: {both} both have the index {column}; give each its own")
    return [_Listed(name, column, False) for name, column in rows]


def _split_line(line: str) -> tuple[str, str]:
    name, *rest = line.rsplit(maxsplit=1)
    if rest and len(rest[0]) < _LONGEST_INDEX and rest[0].removeprefix("-").isdecimal():
        return name, str(int(rest[0]))
    return line, ""


def _with_names(truth: GroundTruth, path: Path, on_problem: OnProblem) -> GroundTruth:
    wnids = truth.labels.tolist()
    for wnid in wnids:
        if wnid not in DET_NAMES:
            what = f"{shown(wnid)} is none of the {len(DET_NAMES)} classes of ILSVRC's detection task"
            on_problem(Problem("class that ILSVRC does not have", f"{path}: object ({wnid})", what, _suggestion(wnid)))
    known = truth[np.array([wnid in DET_NAMES for wnid in wnids], dtype=np.bool_)]
    return replace(known, labels=np.array([DET_NAMES[wnid] for wnid in known.labels.tolist()], dtype=np.str_))


def _suggestion(label: str) -> str:
    near = get_close_matches(label[:_LONGEST_NAME], [*DET_NAMES, *ILSVRC_CLASSES], n=1)
    wnids = {name: wnid for wnid, name in DET_NAMES.items()}
    wnid = wnids.get(near[0], near[0]) if near else ""
    return f"did you mean {wnid} ({DET_NAMES[wnid]})?" if wnid else "write the wnid of one of them"


def with_blacklist(data: Dataset, path: str | Path) -> Dataset:
    """The data set with another blacklist: lines `index wnid`, with the index that the split's list gives an image."""
    path, blacklist = Path(path), dict[str, tuple[str, ...]]()
    if data.classes != ILSVRC_CLASSES or not data.image_ids:
        raise UsageError(f"{data.name}: only a data set as ilsvrc:ROOT:SPLIT has a blacklist")
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        index, wnid = line.split() if len(line.split()) == 2 else ("", "")
        if not index.isdecimal() or len(index) >= _LONGEST_INDEX or wnid not in DET_NAMES:
            raise DataError(f"{path}: line {number} is {line[:80]!r}: need an image's index and a wnid of ILSVRC's")
        index = str(int(index))
        blacklist[index] = (*blacklist.get(index, ()), DET_NAMES[wnid])
    images = (
        replace(truth, ignored_classes=blacklist.get(number, ()))
        for truth, number in zip(data.images, data.image_ids, strict=True)
    )
    return replace(data, images=tuple(images))
