"""Every kind of file that the decoder promises to read, to turn, or to refuse with a reason."""

import contextlib
import io
import os
import struct
import sys
import tempfile
import threading
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.images import decoding as images
from inception_rcnn.data.images.decoding import (
    IMAGE_EXTENSIONS,
    decode_image,
    encode_image,
    limit_megapixels,
    read_image,
)
from inception_rcnn.data.images.orientation import upright

ORIENTATION = 0x0112
Pixels = np.ndarray[Any, Any]


@pytest.fixture
def asymmetric() -> Pixels:
    """16 wide, 12 high, one bright quarter and one half-bright edge: all eight orientations differ."""
    pixels = np.zeros((12, 16, 3), dtype=np.uint8)
    pixels[:6, :8] = (255, 32, 0)
    pixels[:, 12:] = (0, 64, 200)
    return pixels


# How a viewer turns the stored pixels, in the words of the EXIF standard: where row 0 and column 0 are shown.
TURNED: dict[int, Callable[[int, int, int, int], tuple[int, int]]] = {
    1: lambda y, x, h, w: (y, x),  # top, left
    2: lambda y, x, h, w: (y, w - 1 - x),  # top, right
    3: lambda y, x, h, w: (h - 1 - y, w - 1 - x),  # bottom, right
    4: lambda y, x, h, w: (h - 1 - y, x),  # bottom, left
    5: lambda y, x, h, w: (x, y),  # left, top
    6: lambda y, x, h, w: (x, h - 1 - y),  # right, top
    7: lambda y, x, h, w: (w - 1 - x, h - 1 - y),  # right, bottom
    8: lambda y, x, h, w: (w - 1 - x, y),  # left, bottom
}


def turned_by_loops(pixels: Pixels, orientation: int) -> Pixels:
    h, w = pixels.shape[:2]
    shape = (w, h) if orientation >= 5 else (h, w)
    result = np.zeros((*shape, *pixels.shape[2:]), dtype=pixels.dtype)
    for y in range(h):
        for x in range(w):
            result[TURNED[orientation](y, x, h, w)] = pixels[y, x]
    return result


def save(path: Path, image: Pixels | Image.Image, **options: Any) -> Path:
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


def oriented(path: Path, pixels: Pixels, orientation: int, **options: Any) -> Path:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return save(path, pixels, exif=exif, **options)


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_image(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    return message


ORIENTABLE = [
    ("a.jpg", {"quality": 98, "subsampling": 0}),
    ("a.png", {}),
    ("a.webp", {"lossless": True}),
    ("a.tif", {}),
    ("a.tif", {"compression": "tiff_lzw"}),
]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("name", "options"), ORIENTABLE)
def test_orientation_is_applied_or_ignored(
    tmp_path: Path, asymmetric: Pixels, name: str, options: dict[str, Any], orientation: int
) -> None:
    path = oriented(tmp_path / name, asymmetric, orientation, **options)
    tolerance = 12 if name.endswith(".jpg") else 0

    def assert_same(got: Pixels, expected: Pixels) -> None:
        assert got.shape == expected.shape
        assert np.abs(got.astype(int) - expected).max() <= tolerance

    assert_same(read_image(path), turned_by_loops(asymmetric, orientation))
    assert_same(read_image(path, ignore_exif=True), asymmetric)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_equals_loops(rng: np.random.Generator, orientation: int) -> None:
    pixels = rng.integers(0, 256, (3, 5, 3), dtype=np.uint8)
    turned = np.asarray(upright(Image.fromarray(pixels), orientation))
    np.testing.assert_array_equal(turned, turned_by_loops(pixels, orientation))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_unknown_orientation_leaves_the_pixels(tmp_path: Path, asymmetric: Pixels, orientation: int) -> None:
    np.testing.assert_array_equal(read_image(oriented(tmp_path / "a.png", asymmetric, orientation)), asymmetric)


