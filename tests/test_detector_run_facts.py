from dataclasses import replace
from pathlib import Path

import pytest

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.dataset import Dataset
from inception_rcnn.data.records import GroundTruth
from inception_rcnn.detector.run_facts import data_fact


def dataset(folder="a", box=(0, 0, 5, 5), label="cat", difficult=False):
    truth = GroundTruth("1.png", 10, 10, as_boxes([box]), [label], [difficult])
    return Dataset("some", ("cat", "dog"), (truth,), Path(folder))


def test_a_data_set_that_moved_is_the_same():
    assert data_fact(dataset("a")) == data_fact(replace(dataset("b"), name="other"))
    assert data_fact(dataset()).startswith("1 pictures ")


@pytest.mark.parametrize("change", [{"box": (0, 0, 5, 6)}, {"label": "dog"}, {"difficult": True}])
def test_other_annotations_are_another(change):
    assert data_fact(dataset(**change)) != data_fact(dataset())


def test_none_stays_none():
    assert data_fact(None) is None
