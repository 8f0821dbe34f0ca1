"""ILSVRC's protocol: the official numbers, a slow version of the devkit's loops, and each of its peculiarities."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes, half_open_to_inclusive, inclusive_to_half_open
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections
from inception_rcnn.eval.metrics.evaluation import Evaluation, Outcome
from inception_rcnn.eval.metrics.protocols import evaluate_ilsvrc, overlap_thresholds
from inception_rcnn.eval.metrics.table import tabulate

T, F, D, I = Outcome  # noqa: E741
A, B = [0, 0, 100, 100], [200, 0, 300, 100]


def truth(file: str, *boxes: list[float], ignored_classes: tuple[str, ...] = (), difficult: tuple[int, ...] = ()):
    flags = np.array(difficult or [0] * len(boxes), dtype=bool)
    return GroundTruth(
        file, 500, 500, as_boxes(boxes), np.array(["ant"] * len(boxes)), flags, ignored_classes=ignored_classes
    )


def found(file: str, *rows: tuple[float, list[float]]) -> ImageDetections:
    boxes, scores = as_boxes([box for _, box in rows]), np.array([score for score, _ in rows], dtype=float)
    return ImageDetections(file, 500, 500, Detections(boxes, np.array(["ant"] * len(rows), dtype=str), scores))


def evaluation_of(images: list[ImageDetections], truths: list[GroundTruth]) -> Evaluation:
    return evaluate_ilsvrc(tabulate(images, truths, ["ant"]))


def outcomes(images: list[ImageDetections], truths: list[GroundTruth]) -> list[int]:
    return evaluation_of(images, truths).classes[0].outcomes.tolist()


@pytest.fixture(scope="module")
def official():
    """The val set's images, the 200 names, the devkit's demonstration predictions and the numbers it prints."""
    from conftest import SHARED

    folder = SHARED / "data" / "ilsvrc2014"
    with (folder / "det_synsets.csv").open() as stream:
        synsets = [(row["wnid"], row["name"]) for row in csv.DictReader(stream)]
    names = dict(synsets)
    ignored_classes: dict[int, list[str]] = {}
    for line in (folder / "val_blacklist.txt").read_text().splitlines():
        index, wnid = line.split()
        ignored_classes.setdefault(int(index), []).append(names[wnid])
    with gzip.open(folder / "val_ground_truth.json.gz") as stream:
        content = json.load(stream)
    by_index = {
        entry["index"]: GroundTruth(
            name,
            0,
            0,
            inclusive_to_half_open(entry["bboxes"]),
            np.array([synsets[label - 1][1] for label in entry["labels"]], dtype=str),
            np.zeros(len(entry["labels"]), bool),
            ignored_classes=tuple(ignored_classes.get(entry["index"], ())),
        )
        for name, entry in content.items()
    }
    truths = [by_index[index] for index in sorted(by_index)]
    lines = np.loadtxt(folder / "demo_predictions.txt.gz")
    classes = np.array([name for _, name in synsets])
    images = []
    for index in np.unique(lines[:, 0]).astype(int):
        own = lines[lines[:, 0] == index]
        own = own[np.argsort(-own[:, 2], kind="stable")]
        boxes = inclusive_to_half_open(own[:, 3:])
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2])  # some are the wrong way round, and overlap nothing
        detections = Detections(boxes, classes[own[:, 1].astype(int) - 1], own[:, 2])
        images.append(ImageDetections(by_index[index].file, detections=detections))
    with (folder / "demo_expected_ap.csv").open() as stream:
        expected = {name: float(ap) for _, _, name, ap in csv.reader(stream)}
    return images, truths, list(classes), expected


@pytest.mark.slow
@pytest.mark.shared
def test_all_official_numbers(shared: Path, official) -> None:
    images, truths, classes, expected = official
    assert (len(truths), len(expected)) == (20_121, 200)
    evaluation = evaluate_ilsvrc(tabulate(images, truths, classes))
    assert {one.name: one.ap for one in evaluation.classes} == pytest.approx(expected, abs=1e-6)
    assert evaluation.map == pytest.approx(0.5901, abs=5e-5)
    assert evaluation.numbers["median"] == pytest.approx(0.6012, abs=5e-5)


@pytest.mark.slow
@pytest.mark.shared
def test_the_blacklist_matters(shared: Path, official) -> None:
    images, truths, classes, expected = official
    evaluated = [GroundTruth(t.file, 0, 0, t.boxes, t.labels, t.difficult) for t in truths]
    evaluation = evaluate_ilsvrc(tabulate(images, evaluated, classes))
    assert {one.name: one.ap for one in evaluation.classes} != pytest.approx(expected, abs=1e-6)


def test_small_objects_need_less_overlap() -> None:
    small, shifted = [10, 10, 20, 20], [14, 10, 24, 20]  # IoU 60 / 140 = .43; the threshold is 100 / 400
    assert outcomes([found("a", (0.9, shifted))], [truth("a", small)]) == [T]
    large = [10 * side for side in small]
    assert outcomes([found("a", (0.9, [10 * side for side in shifted]))], [truth("a", large)]) == [F]


def test_the_threshold_itself_is_enough() -> None:
    box, third = [0, 0, 10, 20], [0, 0, 10, 20 * 200 / (20 * 30)]  # threshold 200 / (20 * 30), overlap the same
    assert overlap_thresholds(as_boxes([box])).tolist() == [1 / 3]
    assert outcomes([found("a", (0.9, third))], [truth("a", box)]) == [T]


def test_a_taken_object_is_left_for_the_next_best() -> None:
    """VOC would call the second one a duplicate: it overlaps the first object most."""
    near = [0, 0, 100, 90]
    assert outcomes([found("a", (0.9, A), (0.8, A))], [truth("a", A, near)]) == [T, T]
    assert outcomes([found("a", (0.9, A), (0.8, A))], [truth("a", A)]) == [T, D]


def test_the_object_overlapped_most_is_taken_first() -> None:
    near = [0, 0, 100, 90]
    evaluation = evaluation_of([found("a", (0.9, near))], [truth("a", A, near)])
    assert evaluation.classes[0].objects.tolist() == [1]


def test_a_blacklisted_class_is_ignored() -> None:
    truths = [truth("a", A, ignored_classes=("ant", "unheard-of")), truth("b", A)]
    evaluation = evaluation_of([found("a", (0.9, B), (0.8, A)), found("b", (0.7, A))], truths)
    assert (evaluation.map, evaluation.classes[0].positives, evaluation.classes[0].counts["detections"]) == (1, 1, 1)


def test_equal_scores_go_by_image_whatever_the_order_of_the_file() -> None:
    truths = [truth("a", A), truth("b")]
    images = [found("b", (0.5, A)), found("a", (0.5, A))]
    assert evaluation_of(images, truths).map == evaluation_of(images[::-1], truths).map == 1


def test_difficult_objects_of_other_data_sets_do_not_count() -> None:
    truths = [truth("a", A, B, difficult=(1, 0))]
    assert outcomes([found("a", (0.9, A), (0.8, B))], truths) == [I, T]


def test_images_without_objects_and_without_detections() -> None:
    truths = [truth("a", A), truth("b"), truth("c", A)]
    evaluation = evaluation_of([found("b", (0.9, A)), found("a", (0.8, A)), found("c")], truths)
    assert evaluation.map == pytest.approx(0.25)
    assert np.isnan(evaluation_of([], []).map)
    assert np.isnan(evaluation_of([], []).numbers["median"])


def slow(detections: list[tuple[int, float, list[float]]], objects: dict[int, list[list[float]]]) -> list[int]:
    """The devkit's loops on 1-based inclusive corners: image by image, then all by score."""
    results = []
    for image in sorted(objects):
        taken = set()
        own = sorted((d for d in detections if d[0] == image), key=lambda d: -d[1])
        for _, score, box in own:
            best, best_overlap = None, -np.inf
            for k, (gx1, gy1, gx2, gy2) in enumerate(objects[image]):
                if k in taken:
                    continue
                width, height = gx2 - gx1 + 1, gy2 - gy1 + 1
                threshold = min(0.5, width * height / ((width + 10) * (height + 10)))
                iw = min(box[2], gx2) - max(box[0], gx1) + 1
                ih = min(box[3], gy2) - max(box[1], gy1) + 1
                if iw > 0 and ih > 0:
                    area = (box[2] - box[0] + 1) * (box[3] - box[1] + 1) + width * height - iw * ih
                    overlap = iw * ih / area
                    if overlap >= threshold and overlap > best_overlap:
                        best, best_overlap = k, overlap
            if best is not None:
                taken.add(best)
            results.append((score, best is not None))
    return [hit for _, hit in sorted(results, key=lambda row: -row[0])]


@pytest.mark.parametrize("seed", range(20))
def test_as_the_devkit_does(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def boxes(count: int) -> list[list[float]]:
        corners = rng.integers(0, 25, (count, 2))
        return np.concatenate([corners, corners + rng.integers(1, 25, (count, 2))], axis=1).astype(float).tolist()

    truths = [truth(f"{i}", *boxes(rng.integers(0, 6))) for i in range(4)]
    images = [
        found(f"{i}", *zip(np.sort(rng.integers(0, 5, n) / 5)[::-1].tolist(), boxes(n), strict=True))
        for i in range(4)
        for n in [rng.integers(0, 12)]
    ]
    detections = [
        (i, score, half_open_to_inclusive(box[None])[0].tolist())
        for i, image in enumerate(images)
        for score, box in zip(image.detections.scores.tolist(), image.detections.boxes, strict=True)
    ]
    objects = {i: half_open_to_inclusive(one.boxes).tolist() for i, one in enumerate(truths)}
    expected = slow(detections, objects)
    assert [outcome == T for outcome in outcomes(images, truths)] == expected