@pytest.mark.parametrize("ignore_exif", [False, True])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_stated_size_decides_between_upright_and_as_stored(tmp_path: Path, kind: str, ignore_exif: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (4, 3), "red").save(tmp_path / "a", kind, exif=exif)
    shapes = {
        size: read_image(tmp_path / "a", ignore_exif=ignore_exif, size=size).shape[1::-1]
        for size in ((4, 3), (3, 4), (0, 0), (8, 6))
    }
    habit = (4, 3) if ignore_exif else (3, 4)
    assert shapes == {(4, 3): (4, 3), (3, 4): (3, 4), (0, 0): habit, (8, 6): habit}


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_a_stated_size_says_nothing_where_both_have_it(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.new("RGB", (4, 3), "red")
    image.putpixel((0, 0), (0, 0, 255))
    image.save(tmp_path / "a.png", exif=exif)
    stored = read_image(tmp_path / "a.png", ignore_exif=True)
    assert (read_image(tmp_path / "a.png", ignore_exif=True, size=(4, 3)) == stored).all()
    turned = read_image(tmp_path / "a.png", size=(4, 3))
    assert (turned == read_image(tmp_path / "a.png")).all()
    assert (turned == stored).all() == (orientation == 1)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_does_not_cost_the_image(tmp_path: Path, asymmetric: Pixels) -> None:
    for exif in (
        b"Exif\0\0",
        b"Exif\0\0nonsense",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
    ):
        np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", asymmetric, exif=exif)), asymmetric)


def test_result_is_contiguous_writable_uint8(tmp_path: Path, asymmetric: Pixels) -> None:
    for orientation in (1, 2, 6):
        pixels = read_image(oriented(tmp_path / "a.png", asymmetric, orientation))
        assert pixels.dtype == np.uint8
        assert pixels.flags.c_contiguous
        assert pixels.flags.writeable


RAMP16 = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)  # k * 257
RAMP8 = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize("name", ["ramp.png", "ramp.tif", "ramp.pgm", "ramp.jp2"])
def test_sixteen_bit_gray_is_scaled_not_clipped(tmp_path: Path, name: str) -> None:
    pixels = read_image(save(tmp_path / name, RAMP16))
    np.testing.assert_array_equal(pixels, np.repeat(RAMP8[..., None], 3, axis=2))


def test_big_endian_sixteen_bit_tiff(tmp_path: Path) -> None:
    image = Image.frombytes("I;16B", (16, 16), RAMP16.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(save(tmp_path / "big.tif", image))[..., 0], RAMP8)


def test_sixteen_bit_rounds_to_nearest(tmp_path: Path) -> None:
    values = np.array([[0, 128, 129, 385, 386, 65406, 65407, 65535]], dtype=np.uint16)
    assert read_image(save(tmp_path / "a.png", values))[0, :, 0].tolist() == [0, 0, 1, 1, 2, 254, 255, 255]


def test_sixteen_bit_rgb_png(tmp_path: Path) -> None:
    rgb = np.stack([RAMP16, RAMP16[::-1], RAMP16.T], axis=-1)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rgb)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    (tmp_path / "rgb16.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    np.testing.assert_array_equal(read_image(tmp_path / "rgb16.png"), (rgb // 257).astype(np.uint8))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0, 7, 255]], [0, 7, 255]),  # fits 8 bits: as it is
        ([[0, 257, 65535]], [0, 1, 255]),  # fits 16 bits: scaled like 16-bit gray
        ([[0, 0, 256]], [0, 0, 1]),
    ],
)
def test_integer_tiff_by_its_range(tmp_path: Path, values: list[list[int]], expected: list[int]) -> None:
    path = save(tmp_path / "i.tif", np.array(values, dtype=np.int32))
    assert read_image(path)[0, :, 0].tolist() == expected


def test_dark_sixteen_bit_pgm_stays_dark(tmp_path: Path) -> None:
    (tmp_path / "dark.pgm").write_bytes(b"P5 2 1 65535\n" + struct.pack(">2H", 255, 100))
    assert read_image(tmp_path / "dark.pgm")[0, :, 0].tolist() == [1, 0]


