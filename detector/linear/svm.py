"""R-CNN's classifiers: a linear support vector machine for each class, with hard negatives mined in one pass.

As `rcnn_train.m` has it: each class has a cache of negatives. Those of an image that its present hyperplane does
not leave well behind join the cache; when many have joined, the hyperplane is learnt anew and easy ones leave.

Shapes: D features of a region, K classes, P positives, N negatives.
"""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from ...data.errors import UsageError
from .classifiers import Examples, Features, LinearClassifiers, positives_of

COST = 0.001  # C
POSITIVE_WEIGHT = 2.0  # a positive's error costs so much more
BIAS = 10  # the constant feature whose weight is the bias: it is regularised too, but little
ADD_ABOVE = -1.0001  # a negative's margin to join the cache: at least about on the margin
EVICT_BELOW = -1.2  # a negative's margin to leave it again
RETRAIN_AFTER = 2000  # new negatives
TOLERANCE = 0.1  # liblinear's own for this loss, as R-CNN used it
MEMORY = 2**31  # bytes for all caches together


def mined_svms(examples: Examples, classes: tuple[str, ...], memory: int = MEMORY) -> LinearClassifiers:
    """One hyperplane for each class, after one pass over all images for all classes at once.

    `memory` bounds the caches of negatives: where a class has more, the hardest stay.
    """
    positives = positives_of(examples, classes)
    limit = max(memory // (4 * positives[0].shape[1] * len(classes)), 1)
    mines = [Mine(rows, limit) for rows in positives]
    for example in examples():
        for mine, rows in zip(mines, example.negatives.T, strict=True):
            mine.offer(example.features[rows])
    for name, mine in zip(classes, mines, strict=True):
        if not mine.learnt:
            raise UsageError(f"no proposal misses the objects of class {name!r}: there are no negatives to learn from")
        mine.finish()
    return LinearClassifiers(np.stack([mine.weights for mine in mines]), np.array([mine.bias for mine in mines]))


class Mine:
    """One class's positives, its cache of hard negatives, and the hyperplane they gave last."""

    def __init__(self, positives: Features, limit: int):
        self.positives, self.limit = positives, limit
        self.negatives = positives[:0]  # [N, D], of when it was learnt last
        self.weights: NDArray[np.float64] = np.zeros(positives.shape[1])  # [D]
        self.bias = 0.0
        self._added: list[Features] = []
        self.learnt = False

    def __len__(self) -> int:
        return len(self.negatives) + self._num_added

    @property
    def _num_added(self) -> int:
        return sum(map(len, self._added))

    def offer(self, negatives: Features) -> None:
        """Take in the hard ones of an image's negatives [N, D]; of the first image that has any, all."""
        self._added.append(negatives[self.margins(negatives) > ADD_ABOVE])
        if self._num_added > RETRAIN_AFTER or len(self) > self.limit or (not self.learnt and len(self)):
            self.learn()

    def finish(self) -> None:
        """Learn from the last negatives that joined, if any did since it was learnt."""
        if self._num_added:
            self.learn()

    def learn(self) -> None:
        """The hyperplane anew from all that is here; then easy negatives leave, and the easiest beyond the limit."""
        self.negatives = np.concatenate([self.negatives, *self._added])
        self._added.clear()
        self.weights, self.bias = fit(self.positives, self.negatives)
        self.learnt = True
        margins = self.margins(self.negatives)
        hard = np.flatnonzero(margins >= EVICT_BELOW)
        if len(hard) > self.limit:
            hard = np.sort(hard[np.argsort(-margins[hard], kind="stable")[: self.limit]])
        self.negatives = self.negatives[hard]

    def margins(self, features: Features) -> NDArray[np.float64]:
        """On which side of the hyperplane each row lies, and how far, [N]."""
        return features @ self.weights + self.bias


def fit(positives: Features, negatives: Features) -> tuple[NDArray[np.float64], float]:
    """The weights [D] and the bias of the machine that separates positives from negatives (liblinear, hinge loss)."""
    machine = LinearSVC(
        C=COST,
        loss="hinge",
        intercept_scaling=BIAS,
        class_weight={1: POSITIVE_WEIGHT},
        tol=TOLERANCE,
        random_state=0,
    )
    labels = np.repeat([1, -1], [len(positives), len(negatives)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a thousand rounds are as near as it needs to come
        machine.fit(np.concatenate([positives, negatives]), labels)
    return np.asarray(machine.coef_)[0], float(np.asarray(machine.intercept_)[0])
