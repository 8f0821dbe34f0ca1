"""COCO's protocol against its own code, run by hand on files as its users write them."""

import contextlib
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from inception_rcnn.data.boxes import as_boxes, box_area, xyxy_to_xywh
from inception_rcnn.data.diagnostics import Notices
from inception_rcnn.data.formats.coco.annotations import read_coco
from inception_rcnn.data.formats.predictions import read_predictions
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections
from inception_rcnn.eval.metrics.average_precision import AP_OF_CURVE, precision_recall
from inception_rcnn.eval.metrics.coco import (
    COCO_ENGINES,
    COCO_NUMBERS,
    COCO_OVERLAPS,
    _engine,
    _official,
    evaluate_coco,
    matches_at,
)
from inception_rcnn.eval.metrics.evaluation import Outcome
from inception_rcnn.eval.metrics.table import tabulate

CLASSES = ["ant", "bee", "cow"]


def random_images(seed: int, num_images: int = 12, most: int = 8, levels: int = 1000):
    """Truths and predictions: objects moved a little, other boxes, other classes; scores on so many levels."""
    rng = np.random.default_rng(seed)
    truths, images = [], []
    for i in range(num_images):
        n, m = rng.integers(0, most), rng.integers(0, most)
        corners = rng.integers(0, 300, (n, 2))
        boxes = np.concatenate([corners, corners + rng.integers(2, 150, (n, 2))], axis=1).astype(float)
        labels = rng.choice(CLASSES[:2], n)  # nothing of the third class
        crowd = rng.random(n) < 0.15
        areas = box_area(boxes) * rng.uniform(0.4, 1, n)
        truths.append(GroundTruth(f"{i}.jpg", 500, 500, boxes, labels, np.zeros(n, bool), crowd=crowd, areas=areas))
        moved = np.concatenate([boxes + rng.normal(0, 6, boxes.shape) for _ in range(2)])
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        corners = rng.integers(0, 300, (m, 2))
        others = np.concatenate([corners, corners + rng.integers(2, 150, (m, 2))], axis=1)
        all_boxes = np.concatenate([moved, others])
        names = np.where(rng.random(len(all_boxes)) < 0.8, np.append(np.tile(labels, 2), [CLASSES[0]] * m), CLASSES[2])
        scores = rng.integers(0, levels, len(all_boxes)) / levels
        order = np.argsort(-scores, kind="stable")
        images.append(ImageDetections(f"{i}.jpg", 500, 500, Detections(all_boxes[order], names[order], scores[order])))
    return images, truths