@pytest.mark.parametrize("values", [[[-1, 5]], [[0, 70000]]])
def test_integers_of_unknown_scale_are_refused(tmp_path: Path, values: list[list[int]]) -> None:
    message = refused(save(tmp_path / "i.tif", np.array(values, dtype=np.int32)))
    assert f"from {values[0][0]} to {values[0][1]}" in message


def test_float_tiff_in_unit_range_is_rescaled(tmp_path: Path) -> None:
    path = save(tmp_path / "f.tif", np.array([[0, 0.25, 0.5, 1]], dtype=np.float32))
    assert read_image(path)[0, :, 0].tolist() == [0, 64, 128, 255]


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -0.5, 1.5, 200.0])
def test_other_floats_are_refused(tmp_path: Path, odd: float) -> None:
    assert "0-1" in refused(save(tmp_path / "f.tif", np.array([[0, odd, 1]], dtype=np.float32)))


def test_cmyk_jpeg(tmp_path: Path) -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    pixels = read_image(save(tmp_path / "cmyk.jpg", red, quality=100))
    assert np.abs(pixels.astype(int) - (255, 0, 0)).max() <= 4


def test_palette_gray_and_bilevel(tmp_path: Path) -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 0, 10, 200, 30])
    palette.putpixel((1, 0), 1)
    assert read_image(save(tmp_path / "p.png", palette)).tolist() == [[[0, 0, 0], [10, 200, 30]]]
    assert read_image(save(tmp_path / "l.png", np.array([[5, 250]], dtype=np.uint8))).tolist() == [[[5] * 3, [250] * 3]]
    bilevel = save(tmp_path / "1.png", Image.fromarray(np.array([[False, True]])))
    assert read_image(bilevel).tolist() == [[[0] * 3, [255] * 3]]


