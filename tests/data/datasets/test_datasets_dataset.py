from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.datasets.dataset import Dataset, names_seen, rename_classes, select_classes, spread
from inception_rcnn.data.errors import UsageError
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


def test_renamed_classes_keep_their_objects_and_two_may_become_one() -> None:
    truth = replace(_truth("tv", "couch", "chair"), ignored_classes=("couch", "tv"))
    data = Dataset("x", ("couch", "chair", "tv"), (truth,), Path("/images"), ("7",), ("1", "2", "3"))
    renamed = rename_classes(data, {"couch": "chair", "tv": "tvmonitor", "absent": "nothing"})
    assert renamed.classes == ("chair", "tvmonitor")
    assert renamed.images[0].labels.tolist() == ["tvmonitor", "chair", "chair"]
    assert renamed.images[0].ignored_classes == ("chair", "tvmonitor")
    assert (renamed.image_ids, renamed.class_ids) == (("7",), ())  # the ids are those of the old names
    assert rename_classes(data, {"absent": "nothing"}) is data


def test_objects_of_classes_that_are_not_selected_are_gone() -> None:
    truth = replace(_truth("tv", "couch", "chair"), ignored_classes=("bus", "tv"))
    data = Dataset("x", ("bus", "couch", "chair", "tv"), (truth,), Path("/images"))
    selected = select_classes(data, ("tv", "chair"))
    assert selected.classes == ("tv", "chair")
    assert selected.images[0].labels.tolist() == ["tv", "chair"]
    assert selected.images[0].ignored_classes == ("tv",)
    with pytest.raises(UsageError, match=r"class 'chiar' is not in x; did you mean 'chair'"):
        select_classes(data, ("chiar",))
