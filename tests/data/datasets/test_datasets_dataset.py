from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.datasets.dataset import Dataset, names_seen, spread
from inception_rcnn.data.records import GroundTruth


def _truth(*labels: str) -> GroundTruth:
    boxes = np.tile([0.0, 0, 1, 1], (len(labels), 1))
    return GroundTruth("sub/a.jpg", 1, 1, boxes, np.array(labels, dtype=str), np.zeros(len(labels), dtype=bool))


@pytest.mark.parametrize(
    ("images", "expected"),
    [([], ()), ([_truth()], ()), ([_truth("dog", "cat"), _truth("cat", "Zebra")], ("Zebra", "cat", "dog"))],
)
def test_names_seen(images: list[GroundTruth], expected: tuple[str, ...]) -> None:
    assert names_seen(images) == expected


def test_path_is_below_the_folder() -> None:
    dataset = Dataset("x", (), (_truth(),), Path("/images"))
    assert len(dataset) == 1
    assert dataset.path(dataset.images[0]) == Path("/images/sub/a.jpg")
    assert dataset.pictures is dataset.images


@pytest.mark.parametrize(
    ("size", "count", "places"),
    [
        (0, 3, []),
        (3, 0, []),
        (1, 1, [0]),
        (3, 5, [0, 1, 2]),  # no more than there are
        (3, 3, [0, 1, 2]),
        (9, 1, [0]),
        (9, 2, [0, 8]),  # first and last
        (9, 5, [0, 2, 4, 6, 8]),
        (10, 4, [0, 3, 6, 9]),
    ],
)
def test_spread_takes_images_evenly_from_first_to_last(size: int, count: int, places: list[int]) -> None:
    images = tuple(_truth() for _ in range(size))
    sample = spread(Dataset("photos", ("cat",), images, Path("/images")), count)
    assert [id(image) for image in sample.images] == [id(images[place]) for place in places]
    assert (sample.classes, sample.folder) == (("cat",), Path("/images"))
    assert sample.name == f"{len(places)} images of photos"


def test_spread_takes_no_image_twice() -> None:
    for size in range(30):
        images = tuple(_truth() for _ in range(size))
        for count in range(35):
            sample = spread(Dataset("photos", (), images, Path("/images")), count)
            assert len({id(image) for image in sample.images}) == min(size, count)
