"""Selective Search (Uijlings et al., IJCV 2013): class-agnostic boxes from grouping superpixels at all scales.

The image is brought to a width of 500 pixels, as the method is not scale invariant; it is segmented in every colour
space at every k; each segmentation is grouped once per similarity; every region on the way gives a box.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes
from ...data.class_names import did_you_mean
from ...data.errors import UsageError
from ...data.records import Proposals
from ...data.values import Range, check_ranges
from ..common.working_size import WORKING_WIDTH, checked_image, scored_by_rank, to_working_size
from .colour_spaces import COLOUR_SPACES, ColourSpace, to_colour_space
from .grouping import TERMS, group
from .histograms import TextureSource, describe
from .segmentation import part_graph, segment

# Above it the segmentation's thresholds exceed 32 bits; no region grows so large at half a million pixels anyway.
MAX_SCALE = 100_000
MAX_VALUES = 20  # of a setting that has several: all combinations are grouped
RANGES = {
    "min_size": Range(1, 10**6, whole=True, optional=True),
    "sigma": Range(0.001, 100),
    "width": Range(1, 10_000, whole=True, optional=True),
    "min_side": Range(1, 10**6, whole=True),
}


@dataclass(frozen=True)
class Settings:
    """One variant of the method: all combinations of colour space, k and similarity are grouped."""

    colour_spaces: tuple[ColourSpace, ...] = ("HSV", "Lab")
    similarities: tuple[str, ...] = ("CTSF", "TSF")  # terms of each mean: colour, texture, size, fill
    scales: tuple[int, ...] = (50, 100)  # k of the segmentation
    min_size: int | None = None  # pixels of the smallest region; k without
    sigma: float = 0.8  # pixels, the blur before the segmentation
    width: int | None = WORKING_WIDTH  # pixels, of the image that is searched; as it is without
    min_side: int = 20  # pixels of that image; boxes with a smaller side are left out
    texture_of: TextureSource = "each channel"  # or "first channel", as the authors' code has it

    def __post_init__(self) -> None:
        if not (self.colour_spaces and self.similarities and self.scales):
            raise UsageError("Selective Search needs at least one colour space, one similarity and one scale")
        if not all(1 <= k <= MAX_SCALE for k in self.scales):
            raise UsageError(f"the scales of Selective Search lie in 1...{MAX_SCALE}, got {self.scales}")
        for space in self.colour_spaces:
            if space not in COLOUR_SPACES:
                raise UsageError(f"no colour space {space!r} (known: {', '.join(COLOUR_SPACES)})")
        for terms in self.similarities:
            if not terms or set(terms) - set(TERMS) or len(set(terms)) < len(terms):
                raise UsageError(f"no similarity {terms!r}: name each of its terms once, of {', '.join(TERMS)}")
        if self.texture_of not in get_args(TextureSource):
            raise UsageError(f"no texture of {self.texture_of!r} (known: {', '.join(get_args(TextureSource))})")
        if max(map(len, (self.colour_spaces, self.similarities, self.scales))) > MAX_VALUES:
            raise UsageError(f"Selective Search takes at most {MAX_VALUES} colour spaces, similarities or scales")
        check_ranges(self, RANGES)


_FAST = Settings()

# Table 5 of the paper; "googlenet" doubles the superpixels of "fast", which halves the boxes (GoogLeNet, section 8);
# "opencv-settings" are those of OpenCV's fast mode, to compare at equal work.
PRESETS: dict[str, Settings] = {
    "single": Settings(colour_spaces=("HSV",), similarities=("CTSF",), scales=(100,)),
    "fast": _FAST,
    "quality": Settings(
        colour_spaces=("HSV", "Lab", "rgI", "H", "I"),
        similarities=("CTSF", "TSF", "F", "S"),
        scales=(50, 100, 150, 300),
    ),
    "googlenet": replace(_FAST, scales=tuple(2 * k for k in _FAST.scales)),
    "opencv-settings": replace(_FAST, scales=(150, 300, 450), min_size=100, min_side=1),
}


def settings_named(text: str) -> Settings:
    """The settings of a preset, some of them changed: `fast`, or `fast,scales=150/300/450,width=none`.

    A name that does not exist is refused with the nearest one that does.
    """
    name, *changes = text.split(",")
    if name not in PRESETS:
        raise UsageError(f"no Selective Search preset {name!r}{_hint(name, PRESETS)} (known: {', '.join(PRESETS)})")
    defaults = {field.name: field.default for field in fields(Settings)}
    values = {}
    for change in changes:
        key, _, value = change.partition("=")
        if key not in defaults:
            raise UsageError(
                f"Selective Search has no setting {key!r}{_hint(key, defaults)} (known: {', '.join(defaults)})"
            )
        values[key] = _parsed(key, value, defaults[key])
    return replace(PRESETS[name], **values)


def _hint(name: str, known: Iterable[str]) -> str:
    near = did_you_mean(name, known)
    return f"; did you mean {near!r}?" if near else ""


def _parsed(key: str, value: str, like: Any) -> Any:
    """A setting's value from its text, of the kind that its default has; `none` for a number that may be missing."""
    try:
        if isinstance(like, tuple):
            return tuple(type(like[0])(part) for part in value.split("/"))
        if key in ("width", "min_size"):
            return None if value == "none" else int(value)
        return type(like)(value)
    except ValueError as error:
        raise UsageError(f"Selective Search: {key}={value} is not a value such as {like!r}") from error


