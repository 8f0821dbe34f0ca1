"""Detections in PASCAL VOC's result files, `comp4_det_<split>_<class>.txt[.gz]`: a class each, 1-based inclusive."""

import math
import re
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np

from ...boxes import UNKNOWN_SIZE, inclusive_to_half_open
from ...detections_by_image import images_from_columns
from ...diagnostics import OnProblem
from ...errors import DataError
from ...files.text_files import numbered_lines
from ...records import ImageDetections
from ...stores.detections_jsonl import LEDGER_NAME

# comp3 and comp4 are the two detection competitions; a class name may hold underscores, a split's does not. Fast R-CNN
# and its children put a random word behind the competition's.
_NAME = re.compile(r"comp[34]([_-](?!det_)[^_]+)?_det_(?P<split>[^_]+)_(?P<label>.+?)\.txt(\.gz)?")

_Row = tuple[str, str, float, list[float]]  # image, label, score, box


def read_voc_results(files: list[tuple[Path, str]], on_problem: OnProblem) -> list[ImageDetections]:
    """The detections of several files, each with its class; equal scores of a class stay in the files' order."""
    rows = [row for path, label in files for row in _read_voc_rows(path, label)]
    order = _order_that_keeps_ties(rows)
    if order is not None:
        numbers = {name: number for number, name in enumerate(order)}
        indices = np.array([numbers[name] for name, *_ in rows], dtype=np.int64)
    else:  # an image comes in several parts
        parts = [(name, len(list(part))) for (name, _), part in groupby(rows, key=lambda row: row[:2])]
        order = [name for name, _ in parts]
        indices = np.repeat(np.arange(len(parts)), [count for _, count in parts])
    return images_from_columns(
        *(order, [UNKNOWN_SIZE] * len(order), indices),
        boxes=inclusive_to_half_open([box for *_, box in rows]),
        labels=np.array([label for _, label, _, _ in rows], dtype=object),
        scores=np.array([score for _, _, score, _ in rows], dtype=np.float64),
        owner=files[0][0].parent,
        on_problem=on_problem,
    )


def class_of(path: Path) -> str | None:
    """The class that a file of VOC's results is about, by its name; None for another file."""
    match = _NAME.fullmatch(path.name)
    return match["label"] if match else None


def result_files(folder: Path) -> list[tuple[Path, str]]:
    """VOC's result files, each with its class; in the folder, or where the devkit has them below it."""
    folders = [folder, *sorted(folder.glob("VOC*/Main")), *sorted(folder.glob("results/VOC*/Main"))]
    held = [each for each in folders if any(_NAME.fullmatch(path.name) for path in each.iterdir())]
    folder = held[0] if held else folder
    matches = {path: _NAME.fullmatch(path.name) for path in sorted(folder.iterdir())}
    files = [(path, match["label"]) for path, match in matches.items() if match]
    splits = sorted({match["split"] for match in matches.values() if match})
    if not files:
        what = f"has neither {LEDGER_NAME} nor comp4_det_<split>_<class>.txt nor YOLO's labels"
        raise DataError(f"{folder}: {what}; is it the right folder?")
    if len(splits) > 1 or len({label for _, label in files}) < len(files):
        what = f"has several result files of one class (splits {', '.join(splits)})"
        raise DataError(f"{folder}: {what}; keep one set here")
    return files


def _read_voc_rows(path: Path, label: str) -> Iterable[_Row]:
    """Lines `id score xmin ymin xmax ymax`; what is before the last five numbers is the id, spaces and all.

    Spaces at the id's ends are its own where the line is written as we do it: others line columns up by them.
    """
    for where, line in numbered_lines(path):
        try:
            name, *numbers = _own_words(line) or line.strip().rsplit(maxsplit=5)
            score, *box = map(_finite, numbers)
            _, _, _, _ = box
        except ValueError:
            raise DataError(f"{where} is {line[:80]!r}: need id score xmin ymin xmax ymax") from None
        yield name, label, score, box


def _own_words(line: str) -> list[str] | None:
    """The id and the five numbers of a line as `write_voc_results` has it; None for another's."""
    words = line.rsplit(" ", 5)
    try:
        own = len(words) == 6 and bool(words[0].strip()) and all(word == repr(float(word)) for word in words[1:])
    except ValueError:
        return None
    return words if own else None


def _finite(text: str) -> float:
    """The number that a text is; ValueError for one without end, and for `1_0`, which is one to Python alone."""
    number = float(text)
    if not math.isfinite(number) or "_" in text:
        raise ValueError(text)
    return number


def _order_that_keeps_ties(rows: list[_Row]) -> list[str] | None:
    """An order of the images that leaves equal scores of a class as the files have them, or None if there is none."""
    before: dict[str, set[str]] = {name: set() for name in sorted({row[0] for row in rows})}
    ranked = sorted(rows, key=lambda row: (row[1], -row[2]))
    for one, other in pairwise(ranked):
        if one[1:3] == other[1:3] and one[0] != other[0]:
            before[other[0]].add(one[0])
    try:
        return list(TopologicalSorter(before).static_order())
    except CycleError:
        return None
