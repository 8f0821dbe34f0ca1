"""Top-1 and top-5 accuracy and the confusion matrix of a classifier.

Shapes: N images, K classes.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.terminal import format_columns

SHOWN_CLASSES = 25  # a table of more is no help to a reader; the JSON has all


@dataclass(frozen=True)
class ClassificationResult:
    """A classifier's predictions for images whose class is known."""

    classes: tuple[str, ...]
    targets: NDArray[np.int64]  # [N], indices into `classes`
    probabilities: NDArray[np.float64]  # [N, K]

    def __len__(self) -> int:
        return len(self.targets)

    def top(self, count: int) -> float:
        """Top-`count` accuracy; of equal probabilities the first class comes first."""
        return float((ranks(self.probabilities, self.targets) < count).mean()) if len(self) else float("nan")

    def confusion(self) -> NDArray[np.int64]:
        """The number of images of each class, a row, by predicted class, a column: (K, K)."""
        table = np.zeros((len(self.classes), len(self.classes)), dtype=np.int64)
        np.add.at(table, (self.targets, self.probabilities.argmax(axis=1)), 1)
        return table

    def to_json(self) -> str:
        confusion = self.confusion()
        content: dict[str, Any] = {
            "images": len(self),
            "top1": self.top(1),
            "top5": self.top(5),
            "per_class": {
                name: {"images": int(row.sum()), "right": int(row[index])}
                for index, (name, row) in enumerate(zip(self.classes, confusion, strict=True))
            },
            "classes": self.classes,
            "confusion": confusion.tolist(),
        }
        return json.dumps(content, indent=1) + "\n"

    def __str__(self) -> str:
        lines = [f"{len(self)} images of {len(self.classes)} classes: top-1 {self.top(1):.2%}, top-5 {self.top(5):.2%}"]
        if len(self.classes) <= SHOWN_CLASSES:
            rows = [["class", "images", "accuracy", *(f"as {name}" for name in self.classes)]]
            for index, (name, counts) in enumerate(zip(self.classes, self.confusion().tolist(), strict=True)):
                accuracy = f"{counts[index] / sum(counts):.2%}" if any(counts) else "–"
                rows.append([name, str(sum(counts)), accuracy, *map(str, counts)])
            lines += format_columns(rows)
        return "\n".join(lines)


def ranks(probabilities: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rank of the right class by probability, among equals by index, 0 for the first: (N,).

    >>> ranks(np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2]]), np.array([2, 1])).tolist()
    [2, 1]
    """
    own = np.take_along_axis(probabilities, targets[:, None], axis=1)  # [N, 1]
    before = np.arange(probabilities.shape[1]) < targets[:, None]  # [N, K]
    return ((probabilities > own) | ((probabilities == own) & before)).sum(axis=1)
