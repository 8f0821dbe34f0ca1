"""Recall against plain loops over objects and boxes, and by eye."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from image_records import truth_of

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.records import GroundTruth, Proposals
from inception_rcnn.eval.metrics.recall import BUDGETS, CURVE, Coverage, best_overlaps, evaluate_recall, format_recall

A, B = [0, 0, 10, 10], [50, 0, 60, 10]
NO_NUMBERS = (0, *[math.nan] * 4)


def _boxes(*boxes: Sequence[float]) -> Proposals:
    return Proposals(as_boxes(boxes), -np.arange(len(boxes)))


def _wide(width: int) -> list[int]:
    """A box whose overlap with one 100 by 1 is `width` hundredths."""
    return [0, 0, width, 1]


def _slow_iou(a: Sequence[float], b: Sequence[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = width * height if width > 0 and height > 0 else 0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0


def _slow_best(
    proposals: dict[str, Proposals], truths: Sequence[GroundTruth], budget: int
) -> list[tuple[str, float, float]]:
    """Of every object its class, area, and best overlap with the first boxes of its image."""
    rows = []
    for truth in truths:
        for box, label, difficult in zip(truth.boxes.tolist(), truth.labels, truth.difficult, strict=True):
            if not difficult:
                best = max([0.0, *(_slow_iou(box, other) for other in proposals[truth.file].boxes.tolist()[:budget])])
                rows.append((str(label), (box[2] - box[0]) * (box[3] - box[1]), best))
    return rows


def _slow_coverage(best: Sequence[float]) -> tuple[float, ...]:
    recalls = {percent: sum(each >= percent / 100 for each in best) / len(best) for percent in range(50, 100, 5)}
    return len(best), recalls[50], recalls[70], sum(recalls.values()) / 10, sum(best) / len(best)


def _numbers(found: Coverage) -> tuple[float, ...]:
    return found.objects, found.recall_50, found.recall_70, found.average_recall, found.mean_best_overlap


def _random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corners = rng.integers(0, 150, (count, 2))
    return np.concatenate([corners, corners + rng.integers(0, 120, (count, 2))], axis=1).astype(float)


@pytest.mark.parametrize("seed", range(5))
def test_all_numbers_are_those_of_plain_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truths, proposals = [], {}
    for i, (objects, count) in enumerate([(0, 5), (3, 0), (1, 1), (6, 120), (4, 31), (5, 10)]):
        labels = rng.choice(["cat", "dog", "猫"], objects)
        boxes = _random_boxes(rng, objects)
        truths.append(GroundTruth(f"{i}.jpg", 300, 300, boxes, labels, rng.random(objects) < 0.2))
        found = np.concatenate([_random_boxes(rng, count), boxes + rng.integers(-5, 5, boxes.shape)])[:count]
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2])
        proposals[f"{i}.jpg"] = Proposals(rng.permutation(found), np.zeros(count))
    result = evaluate_recall("random", proposals, truths)
    rows = _slow_best(proposals, truths, 10**6)
    best = [each for *_, each in rows]
    assert _numbers(result.all) == pytest.approx(_slow_coverage(best))
    classes = {name: [each for label, _, each in rows if label == name] for name in sorted({row[0] for row in rows})}
    assert list(result.classes) == list(classes)
    for name, part in classes.items():
        assert _numbers(result.classes[name]) == pytest.approx(_slow_coverage(part))
    assert result.mabo == pytest.approx(sum(sum(part) / len(part) for part in classes.values()) / len(classes))
    for size, low, high in (("small", 0, 1024), ("medium", 1024, 9216), ("large", 9216, math.inf)):
        part = [each for _, area, each in rows if low <= area < high]
        assert _numbers(result.sizes[size]) == pytest.approx(_slow_coverage(part) if part else NO_NUMBERS, nan_ok=True)
    assert list(result.budgets) == [1, 3, 10, 30, 100, 200]  # up to the first that holds all 120
    for budget, found in result.budgets.items():
        part = [each for *_, each in _slow_best(proposals, truths, budget)]
        assert _numbers(found) == pytest.approx(_slow_coverage(part))
    assert [recall for _, recall in result.by_iou] == pytest.approx(
        [sum(each >= iou / 100 for each in best) / len(best) for iou in range(50, 101, 2)]
    )
    assert (result.images, result.boxes) == (6, (0 + 1 + 5 + 10 + 31 + 120) / 6)


def test_no_images_and_no_objects_have_no_recall() -> None:
    for truths, boxes in (
        ([], math.nan),
        ([truth_of("a.jpg")], 1),
        ([truth_of("a.jpg", ("cat", B), difficult=[0])], 1),
    ):
        found = evaluate_recall("x", {"a.jpg": _boxes(A)}, truths)
        assert _numbers(found.all) == pytest.approx(NO_NUMBERS, nan_ok=True)
        assert (found.mabo, found.boxes) == pytest.approx((math.nan, boxes), nan_ok=True)
        assert (found.images, found.classes, list(found.by_iou)) == (len(truths), {}, [])
        assert all(math.isnan(each.average_recall) for each in (*found.sizes.values(), *found.budgets.values()))


def test_an_image_without_boxes_counts_its_objects_as_not_found() -> None:
    truths = [truth_of("a.jpg", ("cat", A)), truth_of("b.jpg", ("cat", A))]
    found = evaluate_recall("x", {"a.jpg": _boxes(), "b.jpg": _boxes(A)}, truths)
    assert _numbers(found.all) == (2, 0.5, 0.5, 0.5, 0.5)
    assert found.boxes == 0.5
    none = evaluate_recall("x", {"a.jpg": _boxes(), "b.jpg": _boxes()}, truths)
    assert _numbers(none.all) == _numbers(none.budgets[1]) == (2, 0, 0, 0, 0)
    assert list(none.budgets) == [1]


@pytest.mark.parametrize(
    ("width", "recall_50", "recall_70", "average", "curve"),
    [
        (49, 0, 0, 0, 0),
        (50, 1, 0, 0.1, 1),  # a tie counts
        (70, 1, 1, 0.5, 11),
        (68, 1, 0, 0.4, 10),  # and where 0.5 + 9 * 0.02 would come out above or below .68
        (84, 1, 1, 0.7, 18),
        (95, 1, 1, 1, 23),
        (100, 1, 1, 1, 26),
    ],
)
def test_an_overlap_that_is_just_enough_is_enough(
    width: int, recall_50: float, recall_70: float, average: float, curve: int
) -> None:
    found = evaluate_recall("x", {"a.jpg": _boxes(_wide(width))}, [truth_of("a.jpg", ("cat", _wide(100)))])
    assert _numbers(found.all) == (1, recall_50, recall_70, pytest.approx(average), width / 100)
    assert [recall for _, recall in found.by_iou] == [1] * curve + [0] * (26 - curve)


def test_mabo_is_a_mean_over_classes_and_not_over_objects() -> None:
    truth = truth_of("a.jpg", ("cat", A), ("cat", A), ("cat", A), ("dog", B))
    found = evaluate_recall("x", {"a.jpg": _boxes(A)}, [truth])
    assert (found.mabo, found.all.mean_best_overlap) == (0.5, 0.75)
    assert {name: each.objects for name, each in found.classes.items()} == {"cat": 3, "dog": 1}


def test_difficult_objects_are_left_out() -> None:
    truth = truth_of("a.jpg", ("cat", A), ("cat", B), ("ox", B), difficult=[1, 2])
    found = evaluate_recall("x", {"a.jpg": _boxes(A)}, [truth])
    assert _numbers(found.all) == (1, 1, 1, 1, 1)
    assert list(found.classes) == ["cat"]


@pytest.mark.parametrize("changes", [{"crowd": [0, 1]}, {"ignore": [0, 1]}, {"ignored_classes": ("ox",)}])
def test_objects_to_ignore_are_left_out(changes: dict[str, Any]) -> None:
    truth = replace(truth_of("a.jpg", ("cat", A), ("ox", B)), **changes)
    found = evaluate_recall("x", {"a.jpg": _boxes(A)}, [truth])
    assert (found.all.objects, found.all.recall_50, list(found.classes)) == (1, 1, ["cat"])


def test_one_box_may_cover_several_objects() -> None:
    found = evaluate_recall("x", {"a.jpg": _boxes(A)}, [truth_of("a.jpg", ("cat", A), ("dog", A))])
    assert (found.all.objects, found.all.recall_50) == (2, 1)


def test_objects_are_sorted_by_area_and_a_limit_belongs_to_the_larger() -> None:
    sides = {"tiny": (1, 1), "below": (1, 1023), "at 32": (32, 32), "under": (1, 9215), "at 96": (96, 96)}
    truth = truth_of("a.jpg", *((name, [0, 0, *side]) for name, side in sides.items()))
    found = evaluate_recall("x", {"a.jpg": _boxes([0, 0, 32, 32])}, [truth])
    assert {size: each.objects for size, each in found.sizes.items()} == {"small": 2, "medium": 2, "large": 1}
    assert {size: each.recall_50 for size, each in found.sizes.items()} == {"small": 0, "medium": 0.5, "large": 0}


@pytest.mark.parametrize(
    ("count", "last"), [(0, 1), (1, 1), (2, 3), (3, 3), (4, 10), (1000, 1000), (1001, 2000), (9000, 5000)]
)
def test_budgets_end_with_the_first_that_holds_all_boxes(count: int, last: int) -> None:
    found = evaluate_recall("x", {"a.jpg": _boxes(*[B] * (count - 1), *[A][:count])}, [truth_of("a.jpg", ("cat", A))])
    assert list(found.budgets) == [budget for budget in BUDGETS if budget <= last]
    assert [each.recall_50 for each in found.budgets.values()] == [float(0 < count <= b) for b in found.budgets]
    assert found.all.recall_50 == min(count, 1)


def test_best_overlaps_by_eye() -> None:
    found = best_overlaps(as_boxes([B, [0, 0, 10, 5], A, A]), as_boxes([A, B, [90, 90, 99, 99]]))
    assert found[:, :3].tolist() == [[0, 1, 1], [1, 1, 1], [0, 0, 0]]  # with 1, 3 and 10 boxes
    assert best_overlaps(as_boxes([B, [0, 0, 10, 5]]), as_boxes([A])).tolist() == [[0, *[0.5] * len(BUDGETS)]]
    for boxes, objects in (([], []), ([], [A]), ([A], [])):
        assert best_overlaps(as_boxes(boxes), as_boxes(objects)).shape == (len(objects), len(BUDGETS) + 1)


def test_images_without_a_row_are_named() -> None:
    truths = [truth_of("a.jpg"), truth_of("b.jpg", ("cat", A)), truth_of("c.jpg")]
    with pytest.raises(DataError, match=r"^boxes\.csv has no proposals for 2 of 3 images, as b\.jpg$"):
        evaluate_recall("boxes.csv", {"a.jpg": _boxes(A), "d.jpg": _boxes()}, truths)


def test_table_by_eye() -> None:
    found = evaluate_recall(
        "猫\x1b.csv", {"a.jpg": _boxes(A, B)}, [truth_of("a.jpg", ("cat", A), ("dog", [0, 0, 9, 1]))]
    )
    header, line = format_recall([found]).splitlines()
    assert header.split("  ")[0] == "proposals"
    assert line.split()[:7] == ["猫\\x1b.csv", "2", "0.500", "0.500", "0.500", "0.545", "0.545"]
    assert format_recall([]).split()[:2] == ["proposals", "boxes"]


def test_the_curve_is_over_hundredths() -> None:
    assert CURVE.tolist() == [iou / 100 for iou in range(50, 101, 2)]
