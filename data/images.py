"""The one decoder: a picture file becomes an upright (H, W, 3) uint8 RGB array, or a `DataError` that says why not.

What the content is decides, not the file's name. Choices made here:

- EXIF orientation (and TIFF's, and AVIF's) is applied; `ignore_exif` gives the pixels as stored, which is what the
  annotators of VOC and ILSVRC drew on. Where an annotation states the picture's size, and only one of the two has it,
  that one is given. Colour profiles are not applied.
- Transparency is composited on white, the paper that such pictures were mostly drawn for.
- 16-bit gray is scaled by 1/257, so that white stays white. A 32-bit integer picture whose values all fit 8 bits is
  taken as it is, one that fits 16 bits is scaled like 16-bit gray. A float picture must lie in 0-1. Anything beyond
  is refused: its scale is a guess that only its owner can make.
- Of an animation or a stack of pages, the first.
- A damaged or cut-off file is refused; half a picture would give detections that nobody can trust.
- Pillow's guard against decompression bombs is kept: more than twice `PIL.Image.MAX_IMAGE_PIXELS` (179 million) is
  refused, between once and twice, where the photos of real cameras lie, Pillow warns and the picture is decoded.
"""

import io
import os
import stat
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from .errors import DataError

IMAGE_EXTENSIONS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".dib",
    ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".avif",
)  # fmt: skip

_HEIF_EXTENSIONS = (".heic", ".heif", ".hif")

# Pillow would also start Ghostscript for an EPS file; a picture from a stranger gets no further than these decoders.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "DIB", "PPM", "JPEG2000", "AVIF")

_INVERSE_ORIENTATION = {6: 8, 8: 6}  # the other six undo themselves
TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height

Size = tuple[int, int]  # width, height; 0 where unknown
UNKNOWN_SIZE: Size = (0, 0)

# What files that cannot be opened hold at an offset, and what that makes of them, for the message.
_DAMAGED = "but is damaged or cut short; fetch it again or convert it"
_HEIC = "is a HEIC picture, which is not read; convert it to JPEG or PNG"
_SIGNATURES = (
    (0, b"version https://git-lfs", "is a Git LFS pointer, not the picture; run `git lfs pull`"),
    (0, b"%PDF", "looks like a PDF document"),
    (0, b"PK\x03\x04", "looks like a ZIP archive; unpack it first"),
    (0, b"\x1f\x8b", "looks like a gzip archive; unpack it first"),
    (0, b"%!PS", "is a PostScript file, which is not read; export it as PNG"),
    (0, b"8BPS", "is a Photoshop file, which is not read; export it as PNG"),
    (4, b"ftypheic", _HEIC),
    (4, b"ftypheix", _HEIC),
    (4, b"ftypmif1", _HEIC),
    (4, b"ftypavif", f"begins like an AVIF {_DAMAGED}"),
    (4, b"jP  ", f"begins like a JPEG 2000 {_DAMAGED}"),
    (0, b"\xff\xd8\xff", f"begins like a JPEG {_DAMAGED}"),
    (0, b"\x89PNG", f"begins like a PNG {_DAMAGED}"),
    (0, b"GIF8", f"begins like a GIF {_DAMAGED}"),
    (8, b"WEBP", f"begins like a WebP {_DAMAGED}"),
    (0, b"BM", f"begins like a BMP {_DAMAGED}"),
    (0, b"II*\0", "is a TIFF that is damaged or of a kind that Pillow cannot read; save it as 8-bit RGB"),
    (0, b"MM\0*", "is a TIFF that is damaged or of a kind that Pillow cannot read; save it as 8-bit RGB"),
)


@cache
def readable_extensions() -> tuple[str, ...]:
    """The endings of the image files that are read here: HEIC's too where pillow-heif is installed."""
    return IMAGE_EXTENSIONS + (_HEIF_EXTENSIONS if find_spec("pillow_heif") else ())


def read_image(path: str | Path, *, ignore_exif: bool = False, size: Size = UNKNOWN_SIZE) -> NDArray[np.uint8]:
    """The picture as uint8 RGB of shape (H, W, 3), upright and C-contiguous; `DataError` if it cannot be had.

    A `size` that its annotation states decides between upright and as stored, where only one of the two has it.
    """
    head = b""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise DataError(_not_a_file(path))  # before open(), which would wait for ever on a pipe
        with open(path, "rb") as file:
            head = file.read(512)
            return _decode(file, ignore_exif, size)
    except DataError:
        raise
    except Exception as error:  # a hostile file makes Pillow raise nearly anything
        raise DataError(f"{path}: {_reason(error, head)}") from error


def decode_image(content: bytes, name: str, *, ignore_exif: bool = False) -> NDArray[np.uint8]:
    """The same of a file's bytes, which lie elsewhere, in an archive, say; `name` is what an error calls them."""
    try:
        return _decode(io.BytesIO(content), ignore_exif, UNKNOWN_SIZE)
    except Exception as error:
        raise DataError(f"{name}: {_reason(error, content[:512])}") from error


