"""Predictions and truth as columns: what is paired, what is left out, and in which order rows come."""

import numpy as np

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections
from inception_rcnn.eval.metrics.table import tabulate

A, B, C = [0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]


def truth(file: str, labels: list[str], **columns) -> GroundTruth:
    boxes = as_boxes([A, B, C][: len(labels)])
    return GroundTruth(file, 60, 20, boxes, np.array(labels, dtype=str), np.zeros(len(labels), bool), **columns)


def found(file: str, *rows: tuple[str, float]) -> ImageDetections:
    boxes = as_boxes([A] * len(rows))
    labels, scores = np.array([label for label, _ in rows], dtype=str), np.array([score for _, score in rows])
    return ImageDetections(file, 60, 20, Detections(boxes, labels, scores))


def test_columns_of_both_sides() -> None:
    truths = [
        truth("a.jpg", ["cat", "dog", "cat"], crowd=np.array([0, 0, 1], bool), truncated=np.array([1, 0, 0], bool)),
        truth("b.jpg", []),
        truth("c.jpg", ["dog"], areas=np.array([7.0])),
    ]
    table = tabulate([found("c", ("dog", 0.5), ("cow", 0.9)), found("a.jpg", ("cat", 0.4))], truths, ["dog", "cat"])
    assert table.found.classes.tolist() == [0, 1]  # in the order of the predictions, without the unknown class
    assert table.found.images.tolist() == [2, 0]
    assert table.objects.classes.tolist() == [1, 0, 1, 0]
    assert table.objects.images.tolist() == [0, 0, 0, 2]
    assert table.objects.areas.tolist() == [100, 100, 100, 7]
    assert table.objects.truncated.tolist() == [True, False, False, False]
    assert table.objects.to_find.tolist() == [True, True, False, True]
    assert (len(table.found), len(table.objects), len(table.truths)) == (2, 4, 3)


def test_a_class_that_is_ignored_on_an_image_is_left_out_on_both_sides() -> None:
    truths = [truth("a.jpg", ["cat", "dog"], ignored_classes=("cat", "unheard-of")), truth("b.jpg", ["cat"])]
    images = [found("a.jpg", ("cat", 0.9), ("dog", 0.8)), found("b.jpg", ("cat", 0.7))]
    table = tabulate(images, truths, ["cat", "dog"])
    assert list(zip(table.found.classes.tolist(), table.found.images.tolist(), strict=True)) == [(1, 0), (0, 1)]
    assert list(zip(table.objects.classes.tolist(), table.objects.images.tolist(), strict=True)) == [(1, 0), (0, 1)]


def test_equal_scores_by_the_predictions_or_by_the_images() -> None:
    truths = [truth("a.jpg", []), truth("b.jpg", [])]
    images = [found("b.jpg", ("cat", 0.5), ("cat", 0.5)), found("a.jpg", ("cat", 0.5), ("cat", 0.9))]
    table = tabulate(images, truths, ["cat"])
    assert table.found_of(0).tolist() == [3, 0, 1, 2]
    assert table.found_of(0, by_image=True).tolist() == [3, 2, 0, 1]


def test_nothing() -> None:
    table = tabulate([], [], [])
    assert (len(table.found), len(table.objects)) == (0, 0)
    assert table.found.boxes.shape == table.objects.boxes.shape == (0, 4)
    assert (
        len(tabulate([found("a", ("cat", 1.0))], [truth("a", ["cat"], ignored_classes=("dog",))], ["dog"]).found) == 0
    )
