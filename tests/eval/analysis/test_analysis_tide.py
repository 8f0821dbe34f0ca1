"""TIDE's error types against the published tool on the same input, by eye, and on VOC2007 test."""

import importlib
import importlib.util
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from image_records import found_of, voc2007_test_truths

from inception_rcnn.data.boxes import as_boxes, xyxy_to_xywh
from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.formats.predictions import read_predictions
from inception_rcnn.data.formats.voc.annotations import VOC_CLASSES
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections
from inception_rcnn.eval.analysis.tide import MEANINGS, ErrorTypes, Label, find_errors
from inception_rcnn.eval.metrics.table import Table, tabulate

NAMES = ["Cls", "Loc", "Both", "Dupe", "Bkg", "Miss", "FP", "FN"]
CLASSES = ["ant", "bee", "cow", "dog", "elk"]  # no objects of the fourth, nothing at all of the last
A, B = [0, 0, 10, 10], [100, 0, 110, 10]
NEAR = [0, 0, 10, 4]  # IoU with A is .4
HALF = [0, 0, 10, 5]  # .5
FAR = [50, 50, 60, 60]


@pytest.fixture(scope="module")
def tidecv() -> Iterator[dict[str, Any]]:
    """The tool's parts; what it only needs for its plots is replaced while it is loaded."""
    pytest.importorskip("appdirs", reason="tidecv needs appdirs, which is not installed")
    if importlib.util.find_spec("tidecv") is None:
        pytest.skip("tidecv, the tool to compare with, is not installed")
    before = dict(sys.modules)
    for name in ("matplotlib", "matplotlib.pyplot", "tidecv.plotting"):
        sys.modules[name] = ModuleType(name)
    try:
        quantify = importlib.import_module("tidecv.quantify")
        errors = importlib.import_module("tidecv.errors.main_errors")
        yield {"Data": importlib.import_module("tidecv.data").Data, "TIDERun": quantify.TIDERun, "errors": errors}
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] in ("matplotlib", "tidecv")]:
            del sys.modules[name]
        sys.modules.update({name: module for name, module in before.items() if name not in sys.modules})


def by_tool(tidecv: dict[str, Any], table: Table, foreground: float = 0.5, background: float = 0.1):
    """The tool's average precision, cost and count of each type, and the errors of each detection and object."""
    truth, found = tidecv["Data"]("truth"), tidecv["Data"]("found")
    for number, name in enumerate(table.classes):
        truth.add_class(number, name)
    for number, each in enumerate(table.truths):
        truth.add_image(number, each.file)
    objects, detections = table.objects, table.found
    for row, box in enumerate(xyxy_to_xywh(objects.boxes).tolist()):
        add = truth.add_ground_truth if objects.to_find[row] else truth.add_ignore_region
        add(int(objects.images[row]), int(objects.classes[row]), box=box)
    for row, box in enumerate(xyxy_to_xywh(detections.boxes).tolist()):
        image, number, score = (column[row] for column in (detections.images, detections.classes, detections.scores))
        found.add_detection(int(image), int(number), float(score), box=box)
    run = tidecv["TIDERun"](truth, found, foreground, background, "bbox", truth.max_dets)
    costs = run.fix_main_errors() | run.fix_special_errors()
    names = {"FalsePos": "FP", "FalseNeg": "FN"}
    deltas = {names.get(kind.short_name, kind.short_name): value / 100 for kind, value in costs.items()}
    counts = {kind.short_name: count for kind, count in run.count_errors().items()}
    labels, missed = np.zeros(len(detections), int), np.zeros(len(objects), bool)
    for error in run.errors:
        if error.short_name == "Miss":
            missed[error.get_id()] = True
        else:
            labels[error.get_id()] = Label[error.short_name.upper()]
    counts["FP"] = sum(not right for one in run.ap_data.objs.values() for _, right, _ in one.data_points.values())
    counts["FN"] = sum(map(len, run.false_negatives.values()))
    return run.ap / 100, deltas, counts, labels, missed


def assert_equal(found: ErrorTypes, expected: tuple[Any, ...]) -> None:
    ap, deltas, counts, labels, missed = expected
    assert found.ap == pytest.approx(ap, abs=1e-9)
    assert {row.name: row.delta_ap for row in found.rows} == pytest.approx(deltas, abs=1e-9)
    assert {row.name: row.count for row in found.rows} == counts
    assert found.labels.tolist() == labels.tolist()
    assert found.missed.tolist() == missed.tolist()


