"""Hand-made images for every step, random ones against plain loops, and and the gain of perfect steps."""

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from image_records import truth_of

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections, Stages
from inception_rcnn.data.suppression import detections_of, suppress
from inception_rcnn.data.values import NO_INDEX
from inception_rcnn.eval.analysis.image_stages import stages_by_image
from inception_rcnn.eval.analysis.missed_objects import Loss
from inception_rcnn.eval.analysis.waterfall import (
    Waterfall,
    find_losses,
    with_perfect_boxes,
    with_perfect_classifier,
    with_perfect_suppression,
)
from inception_rcnn.eval.metrics.evaluation import Evaluation, Outcome
from inception_rcnn.eval.metrics.protocols import evaluate
from inception_rcnn.eval.metrics.table import tabulate

CLASSES = ("cat", "dog")
A, B = [0.0, 0, 100, 100], [200.0, 0, 300, 100]
A60, A40 = [0.0, 0, 60, 100], [0.0, 0, 40, 100]  # in hundredths of A
NOWHERE = [400.0, 400, 450, 450]


def _stages(
    *regions: tuple[list[float], float, float, list[float]], more: tuple[list[float], ...] = (), **rules: Any
) -> Stages:
    """Regions as (proposal, probability of cat, of dog, refined box of both); `more` proposals beyond the budget."""
    proposals = as_boxes([*(region[0] for region in regions), *more])
    probabilities = np.array([[1 - cat - dog, cat, dog] for _, cat, dog, _ in regions]).reshape(-1, 3)
    boxes = np.array([[box, box] for *_, box in regions]).reshape(-1, 2, 4)
    settings = {"score_threshold": 0.3, "nms_threshold": 0.3, "max_detections": 100, **rules}
    return Stages(proposals, probabilities, boxes, CLASSES, **settings)


def _truth(*objects: tuple[str, list[float]], file: str = "1.jpg", difficult: tuple[int, ...] = ()) -> GroundTruth:
    return truth_of(file, *objects, difficult=difficult, size=(500, 500))


def _evaluation(
    stages: dict[str, Stages], truths: list[GroundTruth], metric: str = "voc10", classes: tuple[str, ...] = CLASSES
) -> Evaluation:
    images = [ImageDetections(file, 500, 500, detections_of(each)) for file, each in stages.items()]
    return evaluate(tabulate(images, truths, classes), [metric])[0]


def _waterfall(stages: Stages, *objects: tuple[str, list[float]], metric: str = "voc10", **options: Any) -> Waterfall:
    kept = {"1.jpg": stages}
    return find_losses(_evaluation(kept, [_truth(*objects, **options)], metric), kept)


def _step(waterfall: Waterfall, index: int = 0) -> str:
    return "found" if waterfall.lost[index] == NO_INDEX else waterfall.steps[waterfall.lost[index]].name


