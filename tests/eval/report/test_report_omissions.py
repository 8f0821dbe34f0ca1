"""What an evaluation left out, and what looks like a mistake."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.diagnostics import Notices, Problem
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections
from inception_rcnn.eval.metrics.table import tabulate
from inception_rcnn.eval.report.omissions import omissions, warnings

BOX = [0, 0, 10, 10]
BOXES = as_boxes([[0, 0, 10, side] for side in range(10, 1000)])


def _data(*labels: str, images: int = 1, size: tuple[int, int] = (90, 60)) -> Dataset:
    flags = np.zeros(len(labels), bool)
    truths = tuple(
        GroundTruth(f"{number}.jpg", *size, BOXES[: len(labels)], np.array(labels), flags) for number in range(images)
    )
    return Dataset("mine", tuple(dict.fromkeys(labels)), truths, Path("photos"))


def _found(file: str, *labels: str, size: tuple[int, int] = (0, 0), error: str | None = None) -> ImageDetections:
    boxes, scores = as_boxes([BOX] * len(labels)), np.ones(len(labels))
    return ImageDetections(file, *size, Detections(boxes, np.array(labels, dtype=str), scores), error)


def _omissions(
    data: Dataset, *found: ImageDetections, classes: tuple[str, ...] = (), chosen: bool = False
) -> list[str]:
    return omissions(tabulate(found, data.images, classes or data.classes), data, Notices(), chosen=chosen)


def _warnings(data: Dataset, *found: ImageDetections, classes: tuple[str, ...] = ()) -> list[str]:
    return warnings(tabulate(found, data.images, classes or data.classes), data)


def test_nothing_is_said_where_all_fits():
    data = _data("cat", "dog")
    assert _omissions(data, _found("0.jpg", "cat")) == _warnings(data, _found("0.jpg", "cat")) == []
    assert _omissions(data) == []
    assert _warnings(_data(images=0)) == []


def test_images_outside_the_data_set_are_counted():
    found = _found("0.jpg", "cat"), _found("x.jpg", "cat", "cat"), _found("y.jpg")
    assert _omissions(_data("cat"), *found) == ["2 detections on 2 images outside the data set"]


def test_repeated_objects_are_counted():
    data = _data("cat", "cat", "cat", "dog")
    (truth,) = data.images
    boxes, flags = truth.boxes[[0, 0, 1, 0]], np.array([False, False, True, False])
    repeated = replace(data, images=(replace(truth, boxes=boxes, areas=truth.areas, xywh=np.zeros(0)),))
    line = "1 x object with the class and box of another in its image, as a cat of 0.jpg: both count"
    assert _omissions(repeated, _found("0.jpg", "cat", "dog")) == [line]
    ignored = replace(repeated.images[0], ignore=~flags)
    assert _omissions(replace(data, images=(ignored,)), _found("0.jpg", "cat", "dog")) == []


def test_classes_of_one_side_only_are_named_with_their_numbers():
    data = _data("cat", "dog", "dog")
    found = _found("0.jpg", "cat", "zebra", "zebra")
    assert _omissions(data, found, classes=("cat", "ant")) == [
        "1 class (dog) of the data set with 2 objects, which the predictions are not about",
        "2 detections of 1 class (zebra) that the data set does not have",
    ]
    assert _omissions(data, found, classes=("dog",), chosen=True) == [
        "1 class (cat) of the data set with 1 objects, which were not chosen",
        "2 detections of 1 class (zebra) that the data set does not have",
        "1 detections of 1 class (cat) that are not evaluated",
    ]


def test_many_classes_are_cut_short():
    names = [f"c{number:02d}" for number in range(30)]
    (line,) = _omissions(_data("cat", *names), classes=("cat",))
    assert line.startswith("30 classes (c00, c01, c02, c03, c04, c05, c06, c07, … 22 more) of the data set")


def test_failures_and_what_readers_met_are_counted():
    data, notices = _data("cat"), Notices([Problem("odd\x1b box", "r.txt: line 1", "is odd", minor=True, count=3)])
    table = tabulate([_found("0.jpg", error="broken")], data.images, data.classes)
    assert omissions(table, data, notices) == [
        "1 images could not be read: their objects count as not found",
        "3 x odd\\x1b box, as r.txt: line 1: is odd",
    ]


def test_a_class_of_nearly_the_same_name_is_a_warning():
    data = _data("cat", "motorbike", "tvmonitor")
    lines = _warnings(data, _found("0.jpg", "Cat", "Cat", "motorcycle", "tv", "zebra"))
    assert [line.partition("the data set has no class ")[2] for line in lines] == [
        "'Cat', of which there are 2 detections: did you mean 'cat'?",
        "'motorcycle', of which there are 1 detections: did you mean 'motorbike'?",
        "'tv', of which there are 1 detections: did you mean 'tvmonitor'?",
    ]
    # Also a detector's class of which nothing was found, and not where the right name is predicted as well.
    assert len(_warnings(data, _found("0.jpg"), classes=("motorcycle",))) == 1
    assert _warnings(data, _found("0.jpg", "Cat", "cat")) == []


def test_detections_of_a_detectors_own_class_are_counted():
    (line,) = _warnings(_data("motorbike"), _found("0.jpg", "motorcycle"), classes=("motorcycle",))
    assert "'motorcycle', of which there are 1 detections" in line


def test_a_line_stays_a_line_whatever_the_names():
    long = "x" * 50_000
    data = _data("cat", *(f"class {number}" for number in range(500)))
    found = _found(long, long, f"cat{long}", *(f"class-{number}" for number in range(500)))
    other = _found("0.jpg", long, f"cat{long}", *(f"class-{number}" for number in range(500)))
    lines = [*_omissions(data, found, other), *_warnings(data, found, other)]
    assert max(map(len, lines)) < 1000
    assert len(lines) < 15
    assert any("more predicted classes nearly have names" in line for line in lines)


def test_predictions_of_other_images_are_doubted():
    data = _data("cat", images=20)
    (line,) = _warnings(data, _found("0.jpg", "cat"), _found("photos\\x1.png", "cat"), _found("x/b.jpg"))
    assert line.startswith("only 1 of 20 images of the data set have predictions (the first of its images is 0.jpg)")
    assert "2 are predicted that the data set does not have, for example photos\\x1.png" in line
    assert _warnings(data, _found("0.jpg"), _found("1.jpg")) == []


def test_images_of_another_size_are_doubted():
    data = _data("cat", images=2)
    found = _found("0.jpg", "cat", size=(45, 30)), _found("1.jpg", size=(90, 60))
    (line,) = _warnings(data, *found)
    assert line.startswith("1 images are of another size in the predictions: 0.jpg is 45 x 30 there and 90 x")
    assert _warnings(data, _found("0.jpg")) == _warnings(_data("cat", size=(0, 0)), found[0]) == []
