"""The worked examples of CONTRIBUTING.md."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_readme import blocks

from inception_rcnn.backbone.training.recipe import Recipe
from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.diagnostics import refuse
from inception_rcnn.data.formats import specs
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections, Proposals
from inception_rcnn.detector.training.finetuning import FinetuneOptions
from inception_rcnn.detector.training.presets import Preset
from inception_rcnn.eval.metrics.average_precision import area_ap, class_evaluation
from inception_rcnn.eval.metrics.evaluation import Evaluation
from inception_rcnn.eval.metrics.matching import match_voc, pairs_of
from inception_rcnn.eval.metrics.table import tabulate
from inception_rcnn.proposals.methods import ALGORITHM, Proposer

NAMES = (
    *(np, Path, as_boxes, Dataset, GroundTruth, Proposals, Proposer, Preset, FinetuneOptions, Recipe),
    *(match_voc, pairs_of, class_evaluation, area_ap, Evaluation),
)


@pytest.fixture(scope="module")
def defined() -> dict[str, Any]:
    """What the examples define."""
    names = {"np": np, "ALGORITHM": ALGORITHM, **{each.__name__: each for each in NAMES}}
    for example in blocks("python", "CONTRIBUTING.md"):
        exec(compile(example, "CONTRIBUTING.md", "exec"), names)
    return names


def test_the_format_opens_by_its_spec(defined: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.txt").write_text("1.jpg cat 10 20 50 60\n2.jpg dog 0 0 5 5\n1.jpg dog 1 2 3 4\n")
    monkeypatch.setitem(specs._READERS, "lines", ("lines:FILE", defined["read_lines"]))
    data = specs.open_dataset(f"lines:{tmp_path / 'train.txt'}", refuse)
    assert data.classes == ("cat", "dog")
    assert [image.file for image in data.images] == ["1.jpg", "2.jpg"]
    assert data.images[0].boxes.tolist() == [[10, 20, 50, 60], [1, 2, 3, 4]]


def test_the_method_proposes_a_grid(defined: dict[str, Any]) -> None:
    found = defined["method"](np.zeros((40, 80, 3), dtype=np.uint8))
    assert len(found) == 16
    assert found.boxes[[0, 5, 15]].tolist() == [[0, 0, 20, 10], [20, 10, 40, 20], [60, 30, 80, 40]]


@pytest.mark.parametrize(("right", "expected"), [(76, 1.0), (74, 0.0)])
def test_the_metric_needs_an_iou_of_three_quarters(defined: dict[str, Any], right: float, expected: float) -> None:
    truth = GroundTruth("a.jpg", 100, 100, as_boxes([[0, 0, 100, 100]]), ["cat"], [False])
    found = ImageDetections("a.jpg", 100, 100, Detections(as_boxes([[0, 0, right, 100]]), ["cat"], [0.9]))
    assert defined["evaluate_strict"](tabulate([found], [truth], ("cat",))).map == expected


def test_the_recipe_is_a_preset(defined: dict[str, Any]) -> None:
    assert (defined["quick"].options.freeze, defined["quick"].recipe.steps) == ("backbone", 500)