@pytest.mark.parametrize(
    ("stages", "step", "words"),
    [
        (_stages(), "not proposed", "best of 0 proposals overlaps it by 0.00"),
        (_stages((A, 0.9, 0.0, A)), "found", ""),
        (_stages((A40, 0.9, 0.0, A40)), "not proposed", "best of 1 proposals overlaps it by 0.40; it takes 0.50"),
        (
            _stages((A40, 0.9, 0.0, A40), more=(A40, A60)),
            "cut by the budget",
            r"proposal 3 .*\(overlap 0.60\), and the budget is 1",
        ),
        (_stages((A60, 0.1, 0.8, A)), "wrong class", r"cat \(0.10, overlap 0.60\) has a higher one for dog \(0.80\)"),
        # A region that takes it for a dog does not count where another one believes in the cat more.
        (_stages((A, 0.1, 0.8, A), (A60, 0.2, 0.1, A)), "below the score threshold", "of 2 .* 0.20 .*it takes 0.30"),
        (_stages((A, 0.1, 0.29, A)), "below the score threshold", "has 0.10"),
        (_stages((A60, 0.3, 0.0, A40)), "regressed away", r"\(0.30\) overlaps it by 0.60, its refined box by 0.40"),
        (_stages((A60, 0.5, 0.0, A40), (A, 0.2, 0.0, A)), "regressed away", "overlaps it by 0.60"),
        # Nothing is left of a box that was refined out of the image.
        (_stages((A, 0.9, 0.0, [500, 500, 500, 500])), "regressed away", "its refined box by 0.00"),
        (
            _stages((A40, 0.9, 0.0, A40), (A60, 0.5, 0.0, A60)),
            "suppressed by a neighbour",
            "score 0.50 overlaps it by 0.60, .* score 0.90 at 0 0 40 100, which overlaps that box by 0.67",
        ),
        # Its box comes from a proposal that was not on it: no matter, the box was.
        (_stages((A40, 0.9, 0.0, A40), (A40, 0.5, 0.0, A60)), "suppressed by a neighbour", "score 0.50"),
        (_stages((A, 0.5, 0.0, A), (B, 0.9, 0.0, B), max_detections=1), "cut by the budget", "may have 1 detections"),
        (_stages((A, 0.5, 0.0, A), max_detections=0), "cut by the budget", "may have 0 detections"),
    ],
)
def test_a_cat_is_lost_at_one_step(stages: Stages, step: str, words: str) -> None:
    waterfall = _waterfall(stages, ("cat", A))
    assert _step(waterfall) == step
    if step == "found":
        assert waterfall.why == {}
    else:
        assert re.search(words, waterfall.why[0]), waterfall.why[0]
    assert (waterfall.objects, waterfall.found) == (1, int(step == "found"))
    assert [one.count for one in waterfall.steps] == [int(one.name == step) for one in waterfall.steps]


def test_a_detection_that_counts_for_another_object_claims_it() -> None:
    """VOC: the box lies on both cats, and is matched with the first of them only."""
    second = [0.0, 0, 100, 95]
    waterfall = _waterfall(_stages((A, 0.9, 0.0, A)), ("cat", A), ("cat", second))
    assert [_step(waterfall, index) for index in (0, 1)] == ["found", "claimed"]
    assert waterfall.why[1].endswith("overlaps it by 0.95, but counts for the object at 0 0 100 100")
    twice = _stages((A, 0.9, 0.0, A), (second, 0.8, 0.0, [0, 0, 100, 99]), nms_threshold=0.995)
    waterfall = _waterfall(twice, ("cat", A), ("cat", [0.0, 0, 100, 97]))
    assert [_step(waterfall, index) for index in (0, 1)] == ["found", "claimed"]


def test_a_detection_on_a_difficult_object_claims_the_one_beside_it() -> None:
    waterfall = _waterfall(_stages((A, 0.9, 0.0, A)), ("cat", A), ("cat", [0.0, 0, 100, 90]), difficult=(0,))
    assert (waterfall.objects, waterfall.found, _step(waterfall, 1)) == (1, 0, "claimed")
    assert waterfall.lost[0] == NO_INDEX  # it need not be found
    assert list(waterfall.why) == [1]


def test_the_protocols_own_overlap_decides() -> None:
    """ILSVRC takes .25 of an object of 10 by 10 pixels, VOC for .5."""
    stages = _stages(([0.0, 0, 10, 3], 0.1, 0.0, [0.0, 0, 10, 3]))
    small = ("cat", [0.0, 0, 10, 10])
    assert _step(_waterfall(stages, small, metric="voc10")) == "not proposed"
    assert _step(_waterfall(stages, small, metric="ilsvrc")) == "below the score threshold"


def test_a_class_that_the_detector_does_not_know() -> None:
    kept = {"1.jpg": _stages((A, 0.9, 0.0, A))}
    waterfall = find_losses(_evaluation(kept, [_truth(("emu", A), ("cat", A))], classes=("emu", "cat")), kept)
    assert [_step(waterfall, index) for index in (0, 1)] == ["below the score threshold", "found"]
    assert "does not know its class" in waterfall.why[0]


def test_classes_that_are_not_evaluated_are_left_out() -> None:
    kept = {"1.jpg": _stages((A, 0.9, 0.0, A), (B, 0.0, 0.9, B))}
    waterfall = find_losses(_evaluation(kept, [_truth(("cat", A), ("dog", B))], classes=("dog",)), kept)
    assert (waterfall.objects, waterfall.found) == (1, 1)
    truth = replace(_truth(("cat", A), ("dog", B)), ignored_classes=("cat",))
    waterfall = find_losses(_evaluation(kept, [truth]), kept)
    assert (waterfall.objects, waterfall.found) == (1, 1)