def test_what_the_system_refuses_is_said_in_its_words(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to("b.jpg")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    assert refused(tmp_path / "a.jpg").endswith("a.jpg: is a link that leads back to itself; link it to the image")
    assert "x: cannot be read (File name too long); check its name" in refused(tmp_path / ("x" * 300))


def test_transparency_is_composited_on_white(tmp_path: Path) -> None:
    rgba = np.array([[[200, 0, 0, 255], [200, 0, 0, 0], [0, 0, 0, 51]]], dtype=np.uint8)
    white = [[[200, 0, 0], [255, 255, 255], [204, 204, 204]]]
    for name in ("rgba.png", "rgba.tif"):
        assert read_image(save(tmp_path / name, rgba)).tolist() == white
    assert read_image(save(tmp_path / "rgba.webp", rgba, lossless=True, exact=True)).tolist() == white
    gray = np.array([[[9, 255], [9, 0]]], dtype=np.uint8)
    assert read_image(save(tmp_path / "la.png", Image.fromarray(gray, "LA"))).tolist() == [[[9] * 3, [255] * 3]]


def test_transparent_colours_of_palette_and_rgb(tmp_path: Path) -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([1, 2, 3, 10, 200, 30])
    palette.putpixel((1, 0), 1)
    expected = [[[255, 255, 255], [10, 200, 30]]]
    for name in ("p.png", "p.gif"):
        assert read_image(save(tmp_path / name, palette, transparency=0)).tolist() == expected
    rgb = np.array([[[1, 2, 3], [10, 200, 30]]], dtype=np.uint8)
    assert read_image(save(tmp_path / "rgb.png", rgb, transparency=(1, 2, 3))).tolist() == expected


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif"])
def test_first_frame(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if name.endswith("webp") else {}
    path = save(tmp_path / name, frames[0], save_all=True, append_images=frames[1:], **options)
    with Image.open(path) as written:
        assert written.n_frames == 3
    np.testing.assert_array_equal(read_image(path), np.full((6, 8, 3), (255, 0, 0), dtype=np.uint8))


def test_content_decides_and_names_may_be_odd(tmp_path: Path, asymmetric: Pixels) -> None:
    for name in ("png named.jpg", "Füße 猫 🐈.PNG", "no extension", os.fsdecode(b"\xff\xfe.png"), "[a]*?.png"):
        np.testing.assert_array_equal(read_image(save(tmp_path / name, asymmetric, format="PNG")), asymmetric)


@pytest.mark.parametrize("extension", IMAGE_EXTENSIONS)
def test_every_listed_extension_can_be_read(tmp_path: Path, extension: str) -> None:
    """Folders are filtered by these, so each must name a format that the decoder knows."""
    image = Image.new("1" if extension == ".pbm" else "RGB", (16, 16), "white")
    assert read_image(save(tmp_path / f"a{extension}", image)).min() >= 250


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.bmp", "a.tif", "a.jp2", "a.avif"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_truncated_files_are_refused(tmp_path: Path, rng: np.random.Generator, name: str, part: float) -> None:
    path = save(tmp_path / name, rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    message = refused(path)
    assert "replace" in message or "damaged" in message


def test_truncated_progressive_jpeg_is_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    path = save(tmp_path / "a.jpg", rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), progressive=True)
    path.write_bytes(path.read_bytes()[:-400])
    assert "truncated" in refused(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"\xef\xbb\xbf\n <HTML>", "web page"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "git lfs pull"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),  # never handed to Ghostscript
        (b"\0" * 4096, "zero bytes"),
        (b"Not found.", "text"),
        (b"\x93\xfa\x01\x02garbage", "93 fa 01 02"),
        (b"\x89PNG\r\n\x1a\n", "like a PNG but"),
        (b"\xff\xd8\xff", "like a JPEG but"),
    ],
)
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    assert reason in refused(tmp_path / "a.jpg")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "missing.jpg")
    assert "folder" in refused(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "pipe" in refused(tmp_path / "pipe.jpg")
    with pytest.raises(DataError):
        read_image("nul\0byte.jpg")


def test_permission_denied_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    path = save(tmp_path / "a.png", RAMP8)
    monkeypatch.setattr(images, "open", denied, raising=False)  # chmod would not stop a test that runs as root
    assert "permission denied" in refused(path)


def test_decompression_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", np.zeros((10, 10, 3), dtype=np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 49)
    assert "100 pixels" in refused(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60)  # more than once, less than twice: a large camera's photo
    with pytest.warns(Image.DecompressionBombWarning):
        assert read_image(path).shape == (10, 10, 3)


def test_the_most_pixels_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", np.zeros((10, 10, 3), dtype=np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # so that it is put back
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        limit_megapixels(99e-6)
        assert "100 pixels" in refused(path)
        limit_megapixels(100e-6)
        assert read_image(path).shape == (10, 10, 3)
    for most in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="--max-megapixels"):
            limit_megapixels(most)


def test_header_claiming_a_huge_image_costs_no_memory(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "huge.png").write_bytes(data + b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")))
    assert "bomb" in refused(tmp_path / "huge.png")


def _encoded() -> list[bytes]:
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    files = []
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF"):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, kind, exif=exif)
        files.append(buffer.getvalue())
    return files


ENCODED = _encoded()


@pytest.mark.filterwarnings("ignore")  # Pillow's own about what it finds
@settings(max_examples=300, deadline=None)
@given(
    original=st.sampled_from(ENCODED),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=4),
    kept=st.sampled_from([1.0, 1.0, 0.5, 0.97]),
)
def test_a_damaged_file_gives_an_image_or_a_data_error(
    original: bytes, edits: list[tuple[float, bytes]], kept: float
) -> None:
    data = bytearray(original[: int(len(original) * kept)])
    for place, replacement in edits:
        start = int(place * len(data))
        data[start : start + len(replacement)] = replacement
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jpg"
        path.write_bytes(data)
        with contextlib.suppress(DataError):  # anything else fails the test
            pixels = read_image(path)
            assert pixels.ndim == 3
            assert pixels.dtype == np.uint8


