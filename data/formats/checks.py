"""The check of a data set: what its reader refuses, what it lets pass and a person should know, and what is in there.

Of image files only the size is read: one that breaks off behind its header is not noticed.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..boxes import Size, box_area, half_open_to_inclusive
from ..class_names import did_you_mean
from ..datasets.dataset import Dataset
from ..diagnostics import Problem, cut
from ..errors import DataError
from ..files.folder_walk import files_below
from ..images.decoding import IMAGE_EXTENSIONS
from ..images.image_files import image_size
from ..records import GroundTruth
from .check_report import CheckReport, ClassCount
from .specs import open_dataset

_ONE_BASED = ("voc", "ilsvrc")  # kinds of data sets whose files call the first pixel 1
_ROUNDING = 0.01  # pixels, by which files with decimal places may be off
_FEW = 10  # objects of a class, below which its average precision means little
_RARE = 20  # times fewer objects than a class of nearly the same name: a slip of the pen rather than a class
_NEAR = 0.8  # likeness of two names, as difflib has it: "aeroplane" and "airplane" are .82, "cat" and "cow" .33

_ABSENT = "image file that is missing"


def check_dataset(spec: str) -> CheckReport:
    """Read the data set that a SPEC names and report all that is odd about it, without a stop at the first problem."""
    problems: list[Problem] = []
    data = open_dataset(spec, problems.append, allow_unannotated=True)
    return check_images(data, problems, one_based=spec.partition(":")[0] in _ONE_BASED)


def check_images(data: Dataset, problems: Sequence[Problem] = (), *, one_based: bool = False) -> CheckReport:
    """Check a data set that has been read; its reader could not use `problems`; `one_based` files count from 1."""
    sizes, unreadable = _image_sizes(data)
    nowhere = not sizes and all(problem.kind == _ABSENT for problem in unreadable)
    elsewhere, no_images = _no_image_files(data, one_based) if nowhere and len(data) else ((), ())
    return CheckReport(
        data=data.name,
        images=len(data),
        objects=sum(map(len, data.images)),
        difficult=sum(int(_difficult(truth).sum()) for truth in data.images),
        classes=_count_classes(data),
        unusable=(*(problem for problem in problems if not problem.minor), *(elsewhere if nowhere else unreadable)),
        minor=tuple(problem for problem in problems if problem.minor),
        doubtful=tuple(_doubts(data, sizes, one_based)),
        normal=(*no_images, *_remarks(data)),
    )


def _count_classes(data: Dataset) -> tuple[ClassCount, ...]:
    none, truths = GroundTruth("", 0, 0, np.zeros((0, 4)), np.zeros(0, np.str_), np.zeros(0, np.bool_)), data.images
    labels = np.concatenate([none.labels, *(truth.labels for truth in truths)])  # [N]
    images = np.repeat(np.arange(len(truths)), [len(truth) for truth in truths])  # [N]
    difficult = np.concatenate([none.difficult, *map(_difficult, truths)])  # [N]
    sizes = np.sqrt(np.concatenate([none.areas, *(box_area(truth.boxes) for truth in truths)]))  # [N]
    rows = {name: np.flatnonzero(labels == name) for name in data.classes}
    return tuple(
        ClassCount(
            name=name,
            objects=len(own),
            images=len(np.unique(images[own])),
            difficult=int(difficult[own].sum()),
            median_size=round(float(np.median(sizes[own])), 1) if len(own) else None,
            smallest=round(float(sizes[own].min()), 1) if len(own) else None,
        )
        for name, own in rows.items()
    )


def _difficult(truth: GroundTruth) -> NDArray[np.bool_]:
    """The objects that nobody has to find, [N]: those that COCO's files call ignored are to all but COCO's code."""
    return truth.difficult | truth.ignore


def _doubts(data: Dataset, sizes: Mapping[str, Size], one_based: bool) -> Iterator[Problem]:
    for file, times in Counter(truth.file for truth in data.images).items():
        if times > 1:
            fix = "remove one line of it: its objects count twice"
            yield Problem("image that is listed twice", file, f"is listed {times} times", fix)
    for truth in {truth.file: truth for truth in data.images}.values():
        size = sizes.get(truth.file, truth.size)
        if 0 not in truth.size and size != truth.size:
            yield _size_that_differs(truth, size, _other_size(data, truth, size))
        other = _other_size(data, truth, size) if _beyond(truth, size, one_based).any() else None
        if other is not None and not _beyond(truth, other, one_based).any():
            yield _turned_the_other_way(truth, size, other)
            size = other
        yield from _odd_boxes(truth, size, one_based)
        yield from _repeated_objects(truth, one_based)
    yield from _like_names(Counter(label for truth in data.images for label in truth.labels.tolist()))


def _size_that_differs(truth: GroundTruth, size: Size, other: Size | None) -> Problem:
    turned = f", turned the other way {other[0]} x {other[1]}" if other else ""
    what = f"its annotation says {truth.width} x {truth.height}, the image file is {size[0]} x {size[1]}{turned}"
    fix = "correct the annotation's size; if the boxes were drawn on another copy, scale them"
    return Problem("size that differs from the image file's", truth.file, what, fix)


def _turned_the_other_way(truth: GroundTruth, size: Size, other: Size) -> Problem:
    what = f"the boxes do not fit {size[0]} x {size[1]}; they fit it turned by its EXIF data, {other[0]} x {other[1]}"
    fix = "state the size that the boxes fit: by it they are read as they were drawn"
    return Problem("image whose boxes fit it turned the other way", truth.file, what, fix)


def _other_size(data: Dataset, truth: GroundTruth, size: Size) -> Size | None:
    """The size of an image turned the other way than it is read, if its EXIF data turn it and the file is there."""
    try:
        both = {image_size(data.path(truth), upright=upright) for upright in (False, True)}
    except DataError:
        return None
    return next(iter(both - {size}), None) if size in both else None


def _odd_boxes(truth: GroundTruth, size: Size, one_based: bool) -> Iterator[Problem]:
    """Boxes without area, and those that leave the image; where its size is unknown only those to the left or top."""
    width, height = _sides(size)
    x1, y1, x2, y2 = truth.boxes.T
    start, thin = np.minimum(x1, y1), np.minimum(x2 - x1, y2 - y1)
    beyond = _beyond(truth, size, one_based)
    wholly = (x1 >= width) | (y1 >= height) | (x2 <= 0) | (y2 <= 0)
    as_is = "look at it: it is read as it is, neither clipped nor refused"
    kinds = {
        "box without area": (thin <= 0, "remove the object: nothing can find it"),
        "box no wider or no higher than a pixel": ((thin > 0) & (thin <= 1), "look at it: a slip, or an object?"),
        "box that is wholly outside its image": (wholly, "draw the box anew or remove the object"),
        "box that reaches outside its image": (beyond & ~wholly, as_is),
        "box that starts at 0 in a file that counts from 1": (
            (start < 0) & ~beyond & ~wholly,
            "nothing to do in published data: it is read as it is, as official evaluators do",
        ),
    }
    for kind, (odd, fix) in kinds.items():
        for i in np.flatnonzero(odd).tolist():
            what = f"the box is {_corners(truth, i, one_based)} in an image of {size[0]} x {size[1]}"
            yield Problem(kind, f"{truth.file} ({truth.labels[i]})", what, fix)


def _beyond(truth: GroundTruth, size: Size, one_based: bool) -> NDArray[np.bool_]:
    """The boxes that reach outside an image of this size, [N]."""
    width, height = _sides(size)
    x1, y1, x2, y2 = truth.boxes.T
    outside = np.minimum(x1, y1) < (-1 if one_based else 0) - _ROUNDING
    return outside | (x2 > width + _ROUNDING) | (y2 > height + _ROUNDING)


def _sides(size: Size) -> list[float]:
    return [side if side > 0 else np.inf for side in size]


def _repeated_objects(truth: GroundTruth, one_based: bool) -> Iterator[Problem]:
    for i in np.flatnonzero(truth.repeated).tolist():
        what = f"the box {_corners(truth, i, one_based)} is there again, of the same class"
        fix = "remove one: of two equal objects a detector finds one"
        yield Problem("object that is there twice", f"{truth.file} ({truth.labels[i]})", what, fix)


def _corners(truth: GroundTruth, i: int, one_based: bool) -> str:
    boxes = truth.boxes[i : i + 1]
    corners = (half_open_to_inclusive(boxes) if one_based else boxes)[0].tolist()
    names = "xmin ymin xmax ymax" if one_based else "x1 y1 x2 y2"
    return f"{names} = {' '.join(f'{value:.10g}' for value in corners)}"


def _like_names(counts: Counter[str]) -> Iterator[Problem]:
    """Names of one class in several spellings, and rare names that are nearly a frequent one."""
    spellings: dict[str, str] = {}  # the most frequent one of each
    for name, times in counts.most_common():
        usual = spellings.setdefault(_plain(name), name)
        if usual != name:
            what = f"{times:,} objects are {name!r}, {counts[usual]:,} are {usual!r}"
            yield Problem("class in two spellings", name, what, f"rename it to {usual!r}")
            continue
        frequent = [other for other in spellings.values() if counts[other] >= _RARE * times]
        if near := did_you_mean(name, frequent, _NEAR):
            what = f"{times:,} objects are {name!r}, {counts[near]:,} are {near!r}"
            yield Problem("rare class with nearly the name of another", name, what, f"did you mean {near!r}?")


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c not in " _-")


def _no_image_files(data: Dataset, one_based: bool) -> tuple[Sequence[Problem], Sequence[Problem]]:
    """Why none of the images is there, as what cannot be used or what is normal, as for a copy for evaluation."""
    folder, fix = str(data.folder), "nothing for an evaluation; anything else needs them"
    if not os.path.isdir(folder):
        kind, what = "data set whose folder of images does not exist", f"the folder {cut(folder)} does not exist"
        if one_based:
            return (), [Problem(kind, folder, what, fix)]
        return [Problem(kind, folder, what, "correct it; for an evaluation, which needs no images, leave it out")], ()
    if other := next((path for path in files_below(folder, None) if path.lower().endswith(IMAGE_EXTENSIONS)), None):
        what = (
            f"has images, as {cut(os.path.relpath(other, folder))}, but none of the {len(data):,} of the data set, "
            f"as {cut(data.images[0].file)}"
        )
        return [Problem("folder without the images", folder, what, "correct the folder or the names")], ()
    return (), [Problem("data set without image files", folder, "none of the image files is here", fix)]


def _remarks(data: Dataset) -> Iterator[Problem]:
    if not data.annotated:
        fix = "detect in it; evaluate on and train with others"
        yield Problem("data set without annotations", data.name, "has no annotations, as a test set", fix)
        return
    for truth in data.images:
        if not len(truth):
            fix = "nothing, if there is none to see: what is found there counts as false"
            yield Problem("image without objects", truth.file, "has no objects", fix)
    counts = Counter(label for truth in data.images for label in truth.labels.tolist())
    for name in data.classes:
        if counts[name] < _FEW:
            what = f"has {counts[name] or 'no'} object{'' if counts[name] == 1 else 's'}"
            yield Problem(f"class with fewer than {_FEW} objects", name, what, "trust no number about it")


def _image_sizes(data: Dataset) -> tuple[dict[str, Size], list[Problem]]:
    sizes: dict[str, Size] = {}
    problems: list[Problem] = []
    for file, truth in {truth.file: truth for truth in data.images}.items():
        path = data.folder / file
        if not os.path.exists(path):
            problems.append(Problem(_ABSENT, file, f"there is no {path}", "fetch it, or take it off the list"))
            continue
        try:
            sizes[file] = image_size(path, upright=truth.upright, stated=truth.size)
        except DataError as error:
            what = str(error).removeprefix(f"{path}: ")
            problems.append(Problem("image file that cannot be opened", file, what, "replace it or convert it"))
    return sizes, problems