def test_images_are_paired_by_name_and_those_without_stages_are_counted() -> None:
    kept = {"photos/1.jpg": _stages((A, 0.9, 0.0, A))}
    truths = [_truth(("cat", A)), _truth(("cat", A), ("dog", B), file="2.jpg"), _truth(file="3.jpg")]
    waterfall = find_losses(_evaluation(kept, truths), kept)
    assert [_step(waterfall, index) for index in range(3)] == ["found", "no stages", "no stages"]
    assert waterfall.steps[Loss.NO_STAGES].map_if_perfect == 1
    assert waterfall.map == 0.25
    assert sorted(waterfall.why) == [1, 2]


def test_nothing_to_find() -> None:
    waterfall = _waterfall(_stages((A, 0.9, 0.0, A)))
    assert (waterfall.objects, waterfall.found, waterfall.why) == (0, 0, {})
    assert all(one.count == 0 and np.isnan(one.map_if_perfect) for one in waterfall.steps)
    assert np.isnan(waterfall.map)
    assert len(waterfall.steps) == len(Loss)
    assert find_losses(_evaluation({}, []), {}).objects == 0


def _saturated(seed: int, **rules: Any) -> Stages:
    """Boxes crowded around two objects, whose sigmoids are all so near 1 that many are equal in float32."""
    rng = np.random.default_rng(seed)
    corners = rng.choice([0.0, 200.0], (30, 1, 1)) + rng.integers(0, 60, (30, 2, 2))
    boxes = np.concatenate([corners, corners + rng.integers(60, 110, (30, 2, 2))], axis=2).astype(np.float32)
    scores = 1 / (1 + np.exp(-rng.uniform(15, 25, (30, 2))))
    settings = {"score_threshold": 0.3, "nms_threshold": 0.3, "max_detections": 100, **rules}
    probabilities = np.concatenate([1 - scores.max(axis=1, keepdims=True), scores], axis=1)
    return Stages(boxes[:, 0].astype(np.float64), probabilities, boxes.astype(np.float64), CLASSES, **settings)


@pytest.mark.parametrize("rules", [{}, {"vote_threshold": 0.5}, {"max_detections": 3}])
@pytest.mark.parametrize("seed", range(5))
def test_scores_that_are_equal_in_a_file_of_fewer_digits(seed: int, rules: dict[str, Any]) -> None:
    """Whatever the order in which equal scores stand there, the stages are those of the detections."""
    exact = {"1.jpg": _saturated(seed, **rules)}
    rounded = {"1.jpg": replace(exact["1.jpg"], probabilities=exact["1.jpg"].probabilities.astype(np.float32))}
    assert len(np.unique(rounded["1.jpg"].probabilities[:, 1:])) < 40  # of 60
    evaluation = _evaluation(exact, [_truth(("cat", [0.0, 0, 100, 100]), ("dog", [230.0, 230, 330, 330]))])
    assert find_losses(evaluation, rounded).found == find_losses(evaluation, exact).found
    (one,) = stages_by_image(evaluation, rounded)
    rows = one.rows[one.rows >= 0]
    assert sorted(rows.tolist()) == list(range(len(evaluation.table.found)))
    assert np.abs(evaluation.table.found.boxes[rows] - one.candidates.boxes[one.rows >= 0]).max() < 1e-3


def test_stages_of_another_run_are_refused() -> None:
    good = {"1.jpg": _stages((A, 0.9, 0.0, A), (B, 0.0, 0.8, B))}
    evaluation = _evaluation(good, [_truth(("cat", A))])
    for other, message in (
        (_stages((A, 0.9, 0.0, A)), "give 1 detections and 2 were evaluated"),
        (_stages((A, 0.9, 0.0, A), (B, 0.8, 0.0, B)), "give other detections"),
        (_stages((A, 0.9, 0.0, A), (B, 0.0, 0.7, B)), "give other detections"),
        (_stages((A, 0.9, 0.0, A60), (B, 0.0, 0.8, B)), "give other detections"),
    ):
        with pytest.raises(DataError, match=rf"1\.jpg: .*{message}.* another run"):
            find_losses(evaluation, {"1.jpg": other})
    with pytest.raises(DataError, match="of none of the evaluated images"):
        find_losses(evaluation, {"9.jpg": good["1.jpg"]})
    two = _evaluation({**good, "2.jpg": good["1.jpg"]}, [_truth(("cat", A)), _truth(file="2.jpg")])
    with pytest.raises(DataError, match=r"2\.jpg has detections but no stages: run detect with --keep-stages"):
        find_losses(two, good)


