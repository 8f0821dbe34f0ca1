import json

import numpy as np
import pytest
from test_classification_labelled_images import write_image

from inception_rcnn.backbone.classification.classifier import mean_softmax
from inception_rcnn.backbone.classification.model_folder import save_classifier
from inception_rcnn.backbone.googlenet import GoogLeNet
from inception_rcnn.backbone.weights import save_weights
from inception_rcnn.data.classification.test_crops import crops_of
from inception_rcnn.data.errors import LimitError, UsageError
from inception_rcnn.data.formats.ilsvrc.annotations import ILSVRC_CLASSES
from inception_rcnn.data.formats.ilsvrc.imagenet import DET_CLASSES, IMAGENET_CLASSES, IMAGENET_WNIDS, read_subclasses
from inception_rcnn.data.images.decoding import read_image
from inception_rcnn.detector.classification.prediction import classify_files
from inception_rcnn.detector.config import DetectorConfig
from inception_rcnn.detector.model_folders import network_of, open_classifier, save_network

NAMES = ("ant", "bee", "cat")


@pytest.fixture
def classifier(tmp_path):
    save_classifier(tmp_path / "net", GoogLeNet(3), NAMES, {})
    return tmp_path / "net"


def classify(models, named, out=None, crops=1, top=5):
    shown, reported = [], []
    summary = classify_files(
        [str(each) for each in models], named, crops, top, "cpu", out, shown.append, reported.append
    )
    return shown, reported, summary


@pytest.mark.parametrize("crops", [1, 10])
def test_images_get_the_mean_over_their_crops_the_likeliest_first(tmp_path, classifier, crops):
    for number in range(3):
        write_image(tmp_path / "photos" / f"{number}.png", number)
    (tmp_path / "photos" / "broken.png").write_bytes(b"no image")
    shown, reported, summary = classify([classifier], [str(tmp_path / "photos")], tmp_path / "out.jsonl", crops, top=2)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["file"] for row in rows] == ["0.png", "1.png", "2.png", "broken.png"]
    assert "error" in rows[3]
    assert any("broken.png" in line for line in reported)
    network = open_classifier(classifier).model
    for row, text in zip(rows, shown, strict=False):
        image = read_image(tmp_path / "photos" / row["file"])
        expected = mean_softmax([network], crops_of(image, crops)).mean(axis=0)
        order = np.argsort(-expected)[:2]
        assert [each["label"] for each in row["classes"]] == [NAMES[index] for index in order]
        assert [each["score"] for each in row["classes"]] == pytest.approx(expected[order].tolist(), rel=0.02)
        assert text.splitlines()[0] == row["file"]
        assert len(text.splitlines()) == 3
    assert summary.startswith(f"4 images, {crops} crops each, 1 networks, written to")


def test_outputs_without_names_are_imagenets_or_refused(tmp_path):
    write_image(tmp_path / "a.png", 0)
    for outputs, refused in ((1000, False), (7, True)):
        save_weights(tmp_path / "w.safetensors", GoogLeNet(outputs).state_dict(), {})
        if refused:
            with pytest.raises(UsageError, match="7 outputs, and there are 1000 classes; give a folder"):
                classify([tmp_path / "w.safetensors"], [str(tmp_path / "a.png")])
        else:
            ((text,), _, _) = classify([tmp_path / "w.safetensors"], [str(tmp_path / "a.png")], top=1)
            assert text.splitlines()[1].split("  ")[-1] in IMAGENET_CLASSES


def test_networks_of_other_classes_are_no_ensemble_and_no_network_is_no_classifier(tmp_path, classifier):
    write_image(tmp_path / "a.png", 0)
    save_classifier(tmp_path / "other", GoogLeNet(3), ("x", "y", "z"), {})
    with pytest.raises(UsageError, match="has other classes than"):
        classify([classifier, tmp_path / "other"], [str(tmp_path / "a.png")])
    with pytest.raises(UsageError, match="at least one --model"):
        classify([], [str(tmp_path / "a.png")])


def test_where_every_image_fails_the_run_does(tmp_path, classifier):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(LimitError, match="the image failed"):
        classify([classifier], [str(tmp_path / "a.png")])


def test_a_detector_that_keeps_its_classifier_is_one(tmp_path):
    config = DetectorConfig(("insect",), subclasses={"ant": "insect", "bee": "insect", "cat": ""}, modes=("crops",))
    network = network_of(config)
    save_network(tmp_path / "grown", network, config)
    save_network(tmp_path / "plain", network_of(DetectorConfig(("insect",))), DetectorConfig(("insect",)))
    found = open_classifier(tmp_path / "grown")
    assert found.classes == NAMES
    write_image(tmp_path / "a.png", 0)
    crops = crops_of(read_image(tmp_path / "a.png"), 1)
    assert mean_softmax([found.model], crops).shape == (1, 3)
    with pytest.raises(UsageError, match="a detector without a classifier"):
        open_classifier(tmp_path / "plain")


def test_the_thousand_classes_of_imagenet_cover_the_two_hundred():
    assert (len({*IMAGENET_CLASSES}), len({*IMAGENET_WNIDS})) == (1000, 1000)
    assert {*filter(None, DET_CLASSES)} == {*ILSVRC_CLASSES}
    assert sum(name is not None for name in DET_CLASSES) == 483
    assert read_subclasses("ilsvrc")["Siamese cat"] == "domestic cat"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("ant=insect\nant=insect\n", "a name of its own"),
        ("=insect\n", "a name of its own"),
        ("ant\nbee\n", "no line has"),
    ],
)
def test_subclasses_are_read_from_a_file_of_pairs(tmp_path, lines, words):
    path = tmp_path / "subclasses.txt"
    path.write_text("ant=insect\nbee = insect\ncat\n")
    assert read_subclasses(str(path)) == {"ant": "insect", "bee": "insect", "cat": ""}
    path.write_text(lines)
    with pytest.raises(UsageError, match=words):
        read_subclasses(str(path))
    with pytest.raises(UsageError, match="need ilsvrc, or a file"):
        read_subclasses(str(tmp_path / "none"))
