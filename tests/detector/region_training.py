"""A data set that is learnt in a few steps, a detector that knows nothing yet, and how to train it from outside.

`python FILE ARGUMENTS` is the command line, with training in float32 whatever the processor prefers.
"""

import os
import subprocess
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.detector.cli.app import main
from inception_rcnn.detector.config import DetectorConfig
from inception_rcnn.detector.model_folders import save_network
from inception_rcnn.detector.network import RegionNetwork
from inception_rcnn.detector.training import region_loss

OBJECT = """<annotation><filename>{name}.png</filename>
<size><width>160</width><height>120</height><depth>3</depth></size>
<object><name>square</name><difficult>0</difficult><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax>
<ymax>{y2}</ymax></bndbox></object></annotation>"""


def draw_squares(folder: Path, count: int = 4) -> str:
    """Images with a bright square each on a dark ground, laid out as VOC's; the SPEC that names them."""
    rng = np.random.default_rng(0)
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    for i in range(count):
        image = rng.integers(0, 40, (120, 160, 3), dtype=np.uint8)
        x, y = rng.integers(5, 60, 2)
        image[y : y + 50, x : x + 70] += 200
        (folder / "JPEGImages" / f"{i}.png").write_bytes(encode_image(image, ".png"))
        corners = {"x1": x + 1, "y1": y + 1, "x2": x + 70, "y2": y + 50}
        (folder / "Annotations" / f"{i}.xml").write_text(OBJECT.format(name=i, **corners))
    (folder / "ImageSets" / "Main" / "train.txt").write_text("".join(f"{i}\n" for i in range(count)))
    return f"voc:{folder}:train"


def new_detector(folder: Path) -> Path:
    """A model folder with first weights."""
    torch.manual_seed(0)
    save_network(folder, RegionNetwork(1, ("shared", "crops")), DetectorConfig(("other",), modes=("shared", "crops")))
    return folder


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "INCEPTION_RCNN_HOME": str(home), "OMP_NUM_THREADS": "1"}


def finish(arguments: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=300, env=environment(home))


if __name__ == "__main__":
    region_loss.autocast = lambda device: nullcontext()
    main()