def test_predictions_that_went_through_another_format_are_known_again() -> None:
    kept = {"1.jpg": _stages((A, 0.9, 0.0, [0.1, 0.2, 99.7, 100.3]), (A, 0.9, 0.0, [200, 0, 300, 99]))}
    found = detections_of(kept["1.jpg"])
    rounded = Detections(found.boxes[::-1] + 1e-9, found.labels[::-1], found.scores[::-1])
    evaluation = evaluate(
        tabulate([ImageDetections("1.jpg", 9, 9, rounded)], [_truth(("cat", A))], CLASSES), ["voc10"]
    )[0]
    assert find_losses(evaluation, kept).found == 1


def test_steps_of_two_objects() -> None:
    waterfall = _waterfall(_stages((A60, 0.1, 0.8, A)), ("cat", A), ("dog", B))
    rows = {one.name: (one.count, one.map_if_perfect) for one in waterfall.steps}
    assert list(rows) == [loss.label for loss in Loss]
    assert rows["wrong class"] == (1, 0.5)
    assert rows["not proposed"] == (1, 0.5)  # a sure dog, before the other one, which is none
    assert (waterfall.found, waterfall.objects, waterfall.protocol) == (0, 2, "mAP (VOC10+, area, IoU 0.5)")


# The gain of perfect steps.


def _perfect(waterfall: Waterfall) -> dict[str, float]:
    return {one.name: one.map_if_perfect for one in waterfall.steps}


def test_a_perfect_classifier_finds_what_it_took_for_another_class() -> None:
    stages = _stages((A60, 0.1, 0.8, A60), (A, 0.1, 0.1, A), (B, 0.0, 0.1, B), (NOWHERE, 0.9, 0.0, NOWHERE))
    waterfall = _waterfall(stages, ("cat", A), ("dog", B))
    assert waterfall.map == 0
    perfect = _perfect(waterfall)
    assert perfect["wrong class"] == perfect["below the score threshold"] == 1
    assert perfect["regressed away"] == perfect["claimed"] == perfect["not proposed"] == 0


def test_a_perfect_classifier_prefers_the_region_that_lies_best() -> None:
    stages = _stages((A60, 0.9, 0.0, A40), (A, 0.4, 0.0, A), (NOWHERE, 0.4, 0.0, NOWHERE))
    kept = {"1.jpg": stages}
    evaluation = _evaluation(kept, [_truth(("cat", A))])
    (one,) = stages_by_image(evaluation, kept)
    found = with_perfect_classifier(one)
    assert (found.boxes.tolist(), found.scores.tolist(), found.classes.tolist()) == ([A], [1], [0])


def test_perfect_boxes_are_those_of_the_objects_of_the_class() -> None:
    stages = _stages((A60, 0.9, 0.0, A40), (A60, 0.0, 0.8, A40), (B, 0.5, 0.0, NOWHERE))
    kept = {"1.jpg": stages}
    evaluation = _evaluation(kept, [_truth(("cat", A), ("dog", B))])
    (one,) = stages_by_image(evaluation, kept)
    found = with_perfect_boxes(one)
    # The dog's box of A60 stays: no dog is there. Nor does a cat's box go to the dog.
    assert found.boxes.tolist() == [A, A40, NOWHERE]
    assert found.classes.tolist() == [0, 1, 0]
    assert _perfect(find_losses(evaluation, kept))["regressed away"] == 0.5


