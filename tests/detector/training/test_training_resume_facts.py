from dataclasses import replace
from pathlib import Path

import pytest

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.records import GroundTruth
from inception_rcnn.detector.training.resume_facts import data_fact


def dataset(folder="a", box=(0, 0, 5, 5), label="cat", difficult=False):
    truth = GroundTruth("1.png", 10, 10, as_boxes([box]), [label], [difficult])
    return Dataset("some", ("cat", "dog"), (truth,), Path(folder))


def test_a_data_set_that_moved_is_the_same():
    assert data_fact(dataset("a")) == data_fact(replace(dataset("b"), name="other"))
    assert data_fact(dataset()).startswith("1 images ")


@pytest.mark.parametrize("change", [{"box": (0, 0, 5, 6)}, {"label": "dog"}, {"difficult": True}])
def test_other_annotations_are_another(change):
    assert data_fact(dataset(**change)) != data_fact(dataset())


@pytest.mark.parametrize(
    "change",
    [
        {"crowd": [True]},
        {"ignore": [True]},
        {"ignored_classes": ("dog",)},
        {"exhaustive": False},
        {"width": 9},
        {"upright": True},
    ],
)
def test_whatever_decides_what_is_learnt_counts(change):
    data = dataset()
    changed = replace(data, images=(replace(data.images[0], **change),))
    assert data_fact(changed) != data_fact(data)
    assert data_fact(replace(data, classes=("cat",))) != data_fact(data)


def test_none_stays_none():
    assert data_fact(None) is None
