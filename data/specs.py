"""A data set by one line of text, the SPEC: its kind, its place and its split, as in `voc:ROOT:YEAR:SPLIT`."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from .coco import read_coco
from .dataset import Dataset
from .errors import UsageError
from .ilsvrc import read_ilsvrc, with_blacklist
from .label_studio import read_label_studio
from .problems import OnProblem, refuse
from .sources import OnPassedOver, Source, list_sources
from .tables import read_csv_truth, read_jsonl_truth
from .voc import read_voc
from .yolo import read_yolo


def is_spec(text: str) -> bool:
    """Whether the text names a data set rather than a file or folder.

    >>> is_spec("voc:photos:val"), is_spec("photos/cat.jpg")
    (True, False)
    """
    kind, colon, _ = text.partition(":")
    return bool(colon) and kind in _READERS


def open_dataset(spec: str, on_problem: OnProblem = refuse, blacklist: str | Path | None = None) -> Dataset:
    """Read the annotations of the data set that a SPEC names; `on_problem` is told of what cannot be used.

    The file `blacklist` takes the place of ILSVRC's own.
    """
    kind, _, rest = spec.partition(":")
    if kind not in _READERS:
        known = "; ".join(form for form, _ in _READERS.values())
        raise UsageError(f"{spec!r}: {kind!r} is no kind of data set; known are {known}")
    form, read = _READERS[kind]
    dataset = read(rest, on_problem)
    if dataset is None:
        raise UsageError(f"{spec!r}: need {form}")
    return dataset if blacklist is None else with_blacklist(dataset, blacklist)


def open_datasets(specs: Sequence[str]) -> Dataset:
    """Several data sets as one; with more than one, files are named from the folder that all of them share."""
    if not specs:
        raise UsageError("no data set is named; give at least one SPEC")
    datasets = [open_dataset(spec) for spec in specs]
    if len(datasets) == 1:
        return datasets[0]
    folder = Path(os.path.commonpath([each.folder.resolve() for each in datasets]))
    classes = tuple(dict.fromkeys(name for each in datasets for name in each.classes))
    pictures = tuple(
        # The folder alone is resolved: a picture that is a link to elsewhere keeps its name in the data set.
        replace(
            truth,
            file=(each.folder.resolve() / truth.file).relative_to(folder).as_posix(),
            # What this data set does not annotate may still be in its pictures.
            unjudged=tuple(dict.fromkeys([*truth.unjudged, *(name for name in classes if name not in each.classes)])),
        )
        for each in datasets
        for truth in each.pictures
    )
    name = " + ".join(each.name for each in datasets)
    return Dataset(name, classes, pictures, folder)


def resolve_sources(
    sources: Sequence[str | Path], *, skip: Path | None = None, on_passed_over: OnPassedOver | None = None
) -> list[Source]:
    """The pictures of any SOURCE, each once; those of a SPEC are to be read as its data set wants it."""
    named = [str(source) for source in sources]
    if not any(map(is_spec, named)):
        return list_sources(named, skip=skip, on_passed_over=on_passed_over)
    if not all(map(is_spec, named)):
        raise UsageError("give either data sets (SPEC) or files and folders, not both in one run")
    dataset = open_datasets(named)
    truths = {truth.file: truth for truth in dataset.pictures}  # two splits may share some
    return [
        Source(dataset.folder / file, file, not truth.upright, (truth.width, truth.height))
        for file, truth in truths.items()
    ]


def _open_voc(rest: str, on_problem: OnProblem) -> Dataset | None:
    # From the right, so that a colon in the folder's name does no harm.
    folder, _, split = rest.rpartition(":")
    if not folder or not split:
        return None
    root, _, year = folder.rpartition(":")
    if root and re.fullmatch(r"\d{4}", year):
        return read_voc(Path(root).expanduser(), split, year, on_problem)
    return read_voc(Path(folder).expanduser(), split, on_problem=on_problem)


def _open_ilsvrc(rest: str, on_problem: OnProblem) -> Dataset | None:
    root, _, split = rest.rpartition(":")
    return read_ilsvrc(Path(root).expanduser(), split, on_problem) if root and split else None


def _open_yolo(rest: str, on_problem: OnProblem) -> Dataset | None:
    file, _, split = rest.rpartition(":")
    return read_yolo(Path(file).expanduser(), split, on_problem) if file and split else None


def _file_and_images(read: Callable[[Path, Path, OnProblem], Dataset]) -> Callable[[str, OnProblem], Dataset | None]:
    """What opens `FILE:IMAGES`, a file of annotations and the folder of its pictures."""

    def open_file(rest: str, on_problem: OnProblem) -> Dataset | None:
        file, _, images = rest.rpartition(":")
        return read(Path(file).expanduser(), Path(images).expanduser(), on_problem) if file and images else None

    return open_file


_READERS: dict[str, tuple[str, Callable[[str, OnProblem], Dataset | None]]] = {
    "voc": ("voc:ROOT:YEAR:SPLIT or voc:FOLDER:SPLIT", _open_voc),
    "ilsvrc": ("ilsvrc:ROOT:SPLIT", _open_ilsvrc),
    "coco": ("coco:FILE.json:IMAGES", _file_and_images(read_coco)),
    "yolo": ("yolo:DATA.yaml:SPLIT", _open_yolo),
    "csv": ("csv:FILE.csv:IMAGES", _file_and_images(read_csv_truth)),
    "jsonl": ("jsonl:FILE.jsonl:IMAGES", _file_and_images(read_jsonl_truth)),
    "label-studio": ("label-studio:FILE.json:IMAGES", _file_and_images(read_label_studio)),
}
