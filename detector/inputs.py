"""What a user may hand over as an image: an RGB array, the path of a file, or an image of Pillow's."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data.errors import DataError, UsageError
from ..data.images.decoding import decode_pillow, read_image
from ..data.values import shown

AnyImage = NDArray[np.uint8] | str | Path | Image.Image
_WANTED = "an image must be uint8 RGB of shape (H, W, 3), a path or a PIL image"


def as_rgb(image: AnyImage) -> NDArray[np.uint8]:
    """The upright (H, W, 3) RGB pixels, writable and C-contiguous; an error names what was given, and what to do.

    An array is taken to be upright RGB: nothing in it shows if OpenCV read it, whose channels are BGR.
    """
    if isinstance(image, str | os.PathLike):
        return read_image(os.fspath(image))
    if isinstance(image, Image.Image):
        return decode_pillow(image)
    if not isinstance(image, np.ndarray):
        raise UsageError(f"{_WANTED}, got {_described(image)}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise DataError(f"{_WANTED}, got {image.dtype} of shape {image.shape}{_advice(image)}")
    # As torch and OpenCV need it: image[..., ::-1], from BGR, runs backwards, and what Pillow lends is read-only.
    return np.require(np.asarray(image), requirements=["C", "W"])


def as_names(sources: Any) -> Sequence[str | Path]:
    """The names of files, folders, globs or a data set that are given one by one or in a list; UsageError else."""
    several = isinstance(sources, Iterable) and not isinstance(sources, str | bytes | np.ndarray)
    names: list[Any] = list(sources) if several else [sources]
    for name in names:
        if not isinstance(name, str | os.PathLike):
            what = type(name).__name__ if isinstance(name, np.ndarray | Image.Image) else shown(name)
            raise UsageError(
                f"stream takes files, folders, globs or a data set by name, got {what}; detect takes images"
            )
    return names


def _described(value: Any) -> str:
    """What something that is no image is, and how to make one of it."""
    if value is None:
        return "None; cv2.imread gives that for a file that it cannot read: give the path instead"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}; detect_batch takes several images, stream(...) files"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{type(value).__name__}; give PIL.Image.open(io.BytesIO(...)) for the content of a file"
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "shape"):
        how = "image.permute(1, 2, 0).cpu().numpy(), scaled to uint8 0 to 255, for a tensor (3, H, W)"
        return f"a tensor of shape {tuple(value.shape)}; give {how}"
    return f"{type(value).__name__} {shown(value)}"


def _advice(image: NDArray[Any]) -> str:
    """How to make an array what it must be, where its shape or its dtype shows what it is."""
    shape = image.shape
    if 0 in shape:
        return ": it is empty"
    if len(shape) == 4:
        return ": it is a batch; give detect_batch a list of its images"
    if len(shape) == 2 or (len(shape) == 3 and shape[2] == 1):
        return ": it is gray; give np.dstack([image] * 3)"
    if len(shape) != 3:
        return ""
    if shape[2] == 4:
        return ": it has four channels; give image[..., :3] of RGBA, or the file's path"
    if shape[2] != 3 and shape[0] in (1, 3, 4):
        return ": its channels come first; give image.transpose(1, 2, 0)"
    if image.dtype != np.uint8 and shape[2] == 3:
        if np.issubdtype(image.dtype, np.floating):
            return ": give (image * 255).round().astype(np.uint8) where it goes from 0 to 1"
        return ": scale it to 0 to 255 and give image.astype(np.uint8)"
    return ""
