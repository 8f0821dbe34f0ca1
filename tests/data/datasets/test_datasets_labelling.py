"""Labels of boxes against loops, one object at a time."""

import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes, box_area, box_intersection, box_iou
from inception_rcnn.data.datasets.labelling import BACKGROUND, FOREGROUND, IGNORED, match_boxes, split_objects
from inception_rcnn.data.records import GroundTruth

OBJECT = [0, 0, 10, 10]


def random_boxes(rng, count):
    corners = rng.integers(0, 30, (count, 2)).astype(float)
    return np.concatenate([corners, corners + rng.integers(1, 20, (count, 2))], axis=1)


def slow_label(box, objects, ignored, crowd, iou, complete):
    if max((box_iou(box[None], each[None])[0, 0] for each in objects), default=0) >= iou:
        return FOREGROUND
    for each, is_crowd in zip(ignored, crowd, strict=True):
        shared = box_intersection(box[None], each[None])[0, 0]
        overlap = shared / box_area(box[None])[0] if is_crowd else box_iou(box[None], each[None])[0, 0]
        if overlap >= iou:
            return IGNORED
    return BACKGROUND if complete else IGNORED


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("iou", [0.3, 0.5])
@pytest.mark.parametrize(("num_objects", "num_ignored"), [(0, 0), (1, 0), (0, 3), (4, 4)])
def test_labels_are_those_of_loops(rng, num_objects, num_ignored, iou, complete):
    boxes, objects, ignored = (random_boxes(rng, count) for count in (200, num_objects, num_ignored))
    crowd = rng.random(num_ignored) < 0.5
    matches = match_boxes(boxes, objects, ignored, crowd, iou, complete=complete)
    expected = [slow_label(box, objects, ignored, crowd, iou, complete) for box in boxes]
    assert matches.labels.tolist() == expected
    overlaps = box_iou(boxes, objects)
    np.testing.assert_array_equal(matches.ious, overlaps.max(axis=1, initial=0))
    if num_objects:
        np.testing.assert_array_equal(overlaps[np.arange(200), matches.objects], matches.ious)
    else:
        assert not matches.objects.any()


def test_no_boxes_have_no_labels():
    matches = match_boxes(as_boxes([]), as_boxes([OBJECT]), as_boxes([]), np.zeros(0, bool), 0.5)
    assert matches.labels.shape == matches.objects.shape == matches.ious.shape == (0,)


def test_an_iou_of_exactly_the_threshold_is_foreground():
    boxes, nothing = as_boxes([[0, 0, 10, 5], [0, 0, 10, 4.9]]), (as_boxes([]), np.zeros(0, bool))
    assert match_boxes(boxes, as_boxes([OBJECT]), *nothing, 0.5).labels.tolist() == [FOREGROUND, BACKGROUND]


def test_objects_to_learn_have_area_and_a_class_that_is_asked_about():
    boxes = as_boxes([OBJECT, [5, 5, 5, 9], OBJECT, OBJECT, OBJECT])
    labels, difficult = np.array(["cat", "cat", "dog", "cat", "cow"]), np.array([False, False, False, True, False])
    truth = GroundTruth("a.jpg", 20, 20, boxes, labels, difficult, ignored_classes=("cow",))
    objects, ignored = split_objects(truth, ("cat", "cow"))
    assert (objects.labels.tolist(), objects.boxes.tolist()) == (["cat"], [OBJECT])
    assert ignored.labels.tolist() == ["cat", "cow"]