def test_perfect_suppression_keeps_the_best_box_of_each_object_and_no_other() -> None:
    near = [35.0, 0, 135, 100]  # overlaps A by .48
    stages = _stages(
        (A, 0.9, 0.0, A),
        (near, 0.8, 0.0, near),  # suppressed by A
        (near, 0.7, 0.0, [36.0, 0, 136, 100]),
        (NOWHERE, 0.6, 0.0, NOWHERE),
        (NOWHERE, 0.5, 0.0, NOWHERE),
    )
    kept = {"1.jpg": stages}
    evaluation = _evaluation(kept, [_truth(("cat", A), ("cat", near))])
    (one,) = stages_by_image(evaluation, kept)
    assert with_perfect_suppression(one).boxes.tolist() == [A, near, NOWHERE]
    waterfall = find_losses(evaluation, kept)
    assert (waterfall.map, _perfect(waterfall)["suppressed by a neighbour"]) == (0.5, 1.0)


def test_perfect_suppression_drops_the_duplicates() -> None:
    stages = _stages((A, 0.9, 0.0, A), (A, 0.8, 0.0, [0, 0, 100, 90]), (B, 0.7, 0.0, B), nms_threshold=0.95)
    kept = {"1.jpg": stages}
    evaluation = _evaluation(kept, [_truth(("cat", A), ("cat", B))])
    (one,) = stages_by_image(evaluation, kept)
    assert with_perfect_suppression(one).boxes.tolist() == [A, B]
    waterfall = find_losses(evaluation, kept)
    assert waterfall.map == pytest.approx(5 / 6)
    assert _perfect(waterfall)["claimed"] == 1  # also where no object is lost there


def test_perfect_steps_take_the_overlap_of_the_protocol() -> None:
    third = [0.0, 0, 10, 3]  # of an object of 10 by 10 pixels, of which ILSVRC takes .25
    kept = {"1.jpg": _stages((third, 0.1, 0.0, third))}
    perfect = {}
    for metric in ("voc10", "ilsvrc"):
        evaluation = _evaluation(kept, [_truth(("cat", [0.0, 0, 10, 10]))], metric)
        perfect[metric] = _perfect(find_losses(evaluation, kept))["below the score threshold"]
    assert perfect == {"voc10": 0, "ilsvrc": 1}


# Random images against plain loops.


def _overlap(a: Any, b: Any) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0


def _random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corners = rng.integers(0, 3, (count, 2))
    return np.concatenate([corners, corners + rng.integers(0, 5, (count, 2))], axis=1) * 20.0


def _random(seed: int) -> tuple[dict[str, Stages], list[GroundTruth]]:
    """Images with crowded boxes on a coarse grid: many equal scores and overlaps, empty boxes, tight limits."""
    rng = np.random.default_rng(seed)
    kept, truths = {}, []
    rules = rng.choice([0.1, 0.3, 0.45]), rng.choice([0.2, 0.3, 0.5]), int(rng.choice([3, 8, 100]))
    for i in range(rng.integers(1, 7)):
        regions, more = rng.integers(0, 30), rng.integers(0, 10)
        probabilities = rng.dirichlet([1, 1, 1], regions).round(1)
        boxes = _random_boxes(rng, regions * 2).reshape(regions, 2, 4)
        kept[f"{i}.jpg"] = Stages(_random_boxes(rng, regions + more), probabilities, boxes, CLASSES, *rules)
        objects = int(rng.integers(0, 7))
        whole = _random_boxes(rng, objects) + np.array([0, 0, 20, 20])
        difficult = rng.random(objects) < 0.2
        truths.append(GroundTruth(f"{i}.jpg", 300, 300, whole, rng.choice(CLASSES, objects), difficult))
    return kept, truths


def _slow_candidates(stages: Stages) -> list[dict[str, Any]]:
    """Every box that reaches the threshold, the best first, with its fate."""
    rows = []
    for region, row in enumerate(stages.probabilities):
        for number in range(len(stages.classes)):
            x1, y1, x2, y2 = box = stages.boxes[region, number].tolist()
            if row[number + 1] >= stages.score_threshold and x2 > x1 and y2 > y1:
                rows.append({"class": number, "score": row[number + 1], "box": box})
    rows.sort(key=lambda row: -row["score"])
    for index, row in enumerate(rows):
        better = [
            i
            for i, other in enumerate(rows[:index])
            if other["by"] is None
            and other["class"] == row["class"]
            and _overlap(other["box"], row["box"]) > stages.nms_threshold
        ]
        row["by"] = better[0] if better else None
    left = stages.max_detections
    for row in rows:
        row["detected"] = row["by"] is None and left > 0
        left -= row["by"] is None
    return rows


