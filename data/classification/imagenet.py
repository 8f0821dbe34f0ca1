"""ImageNet's 1,000 classes (ILSVRC 2012), in the order of the outputs of BVLC's and torchvision's networks."""

import csv
from pathlib import Path

from ..formats.ilsvrc.annotations import DET_NAMES

with Path(__file__).with_name("imagenet_classes.csv").open(encoding="utf-8", newline="") as stream:
    _ROWS = list(csv.reader(stream))[1:]

IMAGENET_WNIDS = tuple(wnid for wnid, _, _ in _ROWS)  # of WordNet 3.0
IMAGENET_CLASSES = tuple(name for _, name, _ in _ROWS)
# The class of ILSVRC DET that each is or is a kind of, by WordNet's hypernyms: 483 have one, and all 200 are covered.
DET_CLASSES = tuple(DET_NAMES.get(wnid) for _, _, wnid in _ROWS)
