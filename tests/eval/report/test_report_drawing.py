from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.records import Detections, GroundTruth
from inception_rcnn.eval.report.drawing import PALETTE, class_colour, draw_detections


def _found(*boxes: list[float], labels: list[str] | None = None, scores: list[float] | None = None) -> Detections:
    names = np.array(labels or ["cat"] * len(boxes), dtype=str)
    values = np.array(scores if scores is not None else [0.5] * len(boxes), dtype=float)
    return Detections(as_boxes(list(boxes)), names, values)


def _image(height: int = 100, width: int = 120, value: int = 128) -> np.ndarray:
    return np.full((height, width, 3), value, dtype=np.uint8)


def test_nothing_changes_nothing_and_the_input_never_changes() -> None:
    image = _image()
    assert (draw_detections(image, Detections()) == image).all()
    drawn = draw_detections(image, _found([20, 40, 80, 90]))
    assert (image == 128).all()
    assert (drawn.shape, drawn.dtype) == (image.shape, np.uint8)


def test_box_is_where_it_should_be() -> None:
    drawn = draw_detections(_image(), _found([20, 40, 80, 90]))
    colour = list(class_colour("cat"))
    for y, x in ((60, 20), (60, 79), (89, 50)):  # the box's outermost pixels
        assert drawn[y, x].tolist() == colour
    for y, x in ((60, 19), (60, 80), (90, 50)):  # the rim
        assert drawn[y, x].max() < 60
    assert (drawn[50:85, 30:70] == 128).all()


def test_the_best_is_on_top() -> None:
    box = [20.0, 40, 80, 90]
    for labels in (["cat", "dog"], ["dog", "cat"]):
        drawn = draw_detections(_image(), _found(box, box, labels=labels, scores=[0.9, 0.8]))
        assert drawn[60, 20].tolist() == list(class_colour(labels[0]))


@pytest.mark.parametrize("box", [[0, 0, 30, 30], [100, 0, 120, 10], [90, 90, 119, 99], [0, 0, 120, 100]])
def test_label_is_whole_inside_the_image(box: list[float]) -> None:
    """As much of the label's colour as in the middle of the image, apart from what the lines take."""

    def label_pixels(at: list[float]) -> int:
        drawn = draw_detections(_image(), _found(at))
        return int((drawn == class_colour("cat")).all(axis=2).sum())

    assert label_pixels(box) > 0.8 * (label_pixels([40, 40, 41, 41]) - 4)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3, 2), (3000, 4000)])
def test_any_size_and_boxes_anywhere(size: tuple[int, int]) -> None:
    height, width = size
    boxes = [[0, 0, width, height], [-9, -9, -3, -3], [0.2, 0.3, 0.2, 0.3], [1e6, 1e6, 1e6 + 1, 1e6 + 1]]
    drawn = draw_detections(_image(height, width), _found(*boxes, scores=[1, 0, -3e5, 0.5]))
    assert drawn.shape == (height, width, 3)


def test_lines_grow_with_the_image() -> None:
    def line(side: int) -> int:
        drawn = draw_detections(_image(side, side), _found([side // 4, side // 4, side * 3 // 4, side * 3 // 4]))
        return int((drawn[side // 2, : side // 2] == class_colour("cat")).all(axis=1).sum())

    assert line(100) == 1
    assert line(4000) > 4 * line(400)


@pytest.mark.parametrize("name", ["café", "Кошка", "猫", "한국어", "ελλ"])
def test_other_scripts_have_letters_of_their_own(name: str) -> None:
    """Not the sign for a missing letter: another name of equal length looks different."""
    other = name[:-1] + {"é": "ú", "а": "я", "猫": "犬", "어": "국", "λ": "ω"}[name[-1]]
    colour = class_colour(name)
    images = [
        (draw_detections(_image(200, 300), _found([50, 80, 60, 90], labels=[label]))[:80] != 128).any(axis=2)
        for label in (name, other)
    ]
    assert colour in PALETTE
    letters = [
        (draw_detections(_image(200, 300), _found([50, 80, 60, 90], labels=[label])).astype(int).sum(axis=2) < 60)
        for label in (name, other)
    ]
    assert images[0].any()
    assert (letters[0] != letters[1]).any()


@pytest.mark.parametrize("name", ["", "\udcff", "a\nb\x1b", "x" * 500, "😀"])
def test_hostile_names(name: str) -> None:
    drawn = draw_detections(_image(), _found([20, 40, 80, 90], labels=[name]))
    assert (drawn != 128).any()


def test_ground_truth_is_dashed_and_below() -> None:
    truth = GroundTruth("a", 120, 100, as_boxes([[20, 40, 80, 90]]), np.array(["cat"]), np.array([False]))
    side = draw_detections(_image(), Detections(), ground_truth=truth)[40:90, 20]
    assert {tuple(pixel) for pixel in side.tolist()} == {(255, 255, 255), (20, 20, 20)}
    both = draw_detections(_image(), _found([20, 40, 80, 90]), ground_truth=truth)
    assert (both == draw_detections(_image(), _found([20, 40, 80, 90]))).all()


def test_colours() -> None:
    assert class_colour("cat") == (0, 114, 178)  # fixed: another colour in the next release would confuse
    assert len({class_colour(name) for name in ("person", "cat", "dog", "horse", "sheep", "cow")}) == 6


def test_threads_draw_the_same() -> None:
    found = _found([20, 40, 80, 90], labels=["猫 cat"])
    expected = draw_detections(_image(), found)
    with ThreadPoolExecutor(4) as pool:
        assert all((one == expected).all() for one in pool.map(lambda _: draw_detections(_image(), found), range(50)))
