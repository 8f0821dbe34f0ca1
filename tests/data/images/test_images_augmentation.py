import numpy as np
import pytest
from PIL import Image, ImageEnhance

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.images import augmentation as augment
from inception_rcnn.data.images.augmentation import (
    PRINCIPAL_COLOURS,
    PRINCIPAL_DEVIATIONS,
    add_light,
    distort_colours,
    mirror,
    random_window,
    training_crop,
)


def test_image_and_boxes_change_sides() -> None:
    image = np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3)
    mirrored, boxes = mirror(image, as_boxes([[0, 0, 1, 2], [2, 0, 5, 1], [0, 0, 5, 2]]))
    assert mirrored[0, :, 0].tolist() == [12, 9, 6, 3, 0]
    assert mirrored[0, 0].tolist() == [12, 13, 14]  # still RGB
    assert boxes.tolist() == [[4, 0, 5, 2], [0, 0, 3, 1], [0, 0, 5, 2]]


def test_no_boxes_and_an_empty_box() -> None:
    image = np.zeros((1, 4, 3), dtype=np.uint8)
    assert mirror(image, as_boxes([]))[1].shape == (0, 4)
    assert mirror(image, as_boxes([[1, 0, 1, 0]]))[1].tolist() == [[3, 0, 3, 0]]


def test_a_box_keeps_the_pixels_that_it_holds(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
    mirrored, boxes = mirror(image, as_boxes([[2, 1, 7, 4]]))
    x1, y1, x2, y2 = boxes[0].astype(int)
    np.testing.assert_array_equal(mirrored[y1:y2, x1:x2], image[1:4, 2:7][:, ::-1])


def test_twice_changes_nothing(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (3, 8, 3), dtype=np.uint8)
    corners = rng.random((20, 2, 2)) * 8
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    again = mirror(*mirror(image, boxes))
    np.testing.assert_array_equal(again[0], image)
    np.testing.assert_allclose(again[1], boxes, atol=1e-12)


def test_the_input_stays_and_the_result_is_contiguous() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(1, 4, 3)
    boxes = as_boxes([[0, 0, 1, 1]])
    mirrored, _ = mirror(image, boxes)
    mirrored[:] = 0
    assert image.ravel().tolist() == list(range(12))
    assert boxes.tolist() == [[0, 0, 1, 1]]
    assert mirrored.flags.c_contiguous


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (300, 300), (500, 200)])
def test_windows_lie_inside_and_have_the_papers_areas_and_aspects(
    width: int, height: int, rng: np.random.Generator
) -> None:
    windows = np.array([random_window(width, height, rng) for _ in range(3000)])
    x, y, wide, high = windows.T
    assert (x >= 0).all()
    assert (y >= 0).all()
    assert (x + wide <= width).all()
    assert (y + high <= height).all()
    shares = wide * high / (width * height)
    assert shares.min() > 0.078
    aspects = wide / high
    assert aspects.min() > 0.74
    assert aspects.max() < 1.35
    assert shares.min() < 0.1
    assert aspects.min() < 0.77
    assert aspects.max() > 1.3


def test_every_area_is_equally_likely_where_all_fit(rng: np.random.Generator) -> None:
    """The loop's own draw, before windows that do not fit are drawn again, is uniform: so are the small areas."""
    windows = np.array([random_window(1000, 1000, rng) for _ in range(6000)])
    shares = windows[:, 2] * windows[:, 3] / 1e6
    small = shares[shares < 0.7]  # windows of .75 and less fit in any aspect
    counts, _ = np.histogram(small, bins=4, range=(0.08, 0.7))
    assert counts.min() > 0.85 * counts.max()
    assert abs(np.log(windows[:, 2] / windows[:, 3]).mean()) < 0.01  # lying and standing alike


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1000, 10, (493, 0, 13, 10)),
        (10, 1000, (0, 493, 10, 13)),
        (1, 1, (0, 0, 1, 1)),
        (1, 9, (0, 4, 1, 1)),
        (9, 1, (4, 0, 1, 1)),
    ],
)
def test_a_strip_gives_the_largest_window_in_its_middle(
    width: int, height: int, expected: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(augment, "TRIES", 0)
    assert random_window(width, height, np.random.default_rng(0)) == expected


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (40, 60), (500, 300)])
def test_crops_of_any_image_have_the_size_and_are_decided_by_the_seed(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(5).integers(0, 256, (*shape, 3), dtype=np.uint8)
    before = image.copy()
    first, again, other = (training_crop(image, 32, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (32, 32, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(image, before)


def test_crops_are_mirrored_half_of_the_time_and_use_every_interpolation(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    ways = []
    resize = augment.cv2.resize

    def noting(part: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
        ways.append(interpolation)
        return resize(part, size, interpolation=interpolation)

    monkeypatch.setattr(augment.cv2, "resize", noting)
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (150, 200, 3)).copy()
    crops = [training_crop(ramp, 16, rng).astype(int) for _ in range(400)]
    turned = sum(crop[:, 0].sum() > crop[:, -1].sum() for crop in crops)
    assert 160 < turned < 240
    assert {way: 70 < ways.count(way) < 130 for way in augment.INTERPOLATIONS} == dict.fromkeys(
        augment.INTERPOLATIONS, True
    )


class Scripted:
    """A source of chance that gives what it is told."""

    def __init__(self, order: list[int], factors: list[float], light: list[float]):
        self.order, self.factors, self.light = order, factors, light

    def permutation(self, count: int) -> list[int]:
        return self.order

    def uniform(self, low: float, high: float) -> float:
        assert (low, high) == (0.5, 1.5)
        return self.factors.pop(0)

    def normal(self, mean: float, deviation: float, count: int) -> np.ndarray:
        return np.array(self.light)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 2, 0]])
def test_colours_are_distorted_one_after_the_other_and_then_lit(order: list[int], rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    factors, light = [0.6, 1.3, 0.8], [1.0, -2.0, 0.5]
    expected = Image.fromarray(image)
    for step, which in enumerate(order):
        kind = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)[which]
        expected = kind(expected).enhance(factors[step])
    lit = add_light(np.asarray(expected), np.array(light))
    found = distort_colours(image, Scripted(order, list(factors), light))  # pyright: ignore[reportArgumentType]
    np.testing.assert_array_equal(found, lit)


def test_light_moves_every_pixel_along_the_principal_colours(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    amounts = np.array([0.5, -1.0, 2.0])
    found = add_light(image, amounts)
    for y, x in np.ndindex(4, 5):
        for channel in range(3):
            shift = sum(PRINCIPAL_COLOURS[channel, i] * PRINCIPAL_DEVIATIONS[i] * amounts[i] for i in range(3))
            assert found[y, x, channel] == min(max(round(image[y, x, channel] + 255 * shift), 0), 255)
    np.testing.assert_array_equal(add_light(image, np.zeros(3)), image)


def test_principal_colours_are_at_right_angles() -> None:
    np.testing.assert_allclose(PRINCIPAL_COLOURS.T @ PRINCIPAL_COLOURS, np.eye(3), atol=0.001)
