"""OpenCV's Selective Search through our types."""

import sys

import cv2
import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes, box_iou
from inception_rcnn.data.errors import SetupError, UsageError
from inception_rcnn.proposals.external import opencv_selective_search, package_selective_search


def test_boxes_are_corners_in_the_images_own_pixels():
    image = np.full((160, 1000, 3), 90, np.uint8)
    image[40:120, 300:620] = (200, 30, 40)
    found = opencv_selective_search(image)
    assert box_iou(as_boxes([[300, 40, 620, 120]]), found.boxes).max() > 0.9
    assert box_iou(as_boxes([[0, 0, 1000, 160]]), found.boxes).max() > 0.98
    assert (found.boxes[:, 2:] <= (1000, 160)).all()
    assert found.scores[0] == 1
    assert (np.diff(found.scores) < 0).all()


def test_grey_images_are_fine():
    assert len(opencv_selective_search(np.full((30, 100), 7, np.uint8))) >= 1


def test_an_unknown_mode_is_refused():
    with pytest.raises(UsageError, match="'slow'"):
        opencv_selective_search(np.zeros((30, 100, 3), np.uint8), "slow")


def test_an_opencv_without_contrib_says_what_to_install(monkeypatch):
    monkeypatch.delattr(cv2, "ximgproc")
    with pytest.raises(SetupError, match="opencv-contrib-python-headless"):
        opencv_selective_search(np.zeros((30, 100, 3), np.uint8))


def test_the_package_gives_boxes_in_the_images_own_pixels():
    pytest.importorskip("selectivesearch")
    image = np.full((120, 1000, 3), 90, np.uint8)
    image[30:90, 300:620] = (200, 30, 40)
    found = package_selective_search(image)
    assert box_iou(as_boxes([[300, 30, 620, 90]]), found.boxes).max() > 0.9
    assert box_iou(as_boxes([[0, 0, 1000, 120]]), found.boxes).max() > 0.95


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "selectivesearch", None)
    with pytest.raises(SetupError, match=r"inception-rcnn\[backends\]"):
        package_selective_search(np.zeros((30, 100, 3), np.uint8))
