"""The one decoder: an image file becomes an upright (H, W, 3) uint8 RGB array, or a `DataError`.

What the content is decides, not the file's name. Choices made here:

- EXIF orientation (and TIFF's, and AVIF's) is applied; `ignore_exif` gives the pixels as stored, which is what the
  annotators of VOC and ILSVRC drew on; a size that an annotation states decides. Colour profiles are not applied.
- Transparency is composited on white, the paper that such images were mostly drawn for.
- 16-bit gray is scaled by 1/257, so that white stays white. A 32-bit integer image is taken as one of 8 or 16 bits, by
  its values; a float image must lie in 0-1. Anything beyond is refused: only its owner can know its scale.
- Of an animation or a stack of pages, the first.
- A damaged or cut-off file is refused; a JPEG that lacks only its end marker is whole.
- HEIC is read where pillow-heif is installed, which turns it upright itself, so that it has no other pixels.
- Pillow's guard against decompression bombs stays, which `limit_megapixels` moves: more than twice
  `PIL.Image.MAX_IMAGE_PIXELS` (179 million) is refused; from once on, where real cameras' photos lie, it warns.
- A file that is far too small for the pixels that it claims is refused before room is made for them, and so is a JPEG
  whose scans would take minutes to decode. Decoding takes about 8 bytes a pixel, 11 for a turned image.
"""

import io
import math
import os
import stat
import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ..boxes import UNKNOWN_SIZE, Size
from ..errors import DataError, SetupError
from ..values import ABOVE_ZERO, check_range, shown
from .decoding_errors import HEIF_BRANDS, NO_HEIC, not_a_file, reason_of
from .jpeg_scans import ENDS, codes_all, count_scans, is_filled_up, without_filler
from .orientation import as_stored, is_upright, orientation_of, upright

IMAGE_EXTENSIONS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".dib",
    ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".avif",
)  # fmt: skip

_HEIF_EXTENSIONS = (".heic", ".heif", ".hif")

# Pillow would also start Ghostscript for an EPS file; an image from a stranger gets no further than these decoders.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "DIB", "PPM", "JPEG2000", "AVIF")

# A blank drawing takes a byte for a thousand pixels: beyond the first of these, what a file claims must have its bytes.
_PLAIN_PIXELS, _PIXELS_A_BYTE = 32_000_000, 1000
_SCANNED_PIXELS = 4_000_000_000  # of all scans of a JPEG: about a minute; the usual ten make 300 million of a photo

_BAND_PIXELS = 4_000_000  # that are converted at once


@cache
def readable_extensions() -> tuple[str, ...]:
    """The endings of the image files that are read here: HEIC's too where pillow-heif is installed."""
    return IMAGE_EXTENSIONS + (_HEIF_EXTENSIONS if find_spec("pillow_heif") else ())


def read_image(path: str | Path, *, ignore_exif: bool = False, size: Size = UNKNOWN_SIZE) -> NDArray[np.uint8]:
    """The image as uint8 RGB of shape (H, W, 3), upright and C-contiguous; `DataError` if it cannot be had.

    A `size` that its annotation states decides between upright and as stored, where only one of the two has it.
    """
    head = b""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise DataError(not_a_file(path))  # before open(), which would wait for ever on a pipe
        with open(path, "rb") as file:
            head = file.read(512)
            return _decode(file, ignore_exif, size)
    except DataError:
        raise
    except Exception as error:  # a hostile file makes Pillow raise nearly anything
        raise DataError(f"{path}: {reason_of(error, head)}") from error


def decode_image(content: bytes, name: str, *, ignore_exif: bool = False) -> NDArray[np.uint8]:
    """The same of a file's bytes, which lie elsewhere, as in an archive; `name` is what an error calls them."""
    try:
        return _decode(io.BytesIO(content), ignore_exif, UNKNOWN_SIZE)
    except Exception as error:
        raise DataError(f"{name}: {reason_of(error, content[:512])}") from error


def decode_pillow(image: Image.Image) -> NDArray[np.uint8]:
    """The same of an image that Pillow has opened, or made."""
    try:
        if 0 in image.size:
            raise ValueError("it has no pixels")
        return _upright_pixels(image, False, UNKNOWN_SIZE)
    except Exception as error:  # it may be that of a hostile file, read only now
        raise DataError(f"{getattr(image, 'filename', '') or 'the PIL image'}: {reason_of(error, b'')}") from error


def limit_megapixels(most: float) -> None:
    """Refuse images of more than `most` million pixels from now on, in the whole process: Pillow's own guard moves."""
    check_range(f"--max-megapixels {shown(most)}", most, ABOVE_ZERO)
    Image.MAX_IMAGE_PIXELS = max(int(most * 1e6 / 2), 1)
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def encode_image(image: NDArray[np.uint8], kind: str) -> bytes:
    """An (H, W, 3) RGB image as the bytes of a file of that kind: `.jpg`, `.jpeg`, `.png` or `.webp`."""
    settings = {".png": {"compress_level": 1}}.get(kind, {"quality": 92})
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, Image.registered_extensions()[kind], **settings)
    return buffer.getvalue()


