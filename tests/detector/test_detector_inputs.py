import io
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.images.decoding import encode_image, read_image
from inception_rcnn.detector.inputs import as_names, as_rgb

PIXELS = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)


def test_an_array_is_taken_as_it_is():
    assert as_rgb(PIXELS) is PIXELS


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_is_read(tmp_path, kind):
    (tmp_path / "a.png").write_bytes(encode_image(PIXELS, ".png"))
    np.testing.assert_array_equal(as_rgb(kind(tmp_path / "a.png")), PIXELS)
    with pytest.raises(DataError, match=r"nothing\.png: there is no such file"):
        as_rgb(kind(tmp_path / "nothing.png"))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "CMYK", "I;16"])
def test_a_pillow_image_of_any_mode_is_what_its_file_would_be(tmp_path, mode):
    image = Image.fromarray(PIXELS).convert("L" if mode == "I;16" else mode).convert(mode)
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    image.save(path)
    np.testing.assert_array_equal(as_rgb(image), read_image(path))


def test_a_pillow_image_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.jpg", "a.png", "a.tiff"):
        Image.fromarray(PIXELS).save(tmp_path / name, exif=exif)
        with Image.open(tmp_path / name) as image:
            np.testing.assert_array_equal(as_rgb(image), read_image(tmp_path / name))
            np.testing.assert_array_equal(as_rgb(image), read_image(tmp_path / name))  # loaded by now
        assert read_image(tmp_path / name).shape == (30, 20, 3)


def test_a_pillow_image_that_cannot_be_decoded_is_one_sentence(tmp_path):
    (tmp_path / "a.png").write_bytes(encode_image(PIXELS, ".png")[:200])
    with Image.open(tmp_path / "a.png") as image, pytest.raises(DataError, match=r"a\.png: cannot be decoded"):
        as_rgb(image)
    with pytest.raises(DataError, match="has no pixels"):
        as_rgb(Image.new("RGB", (0, 5)))
    image = Image.open(io.BytesIO(encode_image(PIXELS, ".png")))
    image.close()
    with pytest.raises(DataError, match="the PIL image: cannot be decoded"):
        as_rgb(image)


def test_arrays_that_run_backwards_or_cannot_be_written_to_can_be_computed_with():
    """OpenCV's BGR is turned with [..., ::-1], which torch does not take; what Pillow lends is read-only."""
    lent = np.asarray(Image.fromarray(PIXELS))
    for image in (PIXELS[..., ::-1], lent, PIXELS[::-1, ::2], np.asfortranarray(PIXELS)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tensor = torch.from_numpy(as_rgb(image))
        np.testing.assert_array_equal(tensor.numpy(), image)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((20, 30), np.uint8), "it is gray"),
        (np.zeros((20, 30, 1), np.uint8), "it is gray"),
        (np.zeros((20, 30, 4), np.uint8), r"four channels; give image\[\.\.\., :3\]"),
        (np.zeros((3, 20, 30), np.uint8), "channels come first; give image.transpose"),
        (np.zeros((2, 20, 30, 3), np.uint8), "give detect_batch a list of its images"),
        (np.zeros((20, 30, 3)), r"got float64.*image \* 255"),
        (np.zeros((20, 30, 3), np.float32), r"got float32.*image \* 255"),
        (np.zeros((20, 30, 3), np.uint16), "got uint16.*scale it"),
        (np.zeros((0, 30, 3), np.uint8), "it is empty"),
        (np.zeros(5, np.uint8), "got uint8 of shape"),
        (np.array(None), "got object"),
        (None, "got None; cv2.imread"),
        ([PIXELS], r"got a list of 1; detect_batch takes several images, stream\(...\) files"),
        ((), "got a tuple of 0"),
        (b"\xff\xd8", "got bytes; give PIL.Image.open"),
        (torch.zeros(3, 20, 30), r"got a tensor of shape \(3, 20, 30\); give image.permute\(1, 2, 0\)"),
        (7, "got int 7"),
        (object, "got type"),
        ({"x" * 10**6: 1}, "got dict"),
    ],
)
def test_anything_else_is_one_sentence_that_says_what_to_give(image, message):
    with pytest.raises((DataError, UsageError), match=message) as caught:
        as_rgb(image)
    assert str(caught.value).startswith("an image must be uint8 RGB of shape (H, W, 3), a path or a PIL image, got ")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("given", ["a", Path("a"), ["a"], ("a",), [Path("a")]])
def test_names_come_one_by_one_or_in_a_list(given):
    assert list(map(str, as_names(given))) == ["a"]
    assert list(as_names([])) == []


@pytest.mark.parametrize(
    "given",
    [None, b"a", 7, np.zeros((400, 600, 3), np.uint8), [np.zeros((9, 9, 3))], Image.new("RGB", (9, 9)), ["a", 7]],
)
def test_what_names_no_file_is_one_line(given):
    with pytest.raises(UsageError, match="takes files, folders, globs or a data set by name") as caught:
        as_names(given)
    assert len(str(caught.value)) < 200
