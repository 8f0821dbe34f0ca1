"""Bootstrap intervals: against evaluating the resampled images anew, and against a population with a known value."""

from dataclasses import replace

import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections
from inception_rcnn.eval.analysis import intervals
from inception_rcnn.eval.analysis.intervals import (
    LEVEL,
    find_intervals,
    image_counts,
    interval,
    num_replicates,
    resampled_aps,
)
from inception_rcnn.eval.metrics.evaluation import Evaluation
from inception_rcnn.eval.metrics.protocols import PROTOCOLS, evaluate
from inception_rcnn.eval.metrics.table import tabulate

CLASSES = ("ant", "bee", "none")


def random_images(seed: int, count: int):
    rng = np.random.default_rng(seed)
    truths, images = [], []
    for i in range(count):
        n = rng.integers(0, 4)
        corners = rng.integers(0, 100, (n, 2))
        boxes = np.concatenate([corners, corners + rng.integers(20, 80, (n, 2))], axis=1).astype(float)
        labels = rng.choice(CLASSES[:2], n).astype(str)
        truths.append(GroundTruth(f"{i}.jpg", 200, 200, boxes, labels, rng.random(n) < 0.2))
        found = np.concatenate([boxes, boxes]) + rng.normal(0, 8, (2 * n, 4))
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2])
        detections = Detections(found, np.tile(labels, 2), np.sort(rng.random(2 * n))[::-1])
        images.append(ImageDetections(f"{i}.jpg", 200, 200, detections))
    return images, truths


@pytest.mark.parametrize("metric", PROTOCOLS)
def test_a_replicate_is_an_evaluation_of_the_resampled_images(metric: str) -> None:
    """Images sampled several times are given other names and evaluated as images of their own."""
    images, truths = random_images(1, 25)
    (evaluation,) = evaluate(tabulate(images, truths, CLASSES), [metric])
    aps = resampled_aps(evaluation, seed=5, replicates=6)
    for times, found in zip(image_counts(25, 6, 5), aps, strict=True):
        names = [(i, f"{i}-{copy}.jpg") for i, often in enumerate(times) for copy in range(often)]
        drawn = tabulate(
            [replace(images[i], file=name) for i, name in names],
            [replace(truths[i], file=name) for i, name in names],
            CLASSES,
        )
        (expected,) = evaluate(drawn, [metric])
        assert found == pytest.approx([one.ap for one in expected.classes], abs=1e-9, nan_ok=True)


def test_the_interval_holds_the_value_and_shrinks_with_more_images() -> None:
    widths = []
    for count in (30, 300):
        (evaluation,) = evaluate(tabulate(*random_images(2, count), CLASSES), ["voc10"])
        found = find_intervals(evaluation)
        assert found.map.low < evaluation.map < found.map.high
        assert list(found.classes) == list(CLASSES)
        assert found.classes["ant"].low < evaluation.classes[0].ap < found.classes["ant"].high
        assert np.isnan(found.classes["none"].low)
        widths.append(found.map.high - found.map.low)
    assert widths[1] < widths[0] / 2  # about sqrt(10)


def test_the_same_seed_gives_the_same_and_another_another() -> None:
    (evaluation,) = evaluate(tabulate(*random_images(3, 40), CLASSES), ["voc07"])
    assert find_intervals(evaluation) != find_intervals(evaluation, seed=1)
    assert repr(find_intervals(evaluation)) == repr(find_intervals(evaluation))


def test_perfect_detections_have_no_doubt() -> None:
    box = as_boxes([[0, 0, 9, 9]])
    truths = [GroundTruth(f"{i}", 9, 9, box, np.array(["ant"]), np.zeros(1, bool)) for i in range(5)]
    images = [ImageDetections(f"{i}", 9, 9, Detections(box, np.array(["ant"]), np.array([0.5]))) for i in range(5)]
    for evaluation in evaluate(tabulate(images, truths, ["ant"]), list(PROTOCOLS)):
        found = find_intervals(evaluation).map
        assert (found.low, found.high) == (pytest.approx(1), pytest.approx(1))


