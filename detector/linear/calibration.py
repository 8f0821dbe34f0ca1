"""Calibration of margins by a sigmoid for each class (Platt, "Probabilistic outputs for support vector machines").

It only rises, so the order of the scores within a class stays that of the margins.

Shapes: R regions, K classes.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from ...data.boxes import Boxes
from ...data.datasets.labelling import FOREGROUND, IGNORED, match_class
from ...data.records import GroundTruth
from ...data.stores.feature_store import RegionFeatures
from .classifiers import LinearClassifiers

RIGHT_IOU = 0.5  # a region that overlaps an object so much is right about it
IMAGES = 200  # from which the sigmoids are fitted, at most
SLOPES = (0.1, 100.0)  # never flat: all scores would be equal; never a step


def fit_sigmoids(
    labelled: Iterable[tuple[GroundTruth, RegionFeatures]],
    classifiers: LinearClassifiers,
    classes: tuple[str, ...],
    scale: float,
) -> NDArray[np.float64]:
    """A slope and an offset for each class, [K, 2]: the probability that a proposal is right about an object of it."""
    nothing = np.zeros((0, len(classes)), bool)
    margins, rights, fairs = [np.zeros(nothing.shape)], [nothing], [nothing]
    for truth, regions in labelled:
        proposals = slice(regions.num_objects, None)
        features = regions.features[proposals].astype(np.float32) * np.float32(scale)
        margins.append(classifiers.margins(features))
        right, fair = _right(truth, regions.boxes[proposals], classes)
        rights.append(right)
        fairs.append(fair)
    columns = zip(*(np.concatenate(parts).T for parts in (margins, rights, fairs)), strict=True)
    return np.array([fit_sigmoid(margin[fair], right[fair]) for margin, right, fair in columns])


def _right(truth: GroundTruth, boxes: Boxes, classes: tuple[str, ...]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each box is right about an object of each class, [R, K], and whether either answer is fair, [R, K]."""
    right = np.zeros((len(boxes), len(classes)), bool)
    fair = np.zeros_like(right)
    for number, name in enumerate(classes):
        matches = match_class(truth, name, boxes, RIGHT_IOU)
        right[:, number], fair[:, number] = matches.labels == FOREGROUND, matches.labels != IGNORED
    return right, fair


def fit_sigmoid(margins: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, float]:
    """The slope and offset by which `1 / (1 + exp(-(slope * margin + offset)))` comes nearest to `right`.

    Platt's targets: never quite 0 or 1, by how few there are.
    """
    positives, negatives = int(right.sum()), int((~right).sum())
    targets = np.where(right, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = parameters[0] * margins + parameters[1]
        wrong = expit(logits) - targets
        value = (np.logaddexp(0, logits) - targets * logits).sum()
        return value, np.array([(wrong * margins).sum(), wrong.sum()])

    start = np.array([1.0, np.log((positives + 1) / (negatives + 1))])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=(SLOPES, (None, None)))
    return float(found.x[0]), float(found.x[1])
