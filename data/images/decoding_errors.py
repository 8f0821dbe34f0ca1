"""Why an image file cannot be read, in the words of whoever has to mend it."""

import errno
import os
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ..diagnostics import cut
from ..errors import SetupError

HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")

# What files that cannot be opened hold at an offset, and what that makes of them, for the message.
_DAMAGED = "but is damaged or cut short; fetch it again or convert it"
_HEIC = f"begins like a HEIC {_DAMAGED}"
NO_HEIC = "is a HEIC image; pip install 'inception-rcnn[heif]' to have it read, or convert it to JPEG"
_SIGNATURES = (
    (0, b"version https://git-lfs", "is a Git LFS pointer, not the image; run `git lfs pull`"),
    (0, b"%PDF", "looks like a PDF document"),
    (0, b"PK\x03\x04", "looks like a ZIP archive; unpack it first"),
    (0, b"\x1f\x8b", "looks like a gzip archive; unpack it first"),
    (0, b"%!PS", "is a PostScript file, which is not read; export it as PNG"),
    (0, b"8BPS", "is a Photoshop file, which is not read; export it as PNG"),
    *((4, b"ftyp" + brand, _HEIC) for brand in HEIF_BRANDS),
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


def not_a_file(path: str | Path) -> str:
    if os.path.isdir(path):
        return f"{path}: is a folder, not an image"
    return f"{path}: is a pipe or a device; save the image to a file first"


def reason_of(error: Exception, head: bytes) -> str:
    """What an exception of the decoder means for a file that begins with `head`."""
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case PermissionError():
            return "permission denied; make the file readable"
        case OSError() if error.errno == errno.ELOOP:
            return "is a link that leads back to itself; link it to the image"
        case UnidentifiedImageError():
            return _looks_like(head)
        case SetupError():  # a package that is missing: of this file, as others may be read without it
            return str(error)
        case Image.DecompressionBombError():
            return f"{cut(str(error))} Scale the image down, or raise --max-megapixels"
        case MemoryError():
            return "the image does not fit into memory; scale it down first"
        case OSError() if error.errno and error.strerror:  # of the system; the decoder's own have no number
            return f"cannot be read ({error.strerror}); check its name and the disk"
    return f"cannot be decoded ({cut(str(error)) or type(error).__name__}); replace or convert the file"


def _looks_like(head: bytes) -> str:
    if not head:
        return "is empty (0 bytes); fetch it again"
    for offset, signature, meaning in _SIGNATURES:
        if head[offset:].startswith(signature):
            return meaning
    if not head.strip(b"\0"):
        return "holds zero bytes instead of an image; fetch it again"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<svg") or (text.startswith(b"<?xml") and b"<svg" in text):
        return "is an SVG drawing, which is not read; export it as PNG"
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<")):
        return "looks like a web page or XML, not an image; the download may have failed"
    if all(byte >= 32 or byte in b"\t\r\n\f" for byte in head):
        return "looks like text, not an image"
    return f"is no image of a known format (it begins with the bytes {head[:8].hex(' ')})"
