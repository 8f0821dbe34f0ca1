import json
import math

import numpy as np
import pytest

from inception_rcnn.eval.metrics.classification import ClassificationResult, ranks

CLASSES = ("cat", "dog", "cow", "hen", "pig", "owl")


def result(probabilities, targets):
    return ClassificationResult(
        CLASSES, np.array(targets, dtype=np.int64), np.array(probabilities, dtype=np.float64).reshape(-1, 6)
    )


def test_no_images():
    empty = result([], [])
    assert math.isnan(empty.top(1))
    assert empty.confusion().sum() == 0
    assert "0 images" in str(empty)


def test_ties_go_to_the_first():
    even = result([[1 / 6] * 6] * 6, range(6))
    assert even.top(1) == pytest.approx(1 / 6)
    assert even.top(5) == pytest.approx(5 / 6)
    assert even.top(6) == 1
    assert even.confusion()[:, 0].tolist() == [1] * 6  # as in the ranks


def test_ranks_are_places_in_a_stable_sort(rng):
    probabilities = rng.integers(0, 5, (200, 6)) / 10
    targets = rng.integers(0, 6, 200)
    for row, target, rank in zip(probabilities, targets, ranks(probabilities, targets), strict=True):
        order = sorted(range(6), key=lambda k: -row[k])
        assert order.index(target) == rank
    evaluated = result(probabilities, targets)
    for count in (1, 5):
        hits = sum(
            target in sorted(range(6), key=lambda k: -row[k])[:count]
            for row, target in zip(probabilities, targets, strict=True)
        )
        assert evaluated.top(count) == hits / 200


def test_confusion_and_table_tell_what_was_taken_for_what():
    table = result(np.eye(6)[[0, 1, 1, 2]], [0, 0, 1, 1])
    assert table.confusion()[:2, :3].tolist() == [[1, 1, 0], [0, 1, 1]]
    lines = str(table).splitlines()
    assert lines[0] == "4 images of 6 classes: top-1 50.00%, top-5 100.00%"
    assert lines[2].split() == ["cat", "2", "50.00%", "1", "1", "0", "0", "0", "0"]
    assert lines[4].split() == ["cow", "0", "–", "0", "0", "0", "0", "0", "0"]
    content = json.loads(table.to_json())
    assert content["top1"] == 0.5
    assert content["per_class"]["dog"] == {"images": 2, "right": 1}
    assert content["confusion"] == table.confusion().tolist()


def test_many_classes_are_told_in_one_line():
    classes = tuple(map(str, range(1000)))
    many = ClassificationResult(classes, np.array([3]), np.eye(1000)[[3]])
    assert str(many) == "1 images of 1000 classes: top-1 100.00%, top-5 100.00%"
