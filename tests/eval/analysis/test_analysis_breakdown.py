"""Breakdowns against plain loops, against an evaluation with the other objects taken out, and by eye."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections
from inception_rcnn.eval.analysis.breakdown import Group, break_down, percentiles
from inception_rcnn.eval.metrics.evaluation import Evaluation, Outcome
from inception_rcnn.eval.metrics.protocols import PROTOCOLS, evaluate
from inception_rcnn.eval.metrics.table import Objects, tabulate

CLASSES = ["ant", "bee", "cow", "dog"]  # no objects of the last

GROUPS = {
    "size": ["XS", "S", "M", "L", "XL"],
    "aspect ratio": ["XT", "T", "M", "W", "XW"],
    "truncated": ["no", "yes"],
    "area": ["small", "medium", "large"],
}


def random_images(seed: int, copies: int = 2, num_images: int = 20) -> tuple[list[ImageDetections], list[GroundTruth]]:
    """Objects of whole numbers, so that many are of one size; so many detections of each, and as many others."""
    rng = np.random.default_rng(seed)
    truths, images = [], []
    for i in range(num_images):
        n = rng.integers(0, 6)
        corners = np.arange(n)[:, None] * 200 + rng.integers(0, 20, (n, 2))  # apart from each other
        boxes = np.concatenate([corners, corners + rng.integers(1, 15, (n, 2)) * 10], axis=1).astype(float)
        labels = rng.choice(CLASSES[:3], n, p=[0.6, 0.3, 0.1]).astype(str)
        difficult, truncated = rng.random((2, n)) < 0.2
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) * rng.uniform(0.5, 1, n)
        truths.append(GroundTruth(f"{i}", 999, 999, boxes, labels, difficult, truncated=truncated, areas=areas))
        near = np.concatenate([boxes + rng.normal(0, 5, boxes.shape) for _ in range(copies)])
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        names = np.append(np.tile(labels, copies), rng.choice(CLASSES, n))
        found = np.concatenate([near, boxes + np.array([500, 0, 500, 0])])
        images.append(ImageDetections(f"{i}", 999, 999, Detections(found, names, rng.integers(0, 30, len(found)) / 30)))
    return images, truths


def evaluation_of(images: list[ImageDetections], truths: list[GroundTruth], metric: str = "voc10") -> Evaluation:
    return evaluate(tabulate(images, truths, CLASSES), [metric])[0]


def groups_of(evaluation: Evaluation) -> dict[tuple[str, str], Group]:
    return {(name, group.name): group for name, groups in break_down(evaluation).items() for group in groups}


def slow_members(objects: Objects, property_name: str) -> list[str]:
    """The name of each object's group, one object after the other; nothing for those that nobody has to find."""
    names = []
    for i, (x1, y1, x2, y2) in enumerate(objects.boxes.tolist()):
        if objects.difficult[i] or objects.crowd[i]:
            names.append("")
        elif property_name == "truncated":
            names.append("yes" if objects.truncated[i] else "no")
        elif property_name == "area":
            names.append("small" if objects.areas[i] < 1024 else "medium" if objects.areas[i] < 9216 else "large")
        else:
            alike = [j for j in range(len(objects.boxes)) if objects.classes[j] == objects.classes[i]]
            alike = [j for j in alike if not objects.difficult[j] and not objects.crowd[j]]
            measure = slow_area if property_name == "size" else slow_ratio
            others, own = [measure(objects.boxes[j].tolist()) for j in alike], measure([x1, y1, x2, y2])
            # In twentieths of the class: all that are below, and half of those that are the same.
            place = 10 * sum((other < own) + (other <= own) for other in others)
            limits = [2 * len(alike), 6 * len(alike), 14 * len(alike), 18 * len(alike)]
            names.append(GROUPS[property_name][sum(place > limit for limit in limits)])
    return names


