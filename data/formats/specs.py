"""A data set by one line of text, the SPEC: its kind, its path and its split, as in `voc:ROOT:YEAR:SPLIT`."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from ..boxes import Size
from ..datasets.dataset import Dataset, rename_classes, require_classes, select_classes
from ..datasets.renames import check_renamed, read_renames
from ..diagnostics import Notices, OnProblem, listed, refuse
from ..errors import DataError, UsageError
from ..images.decoding import IMAGE_EXTENSIONS
from ..images.image_files import is_turned
from ..images.sources import OnPassedOver, Source, list_sources
from ..records import GroundTruth
from ..terminal import Report, silent
from ..values import shown
from .coco.annotations import read_coco
from .ilsvrc.annotations import read_ilsvrc, with_blacklist
from .ilsvrc.imagenet import ILSVRC_RENAMES
from .label_studio.tasks import read_label_studio
from .tables import read_csv_truth, read_jsonl_truth
from .voc.annotations import read_voc
from .yolo.annotations import read_yolo

# Reads what is behind the kind in a SPEC; None where its parts are not all there.
Open = Callable[[str, OnProblem], Dataset | None]

_IMAGE_FOLDERS = ("images", "JPEGImages", "data", "img")  # which hold nothing but images

# A colon that is not that of a drive, as in C:/photos, at the start of a part.
_COLON = re.compile(r":(?!(?<=^[A-Za-z]:)[\\/])(?!(?<=:[A-Za-z]:)[\\/])")


def is_spec(text: str) -> bool:
    """Whether the text names a data set rather than a file or folder.

    >>> is_spec("voc:photos:val"), is_spec("photos/cat.jpg")
    (True, False)
    """
    kind, colon, _ = text.partition(":")
    return bool(colon) and kind in _READERS


def split_of(spec: str) -> str:
    """The split that a SPEC names; val for the kinds that have none.

    >>> split_of("voc:photos:train"), split_of("coco:a.json:photos")
    ('train', 'val')
    """
    kind, _, rest = spec.partition(":")
    return _split(rest)[1] if kind in ("voc", "ilsvrc", "yolo") else "val"


def open_dataset(
    spec: str, on_problem: OnProblem = refuse, blacklist: str | Path | None = None, *, allow_unannotated: bool = False
) -> Dataset:
    """Read the annotations of the data set that a SPEC names; `on_problem` gets what cannot be used.

    The file `blacklist` replaces ILSVRC's own. A test set without annotations is refused unless allowed.
    """
    kind, _, rest = spec.partition(":")
    if kind not in _READERS:
        known = "; ".join(form for form, _ in _READERS.values())
        raise UsageError(f"{shown(spec)}: {shown(kind)} is no kind of data set; known are {known}")
    form, read = _READERS[kind]
    dataset = read(rest, on_problem)
    if dataset is None:
        raise UsageError(f"{shown(spec)}: need {form}")
    if not dataset.annotated and not allow_unannotated:
        what = "has no annotations, as a test set: detect in it, but evaluate on and train with others"
        raise DataError(f"{dataset.name}: {what}")
    return dataset if blacklist is None else with_blacklist(dataset, blacklist)


def read_names(text: str | None) -> Mapping[str, str]:
    """The classes that `--rename` gives other names: `ilsvrc`, for ILSVRC DET's, or what `read_renames` takes."""
    return ILSVRC_RENAMES if text == "ilsvrc" else read_renames(text)


def open_datasets(
    specs: Sequence[str],
    report: Report = silent,
    *,
    renames: Mapping[str, str] = MappingProxyType({}),
    classes: Sequence[str] = (),
    incomplete: Sequence[str] = (),
    allow_unannotated: bool = False,
) -> Dataset:
    """Several data sets as one; with more than one, files are named from the folder that holds all of them.

    What is left out, and what one of them does not annotate, is reported. `renames` gives classes their names in all
    of the sets, which may call one thing by several. Of `classes`, if there are any, each must be in one set at least,
    and objects of others are left out. The `incomplete` ones are SPECs too, of images whose annotations lack objects.
    """
    if not specs:
        raise UsageError("no data set is named; give at least one SPEC")
    notices = Notices()
    datasets = [
        *(open_dataset(spec, notices, allow_unannotated=allow_unannotated) for spec in specs),
        *(_as_incomplete(open_dataset(spec, notices)) for spec in incomplete),
    ]
    for line in notices.lines():
        report(line)
    if renames is not ILSVRC_RENAMES:  # which are those of many data sets
        check_renamed(renames, {name for each in datasets for name in each.classes})
    datasets = [rename_classes(each, renames) for each in datasets]
    if classes:
        names = tuple(dict.fromkeys(name for each in datasets for name in each.classes))
        require_classes(" + ".join(each.name for each in datasets), names, classes)
        datasets = [select_classes(each, [name for name in classes if name in each.classes]) for each in datasets]
    dataset = datasets[0] if len(datasets) == 1 else _merged(datasets, report)
    _check_readings(dataset)
    return dataset


def _as_incomplete(dataset: Dataset) -> Dataset:
    """The data set with no image whose objects are all annotated."""
    return replace(dataset, images=tuple(replace(truth, exhaustive=False) for truth in dataset.images))


