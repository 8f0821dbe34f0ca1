from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.dataset import Dataset, names_seen
from inception_rcnn.data.records import GroundTruth


def _truth(*labels: str) -> GroundTruth:
    boxes = np.tile([0.0, 0, 1, 1], (len(labels), 1))
    return GroundTruth("sub/a.jpg", 1, 1, boxes, np.array(labels, dtype=str), np.zeros(len(labels), dtype=bool))


@pytest.mark.parametrize(
    ("pictures", "expected"),
    [([], ()), ([_truth()], ()), ([_truth("dog", "cat"), _truth("cat", "Zebra")], ("Zebra", "cat", "dog"))],
)
def test_names_seen(pictures: list[GroundTruth], expected: tuple[str, ...]) -> None:
    assert names_seen(pictures) == expected


def test_path_is_below_the_folder() -> None:
    dataset = Dataset("x", (), (_truth(),), Path("/pictures"))
    assert len(dataset) == 1
    assert dataset.path(dataset.pictures[0]) == Path("/pictures/sub/a.jpg")
