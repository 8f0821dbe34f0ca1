import numpy as np

from inception_rcnn.data.augment import mirror
from inception_rcnn.data.boxes import as_boxes


def test_picture_and_boxes_change_sides() -> None:
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