def test_many_threads_read_the_same(tmp_path: Path, asymmetric: Pixels) -> None:
    paths = [oriented(tmp_path / f"{i}.png", asymmetric, i % 8 + 1) for i in range(32)]
    barrier = threading.Barrier(4)

    def first_then_all(part: int) -> list[Pixels]:
        barrier.wait()
        return [read_image(path) for path in paths[part::4]]

    with ThreadPoolExecutor(4) as pool:
        for part, decoded in enumerate(pool.map(first_then_all, range(4))):
            for index, pixels in zip(range(part, 32, 4), decoded, strict=True):
                np.testing.assert_array_equal(pixels, turned_by_loops(asymmetric, index % 8 + 1))


SIGNATURES = {".jpg": b"\xff\xd8\xff", ".jpeg": b"\xff\xd8\xff", ".png": b"\x89PNG", ".webp": b"RIFF"}


@pytest.mark.parametrize("kind", SIGNATURES)
@pytest.mark.parametrize("shape", [(1, 1, 3), (12, 16, 3)])
def test_encoded_image_is_of_its_kind_and_reads_back_near(tmp_path: Path, kind: str, shape: tuple[int, ...]) -> None:
    ramp = np.broadcast_to(np.linspace(40, 200, shape[1])[:, None], shape).astype(np.uint8)
    data = encode_image(ramp, kind)
    assert data.startswith(SIGNATURES[kind])
    (tmp_path / f"a{kind}").write_bytes(data)
    again = read_image(tmp_path / f"a{kind}")
    assert again.shape == shape
    assert np.abs(again.astype(int) - ramp).max() <= (0 if kind == ".png" else 8)


def test_png_loses_nothing_and_jpeg_little(tmp_path: Path, rng: np.random.Generator) -> None:
    noise = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(encode_image(noise, ".png"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), noise)
    smooth = np.full((16, 16, 3), (200, 40, 90), dtype=np.uint8)
    (tmp_path / "a.jpg").write_bytes(encode_image(smooth, ".jpg"))
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - (200, 40, 90)).max() <= 4  # RGB, not BGR


def test_encoding_takes_a_view_and_leaves_it(asymmetric: Pixels, tmp_path: Path) -> None:
    before = asymmetric.copy()
    (tmp_path / "a.png").write_bytes(encode_image(asymmetric[::2, ::-1], ".png"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), before[::2, ::-1])
    np.testing.assert_array_equal(asymmetric, before)


def jpeg_of(rng: np.random.Generator, **options: Any) -> bytes:
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((96, 72), Image.Resampling.BICUBIC).save(buffer, "JPEG", **options)
    return buffer.getvalue()


JPEG_OPTIONS: list[dict[str, Any]] = [{}, {"progressive": True}, {"restart_marker_blocks": 5}, {"optimize": True}]


@pytest.mark.parametrize("options", JPEG_OPTIONS, ids=str)
@pytest.mark.parametrize("end", [b"", b"\xff", b"\0" * 600], ids=["none", "half", "zeros"])
def test_a_jpeg_without_its_end_marker_is_whole(
    tmp_path: Path, rng: np.random.Generator, options: dict[str, Any], end: bytes
) -> None:
    content = jpeg_of(rng, **options)
    (tmp_path / "whole.jpg").write_bytes(content)
    (tmp_path / "cut.jpg").write_bytes(content.removesuffix(b"\xff\xd9") + end)
    assert (read_image(tmp_path / "cut.jpg") == read_image(tmp_path / "whole.jpg")).all()


