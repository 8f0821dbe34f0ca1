"""ImageNet's 1,000 classes (ILSVRC 2012), in the order of the outputs of BVLC's and torchvision's networks."""

import csv
import os
from pathlib import Path

from ...datasets.renames import read_renames
from ...diagnostics import cut
from ...errors import UsageError
from ...files.text_files import lines_of, read_text
from .annotations import DET_NAMES

with Path(__file__).with_name("imagenet_classes.csv").open(encoding="utf-8", newline="") as stream:
    _ROWS = list(csv.reader(stream))[1:]

IMAGENET_WNIDS = tuple(wnid for wnid, _, _ in _ROWS)  # of WordNet 3.0
IMAGENET_CLASSES = tuple(name for _, name, _ in _ROWS)
# The class of ILSVRC DET that each is or is a kind of, by WordNet's hypernyms: 483 have one, and all 200 are covered.
DET_CLASSES = tuple(DET_NAMES.get(wnid) for _, _, wnid in _ROWS)
# What ILSVRC DET calls the classes of VOC, COCO and ImageNet; "" where it may be one of several, or none.
ILSVRC_RENAMES = {
    **{wnid: name for wnid, name in zip(IMAGENET_WNIDS, DET_CLASSES, strict=True) if name is not None},
    **read_renames(str(Path(__file__).with_name("ilsvrc_renames.txt"))),
}


def read_subclasses(text: str) -> dict[str, str]:
    """A classifier's outputs, each with the class that it is a kind of, "" for none.

    `ilsvrc` are ImageNet's thousand and the classes of ILSVRC DET. Others are in a file with a line NAME=CLASS, or
    NAME alone, for each output, in order.

    >>> read_subclasses("ilsvrc")["tabby"], read_subclasses("ilsvrc")["tench"]
    ('domestic cat', '')
    """
    if text == "ilsvrc":
        return {name: parent or "" for name, parent in zip(IMAGENET_CLASSES, DET_CLASSES, strict=True)}
    if not os.path.isfile(text):
        raise UsageError(f"--subclasses {cut(text)}: need ilsvrc, or a file with a line NAME=CLASS for each output")
    pairs = [[part.strip() for part in line.partition("=")] for line in lines_of(read_text(text)) if line.strip()]
    subclasses = {name: parent for name, _, parent in pairs}
    if len(subclasses) != len(pairs) or "" in subclasses:
        raise UsageError(f"--subclasses {cut(text)}: each line needs a name of its own before the =")
    if not any(subclasses.values()):
        raise UsageError(f"--subclasses {cut(text)}: no line has a class after its =")
    return subclasses
