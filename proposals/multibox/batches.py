"""The images of a step in training MultiBox, and the assignment of its priors to objects.

Shapes: K priors, G objects, R boxes of one image.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ...backbone.features.image_pyramid import nearest_short_sides
from ...backbone.training.distributed import own_shard
from ...data.boxes import Boxes, box_area, box_intersection
from ...data.datasets.dataset import Dataset
from ...data.datasets.image_order import ImageOrder
from ...data.datasets.labelling import split_objects
from ...data.images.augmentation import mirror
from ...data.records import GroundTruth, Proposals
from ..common.box_coding import encode
from .network import scale_priors

SLOTS = 8  # priors that an object is assigned to; the paper's one makes near-twins of it background
OBJECT_FRACTION = 0.7  # of the images are resized to suit an object, the others to suit a prior
JITTER = 0.25  # octaves, of the sizes
WHOLE_FRACTION = 0.5  # of the images get their priors on the whole image, the others on a window
SMALLEST_WINDOW = 0.35  # of a side
VISIBLE = 0.6  # of an object must be in the window for it to be assigned priors
OTHERS = 128  # proposals of another method for each image, to learn the predicted IoU from


@dataclass(frozen=True, eq=False)
class MultiBoxExample:
    """One image of a step, its boxes and its objects."""

    file: str
    image: NDArray[np.uint8]  # [H, W, 3]
    short_sides: tuple[float]  # of the one map that all boxes are pooled from
    boxes: Boxes  # [R, 4], priors first, then others
    num_priors: int
    matched: NDArray[np.intp]  # [R], the object that a prior was assigned to, -1 for none
    objects: Boxes  # [G, 4]
    ignored: Boxes  # [I, 4], objects to ignore
    crowd: NDArray[np.bool_]  # [I], which of those are regions with many objects
    complete: bool  # whether every object is annotated: else nothing is background

    def __repr__(self) -> str:
        return self.file


def assign(priors: Boxes, objects: Boxes, slots: int = SLOTS) -> NDArray[np.intp]:
    """For each prior (K, 4) the object (G, 4) it is to find, or -1: the cheapest assignment with `slots` priors each.

    The cost is the location loss itself, ½ of the squared distance of the object in the prior's deltas ("prior
    matching", Erhan et al., section 4.2). Where priors are too few for all slots, every prior has an object.
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
    """This process's shard of any step's examples, made from the step's number and the seed alone."""

    dataset: Dataset
    others: Mapping[str, Proposals]
    priors: Boxes
    short_sides: tuple[float, ...]
    order: ImageOrder
    images: int  # a step

    def __call__(self, step: int) -> list[MultiBoxExample]:
        start = step * self.images
        return [self._example(index) for index in own_shard(range(start, start + self.images))]

    def _example(self, index: int) -> MultiBoxExample:
        chosen, rng = self.order.at(index)
        truth = self.dataset.images[chosen]
        learned, to_ignore = split_objects(truth, self.dataset.classes)
        complete = truth.annotates(self.dataset.classes)
        image, (objects, ignored, others) = self._augmented(truth, (learned.boxes, to_ignore.boxes), rng)
        window = pick_window(image.shape, rng)
        priors = scale_priors(self.priors, window)
        boxes = np.concatenate([priors, others])
        matched = np.full(len(boxes), -1, dtype=np.intp)
        matched[: len(priors)] = _assigned(priors, objects, window)
        sizes = nearest_short_sides(boxes, image.shape, self.short_sides)
        size = _pick_size(sizes, matched, len(priors), OBJECT_FRACTION if complete else 1.0, rng)
        chosen = sizes == size
        chosen[len(priors) :] &= np.cumsum(chosen[len(priors) :]) <= OTHERS
        return MultiBoxExample(
            file=truth.file,
            image=image,
            short_sides=(self.short_sides[size] * 2 ** rng.uniform(-JITTER, JITTER),),
            boxes=boxes[chosen],
            num_priors=int(chosen[: len(priors)].sum()),
            matched=matched[chosen],
            objects=objects,
            ignored=ignored,
            crowd=to_ignore.crowd,
            complete=complete,
        )

    def _augmented(
        self, truth: GroundTruth, objects: tuple[Boxes, Boxes], rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], list[Boxes]]:
        """An image, mirrored or not, its objects, those to ignore, and other boxes to train on, in random order."""
        image, parts = self.dataset.read(truth), [*objects, self.others[truth.file].boxes]
        if rng.random() < 0.5:
            image, flipped = mirror(image, np.concatenate(parts))
            parts = np.split(flipped, np.cumsum([len(each) for each in parts[:-1]]))
        others = rng.permutation(np.concatenate([parts[2], jittered(parts[0], rng)]))[: 4 * OTHERS]
        return image, [*parts[:2], others]


def _assigned(priors: Boxes, objects: Boxes, window: Boxes) -> NDArray[np.intp]:
    """The object of each prior of a window, -1 for none; objects that are hardly in the window have none."""
    visible = np.flatnonzero(box_intersection(objects, window)[:, 0] >= VISIBLE * box_area(objects))
    found = assign(priors, objects[visible])
    found[found >= 0] = visible[found[found >= 0]]
    return found


def _pick_size(
    sizes: NDArray[np.intp],
    matched: NDArray[np.intp],
    num_priors: int,
    object_fraction: float,
    rng: np.random.Generator,
) -> int:
    """The index of the short side for an image: that of a matched prior, or of any, picked at random."""
    chosen = np.flatnonzero(matched >= 0)
    if rng.random() >= object_fraction or not len(chosen):
        chosen = np.arange(num_priors)  # so that there are boxes of that size in any case
    return int(sizes[rng.choice(chosen)]) if len(chosen) else 0


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
    if rng.random() < WHOLE_FRACTION:
        return np.concatenate([0 * whole, whole])[None]
    sides = whole * rng.uniform(SMALLEST_WINDOW, 1) * np.exp(rng.uniform(-0.2, 0.2, 2))
    sides = np.minimum(sides, whole)
    corner = rng.uniform(0, 1, 2) * (whole - sides)
    return np.concatenate([corner, corner + sides])[None]
