"""Ridge regression by normal equations, in one pass over the features: classifiers, and R-CNN's box regressors.

Shapes: R regions of one image, D features of a region, K classes, P pairs of a proposal and its object.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solve

from ...data.boxes import Boxes, box_iou
from ...data.errors import UsageError
from ...data.records import GroundTruth
from ...data.stores.feature_store import RegionFeatures
from ...proposals.common.box_coding import DELTA_STD, encode
from .classifiers import Examples, Features, LinearClassifiers

# Lambda of R-CNN's box regressors, on features of mean length 20 and tens of thousands of pairs. With 2,580 pairs from
# 160 photos of VOC2012 it gave .702 mAP where 100 gave .731, and no regression .673.
PENALTY = 1000.0
CLASSIFIER_PENALTY = 1000.0
PAIR_IOU = 0.6  # a proposal learns from the object it overlaps most, if by more than this
WHITENING = 0.001  # added to the targets' variances before they are divided by
ROWS_AT_ONCE = 2048  # multiplied together: adding up the products of a few rows costs as much as of many
MEMORY = 2**31  # bytes for the sums of products that are filled in one pass

Labelled = Callable[[], Iterable[tuple[GroundTruth, RegionFeatures]]]  # all images, read anew at each call


class Moments:
    """X'X and X'Y of rows that come part by part, X with a last column of ones: all that a ridge needs of them."""

    def __init__(self, num_features: int, num_targets: int):
        self._gram = np.zeros((num_features + 1, num_features + 1))
        self._products = np.zeros((num_features + 1, num_targets))
        self._waiting: list[tuple[Features, NDArray[np.float64], NDArray[np.float64]]] = []

    def add(self, rows: Features, targets: NDArray[np.float64], weight: float = 1.0) -> None:
        """Take in rows [R, D] and their targets [R, T], each counting `weight` times; -1 takes them out again."""
        self._waiting.append((rows, targets, np.full((len(rows), 1), weight)))
        if sum(len(part) for part, _, _ in self._waiting) >= ROWS_AT_ONCE:
            self._multiply()

    def sums(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """X'X [D + 1, D + 1] and X'Y [D + 1, T] of all rows so far."""
        self._multiply()
        return self._gram, self._products

    def _multiply(self) -> None:
        if not self._waiting:
            return
        rows, targets, weights = (np.concatenate(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting.clear()
        extended = np.concatenate([rows, np.ones((len(rows), 1), np.float32)], axis=1)  # [R, D + 1]
        self._gram += (extended * weights.astype(np.float32)).T @ extended
        self._products += extended.T @ (targets * weights)


def solve_ridge(gram: NDArray[np.float64], products: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """The coefficients [D + 1, T] of the least squared error; the bias, the last row, is penalised too (as R-CNN's)."""
    regularised = gram.copy()
    regularised.flat[:: len(gram) + 1] += penalty  # the diagonal
    return np.asarray(solve(regularised, products, assume_a="pos", overwrite_a=True), dtype=np.float64)


def passes(num_classes: int, num_features: int, memory: int = MEMORY) -> Iterator[range]:
    """The classes, as many at a time as have room for their sums of products."""
    size = max(memory // (8 * (num_features + 1) ** 2), 1)
    return (range(start, min(start + size, num_classes)) for start in range(0, num_classes, size))


def ridge_classifiers(
    examples: Examples, classes: tuple[str, ...], num_features: int, memory: int = MEMORY
) -> LinearClassifiers:
    """Beside `svm.mined_svms`, without mining: the hyperplanes nearest to +1 on positives and to -1 on all negatives.

    Positives count as much as negatives, all together. The products of nearly all regions are the same for all classes,
    so that another class costs a solution only; as many as have room in `memory` are learnt in one pass. For six
    classes mining is as quick.
    """
    learnt = [
        each
        for numbers in passes(len(classes), num_features, memory)
        for each in _classifiers(examples, [classes[number] for number in numbers], numbers, num_features)
    ]
    coefficients = np.stack(learnt)  # [K, D + 1]
    return LinearClassifiers(coefficients[:, :-1], coefficients[:, -1])


def _classifiers(
    examples: Examples, names: Sequence[str], numbers: range, num_features: int
) -> Iterator[NDArray[np.float64]]:
    """The coefficients [D + 1] of some classes. What all regions add as negatives is corrected for each class."""
    everything = Moments(num_features, 1)
    own = [Moments(num_features, 1) for _ in numbers]
    positives: list[list[Features]] = [[] for _ in numbers]
    num_negatives = np.zeros(len(numbers))
    for example in examples():
        everything.add(example.features, -np.ones((len(example.features), 1)))
        for i, number in enumerate(numbers):
            others = example.features[~example.negatives[:, number]]
            own[i].add(others, -np.ones((len(others), 1)), weight=-1)
            positives[i].append(example.features[example.positives[:, number]])
            num_negatives[i] += example.negatives[:, number].sum()
    for name, moments, parts, negatives in zip(names, own, positives, num_negatives, strict=True):
        rows = np.concatenate(parts) if parts else np.zeros((0, num_features), np.float32)
        if not len(rows):
            raise UsageError(f"the data set has no object of class {name!r} to learn it from; add some to --data")
        moments.add(rows, np.ones((len(rows), 1)), weight=max(negatives, 1) / len(rows))
        (gram, products), (shared_gram, shared_products) = moments.sums(), everything.sums()
        yield solve_ridge(gram + shared_gram, products + shared_products, CLASSIFIER_PENALTY)[:, 0]


@dataclass(frozen=True, eq=False)
class BoxRegressor:
    """One class's deltas, dx dy dw dh as R-CNN has them (appendix C), linear in the features scaled for learning."""

    weights: NDArray[np.float64]  # [4, D]
    biases: NDArray[np.float64]  # [4]
    num_pairs: int  # that it learnt from; none leave every box as it is


class _Pairs:
    """The moments of one class's features and deltas, and of the deltas alone."""

    def __init__(self, num_features: int):
        self.moments = Moments(num_features, 4)
        self.squares = np.zeros((4, 4))
        self.num = 0

    def add(self, rows: Features, targets: NDArray[np.float64]) -> None:
        self.moments.add(rows, targets)
        self.squares += targets.T @ targets
        self.num += len(rows)

    def regressor(self, penalty: float) -> BoxRegressor:
        """Learn the deltas with their mean taken off and made independent of each other (ZCA), and turn it back."""
        gram, products = self.moments.sums()
        if self.num == 0:
            return BoxRegressor(np.zeros((4, len(gram) - 1)), np.zeros(4), 0)
        mean = products[-1] / self.num  # [4]
        whiten, unwhiten = whitening(self.squares / self.num - np.outer(mean, mean))
        centred = products - gram[:, -1:] * mean  # the last column has the sums of the features
        coefficients = solve_ridge(gram, centred @ whiten, penalty) @ unwhiten  # [D + 1, 4]
        return BoxRegressor(coefficients[:-1].T, coefficients[-1] + mean, self.num)


def whitening(covariance: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The symmetric matrix that makes targets of this covariance independent and of unit size, and its inverse."""
    variances, directions = np.linalg.eigh(covariance)
    sizes = np.sqrt(variances + WHITENING)
    return (directions / sizes) @ directions.T, (directions * sizes) @ directions.T


def ridge_boxes(
    labelled: Labelled,
    classes: tuple[str, ...],
    num_features: int,
    scale: float,
    columns: slice = slice(None),
    penalty: float = PENALTY,
    memory: int = MEMORY,
) -> list[BoxRegressor]:
    """A regressor for each class from the `columns`, of width D, of every image's features, times `scale`."""
    learnt = []
    for numbers in passes(len(classes), num_features, memory):
        pairs_of = {classes[number]: _Pairs(num_features) for number in numbers}
        for truth, regions in labelled():
            rows, labels, targets = box_pairs(truth, regions)
            for name, pairs in pairs_of.items():
                picked = rows[labels == name]
                features = regions.features[picked, columns].astype(np.float32) * np.float32(scale)
                pairs.add(features, targets[labels == name])
        learnt += [pairs.regressor(penalty) for pairs in pairs_of.values()]
    return learnt


def box_pairs(
    truth: GroundTruth, regions: RegionFeatures
) -> tuple[NDArray[np.intp], NDArray[np.str_], NDArray[np.float64]]:
    """The regions [P] that overlap their nearest object by more than .6, its label [P], and deltas to it [P, 4].

    Objects themselves, and those to ignore, teach nothing.
    """
    objects = truth[truth.to_find & (truth.boxes[:, 2:] > truth.boxes[:, :2]).all(axis=1)]
    proposals = regions.boxes[regions.num_objects :]
    if not len(objects):
        return np.zeros(0, np.intp), np.zeros(0, np.str_), np.zeros((0, 4))
    overlaps = box_iou(proposals, objects.boxes)
    nearest, rows = overlaps.argmax(axis=1), np.flatnonzero(overlaps.max(axis=1) > PAIR_IOU)
    matched = objects[nearest[rows]]
    return rows + regions.num_objects, matched.labels, _deltas(proposals[rows], matched.boxes)


def _deltas(boxes: Boxes, targets: Boxes) -> NDArray[np.float64]:
    """As the paper has them: not yet divided by their usual sizes."""
    return encode(torch.from_numpy(boxes), torch.from_numpy(targets)).numpy() * np.array(DELTA_STD)
