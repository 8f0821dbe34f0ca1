"""A data set in memory: its pictures' annotations, its classes and where the picture files are."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .records import GroundTruth


@dataclass(frozen=True)
class Dataset:
    """One split of a data set. `classes` gives the order in which a classifier or a table lists the names."""

    name: str
    classes: tuple[str, ...]
    pictures: tuple[GroundTruth, ...]
    folder: Path  # of the picture files

    def __len__(self) -> int:
        return len(self.pictures)

    def path(self, picture: GroundTruth) -> Path:
        """Where the file of one of the pictures is."""
        return self.folder / picture.file


def names_seen(pictures: Iterable[GroundTruth]) -> tuple[str, ...]:
    """The class names on the pictures, each once, sorted."""
    return tuple(sorted({str(label) for picture in pictures for label in picture.labels}))