def random_table(seed: int, num_images: int = 25, most: int = 8, levels: int = 1000, grid: int = 1) -> Table:
    """Objects moved by little and by much, other boxes, other classes; scores on so many levels, corners on a grid."""
    rng = np.random.default_rng(seed)
    truths, images = [], []
    for i in range(num_images):
        n, m = rng.integers(0, most, 2)
        corners = rng.integers(0, 100, (n, 2)) // grid * grid
        sides = rng.integers(10, 80, (n, 2)) // grid * grid
        boxes = np.concatenate([corners, corners + np.maximum(sides, grid)], axis=1).astype(float)
        labels = rng.choice(CLASSES[:3], n).astype(str)
        difficult, crowd = rng.random((2, n)) < 0.15
        truths.append(GroundTruth(f"{i}.jpg", 200, 200, boxes, labels, difficult, crowd=crowd))
        near, far = (boxes + rng.normal(0, spread, boxes.shape) // grid * grid for spread in (4, 20))
        corners = rng.integers(0, 100, (m, 2))
        found = np.concatenate([near, near, far, np.concatenate([corners, corners + rng.integers(5, 90, (m, 2))], 1)])
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        names = np.append(np.tile(labels, 3), rng.choice(CLASSES[:4], m)).astype(str)
        names = np.where(rng.random(len(names)) < 0.75, names, rng.choice(CLASSES[:4], len(names)))
        kept = rng.random(len(found)) < rng.choice([0, 0.5, 1])  # on some images nothing
        scores = rng.integers(0, levels, len(found)) / levels
        images.append(ImageDetections(f"{i}.jpg", 200, 200, Detections(found[kept], names[kept], scores[kept])))
    return tabulate(images, truths, CLASSES)


@pytest.mark.parametrize("levels", [1000, 3])  # few levels: many equal scores
@pytest.mark.parametrize("grid", [1, 10])  # a coarse grid: equal overlaps, and overlaps of exactly .5
@pytest.mark.parametrize("seed", range(12))
def test_equals_the_tool(tidecv: dict[str, Any], seed: int, grid: int, levels: int) -> None:
    table = random_table(seed, levels=levels, grid=grid)
    found = find_errors(table)
    assert_equal(found, by_tool(tidecv, table))
    assert all(row.count for row in found.rows)  # so that every type has been compared


@pytest.mark.parametrize(("foreground", "background"), [(0.5, 0.5), (0.75, 0.1), (0.3, 0.2), (1.0, 0.01)])
def test_equals_the_tool_at_other_overlaps(tidecv: dict[str, Any], foreground: float, background: float) -> None:
    table = random_table(5, grid=10)
    assert_equal(find_errors(table, foreground, background), by_tool(tidecv, table, foreground, background))


@pytest.mark.parametrize("levels", [1000, 5])
def test_equals_the_tool_where_images_have_more_than_100_detections(tidecv: dict[str, Any], levels: int) -> None:
    table = random_table(3, num_images=6, most=70, levels=levels)
    assert np.bincount(table.found.images).max() > 120
    found = find_errors(table)
    assert_equal(found, by_tool(tidecv, table))
    beyond = np.argsort(-table.found.scores[table.found.images == 0], kind="stable")[100:]
    assert not found.labels[np.flatnonzero(table.found.images == 0)[beyond]].any()


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_tool_where_an_image_comes_in_parts(tidecv: dict[str, Any], seed: int) -> None:
    """Rows of the table need not be image by image."""
    table = random_table(seed, levels=3)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(table.found))
    parts = [
        ImageDetections(
            f"{table.found.images[i]}.jpg", 200, 200, Detections(box[None], np.array([name]), np.array([score]))
        )
        for i, box, name, score in zip(
            order,
            table.found.boxes[order],
            np.array(CLASSES)[table.found.classes[order]],
            table.found.scores[order],
            strict=True,
        )
    ]
    mixed = tabulate(parts, table.truths, CLASSES)
    assert_equal(find_errors(mixed), by_tool(tidecv, mixed))


