import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes, half_open_to_inclusive
from inception_rcnn.eval.metrics import matching
from inception_rcnn.eval.metrics.evaluation import Outcome
from inception_rcnn.eval.metrics.matching import best_of_each, match_voc, overlapping_pairs

T, F, D, I = Outcome  # noqa: E741
A, B = [0, 0, 10, 10], [100, 0, 110, 10]
HALF = [0, 0, 10, 5]  # IoU with A is .5
LESS = [0, 0, 10, 4.99]


def _outcomes(boxes, images, objects, object_images, difficult) -> list[int]:
    pairs = overlapping_pairs(boxes, images, objects, object_images)
    return match_voc(pairs, len(boxes), difficult).outcomes.tolist()


def _match(boxes: list[list[float]], objects: list[list[float]], difficult: list[int] | None = None) -> list[int]:
    """Outcomes where everything is on one image."""
    hard = np.array(difficult or [0] * len(objects), dtype=bool)
    zeros = np.zeros(max(len(boxes), len(objects)), dtype=np.int64)
    return _outcomes(as_boxes(boxes), zeros[: len(boxes)], as_boxes(objects), zeros[: len(objects)], hard)


@pytest.mark.parametrize(
    ("boxes", "objects", "difficult", "expected"),
    [
        ([], [], [], []),
        ([], [A], [0], []),
        ([A], [], [], [F]),
        ([A], [A], [0], [T]),
        ([A, A, B], [A, B], [0, 0], [T, D, T]),
        ([HALF], [A], [0], [T]),  # exactly .5 is enough
        ([LESS], [A], [0], [F]),
        ([A, A], [A], [1], [I, I]),  # difficult: as often as it likes
        ([A, A], [A, A], [0, 0], [T, D]),  # asks for the first of two equals, though the second is free
        ([A, A], [A, [0, 0, 10, 9]], [0, 0], [T, D]),  # the one overlapped most is taken: no second choice
        ([[0, 0, 10, 9]], [A, [0, 0, 10, 8.9]], [0, 1], [I]),  # also if that one is difficult
    ],
)
def test_one_image(
    boxes: list[list[float]], objects: list[list[float]], difficult: list[int], expected: list[int]
) -> None:
    assert _match(boxes, objects, difficult) == expected


def test_images_are_apart() -> None:
    boxes, images = as_boxes([A, A, A]), np.array([5, 2, 5])
    assert _outcomes(boxes, images, as_boxes([A]), np.array([5]), np.array([False])) == [T, F, D]


def _slow(boxes, images, objects, object_images, difficult) -> list[int]:
    """The devkit's double loop, with its own arithmetic on 1-based inclusive corners."""
    taken, outcomes = set(), []
    for box, image in zip(boxes, images, strict=True):
        best, best_overlap = None, -1.0
        for j, other in enumerate(objects):
            if object_images[j] != image:
                continue
            b, g = half_open_to_inclusive(np.stack([box, other]))
            width, height = min(b[2], g[2]) - max(b[0], g[0]) + 1, min(b[3], g[3]) - max(b[1], g[1]) + 1
            if width > 0 and height > 0:
                union = (b[2] - b[0] + 1) * (b[3] - b[1] + 1) + (g[2] - g[0] + 1) * (g[3] - g[1] + 1) - width * height
                if width * height / union > best_overlap:
                    best, best_overlap = j, width * height / union
        if best is None or best_overlap < 0.5:
            outcomes.append(F)
        elif difficult[best]:
            outcomes.append(I)
        else:
            outcomes.append(D if best in taken else T)
            taken.add(best)
    return outcomes


@pytest.mark.parametrize("seed", range(25))
def test_against_plain_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = rng.integers(0, 60), rng.integers(0, 25)
    # Few, small, whole numbers: many equal overlaps, and many of exactly .5.
    boxes = np.sort(rng.integers(0, 7, (n + m, 2, 2)), axis=1).reshape(-1, 4).astype(float)
    boxes[:, 2:] += 1
    images = rng.integers(0, 4, n + m)
    difficult = rng.random(m) < 0.2
    arguments = boxes[:n], images[:n], boxes[n:], images[n:], difficult
    assert _outcomes(*arguments) == _slow(*arguments)


@pytest.mark.parametrize("decimals", [1, 2, 3, 6])
def test_exactly_half_falls_on_the_official_side(decimals: int) -> None:
    """Boxes as result files print them, half as wide as an object: rounding decides, and must decide as officially."""
    rng = np.random.default_rng(decimals)
    unit = 10**decimals
    sides = set()
    for _ in range(300):
        xmin, width = rng.integers(1, 200), 2 * rng.integers(1, 200)
        left = xmin + rng.integers(0, width // 2 * unit) / unit
        inclusive = np.round([left, 5, left + width / 2 - 1, 50], decimals)
        box, other = inclusive - [1, 1, 0, 0], np.array([xmin - 1, 4, xmin + width - 1, 50], dtype=float)
        zeros, easy = np.zeros(1, dtype=np.int64), np.array([False])
        expected = _slow(box[None], zeros, other[None], zeros, easy)
        assert _outcomes(box[None], zeros, other[None], zeros, easy) == expected
        sides.add(expected[0])
    assert sides == {T, F}


def test_many_pairs_are_made_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 50, (60, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 40, (60, 2))], axis=1)
    images = rng.integers(0, 3, 60)
    arguments = boxes[:40], images[:40], boxes[40:], images[40:]
    whole = overlapping_pairs(*arguments)
    for most in (1, 7, 30):
        monkeypatch.setattr(matching, "_PAIRS_AT_ONCE", most)
        parts = overlapping_pairs(*arguments)
        assert np.array_equal(parts.detections, whole.detections)
        assert np.array_equal(parts.objects, whole.objects)
        assert np.array_equal(parts.overlaps, whole.overlaps)


def test_best_of_no_pairs() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert len(best_of_each(overlapping_pairs(as_boxes([]), none, as_boxes([]), none)).detections) == 0