def slow_area(box: list[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def slow_ratio(box: list[float]) -> float:
    return (box[2] - box[0]) / (box[3] - box[1])


def slow_eleven_points(points: list[tuple[float, float]]) -> float:
    thresholds = (0.0, 0.1, 0.2, 0.30000000000000004, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    return sum(max((p for r, p in points if r >= t), default=0.0) for t in thresholds) / 11


def slow_area_under(points: list[tuple[float, float]]) -> float:
    total, before = 0.0, 0.0
    for i, (recall, _) in enumerate(points):
        total += (recall - before) * max(p for _, p in points[i:])
        before = recall
    return total


def slow_coco(points: list[tuple[float, float]]) -> float:
    thresholds = np.linspace(0, 1, 101)
    return sum(max((p for r, p in points if r >= t), default=0.0) for t in thresholds) / 101


SLOW: dict[str, Callable[[list[tuple[float, float]]], float]] = {
    "voc07": slow_eleven_points,
    "voc10": slow_area_under,
    "ilsvrc": slow_area_under,
    "coco": slow_coco,
}


def slow_group(evaluation: Evaluation, members: list[bool]) -> tuple[int, int, float, float]:
    objects = evaluation.table.objects
    counts = [sum(m and c == k for m, c in zip(members, objects.classes, strict=True)) for k in range(len(CLASSES))]
    everything = [one.positives for one in evaluation.classes if one.positives]
    typical = sum(everything) / len(everything)
    total, aps, normalised = 0, [], []
    for one, count in zip(evaluation.classes, counts, strict=True):
        if not count:
            continue
        true = false = 0
        points, normalised_points = [], []
        for outcome, place in zip(one.outcomes.tolist(), one.objects.tolist(), strict=True):
            if outcome == Outcome.TRUE_POSITIVE and members[place]:
                true += 1
            if outcome in (Outcome.FALSE_POSITIVE, Outcome.DUPLICATE):
                false += 1
            if true + false:
                scaled = true / count * typical
                points.append((true / count, true / (true + false)))
                normalised_points.append((true / count, scaled / (scaled + false)))
        total += true
        aps.append(SLOW[evaluation.metric](points))
        normalised.append(SLOW[evaluation.metric](normalised_points))
    nan = float("nan")
    return sum(counts), total, *(sum(v) / len(v) if v else nan for v in (aps, normalised))


@pytest.mark.parametrize("metric", PROTOCOLS)
@pytest.mark.parametrize("seed", range(6))
def test_against_plain_loops(seed: int, metric: str) -> None:
    evaluation = evaluation_of(*random_images(seed), metric)
    breakdowns = break_down(evaluation)
    assert {name: [group.name for group in groups] for name, groups in breakdowns.items()} == GROUPS
    for name, groups in breakdowns.items():
        names = slow_members(evaluation.table.objects, name)
        for group in groups:
            expected = slow_group(evaluation, [each == group.name for each in names])
            found = group.objects, group.found, group.ap, group.normalised_ap
            assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)
        assert sum(group.objects for group in groups) == sum(one.positives for one in evaluation.classes)


@pytest.mark.parametrize("metric", ["voc07", "voc10", "ilsvrc"])
@pytest.mark.parametrize("seed", range(4))
def test_a_group_is_an_evaluation_where_the_others_are_difficult(seed: int, metric: str) -> None:
    """As long as no object is found twice: a duplicate on a difficult object would not count."""
    images, truths = random_images(seed, copies=1)
    found = groups_of(evaluation_of(images, truths, metric))
    for name, hidden in (("no", lambda t: t.truncated), ("yes", lambda t: ~t.truncated)):
        others = [replace(truth, difficult=truth.difficult | hidden(truth)) for truth in truths]
        assert found["truncated", name].ap == pytest.approx(evaluation_of(images, others, metric).map, abs=1e-12)


@pytest.mark.parametrize("metric", ["voc07", "voc10", "ilsvrc"])
def test_a_group_of_everything_is_the_evaluation(metric: str) -> None:
    images, truths = random_images(7)
    truths = [replace(truth, truncated=np.zeros(len(truth), bool)) for truth in truths]
    evaluation = evaluation_of(images, truths, metric)
    found = groups_of(evaluation)
    assert found["truncated", "no"].ap == pytest.approx(evaluation.map, abs=1e-12)
    empty = found["truncated", "yes"]
    assert (empty.objects, empty.found) == (0, 0)
    assert all(map(math.isnan, (empty.ap, empty.normalised_ap, empty.recall)))


def _truth(file: str, *boxes: list[int], label: str = "ant", truncated: tuple[int, ...] = ()) -> GroundTruth:
    labels, none = np.array([label] * len(boxes), str), np.zeros(len(boxes), bool)
    flags = np.isin(np.arange(len(boxes)), np.array(truncated, int))
    return GroundTruth(file, 999, 999, as_boxes(boxes), labels, none, truncated=flags)


def _found(file: str, *boxes: list[int], label: str = "ant") -> ImageDetections:
    """Detections of falling score."""
    labels = np.array([label] * len(boxes), str)
    return ImageDetections(file, 999, 999, Detections(as_boxes(boxes), labels, 1 - np.arange(len(boxes)) / 100))


A, B, C, D, FAR = [0, 0, 10, 10], [100, 0, 120, 20], [200, 0, 230, 30], [300, 0, 340, 40], [500, 500, 510, 510]


def test_precision_by_eye() -> None:
    """Whole objects: one of two, after a false positive. Cut ones: both, the first before it, the second after it."""
    evaluation = evaluation_of([_found("a", C, FAR, A, D)], [_truth("a", A, B, C, D, truncated=(2, 3))])
    found = groups_of(evaluation)
    no, yes = found["truncated", "no"], found["truncated", "yes"]
    assert (no.objects, no.found, no.recall) == (2, 1, 0.5)
    assert no.ap == pytest.approx(1 / 2 * 1 / 2)  # recall 1/2 at 1 true, 1 false
    assert no.normalised_ap == pytest.approx(1 / 2 * 2 / 3)  # 4 objects: recall 1/2 would be 2 true, 1 false
    assert (yes.objects, yes.found, yes.recall) == (2, 2, 1)
    assert yes.ap == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)
    assert yes.normalised_ap == pytest.approx(1 / 2 * 1 + 1 / 2 * 4 / 5)


def test_a_duplicate_is_held_against_every_group() -> None:
    found = groups_of(evaluation_of([_found("a", A, A, B)], [_truth("a", A, B, truncated=(1,))]))
    assert found["truncated", "no"].ap == 1
    assert found["truncated", "yes"].ap == 0.5


def test_normalised_is_the_same_however_few_objects_a_group_has() -> None:
    """One object in ten is cut; of both kinds all are found, after as many false positives as there are of a class."""
    boxes = [[30 * i, 0, 30 * i + 10, 10] for i in range(10)]
    wrong = [[30 * i, 600, 30 * i + 10, 610] for i in range(10)]
    found = groups_of(evaluation_of([_found("a", *wrong, *boxes)], [_truth("a", *boxes, truncated=(4,))]))
    no, yes = found["truncated", "no"], found["truncated", "yes"]
    assert (no.ap, yes.ap) == (pytest.approx(9 / 19), pytest.approx(1 / 11))
    assert no.normalised_ap == pytest.approx(0.5)
    assert yes.normalised_ap == pytest.approx(0.5)


def test_the_mean_is_over_the_classes_that_have_objects_there() -> None:
    truths = [_truth("a", A, truncated=(0,)), _truth("b", B, label="bee")]
    found = groups_of(evaluation_of([_found("a", A), _found("b", FAR, label="bee")], truths))
    assert (found["truncated", "yes"].ap, found["truncated", "no"].ap) == (1, 0)


def test_sizes_and_shapes_are_tenths_of_a_class() -> None:
    """Twenty objects of one class grow and become wider; those of another are all alike and far larger."""
    truths = [_truth(f"{i}", [0, 0, 10 + i, 10]) for i in np.random.default_rng(0).permutation(20)]
    truths += [_truth(f"bee {i}", [0, 0, 500, 400], label="bee") for i in range(3)]
    found = groups_of(evaluation_of([], truths))
    assert [found["size", name].objects for name in GROUPS["size"]] == [2, 4, 8 + 3, 4, 2]
    assert [found["aspect ratio", name].objects for name in GROUPS["aspect ratio"]] == [2, 4, 8 + 3, 4, 2]
    assert [found["area", name].objects for name in GROUPS["area"]] == [20, 0, 3]


def test_cocos_sizes_are_of_the_objects_themselves() -> None:
    """32 by 32 pixels are no longer small, 96 by 96 large; and an area may be less than its box's."""
    truth = _truth("a", [0, 0, 31, 33], [0, 0, 32, 32], [0, 0, 95, 97], [0, 0, 96, 96], [0, 0, 200, 200])
    truth = replace(truth, areas=np.append(truth.areas[:4], 100.0))
    found = groups_of(evaluation_of([], [truth]))
    assert [found["area", name].objects for name in GROUPS["area"]] == [2, 2, 1]


def test_boxes_without_height_are_the_widest() -> None:
    boxes, line = [[100 * i, 0, 100 * i + 10, 10 + i] for i in range(9)], [5, 5, 9, 5]
    found = groups_of(evaluation_of([_found("a", *boxes, line)], [_truth("a", *boxes, line)]))
    assert [found["aspect ratio", name].objects for name in GROUPS["aspect ratio"]] == [1, 2, 4, 2, 1]
    assert [found["aspect ratio", name].found for name in GROUPS["aspect ratio"]] == [
        1,
        2,
        4,
        2,
        0,
    ]  # it overlaps nothing


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([7], [0.5]),
        ([2, 2, 2], [0.5, 0.5, 0.5]),
        ([1, 2], [0.25, 0.75]),
        ([3, 1, 1, 9], [0.625, 0.25, 0.25, 0.875]),
        ([1, math.inf], [0.25, 0.75]),
    ],
)
def test_percentiles_by_eye(values: list[float], expected: list[float]) -> None:
    assert percentiles(np.array(values, float)).tolist() == expected


@pytest.mark.parametrize("metric", PROTOCOLS)
def test_nothing_at_all(metric: str) -> None:
    images, truths = random_images(0)
    for evaluation in (
        evaluation_of([], [], metric),
        evaluation_of([], truths, metric),
        evaluation_of(images, [], metric),
    ):
        for group in groups_of(evaluation).values():
            assert group.found == 0
            assert math.isnan(group.ap) if group.objects == 0 else group.ap == group.normalised_ap == 0
    (evaluation,) = evaluate(tabulate([], [], []), [metric])
    assert all(group.objects == 0 for group in groups_of(evaluation).values())
