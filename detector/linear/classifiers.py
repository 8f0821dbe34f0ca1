"""Linear classifiers on region features, one for each class, and what they learn from.

Shapes: R regions of one image, D features of a region, K classes, P positives, N negatives.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.datasets.dataset import Dataset, evenly_spaced
from ...data.datasets.labelling import BACKGROUND, match_class
from ...data.errors import UsageError
from ...data.records import GroundTruth
from ...data.stores.feature_store import FeatureStore, RegionFeatures

NORM = 20.0  # the mean length that features are scaled to (R-CNN's `rcnn_scale_features.m`)
NORM_IMAGES = NORM_REGIONS = 200  # at most, over which the mean is
NEGATIVE_IOU = 0.3  # a proposal that overlaps an object of a class by less is a negative of it; .5 costs 5 mAP (R-CNN)

Features = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LabelledFeatures:
    """The features of one image's regions and their labels; a region that is neither is ignored for that class."""

    features: Features  # [R, D], scaled
    positives: Flags  # [R, K]
    negatives: Flags  # [R, K]


Examples = Callable[[], Iterable[LabelledFeatures]]  # all images, read anew at each call


@dataclass(frozen=True, eq=False)
class LinearClassifiers:
    """A hyperplane for each class, in the features as they are scaled for learning."""

    weights: NDArray[np.float64]  # [K, D]
    biases: NDArray[np.float64]  # [K]

    def margins(self, features: Features) -> NDArray[np.float64]:
        """How far on the positive side each region is for each class, [R, K]."""
        return features @ self.weights.T + self.biases


def feature_scale(store: FeatureStore, columns: slice = slice(None)) -> float:
    """What to multiply features, or some columns of them, with for a mean length of 20; 1 where there are none."""
    lengths = [np.zeros(0)]
    for regions in store.spread(NORM_IMAGES):
        rows = evenly_spaced(len(regions), NORM_REGIONS)
        lengths.append(np.linalg.norm(regions.features[rows, columns].astype(np.float64), axis=1))
    mean = np.concatenate(lengths).mean() if sum(map(len, lengths)) else 0.0
    return NORM / mean if mean > 0 else 1.0


def examples_of(data: Dataset, store: FeatureStore, classes: tuple[str, ...], scale: float) -> Examples:
    """R-CNN's choice: the objects themselves are positives, proposals that miss all objects of a class negatives."""

    def read() -> Iterator[LabelledFeatures]:
        for truth, regions in zip(data.images, store, strict=True):
            yield example_of(truth, regions, classes, scale)

    return read


def example_of(truth: GroundTruth, regions: RegionFeatures, classes: tuple[str, ...], scale: float) -> LabelledFeatures:
    """One image's positives and negatives. Objects to ignore are no positives, yet nothing that overlaps one is a
    negative; nor is anything where not all objects of the class are annotated."""
    features = regions.features.astype(np.float32) * np.float32(scale)
    positives = np.zeros((len(regions), len(classes)), dtype=bool)
    negatives = np.zeros_like(positives)
    proposals = regions.boxes[regions.num_objects :]
    for number, name in enumerate(classes):
        positives[: regions.num_objects, number] = (truth.labels == name) & truth.to_find
        labels = match_class(truth, name, proposals, NEGATIVE_IOU).labels
        negatives[regions.num_objects :, number] = labels == BACKGROUND
    return LabelledFeatures(features, positives, negatives)


def positives_of(examples: Examples, classes: tuple[str, ...]) -> list[Features]:
    """Each class's positives [P, D]; UsageError where there are none."""
    found: list[list[Features]] = [[] for _ in classes]
    for example in examples():
        for number, rows in enumerate(example.positives.T):
            found[number].append(example.features[rows])
    joined = [np.concatenate(parts) if parts else np.zeros((0, 0), np.float32) for parts in found]
    for name, rows in zip(classes, joined, strict=True):
        if not len(rows):
            raise UsageError(f"the data set has no object of class {name!r} to learn it from; add some to --data")
    return joined
