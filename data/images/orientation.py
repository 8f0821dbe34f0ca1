"""Which way up the pixels of an image file are: EXIF's orientation, and the size that an annotation states."""

from typing import Any

from PIL import ExifTags, Image

from ..boxes import Size

TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height

# What turns the pixels of each orientation upright. ImageOps.exif_transpose would also write the metadata anew, which
# fails where they are broken.
_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_INVERSE = {6: 8, 8: 6}  # the other six undo themselves


def is_upright(stored: Size, orientation: Any, stated: Size, *, habit: bool) -> bool:
    """Whether boxes are of the image turned upright, given its size as stored and the one that an annotation states.

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


def upright(image: Image.Image, orientation: Any) -> Image.Image:
    """The image turned and mirrored by an EXIF orientation from 1 to 8; any other value leaves it as it is."""
    method = _TRANSPOSES.get(orientation)
    return image if method is None else image.transpose(method)


def as_stored(image: Image.Image, orientation: Any) -> Image.Image:
    """The inverse of `upright`."""
    return upright(image, _INVERSE.get(orientation, orientation))