def by_hand(tmp_path: Path, images: list[ImageDetections], truths: list[GroundTruth]):
    """The numbers of pycocotools on a ground-truth file and a results file."""
    annotations, results = [], []
    for i, truth in enumerate(truths):
        rows = zip(truth.labels, xyxy_to_xywh(truth.boxes), truth.areas, truth.crowd, strict=True)
        for label, box, area, crowd in rows:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": i + 100,
                    "category_id": CLASSES.index(label) + 7,
                    "bbox": box.tolist(),
                    "area": float(area),
                    "iscrowd": int(crowd),
                }
            )
    for i, image in enumerate(images):
        found = image.detections
        for label, box, score in zip(found.labels, xyxy_to_xywh(found.boxes), found.scores, strict=True):
            number = CLASSES.index(label) + 7
            results.append({"image_id": i + 100, "category_id": number, "bbox": box.tolist(), "score": float(score)})
    content = {
        "info": {},
        "images": [{"id": i + 100} for i in range(len(truths))],
        "categories": [{"id": i + 7, "name": name} for i, name in enumerate(CLASSES)],
        "annotations": annotations,
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    with contextlib.redirect_stdout(io.StringIO()):
        truth_file = COCO(str(tmp_path / "truth.json"))
        evaluator = COCOeval(truth_file, truth_file.loadRes(results), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


@pytest.mark.parametrize("levels", [1000, 4])  # few levels: many equal scores
@pytest.mark.parametrize("seed", range(4))
def test_twelve_numbers_and_every_class(tmp_path: Path, seed: int, levels: int) -> None:
    images, truths = random_images(seed, levels=levels)
    official = by_hand(tmp_path, images, truths)
    evaluation = evaluate_coco(tabulate(images, truths, CLASSES))
    expected = np.where(official.stats < 0, np.nan, official.stats)
    assert list(evaluation.numbers) == list(COCO_NUMBERS)
    assert list(evaluation.numbers.values()) == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert evaluation.map == pytest.approx(official.stats[0], abs=1e-9)
    precision = official.eval["precision"][:, :, :, 0, -1]
    for i, one in enumerate(evaluation.classes[:2]):
        assert one.ap == pytest.approx(precision[:, :, i].mean(), abs=1e-9)
        assert one.numbers["AP50"] == pytest.approx(precision[0, :, i].mean(), abs=1e-9)
        assert one.numbers["AP75"] == pytest.approx(precision[5, :, i].mean(), abs=1e-9)
    assert np.isnan(evaluation.classes[2].ap)


@pytest.mark.parametrize("seed", range(3))
def test_both_engines_agree(seed: int) -> None:
    pytest.importorskip("faster_coco_eval", reason="faster-coco-eval, of the extra [coco], is not installed")
    assert _engine(None)[1].__name__ == "COCOeval_faster"
    table = tabulate(*random_images(seed, 20), CLASSES)
    stats, precision = _official(table, "faster-coco-eval")
    slow_stats, slow_precision = _official(table, "pycocotools")
    assert stats == pytest.approx(slow_stats, abs=1e-9)
    assert precision == pytest.approx(slow_precision, abs=1e-9)


@pytest.mark.parametrize("levels", [1000, 4])
@pytest.mark.parametrize("seed", range(4))
def test_outcomes_explain_the_numbers(tmp_path: Path, seed: int, levels: int) -> None:
    """The curve that our own outcomes make gives COCO's AP, at every overlap."""
    images, truths = random_images(seed, levels=levels)
    precision = by_hand(tmp_path, images, truths).eval["precision"][:, :, :, 0, -1]
    table = tabulate(images, truths, CLASSES)
    for number in range(2):
        positives = int(table.objects.to_find[table.objects_of(number)].sum())
        for i, overlap in enumerate(COCO_OVERLAPS):
            _, matches = matches_at(table, number, overlap)
            found = AP_OF_CURVE["coco"](*precision_recall(matches.outcomes, positives))
            assert found == pytest.approx(precision[i, :, number].mean(), abs=1e-9)


def test_only_the_best_hundred_of_an_image_and_class_count(tmp_path: Path) -> None:
    box = [0.0, 0.0, 50.0, 50.0]
    truths = [GroundTruth("a", 500, 500, as_boxes([box]), np.array(["ant"]), np.zeros(1, bool))]
    boxes = as_boxes([[200, 200, 240, 240]] * 100 + [box])
    found = Detections(boxes, np.array(["ant"] * 101), np.linspace(1, 0.1, 101))
    images = [ImageDetections("a", 500, 500, found)]
    evaluation = evaluate_coco(tabulate(images, truths, CLASSES))
    assert evaluation.map == by_hand(tmp_path, images, truths).stats[0] == 0
    assert evaluation.classes[0].counts["detections"] == 100
    assert evaluate_coco(tabulate([replace(images[0], detections=found[1:])], truths, CLASSES)).map > 0


def test_the_id_that_cocos_code_takes_otherwise_is_told_of(tmp_path: Path) -> None:
    row = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}],
        "categories": [{"id": 1, "name": "ant"}],
        "annotations": [{**row, "id": number} for number in (0, 1)],
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    notices = Notices()
    (truth,) = read_coco(tmp_path / "truth.json", tmp_path, notices).images
    assert len(truth) == 2
    (notice,) = notices
    assert (notice.kind, notice.count) == ("annotation with the id 0", 1)


def test_the_first_annotation_counts_as_found() -> None:
    """Files that number annotations from 0 lose one object in COCO's own code."""
    truths = [GroundTruth("a", 500, 500, as_boxes([[0, 0, 50, 50]]), np.array(["ant"]), np.zeros(1, bool))]
    found = Detections(as_boxes([[0, 0, 50, 50]]), np.array(["ant"]), np.array([0.9]))
    assert evaluate_coco(tabulate([ImageDetections("a", 500, 500, found)], truths, ["ant"])).map == pytest.approx(1)


def test_a_crowd_takes_many_detections_and_need_not_be_found() -> None:
    boxes, crowd = as_boxes([[0, 0, 300, 300], [400, 0, 440, 40]]), np.array([True, False])
    truths = [GroundTruth("a", 500, 500, boxes, np.array(["ant"] * 2), np.zeros(2, bool), crowd=crowd)]
    found = Detections(
        as_boxes([[10, 10, 50, 50], [100, 100, 150, 150], [400, 0, 440, 40]]), np.array(["ant"] * 3), np.ones(3)
    )
    (ant,) = evaluate_coco(tabulate([ImageDetections("a", 500, 500, found)], truths, ["ant"])).classes
    assert ant.outcomes.tolist() == [Outcome.IGNORED, Outcome.IGNORED, Outcome.TRUE_POSITIVE]
    assert (ant.ap, ant.positives) == (pytest.approx(1), 1)


