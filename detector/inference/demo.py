"""The demo: the detector that ships, on photos that come with scikit-image."""

from pathlib import Path

from ...data.errors import SetupError
from ...data.files.atomic import write_atomically
from ...data.images.decoding import encode_image
from ...data.terminal import Report
from .detect_run import DetectOptions, detect_files

PHOTOS = ("chelsea", "astronaut", "motorcycle", "coffee", "rocket")  # a cat, a person, a motorbike; two with nothing


def run_demo(out: Path, model: str | None, device: str, report: Report) -> str:
    """Write the photos to `out/photos` and detect in them; gives a line with the folder of the drawn ones."""
    try:
        from skimage import data
    except ImportError as error:
        raise SetupError("the demo's photos come with scikit-image: pip install 'inception-rcnn[demo]'") from error
    photos = out / "photos"
    for name in PHOTOS:
        pixels = data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(data, name)()
        write_atomically(photos / f"{name}.png", encode_image(pixels, ".png"))
    found = out / "found"
    report(str(detect_files([str(photos)], found, DetectOptions(model, device=device, overwrite=True), report)))
    return f"the images with boxes are in {found / 'drawn'}"
