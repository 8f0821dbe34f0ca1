import json
from dataclasses import replace

import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.records import GroundTruth, Proposals
from inception_rcnn.data.terminal import format_rows, rows_to_json
from inception_rcnn.proposals.benchmarking import benchmark_proposals, benchmark_sizes
from inception_rcnn.proposals.methods import Proposer, proposer


@pytest.fixture
def data(tmp_path):
    """Two images; the second object of the first is difficult."""
    truths = []
    for name, boxes, difficult in (
        ("a.png", [[0, 0, 10, 10], [50, 50, 60, 60]], [False, True]),
        ("b.png", [[0, 0, 10, 20]], [False]),
    ):
        (tmp_path / name).write_bytes(encode_image(np.zeros((80, 80, 3), dtype=np.uint8), ".png"))
        truths.append(GroundTruth(name, 80, 80, as_boxes(boxes), ["x"] * len(boxes), difficult))
    return Dataset("two", ("x",), tuple(truths), tmp_path)


def always(found):
    return Proposer("any", (), lambda image: found)


def test_recall_and_overlap_are_over_the_objects_to_find(data):
    found = Proposals(as_boxes([[0, 0, 10, 10], [30, 30, 40, 40]]), [0.9, 0.8])  # IoU 1 with a's, .5 with b's
    (row,) = benchmark_proposals(data, [always(found)], 10)
    assert (row.method, row.images, row.boxes) == ("any", 2, 2)
    assert (row.recall_50, row.recall_70, row.mean_best_overlap) == (1.0, 0.5, 0.75)
    assert json.loads(rows_to_json([row]))[0]["recall_70"] == 0.5
    assert "0.750" in format_rows([row])


@pytest.mark.parametrize("changes", [{"crowd": [True]}, {"ignore": [True]}, {"ignored_classes": ("x",)}])
def test_objects_to_ignore_are_not_asked_for(data, changes):
    images = (data.images[0], replace(data.images[1], **changes))
    (row,) = benchmark_proposals(replace(data, images=images), [always(Proposals(as_boxes([[0, 0, 10, 10]]), [1]))], 9)
    assert row.mean_best_overlap == 1


def test_nothing_to_find_is_said(data, tmp_path):
    with pytest.raises(UsageError, match="no objects"):
        benchmark_proposals(Dataset("none", (), (), tmp_path), [proposer("selective-search:single")], 5)


def test_sizes_are_those_asked_for(data):
    seen = []
    method = Proposer("any", (), lambda image: seen.append(image.shape[:2]) or Proposals(as_boxes([[0, 0, 1, 1]]), [1]))
    rows = benchmark_sizes(data, method, [0.0064, 0.0256])
    assert seen == [(80, 80), (80, 80), (160, 160)]  # once untimed
    assert [(row.megapixels, row.boxes) for row in rows] == [(0.006, 1), (0.026, 1)]
    assert "cpu_seconds_per_megapixel" in format_rows(rows)
    with pytest.raises(UsageError, match="no image"):
        benchmark_sizes(Dataset("none", (), (), data.folder), method, [1])


@pytest.mark.parametrize("number", [0, -1])
def test_less_than_one_image_is_refused(data, number):
    with pytest.raises(UsageError, match=f"--images {number}: need at least 1"):
        benchmark_proposals(data, [proposer("selective-search:single")], number)