def test_nothing_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    for images, truths, classes in (([], [], []), ([], [], ["ant"]), (random_images(0)[0], [], ["ant"])):
        evaluation = evaluate_coco(tabulate(images, truths, classes))
        assert np.isnan(evaluation.map)
        assert all(map(np.isnan, evaluation.numbers.values()))
    evaluate_coco(tabulate([], random_images(0)[1], CLASSES))
    assert capsys.readouterr().out == ""  # standard output is for results


def _random_files(folder: Path, rng: np.random.Generator) -> tuple[Path, Path]:
    """Annotations and results as tools write them: fractions, limits hit exactly, crowds, `ignore`, ties, odd boxes."""
    images, categories = rng.permutation(50)[: rng.integers(1, 5)].tolist(), rng.permutation(9)[:3].tolist()
    sides = np.array([32.0, 96.0, 16.0, 64.0, 10.0, 0.1, 33.3, 95.9, 1 / 3, 20.0])

    def box() -> list[float]:
        corner = rng.choice([0.0, 10.0, 0.1, 33.3, 1 / 3, 20.0, 5.7], 2)
        return [*corner.tolist(), *rng.choice(sides, 2).tolist()]

    truth = []
    for number in range(1, int(rng.integers(1, 14))):
        x, y, width, height = box()
        area = float(rng.choice([width * height, 32.0**2, 96.0**2, 5.0]))
        row = {"id": number, "image_id": int(rng.choice(images)), "category_id": int(rng.choice(categories))}
        flags = {"iscrowd": int(rng.random() < 0.15)} | ({"ignore": 1} if rng.random() < 0.2 else {})
        truth.append({**row, "bbox": [x, y, width, height], "area": area, **flags})
    found = []
    for _ in range(int(rng.integers(1, 40)) if rng.random() < 0.9 else 350):
        near = rng.choice(len(truth)) if truth and rng.random() < 0.8 else None
        row = {name: truth[near][name] for name in ("image_id", "category_id")} if near is not None else {}
        row = row or {"image_id": int(rng.choice(images)), "category_id": int(rng.choice(categories))}
        x, y, width, height = truth[near]["bbox"] if near is not None else box()
        # An overlap of exactly .5, .75, .9 or 1; a little off; or anything.
        scale = float(rng.choice([0.5, 0.75, 0.9, 1.0, 1.0, 0.8000001]))
        xywh = [x, y, width * scale, height] if rng.random() < 0.8 else box()
        if rng.random() < 0.05:
            xywh[2] = -xywh[2]
        found.append({**row, "bbox": xywh, "score": float(rng.choice([0.5, 0.9, 0.25, rng.random()]))})
    content = {
        "info": {},
        "images": [{"id": image, "file_name": f"{image}.jpg", "width": 640, "height": 480} for image in images],
        "categories": [{"id": number, "name": f"class {number}"} for number in categories],
        "annotations": truth,
    }
    (folder / "truth.json").write_text(json.dumps(content))
    (folder / "found.json").write_text(json.dumps(found))
    return folder / "truth.json", folder / "found.json"


def _by_cocos_code(truth: Path, found: Path) -> list[float]:
    """What COCO's own code makes of the files."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        evaluator = COCOeval(coco, coco.loadRes(str(found)), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return list(evaluator.stats)


@pytest.mark.parametrize(
    "seed", [*range(200), *(pytest.param(seed, marks=pytest.mark.fuzz) for seed in range(200, 5000))]
)
def test_files_give_the_very_numbers_of_cocos_code(tmp_path: Path, seed: int) -> None:
    files = _random_files(tmp_path, np.random.default_rng(seed))
    data = read_coco(files[0], tmp_path)
    found = read_predictions(files[1], data)
    expected = [math.nan if value == -1 else value for value in _by_cocos_code(*files)]
    for engine in COCO_ENGINES:
        evaluation = evaluate_coco(tabulate(found, data.images, data.classes), engine)
        np.testing.assert_allclose(list(evaluation.numbers.values()), expected, rtol=0, atol=1e-12)
        # Precision and recall at an overlap of .5, which are told of each class, are of the same matches.
        aps = [AP_OF_CURVE["coco"](one.precision, one.recall) for one in evaluation.classes if not math.isnan(one.ap)]
        np.testing.assert_allclose(np.mean(aps) if aps else math.nan, expected[1], rtol=0, atol=1e-12)
