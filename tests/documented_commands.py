"""What the commands of the documentation find around them: data sets under the names used there, and shorter programs.

`python FILE ARGUMENTS` is the command line, with a step of training and a few regions in place of what is asked for.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inception_rcnn.data.formats.ilsvrc.annotations import DET_NAMES
from inception_rcnn.data.formats.voc.annotations import VOC_CLASSES
from inception_rcnn.data.images.decoding import encode_image

WIDTH, HEIGHT = 160, 120
BOXES = ((10, 10, 79, 89), (85, 20, 150, 110))  # 1-based, the last pixel included

# Options that follow those of the documentation: the last one given counts.
_TRAINING = ["--steps", "1", "--images", "1", "--validation-images", "1", "--device", "cpu"]
SHORTER = {
    "detect": ["--regions", "3", "--device", "cpu", "--overwrite"],
    "propose": ["--device", "cpu"],
    "classify": ["--device", "cpu"],
    "reproduce": ["--images", "1", "--regions", "2", "--device", "cpu"],
    "train finetune": _TRAINING,
    "train multibox": [*_TRAINING, "--priors", "3"],
    "train distil": [*_TRAINING, "--regions", "4"],
    "train svm": ["--regions", "3", "--validation-images", "2", "--device", "cpu"],
    "benchmark speed": ["--images", "1", "--regions", "2", "--device", "cpu"],
    "benchmark scale": ["--images", "2", "--device", "cpu"],
    "benchmark proposals": ["--images", "1", "--device", "cpu"],
    "benchmark ensemble": ["--images", "1", "--device", "cpu"],
    "benchmark evaluate": ["--images", "20", "--detections", "200"],
}


def shortened(arguments: list[str]) -> list[str]:
    """The arguments of `inception-rcnn` with those that make it short."""
    added = SHORTER.get(" ".join(arguments[:2]), SHORTER.get(arguments[0], []))
    if "--members" in arguments:
        added = [*added, "--members", "2"]
    if arguments[:2] == ["train", "finetune"] and "--preset" not in arguments:
        added = [*added, "--regions", "4"]
    return [*arguments, *added]


def make_world(folder: Path) -> None:
    """The data sets that the documentation names, of a few small images each."""
    image = np.random.default_rng(0).integers(0, 80, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for x1, y1, x2, y2 in BOXES:
        image[y1 - 1 : y2, x1 - 1 : x2] += 120
    pairs = [(VOC_CLASSES[i], VOC_CLASSES[i + 1]) for i in range(0, 20, 2)]
    for root in (folder / name for name in ("FOLDER", "BCCD", "some2012", "some2007")):
        _write_voc(root, image, dict.fromkeys(("val", "train", "test"), pairs))
    for year in ("2007", "2012"):
        _write_voc(folder / "VOC" / "VOCdevkit" / f"VOC{year}", image, {"train": pairs, "val": pairs[:2]})
    _write_voc(folder / "imagenet_loc", image, {"train": [("n02123045",)]})
    _write_coco(folder, image)
    _write_ilsvrc(folder / "ROOT", image)
    for name in ("photos/chelsea.png", "CLASSES/cat/1.png", "CLASSES/dog/2.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode_image(image, ".png"))
    (folder / "names.txt").write_text("airplane=aeroplane\ntv=tvmonitor\n")


def _write_voc(root: Path, image: NDArray[np.uint8], splits: dict[str, Sequence[Sequence[str]]]) -> None:
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / part).mkdir(parents=True)
    number = 1
    for split, images in splits.items():
        names = []
        for labels in images:
            names.append(f"{number:06}")
            number += 1
            (root / "JPEGImages" / f"{names[-1]}.jpg").write_bytes(encode_image(image, ".jpg"))
            (root / "Annotations" / f"{names[-1]}.xml").write_text(_xml(f"{names[-1]}.jpg", labels))
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(names))


def _xml(file: str, labels: Sequence[str]) -> str:
    sides = ("xmin", "ymin", "xmax", "ymax")
    objects = ""
    for label, box in zip(labels, BOXES, strict=False):
        corners = "".join(f"<{side}>{value}</{side}>" for side, value in zip(sides, box, strict=True))
        objects += f"<object><name>{label}</name><difficult>0</difficult><bndbox>{corners}</bndbox></object>"
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    return f"<annotation><filename>{file}</filename>{size}{objects}</annotation>"


def _write_coco(folder: Path, image: NDArray[np.uint8]) -> None:
    (folder / "images").mkdir()
    (folder / "images" / "1.jpg").write_bytes(encode_image(image, ".jpg"))
    names = ("airplane", "person", "tv")
    found = [
        {"id": i, "image_id": 1, "category_id": i, "bbox": [5 + 40 * i, 10, 40, 60], "area": 2400, "iscrowd": 0}
        for i in range(1, 4)
    ]
    content = {
        "images": [{"id": 1, "file_name": "1.jpg", "width": WIDTH, "height": HEIGHT}],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, 1)],
        "annotations": found,
    }
    (folder / "instances.json").write_text(json.dumps(content))


def _write_ilsvrc(root: Path, image: NDArray[np.uint8]) -> None:
    lists = root / "ImageSets" / "DET"
    lists.mkdir(parents=True)
    for split in ("val", "train"):
        names = []
        for kind in ("Annotations", "Data"):
            (root / kind / "DET" / split).mkdir(parents=True)
        for number in range(4):
            names.append(f"ILSVRC2012_{split}_{number:08}")
            labels = [*DET_NAMES][2 * number : 2 * number + 2]
            (root / "Annotations" / "DET" / split / f"{names[-1]}.xml").write_text(_xml(names[-1], labels))
            (root / "Data" / "DET" / split / f"{names[-1]}.JPEG").write_bytes(encode_image(image, ".jpg"))
            if split == "train":
                for offset in range(2):
                    (lists / f"train_{2 * number + offset + 1}.txt").write_text(f"{names[-1]} 1\n")
        (lists / f"{split}.txt").write_text("".join(f"{name} {i}\n" for i, name in enumerate(names, 1)))


def main() -> None:
    """The command line; of a run in shards both shards of two."""
    from inception_rcnn.detector.cli.app import main as run

    arguments = shortened(sys.argv[1:])
    if "--preset" in arguments:
        _shorten_presets()
    if "0/64" in arguments:
        for_shard = {shard: [shard if each == "0/64" else each for each in arguments] for shard in ("0/2", "1/2")}
        subprocess.run([sys.executable, __file__, *for_shard["0/2"]], check=True)
        arguments = for_shard["1/2"]
    sys.argv[1:] = arguments
    run()


def _shorten_presets() -> None:
    from inception_rcnn.detector.training.presets import PRESETS

    for name, preset in PRESETS.items():
        if preset.options.sampling == "windows":
            PRESETS[name] = replace(preset, options=replace(preset.options, foreground=1, background=3))


if __name__ == "__main__":
    main()