@pytest.mark.parametrize("kept", ["no objects", "no detections"])
def test_equals_the_tool_where_classes_have_nothing(tidecv: dict[str, Any], kept: str) -> None:
    """One class has objects and detections; the others lack objects or detections, and images both."""
    truths = [_truth("a", ("ant", A, 0)), _truth("b"), _truth("c", ("bee", A, 0), ("cow", B, 1))]
    images = [found_of("a", ("ant", 0.9, A)), found_of("b", ("dog", 0.8, A)), found_of("c", ("bee", 0.2, FAR))]
    if kept == "no detections":
        images = images[:1]
    else:
        truths = truths[:2]
    table = tabulate(images, truths, CLASSES)
    assert_equal(find_errors(table), by_tool(tidecv, table))


def _truth(file: str, *rows: tuple[str, list[int], int]) -> GroundTruth:
    """Rows are class, box, and whether it is difficult."""
    labels, difficult = np.array([row[0] for row in rows], str), np.array([row[2] for row in rows], bool)
    return GroundTruth(file, 200, 100, as_boxes([row[1] for row in rows]), labels, difficult)


NONE, CLS, LOC, BOTH, DUPE, BKG = Label


@pytest.mark.parametrize(
    ("objects", "detections", "labels", "missed"),
    [
        ([], [], [], []),
        ([], [("ant", 0.9, A)], [BKG], []),
        ([("ant", A, 0)], [], [], [1]),
        ([("ant", A, 0)], [("ant", 0.9, A)], [NONE], [0]),
        ([("ant", A, 0)], [("ant", 0.9, HALF)], [NONE], [0]),  # exactly .5 is enough
        ([("ant", A, 0)], [("ant", 0.9, NEAR)], [LOC], [0]),  # repaired, it would find the object
        ([("ant", A, 0)], [("bee", 0.9, A)], [CLS], [0]),
        ([("ant", A, 0)], [("bee", 0.9, NEAR)], [BOTH], [1]),
        ([("ant", A, 0)], [("ant", 0.9, FAR)], [BKG], [1]),
        ([("ant", A, 0)], [("ant", 0.9, A), ("ant", 0.8, A)], [NONE, DUPE], [0]),
        ([("ant", A, 0)], [("ant", 0.8, A), ("ant", 0.9, A)], [DUPE, NONE], [0]),  # the better one finds it
        ([("ant", A, 0)], [("ant", 0.9, A), ("ant", 0.8, HALF)], [NONE, LOC], [0]),  # exactly .5 on a found one
        ([("ant", A, 0), ("bee", A, 0)], [("ant", 0.9, A), ("ant", 0.8, A)], [NONE, CLS], [0, 0]),  # before DUPE
        ([("ant", A, 1)], [("ant", 0.9, A), ("bee", 0.8, A)], [BKG, BKG], [0]),  # a difficult object is no object
        ([("ant", A, 0), ("ant", B, 0)], [("ant", 0.9, B)], [NONE], [1, 0]),
    ],
)
def test_labels_by_eye(
    objects: list[tuple[str, list[int], int]],
    detections: list[tuple[str, float, list[int]]],
    labels: list[Label],
    missed: list[int],
) -> None:
    found = find_errors(tabulate([found_of("a", *detections)], [_truth("a", *objects)], ["ant", "bee"]))
    assert (found.labels.tolist(), found.missed.tolist()) == (labels, missed)


def test_costs_by_eye() -> None:
    """Two objects; the better detection is beside the first, the worse on the second: AP is half of 1/2, in 51 points.

    Repaired, the first counts as well, at full precision. Without false positives the second alone gives 51 points of
    1; with one object to find, 101 points of 1/2.
    """
    table = tabulate(
        [found_of("a", ("ant", 0.9, NEAR), ("ant", 0.8, B))], [_truth("a", ("ant", A, 0), ("ant", B, 0))], ["ant"]
    )
    found = find_errors(table)
    ap = 51 / 101 / 2
    deltas = {"Cls": 0, "Loc": 1 - ap, "Both": 0, "Dupe": 0, "Bkg": 0, "Miss": 0, "FP": 51 / 101 - ap, "FN": 0.5 - ap}
    assert found.ap == pytest.approx(ap)
    assert {row.name: row.delta_ap for row in found.rows} == pytest.approx(deltas)
    assert [row.count for row in found.rows] == [0, 1, 0, 0, 0, 0, 1, 1]


def test_only_the_best_of_those_that_would_find_an_object_is_repaired() -> None:
    """A wrong class and a wrong place ask for the same object: the better of the two would find it."""
    truth = [_truth("a", ("ant", A, 0))]
    table = tabulate([found_of("a", ("ant", 0.9, NEAR), ("bee", 0.8, A))], truth, ["ant", "bee"])
    found = {row.name: row for row in find_errors(table).rows}
    assert (found["Loc"].count, found["Cls"].count) == (1, 1)
    assert found["Loc"].delta_ap == pytest.approx(0.5)  # the mean of ant, 1, and bee, which still has a detection, 0
    assert found["Cls"].delta_ap == 0


