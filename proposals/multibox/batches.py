"""The images of a step in training MultiBox, and which prior is to find which object.

Shapes: K priors, G objects, R boxes of one image.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ...backbone.features.image_pyramid import SHORT_SIDES, nearest_short_sides
from ...backbone.training.distributed import own_share
from ...data.boxes import Boxes, box_area, box_intersection
from ...data.datasets.dataset import Dataset, image_at
from ...data.images.augmentation import mirror
from ...data.records import GroundTruth, Proposals
from ..common.box_coding import encode
from .network import place_priors

SLOTS = 8  # priors that an object is assigned to; the paper's one makes near-twins of it background
OBJECT_SHARE = 0.7  # of the images are looked at in the size that suits an object, the others in a prior's
JITTER = 0.25  # octaves, of the sizes
WHOLE_SHARE = 0.5  # of the images are seen whole, the others through a window
SMALLEST_WINDOW = 0.35  # of a side
VISIBLE = 0.6  # of an object must be in the window for its priors to answer for it
OTHERS = 128  # boxes of another method that an image brings, to learn how well a box fits


@dataclass(frozen=True, eq=False)
class MultiBoxExample:
    """One image of a step: boxes to judge, and what is true of them."""

    file: str
    image: NDArray[np.uint8]  # [H, W, 3]
    short_sides: tuple[float]  # the one size it is looked at in
    boxes: Boxes  # [R, 4], priors first, then others
    num_priors: int  # so many of the boxes
    matched: NDArray[np.intp]  # [R], the object that a prior was assigned to, -1 for none
    objects: Boxes  # [G, 4]
    unfair: Boxes  # [U, 4], objects to ignore: what overlaps them is not asked for
    crowd: NDArray[np.bool_]  # [U], which of those are regions with many objects
    complete: bool  # whether every object is annotated; if not, what overlaps none may hold one, and is not asked for

    def __repr__(self) -> str:
        return self.file


def assign(priors: Boxes, objects: Boxes, slots: int = SLOTS) -> NDArray[np.intp]:
    """For each prior (K, 4) the object (G, 4) it is to find, or -1: the cheapest assignment with `slots` priors each.

    The cost is the location loss itself, ½ of the squared distance of the object in the prior's deltas ("prior
    matching", Erhan et al., section 4.2). Where there are fewer priors than places, every prior has an object.
    """
    found = np.full(len(priors), -1, dtype=np.intp)
    if len(objects) and len(priors):
        deltas = encode(torch.as_tensor(priors)[:, None], torch.as_tensor(objects)[None]).numpy()  # [K, G, 4]
        costs = np.repeat((deltas**2).sum(axis=2) / 2, slots, axis=1)  # [K, G * slots]
        rows, columns = linear_sum_assignment(costs)
        found[rows] = columns // slots
    return found


@dataclass(frozen=True)
class MultiBoxBatches:
    """The examples of any step that this process looks at, made from the step's number and the seed alone."""

    dataset: Dataset
    others: Mapping[str, Proposals]
    priors: Boxes
    images: int  # a step
    seed: int

    def __call__(self, step: int) -> list[MultiBoxExample]:
        start = step * self.images
        return [self._example(index) for index in own_share(range(start, start + self.images))]

    def _example(self, index: int) -> MultiBoxExample:
        truth, rng = image_at(self.dataset, self.seed, index)
        complete = truth.annotates(self.dataset.classes)
        image, objects, unfair, others = self._seen(truth, rng)
        window = pick_window(image.shape, rng)
        priors = place_priors(self.priors, window)
        boxes = np.concatenate([priors, others])
        matched = np.full(len(boxes), -1, dtype=np.intp)
        matched[: len(priors)] = _assigned(priors, objects, window)
        sizes = nearest_short_sides(boxes, image.shape, SHORT_SIDES)
        size = _pick_size(sizes, matched, len(priors), OBJECT_SHARE if complete else 1.0, rng)
        fits = sizes == size
        fits[len(priors) :] &= np.cumsum(fits[len(priors) :]) <= OTHERS
        short_sides = (SHORT_SIDES[size] * 2 ** rng.uniform(-JITTER, JITTER),)
        num_priors = int(fits[: len(priors)].sum())
        return MultiBoxExample(
            file=truth.file,
            image=image,
            short_sides=short_sides,
            boxes=boxes[fits],
            num_priors=num_priors,
            matched=matched[fits],
            objects=objects,
            unfair=unfair,
            crowd=truth.crowd[truth.to_ignore],
            complete=complete,
        )

    def _seen(self, truth: GroundTruth, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Boxes, Boxes, Boxes]:
        """An image, mirrored or not, its objects, those to ignore, and other boxes to judge, in random order."""
        image = self.dataset.read(truth)
        objects, unfair = truth.boxes[truth.to_find], truth.boxes[truth.to_ignore]
        others = self.others[truth.file].boxes
        if rng.random() < 0.5:
            counts = len(objects), len(unfair)
            image, flipped = mirror(image, np.concatenate([objects, unfair, others]))
            objects, unfair, others = np.split(flipped, np.cumsum(counts))
        return image, objects, unfair, rng.permutation(np.concatenate([others, jittered(objects, rng)]))[: 4 * OTHERS]


def _assigned(priors: Boxes, objects: Boxes, window: Boxes) -> NDArray[np.intp]:
    """The object of each prior of a window, -1 for none; objects that are hardly in the window have none."""
    seen = np.flatnonzero(box_intersection(objects, window)[:, 0] >= VISIBLE * np.maximum(box_area(objects), 1e-9))
    found = assign(priors, objects[seen])
    found[found >= 0] = seen[found[found >= 0]]
    return found


def _pick_size(
    sizes: NDArray[np.intp],
    matched: NDArray[np.intp],
    num_priors: int,
    object_share: float,
    rng: np.random.Generator,
) -> int:
    """The index of the size to look at an image in: that of a matched prior, or of any, picked at random."""
    wanted = np.flatnonzero(matched >= 0)
    if rng.random() >= object_share or not len(wanted):
        wanted = np.arange(num_priors)  # so that there are boxes of that size in any case
    return int(sizes[rng.choice(wanted)]) if len(wanted) else 0


def jittered(objects: Boxes, rng: np.random.Generator, copies: int = 12) -> Boxes:
    """Boxes near the objects, (G * copies, 4): moved and grown by a normal of a fifth of their sides."""
    sides = objects[:, 2:] - objects[:, :2]
    noise = rng.normal(0, 0.2, (copies, len(objects), 4)) * np.tile(sides, 2)
    boxes = (objects + noise).reshape(-1, 4)
    return boxes[(boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)]


def pick_window(shape: tuple[int, ...], rng: np.random.Generator) -> Boxes:
    """The whole image or a random part of it, (1, 4)."""
    height, width = shape[:2]
    whole = np.array([width, height], dtype=np.float64)
    if rng.random() < WHOLE_SHARE:
        return np.concatenate([0 * whole, whole])[None]
    sides = whole * rng.uniform(SMALLEST_WINDOW, 1) * np.exp(rng.uniform(-0.2, 0.2, 2))
    sides = np.minimum(sides, whole)
    corner = rng.uniform(0, 1, 2) * (whole - sides)
    return np.concatenate([corner, corner + sides])[None]
