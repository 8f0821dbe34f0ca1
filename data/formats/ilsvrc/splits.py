"""ILSVRC's validation set in two halves with about the same objects: one to train on, one to evaluate on.

R-CNN's way (section 4.2). The images with a class that is not evaluated, 317 of the 20,121, are left out, as R-CNN's
lists do: what is not annotated must not be learned as background.

Shapes: P images, K classes.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ...datasets.dataset import Dataset, subset
from ...errors import DataError, UsageError
from ...files.atomic import write_atomically
from .annotations import ILSVRC_CLASSES, read_ilsvrc

Counts = NDArray[np.int64]
HALVES = ("val1", "val2")
_ROUNDS = 50  # of the search for a better side; the real set needs a dozen


@dataclass(frozen=True)
class Balance:
    """How unequal two halves are; a class's imbalance is |a - b| / (a + b), R-CNN's measure."""

    images: tuple[int, int]
    objects: tuple[int, int]
    largest: float  # imbalance of a class
    median: float  # over the classes that have objects

    def __str__(self) -> str:
        return (
            f"{self.images[0]} and {self.images[1]} images, {self.objects[0]} and {self.objects[1]} objects; "
            f"imbalance of a class: at most {self.largest:.1%}, median {self.median:.1%}"
        )


def class_counts(data: Dataset) -> Counts:
    """How many objects of each class each image has, (P, K)."""
    number_of = {name: number for number, name in enumerate(data.classes)}
    counts = np.zeros((len(data), len(data.classes)), dtype=np.int64)
    for row, truth in zip(counts, data.images, strict=True):
        np.add.at(row, [number_of[label] for label in truth.labels.tolist()], 1)
    return counts


def balanced_halves(counts: Counts, seed: int = 0) -> NDArray[np.bool_]:
    """Which images of (P, K) counts belong to the second half, (P,).

    Images are dealt one by one, those with the rarest class first, each to the side that its classes lack; then each
    may change sides as long as that helps. Differences count in fractions of a class, so that rare classes weigh as
    much as frequent ones; the images themselves are one more class.
    """
    counts = np.column_stack([counts, np.ones(len(counts), dtype=np.int64)])  # [P, K + 1]
    totals = np.maximum(counts.sum(axis=0), 1)
    fractions = counts / totals  # [P, K + 1]
    sides = np.zeros(len(counts))  # -1 the first half, 1 the second, 0 not dealt yet
    difference = np.zeros(counts.shape[1])  # [K + 1], second half minus first, in fractions
    order = _rarest_first(counts, totals, seed)
    for _ in range(_ROUNDS):
        changed = False
        for image in order:
            rest = difference - sides[image] * fractions[image]
            side = -1.0 if rest @ fractions[image] > 0 else 1.0
            if side != sides[image]:
                sides[image], difference, changed = side, rest + side * fractions[image], True
        if not changed:
            break
    return sides > 0


def _rarest_first(counts: Counts, totals: Counts, seed: int) -> NDArray[np.intp]:
    """Images by the frequency of their rarest class, those with many of it first, else at random."""
    rarest = np.where(counts > 0, totals, np.iinfo(np.int64).max).argmin(axis=1)  # [P]
    many = counts[np.arange(len(counts)), rarest]
    shuffle = np.random.default_rng(seed).random(len(counts))
    return np.lexsort((shuffle, -many, totals[rarest]))


def split_validation(data: Dataset, seed: int = 0) -> tuple[Dataset, Dataset]:
    """The two halves of a data set, in its own order, without the images that have an ignored class."""
    complete = np.array([not truth.ignored_classes for truth in data.images], dtype=np.bool_)
    indices = np.flatnonzero(complete)
    second = balanced_halves(class_counts(data)[indices], seed)
    first, last = (f"{name} of {data.name}" for name in HALVES)
    return subset(data, indices[~second], first), subset(data, indices[second], last)


def balance_of(first: Dataset, second: Dataset) -> Balance:
    a, b = class_counts(first).sum(axis=0), class_counts(second).sum(axis=0)
    seen = a + b > 0
    imbalance = np.abs(a - b)[seen] / (a + b)[seen] if seen.any() else np.zeros(1)
    images, objects = (len(first), len(second)), (int(a.sum()), int(b.sum()))
    return Balance(images, objects, float(imbalance.max()), float(np.median(imbalance)))


def write_halves(data: Dataset, folder: Path, seed: int = 0) -> Balance:
    """Write `val1.txt` and `val2.txt`: lines `name index` as in the official lists, with the index that `data` has."""
    if not data.image_ids:
        raise UsageError(f"{data.name} has no image numbers: give ilsvrc:ROOT:val")
    halves = split_validation(data, seed)
    for name, half in zip(HALVES, halves, strict=True):
        lines = [f"{_listed(truth.file)} {number}\n" for truth, number in zip(half.images, half.image_ids, strict=True)]
        write_atomically(folder / f"{name}.txt", "".join(lines))
    return balance_of(*halves)


def write_training_list(data: Dataset, per_class: int, folder: Path, seed: int = 0) -> str:
    """Write `trainN.txt`, images of `train` with N objects of each class where there are enough; gives what it has.

    They are drawn from the lists of the classes, `train_1` to `train_200`, that the root of `data` has. An image may
    bring more of its class than were missing, and objects of other classes (R-CNN's val1 + train_N).
    """
    root = data.folder.parents[1]
    lists = root / "ImageSets" / "DET"
    numbered = [(f"train_{number}", name) for number, name in enumerate(ILSVRC_CLASSES, start=1)]
    present = [(split, name) for split, name in numbered if (lists / f"{split}.txt").is_file()]
    if not present:
        raise DataError(f"{lists}: has no list of one class, train_1.txt to train_{len(numbered)}.txt")
    files: dict[str, int] = {}  # and how many objects of the class that brought each
    for split, name in present:
        files = {**_first_objects(read_ilsvrc(root, split), name, per_class, seed), **files}
    path = folder / f"train{per_class}.txt"
    write_atomically(path, "".join(f"{_listed(file)}\n" for file in files))
    return f"{len(files)} images, {sum(files.values())} objects of {len(present)} classes"


def _first_objects(data: Dataset, name: str, wanted: int, seed: int) -> dict[str, int]:
    chosen: dict[str, int] = {}
    for index in np.random.default_rng(seed).permutation(len(data)):
        truth = data.images[index]
        count = int(np.count_nonzero(truth.labels == name))
        if sum(chosen.values()) >= wanted:
            break
        if count:
            chosen[truth.file] = count
    return chosen


def _listed(file: str) -> str:
    """What the lists call an image: its path below the folder of its split, without the suffix.

    >>> _listed("val/ILSVRC2012_val_00000001.JPEG")
    'ILSVRC2012_val_00000001'
    """
    return PurePosixPath(*PurePosixPath(file).parts[1:]).with_suffix("").as_posix()