def test_a_detection_in_a_difficult_object_does_not_count() -> None:
    truth = [_truth("a", ("ant", A, 1), ("ant", B, 0))]
    inside = [2, 2, 6, 6]  # its IoU is small, but all of it lies there
    table = tabulate([found_of("a", ("ant", 0.9, inside), ("bee", 0.8, inside), ("ant", 0.5, B))], truth, ["ant"])
    found = find_errors(table)
    assert (found.ap, found.ignored.tolist(), found.labels.tolist()) == (1, [True, False], [BKG, NONE])
    counts = {row.name: row.count for row in found.rows}
    assert (counts["Bkg"], counts["FP"]) == (1, 0)  # the tool's own counts hold it, its curves do not


def test_scores_below_zero() -> None:
    """As support vector machines give them; the tool fails on those of -1 and less."""
    truth = [_truth("a", ("ant", A, 0))]
    for shift in (0, -5):
        table = tabulate([found_of("a", ("ant", 0.9 + shift, NEAR), ("ant", 0.8 + shift, NEAR))], truth, ["ant"])
        assert find_errors(table).rows[1].delta_ap == pytest.approx(1)


def test_nothing_at_all() -> None:
    for table in (tabulate([], [], []), tabulate([], [], ["ant"]), tabulate([], [_truth("a")], ["ant"])):
        found = find_errors(table)
        assert math.isnan(found.ap)
        assert [(row.name, row.count) for row in found.rows] == [(name, 0) for name in NAMES]
    found = find_errors(tabulate([], [_truth("a", ("ant", A, 0))], ["ant"]))
    assert (found.ap, found.rows[0].delta_ap, found.missed.tolist()) == (0, 0, [True])
    assert math.isnan(found.rows[5].delta_ap)  # nothing to find is left


def test_every_type_says_what_it_is() -> None:
    assert list(MEANINGS) == NAMES
    found = find_errors(random_table(0))
    assert [(row.name, row.meaning) for row in found.rows] == list(MEANINGS.items())


@pytest.mark.parametrize(("foreground", "background"), [(0.5, 0), (0.5, 0.6), (1.1, 0.1), (0, 0), (math.nan, 0.1)])
def test_impossible_overlaps(foreground: float, background: float) -> None:
    with pytest.raises(UsageError, match="need 0 < background <= foreground <= 1"):
        find_errors(random_table(0), foreground, background)


@pytest.fixture(scope="module")
def voc2007_test() -> Table:
    from conftest import SHARED

    folder = SHARED / "data" / "voc2007"
    return tabulate(read_predictions(folder / "detections"), voc2007_test_truths(), VOC_CLASSES)


VOC2007_AP = 0.743977098
VOC2007_ROWS = {  # of tidecv 1.0.1, but for the counts of FP and FN, which it does not explain_image
    "Cls": (2428, 0.023533837),
    "Loc": (19341, 0.073917283),
    "Both": (8843, 0.007855107),
    "Dupe": (1152, 0.001185379),
    "Bkg": (55806, 0.028044079),
    "Miss": (439, 0.027558553),
    "FP": (84249, 0.116418941),
    "FN": (1745, 0.112169355),
}


@pytest.mark.slow
@pytest.mark.shared
def test_numbers_of_the_tool_on_voc2007(shared: Path, voc2007_test: Table) -> None:
    """The same comparison, for where the tool is not installed."""
    found = find_errors(voc2007_test)
    assert found.ap == pytest.approx(VOC2007_AP, abs=1e-8)
    for row in found.rows:
        assert (row.count, row.delta_ap) == (
            VOC2007_ROWS[row.name][0],
            pytest.approx(VOC2007_ROWS[row.name][1], abs=1e-8),
        )


@pytest.mark.slow
@pytest.mark.shared
def test_equals_the_tool_on_voc2007(shared: Path, tidecv: dict[str, Any], voc2007_test: Table) -> None:
    start = time.perf_counter()
    found = find_errors(voc2007_test)
    assert time.perf_counter() - start < 5  # .3 s on an idle machine
    assert_equal(found, by_tool(tidecv, voc2007_test))