def _decode(file: IO[bytes], ignore_exif: bool, size: Size) -> NDArray[np.uint8]:
    length = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file.read(3) != b"\xff\xd8\xff":
        return _decode_stream(file, length, ignore_exif, size)
    file.seek(0)
    return _decode_jpeg(file.read(), ignore_exif, size)


def _decode_jpeg(content: bytes, ignore_exif: bool, size: Size) -> NDArray[np.uint8]:
    scans, data = count_scans(content), without_filler(content)

    def decoded(content: bytes) -> NDArray[np.uint8]:
        return _decode_stream(io.BytesIO(content), len(content), ignore_exif, size, scans)

    try:
        if is_filled_up(content):  # zeros instead of data would be decoded
            raise OSError("image file is truncated, and filled up with zeros")
        return decoded(content)
    except OSError as error:
        if "truncated" not in str(error) or not codes_all(data):
            raise
        first, *others = (decoded(data + end) for end in ENDS)
        if not all(np.array_equal(first, other) for other in others):
            raise  # a part of its pixels is made of what was put behind it
        return first


def _decode_stream(file: IO[bytes], length: int, ignore_exif: bool, size: Size, scans: int = 1) -> NDArray[np.uint8]:
    with _opened(file) as image:
        _check_cost(image, length, scans)
        return _upright_pixels(image, ignore_exif, size)


def _upright_pixels(image: Image.Image, ignore_exif: bool, size: Size) -> NDArray[np.uint8]:
    is_tiff, orientation = image.format == "TIFF", orientation_of(image)
    image.load()
    if is_tiff:  # Pillow turns a TIFF while it loads it, and only a TIFF
        image = as_stored(image, orientation)
    else:  # a PNG's may stand behind its pixels
        orientation = orientation_of(image)
    if is_upright(image.size, orientation, size, habit=not ignore_exif):
        image = upright(image, orientation)
    return _to_rgb(image)


def _opened(file: IO[bytes]) -> Image.Image:
    try:
        return Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError:
        file.seek(0)
        if not _is_heif(file.read(12)):
            raise
        file.seek(0)
        return _opened_heif(file)


def _is_heif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS


def _opened_heif(file: IO[bytes]) -> Image.Image:
    """A HEIC image, by the package that is there for it; Pillow's own list of formats stays as it is."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise SetupError(NO_HEIC) from None
    try:
        return HeifImageFile(file)
    except Exception as error:
        raise UnidentifiedImageError(str(error)) from error


def _check_cost(image: Image.Image, length: int, scans: int) -> None:
    """Refuse what would cost minutes or gigabytes: by what the header claims, and the bytes that are there for it."""
    width, height = image.size
    pixels, most = width * height, 2 * (Image.MAX_IMAGE_PIXELS or math.inf)
    if pixels < 1:
        raise ValueError(f"it is {width} x {height} pixels large")
    if pixels > most:
        raise Image.DecompressionBombError(f"it has {pixels:,} pixels, and {most:,} are the most.")
    if pixels > _PLAIN_PIXELS + _PIXELS_A_BYTE * length:
        raise ValueError(f"its {length:,} bytes claim to be {width} x {height} pixels")
    if scans * pixels > _SCANNED_PIXELS:
        raise ValueError(f"its {pixels:,} pixels are coded in {scans:,} scans")


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode == "I":
        return _gray_to_rgb(_from_integers(np.asarray(image), from_netpbm=image.format == "PPM"))
    if image.mode == "F":
        return _gray_to_rgb(_from_floats(np.asarray(image)))
    width, height = image.size
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    rows = max(_BAND_PIXELS // width, 1)
    for top in range(0, height, rows):  # whole copies of a large image would need several times its size
        bottom = min(top + rows, height)
        pixels[top:bottom] = _band_to_rgb(image.crop((0, top, width, bottom)))
    return pixels


def _band_to_rgb(band: Image.Image) -> NDArray[np.uint8]:
    if band.mode.startswith("I;16"):
        return _gray_to_rgb(_from_16_bits(np.asarray(band)))
    if band.has_transparency_data:
        opaque = Image.new("RGBA", band.size, "white")
        band = Image.alpha_composite(opaque, band.convert("RGBA"))
    return np.asarray(band.convert("RGB"))


def _gray_to_rgb(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(gray[:, :, None], 3, axis=2)


def _from_16_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _from_integers(values: NDArray[Any], from_netpbm: bool) -> NDArray[np.uint8]:
    """8 or 16 bits by the values' range; Pillow has already stretched a PGM of more than 8 bits to all of 16."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ValueError(f"its values go from {low} to {high}; save it with 8 or 16 bits a pixel")
    return values.astype(np.uint8) if high <= 255 and not from_netpbm else _from_16_bits(values)


def _from_floats(values: NDArray[Any]) -> NDArray[np.uint8]:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # so that NaN is refused as well
        raise ValueError(f"its floating-point values go from {low:g} to {high:g}; scale them to 0-1, or save 8 bits")
    return (values * np.float32(255) + np.float32(0.5)).astype(np.uint8)
