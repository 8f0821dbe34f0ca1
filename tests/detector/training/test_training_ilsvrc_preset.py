"""ILSVRC's data from the official files to the official measure."""

import dataclasses
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from inception_rcnn.backbone.training.recipe import Recipe
from inception_rcnn.backbone.training.run import Run
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.formats.ilsvrc.annotations import ILSVRC_CLASSES, read_ilsvrc
from inception_rcnn.data.formats.ilsvrc.splits import write_training_list
from inception_rcnn.data.formats.specs import open_dataset, open_datasets
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.records import Detections, ImageDetections
from inception_rcnn.detector import RCNN
from inception_rcnn.detector.cli import app as cli
from inception_rcnn.detector.cli.information import describe
from inception_rcnn.detector.training.finetuning import FinetuneOptions, finetune
from inception_rcnn.detector.training.presets import ILSVRC, PRESETS
from inception_rcnn.eval.metrics.protocols import evaluate_ilsvrc
from inception_rcnn.eval.metrics.table import tabulate


def test_the_preset_is_plain_values_and_info_prints_it():
    assert len(ILSVRC.classes) == 200
    assert ILSVRC.training is PRESETS["ilsvrc"]
    assert dataclasses.asdict(ILSVRC)["data"] == ("ilsvrc:ROOT:val1", "ilsvrc:ROOT:train1000")
    assert not ILSVRC.training.options.box_deltas  # "due to lack of time"
    assert str(ILSVRC) in describe()
    assert "6 nets" in str(ILSVRC)
    assert "50000 steps of sgd" in str(ILSVRC)


@pytest.fixture
def root(shared, tmp_path):
    """Original annotation files with drawn images of the sizes they tell, some of them as training images."""
    originals = sorted((shared / "data" / "ilsvrc2014" / "sample_annotations").glob("*.xml"))
    root = tmp_path / "ilsvrc"
    for folder, files in (("val", originals[:12]), ("train", originals[12:18])):
        (root / "Annotations" / "DET" / folder).mkdir(parents=True)
        (root / "Data" / "DET" / folder).mkdir(parents=True)
        for file in files:
            shutil.copy(file, root / "Annotations" / "DET" / folder)
    lists = root / "ImageSets" / "DET"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("".join(f"{file.stem} {i}\n" for i, file in enumerate(originals[:12], start=1)))
    (lists / "train.txt").write_text("".join(f"{file.stem}\n" for file in originals[12:18]))
    for split in ("val", "train"):
        _draw(read_ilsvrc(root, split))
    _list_classes(root)
    return root


def _draw(data: Dataset) -> None:
    """Images as dark as night, with a bright rectangle for each object."""
    rng = np.random.default_rng(0)
    for truth in data.images:
        image = rng.integers(0, 40, (truth.height, truth.width, 3), dtype=np.uint8)
        for x1, y1, x2, y2 in np.maximum(truth.boxes, 0).astype(int):
            image[y1:y2, x1:x2] = rng.integers(100, 256, 3, dtype=np.uint8)
        path = data.path(truth)
        path.write_bytes(encode_image(image, ".jpg"))


def _list_classes(root) -> None:
    """The lists of one class: 1 for the images that have it, -1 for the others."""
    train = read_ilsvrc(root, "train")
    for number, name in enumerate(ILSVRC_CLASSES, start=1):
        has = [(truth.labels == name).any() for truth in train.images]
        if any(has):
            lines = [
                f"{truth.file.split('/')[1].removesuffix('.JPEG')} {'1' if one else '-1'}\n"
                for truth, one in zip(train.images, has, strict=True)
            ]
            (root / "ImageSets" / "DET" / f"train_{number}.txt").write_text("".join(lines))


def perfect(data: Dataset) -> list[ImageDetections]:
    """Every object that is to be found, and nothing else."""
    return [
        ImageDetections(
            truth.file,
            truth.width,
            truth.height,
            Detections(truth.boxes[truth.to_find], truth.labels[truth.to_find], np.ones(truth.to_find.sum())),
        )
        for truth in data.images
    ]


@pytest.mark.shared
def test_the_official_files_measure_what_is_found(root):
    data = open_dataset(f"ilsvrc:{root}:val")
    found = perfect(data)
    assert evaluate_ilsvrc(tabulate(found, data.images, data.classes)).map == 1
    lost = [found[0], *(ImageDetections(image.file, image.width, image.height) for image in found[1:])]
    assert 0 < evaluate_ilsvrc(tabulate(lost, data.images, data.classes)).map < 1


@pytest.mark.shared
def test_training_lists_have_so_many_objects_of_each_class(root):
    lists, val = root / "ImageSets" / "DET", open_dataset(f"ilsvrc:{root}:val")
    told = write_training_list(val, 1000, lists)
    everything, few = read_ilsvrc(root, "train1000"), read_ilsvrc(root, "train")
    assert sorted(truth.file for truth in everything.images) == sorted(truth.file for truth in few.images)
    assert told.startswith("6 images, ")
    write_training_list(val, 1, lists, seed=1)
    one = read_ilsvrc(root, "train1")
    assert 0 < len(one) <= 6
    assert {str(label) for truth in one.images for label in truth.labels} == {
        str(label) for truth in few.images for label in truth.labels
    }
    assert not any(truth.exhaustive for truth in one.images)


@pytest.mark.slow
@pytest.mark.shared
def test_from_the_official_files_to_the_official_measure(root, tmp_path, monkeypatch):
    """Two steps teach nothing; every part of the way is walked."""
    monkeypatch.setenv("INCEPTION_RCNN_HOME", str(tmp_path / "home"))
    lists = root / "ImageSets" / "DET"
    split = ["train", "ilsvrc-split", "--data", f"ilsvrc:{root}:val", "--out", str(lists), "--training-objects", "1000"]
    told = CliRunner().invoke(cli.app, split)
    assert (told.exit_code, told.stdout.count("imbalance"), "train1000: 6 images" in told.stdout) == (0, 1, True)
    training = open_datasets([spec.replace("ROOT", str(root)) for spec in ILSVRC.data])
    validation = open_dataset(ILSVRC.validation.replace("ROOT", str(root)))
    assert training.classes == ILSVRC.classes
    assert len(training) + len(validation) == 12 + 6
    assert sum(not truth.exhaustive for truth in training.images) == 6
    options = FinetuneOptions(freeze="backbone", proposals="selective-search:single", images=1, regions=8, device="cpu")
    finetune(training, None, None, options, Run(Recipe(steps=2, warmup=1), tmp_path / "model"))
    model = RCNN.from_pretrained(tmp_path / "model", device="cpu").with_options(score=0.0, regions=20)
    assert model.config.classes == ILSVRC_CLASSES
    found = [
        ImageDetections(truth.file, truth.width, truth.height, model.detect(validation.read(truth)))
        for truth in validation.images[:2]
    ]
    assert all(len(image.detections) for image in found)
    result = evaluate_ilsvrc(tabulate(found, validation.images, validation.classes))
    assert result.map < evaluate_ilsvrc(tabulate(perfect(validation), validation.images, validation.classes)).map == 1
    present = {str(label) for truth in validation.images for label in truth.labels}
    assert {one.name for one in result.classes} - set(result.without_objects) == present