def require_rgb(image: NDArray[Any]) -> NDArray[np.uint8]:
    """The picture itself if it is what every part of this package expects, else a DataError that says what it is."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise DataError(f"a picture must be uint8 RGB of shape (H, W, 3), got {image.dtype} of shape {image.shape}")
    return image


def encode_image(image: NDArray[np.uint8], kind: str) -> bytes:
    """An (H, W, 3) RGB picture as the bytes of a file of that kind: `.jpg`, `.jpeg`, `.png` or `.webp`."""
    settings = {".png": {"compress_level": 1}}.get(kind, {"quality": 92})
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, Image.registered_extensions()[kind], **settings)
    return buffer.getvalue()


def _decode(file: IO[bytes], ignore_exif: bool, size: Size) -> NDArray[np.uint8]:
    with Image.open(file, formats=_FORMATS) as image:
        stored_tiff_orientation = orientation_of(image) if image.format == "TIFF" else 1
        image.load()
        pixels = _to_rgb(image)
        is_tiff, orientation = image.format == "TIFF", orientation_of(image)
    if is_tiff:  # Pillow turns a TIFF while it loads it, and only a TIFF
        pixels = upright(pixels, _INVERSE_ORIENTATION.get(stored_tiff_orientation, stored_tiff_orientation))
        orientation = stored_tiff_orientation
    height, width = pixels.shape[:2]
    if not is_upright((width, height), orientation, size, habit=not ignore_exif):
        return pixels
    return upright(pixels, orientation)


def is_upright(stored: Size, orientation: Any, stated: Size, *, habit: bool) -> bool:
    """Whether boxes are of the picture turned upright, given its size as stored and the one that an annotation states.

    The stated size decides where only one of the two has it; else the `habit` of the annotation's format.

    >>> is_upright((4, 3), 6, (3, 4), habit=False), is_upright((4, 3), 1, (3, 4), habit=False)
    (True, False)
    """
    turned = (stored[1], stored[0]) if orientation in TURNED else stored
    return stated == turned if turned != stored and stated in (turned, stored) else habit


def orientation_of(image: Image.Image) -> Any:
    """The EXIF orientation; 1, as stored, where the metadata is broken: the pixels may still be good."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1


def upright(pixels: NDArray[np.uint8], orientation: Any) -> NDArray[np.uint8]:
    """Pixels turned and mirrored as an EXIF orientation from 1 to 8 asks; any other value leaves them as they are.

    >>> upright(np.array([[1, 2], [3, 4]], dtype=np.uint8), 6).tolist()
    [[3, 1], [4, 2]]
    """
    match orientation:
        case 2:
            turned = pixels[:, ::-1]
        case 3:
            turned = pixels[::-1, ::-1]
        case 4:
            turned = pixels[::-1]
        case 5:
            turned = pixels.swapaxes(0, 1)
        case 6:
            turned = np.rot90(pixels, -1)
        case 7:
            turned = pixels[::-1, ::-1].swapaxes(0, 1)
        case 8:
            turned = np.rot90(pixels, 1)
        case _:
            turned = pixels
    return np.ascontiguousarray(turned)


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16"):
        return _gray_to_rgb(_from_16_bits(np.asarray(image)))
    if image.mode == "I":
        return _gray_to_rgb(_from_integers(np.asarray(image), from_netpbm=image.format == "PPM"))
    if image.mode == "F":
        return _gray_to_rgb(_from_floats(np.asarray(image)))
    if image.has_transparency_data:
        opaque = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(opaque, image.convert("RGBA"))
    return np.array(image.convert("RGB"))  # a copy: what Pillow lends is read-only


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


def _not_a_file(path: str | Path) -> str:
    if os.path.isdir(path):
        return f"{path}: is a folder, not a picture"
    return f"{path}: is a pipe or a device; save the picture to a file first"


def _reason(error: Exception, head: bytes) -> str:
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case PermissionError():
            return "permission denied; make the file readable"
        case UnidentifiedImageError():
            return _looks_like(head)
        case Image.DecompressionBombError():
            return f"{error} Scale the picture down first"
        case MemoryError():
            return "the picture does not fit into memory; scale it down first"
    return f"cannot be decoded ({error or type(error).__name__}); replace or convert the file"


def _looks_like(head: bytes) -> str:
    """Why Pillow knows no decoder for a file, from its first bytes."""
    if not head:
        return "is empty (0 bytes); fetch it again"
    for offset, signature, meaning in _SIGNATURES:
        if head[offset:].startswith(signature):
            return meaning
    if not head.strip(b"\0"):
        return "holds zero bytes instead of a picture; fetch it again"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<svg") or (text.startswith(b"<?xml") and b"<svg" in text):
        return "is an SVG drawing, which is not read; export it as PNG"
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<")):
        return "looks like a web page or XML, not a picture; the download may have failed"
    if all(byte >= 32 or byte in b"\t\r\n\f" for byte in head):
        return "looks like text, not a picture"
    return f"is no picture of a known format (it begins with the bytes {head[:8].hex(' ')})"