def _merged(datasets: Sequence[Dataset], report: Report) -> Dataset:
    try:
        folder = Path(os.path.commonpath([each.folder.resolve() for each in datasets]))
    except ValueError as error:
        raise UsageError("these data sets lie on several drives; move their images to one") from error
    classes = tuple(dict.fromkeys(name for each in datasets for name in each.classes))
    images: list[GroundTruth] = []
    for each in datasets:
        # What this data set does not annotate may still be in its images.
        missing = [name for name in classes if name not in each.classes] if each.annotated else []
        if missing:
            report(f"{each.name} does not annotate {listed(missing)}: what is background in its images may be one")
        images += [
            # The folder alone is resolved: an image that is a link to elsewhere has its own name in the data set.
            replace(
                truth,
                file=(each.folder.resolve() / truth.file).relative_to(folder).as_posix(),
                ignored_classes=tuple(dict.fromkeys([*truth.ignored_classes, *missing])),
            )
            for truth in each.images
        ]
    name, annotated = " + ".join(each.name for each in datasets), all(each.annotated for each in datasets)
    return Dataset(name, classes, tuple(images), folder, annotated=annotated)


def _check_readings(dataset: Dataset) -> None:
    """DataError where a file is read upright for some boxes and as stored for others: it has proposals only once."""
    readings: dict[str, tuple[bool, Size]] = {}
    for truth in dataset.images:
        reading = (truth.upright, truth.size)
        ways = {readings.setdefault(truth.file, reading), reading}
        path = dataset.path(truth)
        if len(ways) > 1 and len({is_turned(path, upright=upright, stated=stated) for upright, stated in ways}) > 1:
            what = "has boxes of the image turned as its EXIF data say, and others of its pixels as stored"
            raise DataError(f"{path}: {what}; use the data sets one at a time")


def resolve_sources(
    sources: Sequence[str | Path], *, skip: Path | None = None, on_passed_over: OnPassedOver | None = None
) -> list[Source]:
    """The images of any SOURCE, each once; those of a SPEC are to be read as its data set wants it."""
    named = [str(source) for source in sources]
    if not any(map(is_spec, named)):
        return list_sources(named, skip=skip, on_passed_over=on_passed_over)
    if not all(map(is_spec, named)):
        raise UsageError("give either data sets (SPEC) or files and folders, not both in one run")
    dataset = open_datasets(named, allow_unannotated=True)
    truths = {truth.file: truth for truth in dataset.images}  # two splits may share some
    return [dataset.source(truth) for truth in truths.values()]


def _split(text: str) -> tuple[str, str]:
    """What is before the last colon and behind it; a drive's is none, and one in a folder's name does no harm.

    >>> _split("C:/a.json:D:/photos"), _split(r"C:\\a.json")
    (('C:/a.json', 'D:/photos'), ('', 'C:\\\\a.json'))
    """
    colons = [found.start() for found in _COLON.finditer(text)]
    return (text[: colons[-1]], text[colons[-1] + 1 :]) if colons else ("", text)


def _path(text: str) -> Path:
    """A path in which ~ is the home folder, which no shell puts in behind a colon; of an unknown user it is a name."""
    return Path(os.path.expanduser(text))


def _open_voc(rest: str, on_problem: OnProblem) -> Dataset | None:
    folder, split = _split(rest)
    if not folder or not split:
        return None
    root, year = _split(folder)
    if root and re.fullmatch(r"\d{4}", year):
        return read_voc(_path(root), split, year, on_problem)
    return read_voc(_path(folder), split, on_problem=on_problem)


def _path_and_split(read: Callable[[Path, str, OnProblem], Dataset]) -> Open:
    def open_split(rest: str, on_problem: OnProblem) -> Dataset | None:
        path, split = _split(rest)
        return read(_path(path), split, on_problem) if path and split else None

    return open_split


def _file_and_images(read: Callable[[Path, Path, OnProblem], Dataset]) -> Open:
    def open_file(rest: str, on_problem: OnProblem) -> Dataset | None:
        file, images = _split(rest)
        if rest and (os.path.isfile(whole := _path(rest)) or not (file or rest.startswith(":"))):
            return read(whole, image_folder_of(whole), on_problem)
        return read(_path(file), _path(images), on_problem) if file and images else None

    return open_file


_READERS: dict[str, tuple[str, Open]] = {
    "voc": ("voc:ROOT:YEAR:SPLIT or voc:FOLDER:SPLIT", _open_voc),
    "ilsvrc": ("ilsvrc:ROOT:SPLIT", _path_and_split(read_ilsvrc)),
    "coco": ("coco:FILE.json:IMAGES or coco:FILE.json", _file_and_images(read_coco)),
    "yolo": ("yolo:DATA.yaml:SPLIT", _path_and_split(read_yolo)),
    "csv": ("csv:FILE.csv:IMAGES or csv:FILE.csv", _file_and_images(read_csv_truth)),
    "jsonl": ("jsonl:FILE.jsonl:IMAGES or jsonl:FILE.jsonl", _file_and_images(read_jsonl_truth)),
    "label-studio": ("label-studio:FILE.json:IMAGES or label-studio:FILE.json", _file_and_images(read_label_studio)),
}


def image_folder_of(file: Path) -> Path:
    """The folder of the images that belong to a file of annotations; its own where no other is likely.

    COCO has `annotations/instances_val2017.json` beside `val2017/`, others `images/` beside the file or its folder.
    """
    if _has_images(file.parent):
        return file.parent
    return next((folder for folder in _likely(file) if os.path.isdir(folder)), file.parent)


def _likely(file: Path) -> Iterator[Path]:
    splits = dict.fromkeys([file.stem, file.stem.rpartition("_")[2]])
    above = [file.parent, file.parent.absolute().parent] if file.parent.name else [file.parent]
    for folder in above:
        for name in _IMAGE_FOLDERS:
            yield from (folder / name / split for split in splits)
        yield from (folder / split for split in splits)
    for folder in above:
        yield from (folder / name for name in _IMAGE_FOLDERS)


def _has_images(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(os.path.splitext(entry.name)[1].lower() in IMAGE_EXTENSIONS for entry in entries)
    except (OSError, ValueError):
        return False