def selective_search(image: NDArray[np.uint8], settings: Settings = PRESETS["fast"], *, seed: int = 0) -> Proposals:
    """Boxes of an RGB (H, W, 3) or grey (H, W) image, each at most once, the best first; never none.

    The order is the authors': a box's rank in its hierarchy, the whole image being 1, times a random number, so the
    seed changes the order, never the set of boxes. Scores are evenly spaced, from 1 down. Where no region reaches
    `min_side`, and in images smaller than that, the whole image is the only proposal.
    """
    image = checked_image(image)
    if min(image.shape[:2]) >= settings.min_side:
        working = to_working_size(image, settings.width)
        boxes = _ranked(_hierarchies(working, settings), settings.min_side, seed)
        if len(boxes):
            return scored_by_rank(boxes, working, image)
    height, width = image.shape[:2]
    return Proposals(np.array([[0, 0, width, height]], np.float64), np.ones(1))


def _hierarchies(image: NDArray[np.uint8], settings: Settings) -> list[tuple[NDArray[np.int32], int]]:
    """Boxes in the order of merging, with the priority of the first; initial regions once for each segmentation.

    Priorities count down to 1 for the whole image; those of initial regions come before, as if merged first.
    """
    hierarchies: list[tuple[NDArray[np.int32], int]] = []
    num_pixels = image.shape[0] * image.shape[1]
    for space in settings.colour_spaces:
        converted = to_colour_space(image, space)
        graph = part_graph(converted, settings.sigma, min(settings.scales))
        segmentations = [segment(graph, k, settings.min_size or k) for k in settings.scales]
        for regions in describe(segmentations, converted, settings.texture_of):
            hierarchies.append((regions.boxes, 2 * len(regions.boxes) - 1))
            for similarity in settings.similarities:
                merged = group(regions, similarity, num_pixels)
                hierarchies.append((merged, len(merged)))
    return hierarchies


def _ranked(hierarchies: list[tuple[NDArray[np.int32], int]], min_side: int, seed: int) -> Boxes:
    """The boxes of all hierarchies, best first, without small ones and repetitions, (N, 4)."""
    boxes = np.concatenate([boxes for boxes, _ in hierarchies])
    priorities = np.concatenate([first - np.arange(len(boxes)) for boxes, first in hierarchies])
    order = np.argsort(priorities * np.random.default_rng(seed).random(len(boxes)), kind="stable")
    boxes = boxes[order]
    boxes = boxes[(boxes[:, 2:] - boxes[:, :2] >= min_side).all(axis=1)]
    numbered = np.ravel_multi_index(tuple(boxes.T), tuple(boxes.max(axis=0, initial=0) + 1))  # one integer a box
    _, first_seen = np.unique(numbered, return_index=True)
    return boxes[np.sort(first_seen)].astype(np.float64)