@pytest.mark.parametrize("options", JPEG_OPTIONS, ids=str)
def test_a_jpeg_cut_anywhere_else_is_refused(rng: np.random.Generator, options: dict[str, Any]) -> None:
    content = jpeg_of(rng, **options)
    for length in (*range(len(content) - 60, len(content) - 3), *range(200, len(content) - 60, 97)):
        for filler in (b"", bytes(512)):
            with pytest.raises(DataError):
                decode_image(content[:length] + filler, "a.jpg")


def test_a_progressive_jpeg_cut_between_scans_is_refused(rng: np.random.Generator) -> None:
    content = jpeg_of(rng, progressive=True)
    starts = [at for at in range(len(content)) if content[at : at + 2] == b"\xff\xda"]
    assert len(starts) > 5
    for start in starts:
        with pytest.raises(DataError):
            decode_image(content[:start], "a.jpg")


def test_a_small_file_that_claims_a_giant_image_is_refused(tmp_path: Path) -> None:
    """From the header alone; within Pillow's limit, which lets a tenth of a second's file cost 600 MB."""
    header = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    samples = {
        "a.png": b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 4) + b"IDAT" + bytes(8),
        "a.ppm": b"P6 12000 12000 255\n" + bytes(64),
        "a.bmp": b"BM" + struct.pack("<IIIIiiHHIIIIII", 200, 0, 54, 40, 12000, 12000, 1, 24, 0, 0, 0, 0, 0, 0),
        "a.gif": b"GIF89a" + struct.pack("<HHBBB", 12000, 12000, 0, 0, 0) + b"," + bytes(10),
    }
    for name, content in samples.items():
        (tmp_path / name).write_bytes(content)
        assert "bytes claim to be 12000 x 12000 pixels" in refused(tmp_path / name), name


def test_a_blank_drawing_may_be_large_in_few_bytes(tmp_path: Path) -> None:
    Image.new("1", (9000, 5000), 1).save(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size < 20_000
    assert read_image(tmp_path / "a.png").shape == (5000, 9000, 3)


def test_a_jpeg_of_thousands_of_scans_is_refused(rng: np.random.Generator) -> None:
    buffer = io.BytesIO()
    Image.new("L", (4000, 4000)).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    last = content.rindex(b"\xff\xda")
    with pytest.raises(DataError, match=r"are coded in 2,00. scans"):
        decode_image(content[:last] + content[last:-2] * 2000 + content[-2:], "a.jpg")


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK", "L", "I;16"])
def test_bands_are_converted_as_the_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str) -> None:
    image = Image.effect_noise((40, 50), 90).convert("RGBA" if mode == "I;16" else mode)
    if mode == "RGBA":
        image.putalpha(Image.effect_noise((40, 50), 90))
    if mode == "I;16":
        image = Image.fromarray(np.arange(2000, dtype=np.uint16).reshape(50, 40) * 30)
    image.save(tmp_path / "a.tiff")
    whole = read_image(tmp_path / "a.tiff")
    monkeypatch.setattr(images, "_BAND_PIXELS", 300)
    assert (read_image(tmp_path / "a.tiff") == whole).all()


def test_heic_is_read_upright(tmp_path: Path, asymmetric: Pixels) -> None:
    heif, formats = pytest.importorskip("pillow_heif"), {*Image.OPEN}
    large = asymmetric.repeat(8, axis=0).repeat(8, axis=1)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    for name, options in (("plain", {}), ("turned", {"exif": exif.tobytes()})):
        heif.from_pillow(Image.fromarray(large)).save(tmp_path / f"{name}.heic", quality=95, **options)
    plain = read_image(tmp_path / "plain.heic")
    assert np.abs(plain.astype(int) - large).mean() < 8
    assert {*Image.OPEN} == formats  # nothing changed for the rest of the process
    turned = read_image(tmp_path / "turned.heic")
    assert (read_image(tmp_path / "turned.heic", ignore_exif=True) == turned).all()
    assert turned.shape[0] * turned.shape[1] == large.shape[0] * large.shape[1]


def test_heic_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    assert "pip install 'inception-rcnn[heif]'" in refused(tmp_path / "a.heic")
