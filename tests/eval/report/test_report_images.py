"""Which images a report shows, and what it takes of them."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections
from inception_rcnn.eval.metrics.coco import evaluate_coco
from inception_rcnn.eval.metrics.evaluation import Evaluation, Outcome
from inception_rcnn.eval.metrics.protocols import evaluate_voc
from inception_rcnn.eval.metrics.table import tabulate
from inception_rcnn.eval.report.images import (
    LONGEST_SIDE,
    MOST_BEST,
    MOST_BOXES,
    MOST_IMAGES,
    ReadImage,
    embedded_image,
    image_content,
    rank_images,
)

A, B, C = [0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]
TRUE, FALSE, DUPLICATE, IGNORED = Outcome


def _truth(file: str, *boxes: list[int], difficult: int = 0, size: tuple[int, int] = (100, 50)) -> GroundTruth:
    hard = np.arange(len(boxes)) >= len(boxes) - difficult
    return GroundTruth(file, *size, as_boxes(boxes), np.array(["cat"] * len(boxes), dtype=str), hard)


def _found(file: str, *rows: tuple[float, list[int]]) -> ImageDetections:
    scores, boxes = np.array([score for score, _ in rows]), as_boxes([box for _, box in rows])
    return ImageDetections(file, 100, 50, Detections(boxes, np.array(["cat"] * len(rows), dtype=str), scores))


def _evaluate(truths: list[GroundTruth], images: list[ImageDetections]) -> Evaluation:
    return evaluate_voc(tabulate(images, truths, ["cat"]), "voc10")


def _reader(folder: Path) -> ReadImage:
    return Dataset("own", (), (), folder).read


def _unreadable(truth: GroundTruth) -> NDArray[np.uint8]:
    raise DataError(f"{truth.file} is not there")


def test_the_worst_are_first_and_the_best_last() -> None:
    truths = [_truth("good", A, B), _truth("fair", A), _truth("empty"), _truth("bad", A), _truth("missed", A)]
    images = [
        _found("good", (0.9, A), (0.8, B)),
        _found("fair", (0.7, A)),
        _found("bad", (0.85, B), (0.8, C)),
        _found("missed", (0.01, C)),  # too weak to be a mistake
    ]
    ranked = rank_images(_evaluate(truths, images))
    assert [truths[i].file for i in ranked.order] == ["bad", "missed", "empty", "fair", "good"]
    assert ranked.mistakes.tolist() == [0, 0, 0, 3, 1]  # two false ones and a cat not found
    assert ranked.found.tolist() == [2, 1, 0, 0, 0]


@pytest.mark.parametrize("seed", range(10))
def test_mistakes_are_those_of_counting_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spots = [A, B, C]
    truths = [_truth(str(i), *spots[: rng.integers(4)], difficult=int(rng.integers(2))) for i in range(6)]
    rows = [[(round(float(rng.random()), 1), spots[rng.integers(3)]) for _ in range(rng.integers(5))] for _ in range(6)]
    evaluation = _evaluate(truths, [_found(str(i), *each) for i, each in enumerate(rows)])
    (cat,), table = evaluation.classes, evaluation.table
    scores = table.found.scores[cat.rows]
    f1 = [
        2 * np.sum(cat.outcomes[scores >= s] == TRUE)
        / max(1, np.sum(cat.outcomes[scores >= s] != IGNORED) + cat.positives)
        for s in scores
    ]  # fmt: skip
    best = scores[int(np.argmax(np.round(f1, 12)))] if len(f1) and max(f1) > 0 else np.inf
    expected = [0] * 6
    for image in range(6):
        kept = (scores >= best) & (table.found.images[cat.rows] == image)
        wrong = sum(outcome in (FALSE, DUPLICATE) for outcome in cat.outcomes[kept])
        found = sum(outcome == TRUE for outcome in cat.outcomes[kept])
        expected[image] = wrong + int((~truths[image].difficult).sum()) - found
    ranked = rank_images(evaluation)
    assert ranked.mistakes.tolist() == expected
    assert [expected[i] for i in ranked.order] == sorted(expected, reverse=True)


def test_of_many_images_the_worst_and_the_best_are_shown() -> None:
    num = MOST_IMAGES + 100
    truths = [_truth(str(i), A) for i in range(num)]
    images = [_found(str(i), (0.9, A), *[(0.9, C)] * (i % 7)) for i in range(num)]
    ranked = rank_images(_evaluate(truths, images))
    shown = ranked.shown()
    assert len(shown) == len(set(shown.tolist())) == MOST_IMAGES
    mistakes = ranked.mistakes[shown].tolist()
    assert mistakes == sorted(mistakes, reverse=True)
    all_mistakes = sorted(ranked.mistakes.tolist())
    assert mistakes[::-1][:MOST_BEST] == all_mistakes[:MOST_BEST]
    assert mistakes[: MOST_IMAGES - MOST_BEST] == all_mistakes[::-1][: MOST_IMAGES - MOST_BEST]


def test_boxes_by_eye() -> None:
    truth = _truth("a.jpg", A, B, C, difficult=1)
    far = [60, 0, 70.26, 10]
    found = _found("a.jpg", (0.3, A), (0.9, A), (0.123456789, far), (0.5, C))  # pyright: ignore[reportArgumentType]
    content = image_content(_evaluate([truth], [found]), _unreadable)
    (image,) = content["images"]
    assert (content["classes"], content["total"], content["threshold"]) == (["cat"], 1, 0.9)
    assert (image["file"], image["size"], image["image"]) == ("a.jpg", [100, 50], None)
    assert image["found"] == [
        [0, 0.9, TRUE, *A],
        [0, 0.5, IGNORED, *C],
        [0, 0.3, DUPLICATE, *A],
        [0, 0.123457, FALSE, 60, 0, 70.3, 10],
    ]
    assert image["objects"] == [[0, 0.9, 1, *A], [0, None, 1, *B], [0, None, 0, *C]]
    assert (image["mistakes"], image["left_out"]) == (1, 0)
    json.dumps(content, allow_nan=False)


def test_an_image_has_its_best_boxes_and_says_how_many_are_left_out() -> None:
    found = _found("a.jpg", *[(i / 1000, C) for i in range(MOST_BOXES + 3)])
    (image,) = image_content(_evaluate([_truth("a.jpg", A)], [found]), _unreadable)["images"]
    assert image["left_out"] == 3
    assert [row[1] for row in image["found"]] == [i / 1000 for i in range(MOST_BOXES + 2, 2, -1)]


def test_an_object_found_by_a_box_that_is_left_out_is_still_found() -> None:
    found = _found("a.jpg", *[(0.9, C)] * MOST_BOXES, (0.1, A))
    (image,) = image_content(_evaluate([_truth("a.jpg", A)], [found]), _unreadable)["images"]
    assert image["objects"] == [[0, 0.1, 1, *A]]


def test_what_coco_does_not_look_at_is_not_shown() -> None:
    table = tabulate([_found("a.jpg", *[(0.5, C)] * 120)], [_truth("a.jpg", A)], ["cat"])
    (image,) = image_content(evaluate_coco(table), _unreadable)["images"]
    assert (len(image["found"]), image["left_out"]) == (100, 0)


def test_no_images_and_no_classes() -> None:
    assert image_content(_evaluate([], []), _unreadable)["images"] == []
    nothing = evaluate_voc(tabulate([], [_truth("a.jpg")], []), "voc07")
    (image,) = image_content(nothing, _unreadable)["images"]
    assert (image["found"], image["objects"], image["mistakes"]) == ([], [], 0)


def _decode(address: str | None) -> Image.Image:
    head, _, content = (address or "").partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.mark.parametrize(("size", "shown"), [((1, 1), (1, 1)), ((300, 200), (300, 200)), ((2000, 1000), (640, 320))])
def test_images_are_made_small(tmp_path: Path, size: tuple[int, int], shown: tuple[int, int]) -> None:
    Image.new("RGB", size, (200, 30, 30)).save(tmp_path / "a.png")
    address, file_size = embedded_image(_reader(tmp_path), _truth("a.png"))
    image = _decode(address)
    assert (image.size, file_size, LONGEST_SIDE) == (shown, size, 640)
    red, green, blue = np.asarray(image).reshape(-1, 3).mean(axis=0)
    assert (red, green, blue) == pytest.approx((200, 30, 30), abs=3)


def test_confetti_does_not_make_the_page_large(tmp_path: Path, rng: np.random.Generator) -> None:
    Image.fromarray(rng.integers(0, 256, (640, 640, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    address, _ = embedded_image(_reader(tmp_path), _truth("a.png"))
    assert address
    assert len(address) < 125_000  # 200 of them are 25 MB


def test_a_file_that_is_not_there_or_broken_gives_an_empty_frame(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    for name in ("none.jpg", "broken.jpg", "."):
        assert embedded_image(_reader(tmp_path), _truth(name)) == (None, ())


def test_size_is_the_annotations_else_the_files_else_what_holds_the_objects(tmp_path: Path) -> None:
    Image.new("RGB", (70, 30)).save(tmp_path / "there.png")
    truths = [
        _truth("known", A),
        _truth("there.png", A, B, size=(0, 0)),
        _truth("gone", A, B, C, size=(0, 0)),
        _truth("bare", size=(0, 0)),
    ]
    content = image_content(_evaluate(truths, []), _reader(tmp_path))
    sizes = {image["file"]: image["size"] for image in content["images"]}
    assert sizes == {"known": [100, 50], "there.png": [70, 30], "gone": [50, 10], "bare": [1, 1]}
