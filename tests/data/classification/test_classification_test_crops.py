import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inception_rcnn.data.classification.test_crops import ASPECT_LIMIT, crops_of, resize_shorter, squares

SHAPES = [
    (256, 256),
    (301, 457),
    (457, 301),
    (224, 224),
    (97, 640),
    (640, 97),
    (33, 1001),
    (501, 352),
    (1, 1),
    (1, 300),
]


def obvious_144(image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The crops as the paper lists them, each cut out pixel by pixel and mirrored pixel by pixel."""
    plain = []
    for side in (256, 288, 320, 352):
        height, width = image.shape[:2]
        if width > height:
            new_width, new_height = min(round(side * width / height), 32 * side), side
        else:
            new_width, new_height = side, min(round(side * height / width), 32 * side)
        resized = resized_to(image, new_width, new_height)
        last = max(new_width, new_height) - side
        for offset in (0, last // 2, last):
            left, top = (offset, 0) if width > height else (0, offset)
            square = copied(resized, left, top, side)
            far, middle = side - 224, (side - 224) // 2
            plain += [copied(square, x, y, 224) for x, y in ((0, 0), (far, 0), (0, far), (far, far), (middle, middle))]
            plain.append(resized_to(square, 224, 224))
    return plain + [mirrored(crop) for crop in plain]


def resized_to(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    smaller = width * height < image.shape[0] * image.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=way), dtype=np.uint8)


def copied(image: NDArray[np.uint8], left: int, top: int, side: int) -> NDArray[np.uint8]:
    crop = np.zeros((side, side, 3), dtype=np.uint8)
    for y in range(side):
        for x in range(side):
            crop[y, x] = image[top + y, left + x]
    return crop


def mirrored(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    other = np.zeros_like(crop)
    for x in range(crop.shape[1]):
        other[:, x] = crop[:, crop.shape[1] - 1 - x]
    return other


@pytest.mark.parametrize("shape", [(301, 457), (640, 97), (1, 300)])
def test_144_crops_are_the_papers_pixel_by_pixel(shape: tuple[int, int], rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = obvious_144(image)
    found = crops_of(image, 144)
    assert len(found) == len(expected) == 144
    for index, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        np.testing.assert_array_equal(ours, theirs, err_msg=f"crop {index}")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [1, 10, 144])
def test_images_of_every_shape_give_all_crops(shape: tuple[int, int], count: int) -> None:
    image = np.arange(shape[0] * shape[1], dtype=np.int64).astype(np.uint8).reshape(*shape, 1).repeat(3, axis=2)
    crops = crops_of(image, count)
    assert crops.shape == (count, 224, 224, 3)
    assert crops.dtype == np.uint8
    half = count // 2
    np.testing.assert_array_equal(crops[half : 2 * half], crops[:half, :, ::-1])


def test_one_crop_is_the_centre_and_ten_are_of_the_square_in_the_middle() -> None:
    """An image whose red channel tells x and whose green channel tells y, at the size at which it is cut."""
    image = np.zeros((256, 300, 3), dtype=np.uint8)
    image[..., 0] = np.minimum(np.arange(300), 255)
    image[..., 1] = np.arange(256)[:, None]
    assert crops_of(image, 1)[0, 0, 0, :2].tolist() == [38, 16]
    starts = [crop[0, 0, :2].tolist() for crop in crops_of(image, 10)[:5]]
    assert starts == [[22, 0], [54, 0], [22, 32], [54, 32], [38, 16]]


def test_a_crop_depends_on_the_square_it_is_of() -> None:
    """Left, middle and right of a lying image, upper, middle and lower of a standing one, are different parts."""
    ramp = np.linspace(0, 255, 900).astype(np.uint8)
    lying = np.broadcast_to(ramp[None, :, None], (300, 900, 3)).copy()
    for image in (lying, lying.swapaxes(0, 1)):
        means = [float(square.mean()) for square in squares(resize_shorter(image, 256))]
        np.testing.assert_allclose(means, [42.5, 127.5, 212.5], atol=1.5)


def test_a_strip_is_squeezed_before_it_fills_the_memory() -> None:
    assert resize_shorter(np.zeros((1, 60_000, 3), dtype=np.uint8), 256).shape == (256, 256 * ASPECT_LIMIT, 3)
    assert resize_shorter(np.zeros((60_000, 1, 3), dtype=np.uint8), 256).shape == (256 * ASPECT_LIMIT, 256, 3)


def test_another_number_of_crops_is_refused() -> None:
    with pytest.raises(ValueError, match="144"):
        crops_of(np.zeros((5, 5, 3), dtype=np.uint8), 12)