def _slow_step(stages: Stages, label: str, box: np.ndarray, threshold: float) -> Loss:
    """The step of one lost object, from the definitions."""
    number = CLASSES.index(label)
    on_it = [
        row for row in _slow_candidates(stages) if row["class"] == number and _overlap(row["box"], box) >= threshold
    ]
    if any(row["detected"] for row in on_it):
        return Loss.CLAIMED
    if any(row["by"] is None for row in on_it):
        return Loss.CUT_BY_BUDGET
    if on_it:
        return Loss.SUPPRESSED
    near = [i for i, proposal in enumerate(stages.proposals) if _overlap(proposal, box) >= threshold]
    within = [i for i in near if i < len(stages.probabilities)]
    if not near:
        return Loss.NOT_PROPOSED
    if not within:
        return Loss.CUT_BY_BUDGET
    best = max(within, key=lambda i: stages.probabilities[i, number + 1])
    own, other = stages.probabilities[best, [number + 1, 2 - number]]
    if own >= stages.score_threshold:
        return Loss.REGRESSED_AWAY
    return Loss.WRONG_CLASS if other > own and other >= stages.score_threshold else Loss.BELOW_THRESHOLD


@pytest.mark.parametrize("seed", range(20))
def test_suppression_against_plain_loops(seed: int) -> None:
    for stages in _random(seed)[0].values():
        candidates, expected = suppress(stages), _slow_candidates(stages)
        assert candidates.boxes.tolist() == [row["box"] for row in expected]
        assert candidates.classes.tolist() == [row["class"] for row in expected]
        assert candidates.scores.tolist() == [row["score"] for row in expected]
        by = [NO_INDEX if row["by"] is None else row["by"] for row in expected]
        assert candidates.suppressors.tolist() == by
        assert candidates.detected.tolist() == [row["detected"] for row in expected]


@pytest.mark.parametrize("metric", ["voc07", "voc10", "ilsvrc", "coco"])
@pytest.mark.parametrize("seed", range(12))
def test_each_lost_object_has_the_step_that_the_definitions_give(seed: int, metric: str) -> None:
    kept, truths = _random(seed)
    evaluation = _evaluation(kept, truths, metric)
    waterfall, objects = find_losses(evaluation, kept), evaluation.table.objects
    assert waterfall.found + sum(one.count for one in waterfall.steps) == waterfall.objects == objects.to_find.sum()
    true = [object for one in evaluation.classes for object in one.objects[one.outcomes == Outcome.TRUE_POSITIVE]]
    assert waterfall.found == len(set(true))
    steps = Counter(int(step) for step in waterfall.lost if step != NO_INDEX)
    assert [steps[number] for number in range(len(Loss))] == [one.count for one in waterfall.steps]
    for row, step in enumerate(waterfall.lost.tolist()):
        assert (step != NO_INDEX) == (row in waterfall.why) == (bool(objects.to_find[row]) and row not in true)
        if step != NO_INDEX:
            threshold = evaluation.thresholds[row]
            file = truths[objects.images[row]].file
            label = evaluation.table.classes[objects.classes[row]]
            assert step == _slow_step(kept[file], label, objects.boxes[row], threshold)


@pytest.mark.parametrize("seed", range(12))
def test_perfect_suppression_and_objects_found_never_make_it_worse(seed: int) -> None:
    kept, truths = _random(seed)
    waterfall = find_losses(_evaluation(kept, truths), kept)
    if waterfall.objects:
        for loss in (Loss.NO_STAGES, Loss.NOT_PROPOSED, Loss.CUT_BY_BUDGET, Loss.SUPPRESSED, Loss.CLAIMED):
            assert waterfall.steps[loss].map_if_perfect >= waterfall.map - 1e-12
        assert all(0 <= one.map_if_perfect <= 1 for one in waterfall.steps)


def test_all_steps_occur_in_the_random_images() -> None:
    """Else the comparison with plain loops would prove little."""
    seen: Counter[int] = Counter()
    for seed in range(12):
        kept, truths = _random(seed)
        seen.update(find_losses(_evaluation(kept, truths), kept).lost.tolist())
    assert {NO_INDEX, *Loss} - set(seen) == {Loss.NO_STAGES}
