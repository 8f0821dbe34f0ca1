from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.datasets.image_order import ImageOrder, image_order, repeat_factors
from inception_rcnn.data.records import GroundTruth


def truth(file: str, *labels: str) -> GroundTruth:
    boxes = as_boxes([[0, 0, 9, 9]] * len(labels))
    return GroundTruth(file, 20, 20, boxes, labels, [label == "hard" for label in labels])  # pyright: ignore[reportArgumentType]


def dataset(*labels: tuple[str, ...]) -> Dataset:
    return Dataset("some", ("cat", "bus"), tuple(truth(f"{i}.png", *each) for i, each in enumerate(labels)), Path())


def test_an_epoch_has_every_image_once_in_another_order_than_the_next():
    order = ImageOrder(np.ones(50), seed=3)
    epochs = [[order.at(epoch * 50 + rank)[0] for rank in range(50)] for epoch in range(3)]
    assert all(sorted(each) == list(range(50)) for each in epochs)
    assert len({tuple(each) for each in epochs}) == 3


def test_each_place_has_its_own_random_numbers_and_the_same_again():
    order = ImageOrder(np.ones(4), seed=0)
    drawn = [order.at(index)[1].random() for index in range(8)]
    assert len(set(drawn)) == 8
    assert drawn == [ImageOrder(np.ones(4), seed=0).at(index)[1].random() for index in range(8)]
    assert drawn[0] != ImageOrder(np.ones(4), seed=1).at(0)[1].random()


def test_images_come_as_often_as_their_repeats_say():
    repeats = np.array([1.0, 2.5, 1.25, 1.0, 3.1])
    order, epochs = ImageOrder(repeats, seed=0), 400
    length = round(repeats.sum())
    counts = Counter(order.at(index)[0] for index in range(epochs * length))
    found = np.array([counts[i] for i in range(5)]) / epochs
    np.testing.assert_allclose(found, repeats * length / repeats.sum(), atol=0.08)
    for epoch in range(20):  # and in each epoch by less than one more or fewer
        of_epoch = Counter(order.at(epoch * length + rank)[0] for rank in range(length))
        assert all(abs(of_epoch[i] - repeats[i]) < 1.1 for i in range(5))


def test_rare_classes_are_met_by_the_square_root_of_how_much_rarer_they_are():
    data = dataset(*[("cat",)] * 98, ("bus", "cat"), ())
    factors = repeat_factors(data, ("cat", "bus"), frequent=0.16)
    assert factors[:98].tolist() == [1.0] * 98
    assert factors[98:].tolist() == [4.0, 1.0]  # 1 of 100 images has a bus: sqrt(.16 / .01)
    assert repeat_factors(data, ("cat",), frequent=0.16).max() == 1.0  # buses are not learnt
    assert image_order(data, ("cat", "bus"), 0, balance=False).repeats.tolist() == [1.0] * 100
    assert image_order(data, ("cat", "bus"), 0, balance=True).repeats.max() == pytest.approx(10**0.5)


def test_objects_to_ignore_make_no_image_rare():
    data = Dataset(
        "some", ("cat", "hard"), (truth("a.png", "cat"), *[truth(f"{i}.png", "hard") for i in range(9)]), Path()
    )
    assert repeat_factors(data, ("cat", "hard"), frequent=0.4).tolist() == [2.0, *[1.0] * 9]
