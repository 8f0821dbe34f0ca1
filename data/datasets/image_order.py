"""The order in which a training meets its images, rare classes more often where that is wanted.

Shapes: N images of a data set.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..datasets.dataset import Dataset

# A class that fewer of the images have comes more often: by the square root of how much rarer it is (LVIS's repeat
# factors, Gupta et al. 2019, section 4.4; their .001 is for a hundred thousand images).
FREQUENT = 0.1


@dataclass(frozen=True)
class ImageOrder:
    """The endless sequence of epochs, each with every image about as often as `repeats` [N] says, in a new order."""

    repeats: NDArray[np.float64]
    seed: int

    def at(self, index: int) -> tuple[int, np.random.Generator]:
        """The image at an index of the sequence, and a random generator of its own."""
        epoch, rank = divmod(index, round(self.repeats.sum()))
        order = np.random.default_rng((self.seed, epoch)).permutation(self._epoch(epoch))
        return int(order[rank]), np.random.default_rng((self.seed, epoch, rank))

    def _epoch(self, epoch: int) -> NDArray[np.intp]:
        """An epoch's images: each as often as it should be, rounded at random but to the same sum in every epoch."""
        last = self.repeats.cumsum()
        edges = last * (round(last[-1]) / last[-1])
        offset = np.random.default_rng((self.seed, epoch, len(edges))).uniform(0.001, 0.999)
        counts = np.diff(np.floor(edges + offset), prepend=0).astype(np.intp)
        return np.repeat(np.arange(len(edges)), counts)


def image_order(data: Dataset, classes: Sequence[str], seed: int, *, balance: bool) -> ImageOrder:
    """Every image once in an epoch, or with `balance` those of rare classes more often."""
    return ImageOrder(repeat_factors(data, classes) if balance else np.ones(len(data)), seed)


def repeat_factors(data: Dataset, classes: Sequence[str], frequent: float = FREQUENT) -> NDArray[np.float64]:
    """How often each image should be met in an epoch, [N]: by the rarest of its classes, 1 for frequent ones."""
    present = [{*map(str, truth.labels[truth.to_find])} & {*classes} for truth in data.images]
    images_of = Counter(name for names in present for name in names)
    factor = {name: max(1.0, (frequent * len(data) / count) ** 0.5) for name, count in images_of.items()}
    return np.array([max((factor[name] for name in names), default=1.0) for names in present])