def test_nothing_to_sample_from() -> None:
    for evaluation in evaluate(tabulate([], [], ["ant"]), list(PROTOCOLS)):
        assert np.isnan(find_intervals(evaluation).map.low)


def test_bounds_are_quantiles_around_the_value() -> None:
    found = interval(0.3, np.append(np.linspace(0, 1, 1001), np.nan))
    assert (found.low, found.high) == (pytest.approx(0.3 - 0.475), pytest.approx(0.3 + 0.475))


def test_classes_with_few_objects_do_not_push_the_mean_out_of_its_interval() -> None:
    """Each replicate's average precision is above the data's by more than the interval of a mean over many classes."""
    rng = np.random.default_rng(0)
    names = tuple(f"class{i}" for i in range(60))
    truths, images = [], []
    for i in range(600):
        boxes = as_boxes([[0, 0, 50, 50], [60, 0, 110, 50]])
        truths.append(GroundTruth(f"{i}", 200, 200, boxes, rng.choice(names, 2), np.zeros(2, bool)))
        labels = np.concatenate([truths[-1].labels, rng.choice(names, 6)])
        found = Detections(
            np.concatenate([boxes, boxes, boxes, boxes]), labels, np.append(rng.beta(3, 2, 2), rng.random(6))
        )
        images.append(ImageDetections(f"{i}", 200, 200, found))
    (evaluation,) = evaluate(tabulate(images, truths, names), ["voc10"])
    replicates = resampled_aps(evaluation, replicates=200)
    assert np.quantile(replicates.mean(axis=1), 0.025) > evaluation.map
    found = find_intervals(evaluation).map
    assert found.low < evaluation.map < found.high


@pytest.mark.parametrize(("detections", "replicates"), [(0, 1000), (50_000, 1000), (200_000, 250), (2_000_000, 100)])
def test_large_sets_get_fewer_replicates(detections: int, replicates: int) -> None:
    assert num_replicates(detections) == replicates


def _sample(rng: np.random.Generator, num_images: int = 100) -> Evaluation:
    """Images with four ants each: on three images of five all are found, on the others all detections are false.

    At a score threshold that a fraction u of the true detections reaches, u * u of the false ones do.
    """
    boxes, labels = as_boxes([[20 * i, 0, 20 * i + 10, 10] for i in range(4)]), np.array(["ant"] * 4)
    truths, images = [], []
    for i in range(num_images):
        found, u = rng.random() < FOUND, rng.random(4)
        truths.append(GroundTruth(f"{i}", 99, 99, boxes, labels, np.zeros(4, bool)))
        at, scores = (boxes, 1 - u) if found else (boxes + np.array([0, 50, 0, 50]), 1 - np.sqrt(u))
        images.append(ImageDetections(f"{i}", 99, 99, Detections(at, labels, scores)))
    return evaluate(tabulate(images, truths, ["ant"]), ["voc10"])[0]


FOUND = 0.6  # of the images, q
# Precision is q / (q + (1 - q) u) at a recall of q u, which falls from 1 to q: its area over u from 0 to 1.
POPULATION_AP = FOUND**2 * np.log(1 / FOUND) / (1 - FOUND)


@pytest.mark.slow
def test_95_of_100_intervals_hold_the_populations_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 300, by three standard deviations of the binomial distribution, 91.2 % to 98.8 %.

    Intervals of 90 % would be outside, and far more so those of objects resampled one by one, which are half as wide:
    the four of an image are found together.
    """
    monkeypatch.setattr(intervals, "MOST_REPLICATES", 200)
    samples, held = 300, 0
    for seed in range(samples):
        found = find_intervals(_sample(np.random.default_rng(seed))).map
        held += found.low <= POPULATION_AP <= found.high
    assert abs(held / samples - LEVEL) < 3 * np.sqrt(LEVEL * (1 - LEVEL) / samples)
