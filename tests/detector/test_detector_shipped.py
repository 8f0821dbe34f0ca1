"""The detector that ships, and its MultiBox, on photos that they were not trained on."""

import numpy as np
import pytest
import torch

from inception_rcnn.data.datasets.dataset import spread
from inception_rcnn.data.formats.ilsvrc.annotations import ILSVRC_CLASSES
from inception_rcnn.data.formats.specs import open_dataset
from inception_rcnn.data.images.decoding import read_image
from inception_rcnn.data.records import ImageDetections
from inception_rcnn.detector import RCNN
from inception_rcnn.detector.classification.testing import for_outputs, open_labelled, predict
from inception_rcnn.detector.model_folders import MODELS, load_network, open_classifier, proposer_named
from inception_rcnn.eval.metrics.classification import ClassificationResult
from inception_rcnn.eval.metrics.protocols import evaluate_ilsvrc, evaluate_voc
from inception_rcnn.eval.metrics.recall import evaluate_recall
from inception_rcnn.eval.metrics.table import tabulate

pytestmark = pytest.mark.slow


@pytest.mark.shared
@pytest.mark.parametrize(("mode", "num_photos"), [("shared", 24), ("crops", 8)])
def test_the_detector_that_ships_knows_its_classes(shared, mode, num_photos):
    """Few photos keep it short. The bound is far below what it reaches, far above a broken one."""
    data = open_dataset(f"voc:{shared / 'data' / 'VOCdevkit'}:2012:val")
    places = np.linspace(0, len(data) - 1, num_photos).round().astype(int)
    truths = [data.images[place] for place in places]
    model = RCNN.from_pretrained().with_options(mode=mode, score=0.001)
    found = [
        ImageDetections(
            truth.file, truth.width, truth.height, model.detect(read_image(data.path(truth), ignore_exif=True))
        )
        for truth in truths
    ]
    present = [
        name for name in model.config.classes if any((truth.labels[~truth.difficult] == name).any() for truth in truths)
    ]
    assert evaluate_voc(tabulate(found, truths, present), "voc10").map > 0.6


@pytest.mark.shared
def test_the_multibox_that_ships_finds_objects_with_few_boxes(shared):
    """200 boxes cover most objects, and the mix's first 100 more of them tightly than Selective Search's first."""
    data = spread(open_dataset(f"voc:{shared / 'data' / 'VOCdevkit'}:2012:val"), 24)
    found = {}
    for method in ("selective-search:googlenet", "multibox:200", "mix"):
        propose = proposer_named(method, device="cpu")
        boxes = {truth.file: propose(read_image(data.path(truth), ignore_exif=True)) for truth in data.images}
        found[method] = evaluate_recall(method, boxes, data.images)
    assert found["multibox:200"].boxes <= 200
    assert found["multibox:200"].all.recall_50 > 0.85
    searched, mixed = found["selective-search:googlenet"], found["mix"]
    assert mixed.boxes < searched.boxes + 200
    assert mixed.all.average_recall > searched.all.average_recall
    assert mixed.budgets[100].average_recall > searched.budgets[100].average_recall + 0.03


@pytest.mark.shared
@pytest.mark.parametrize("mode", ["crops", "shared", "both"])
def test_the_detector_of_ilsvrcs_classes_finds_them(shared, mode):
    data = spread(open_dataset(f"ilsvrc:{shared / 'data' / 'ilsvrc2014' / 'DET'}:val_public"), 24)
    model = RCNN.from_pretrained("googlenet-ilsvrc").with_options(score=0.001, mode=mode)
    assert {*model.config.classes} == {*ILSVRC_CLASSES}
    found = [
        ImageDetections(truth.file, truth.width, truth.height, model.detect(data.read(truth))) for truth in data.images
    ]
    present = sorted({label for truth in data.images for label in truth.labels.tolist()})
    assert evaluate_ilsvrc(tabulate(found, data.images, present)).map > 0.25


@pytest.mark.shared
def test_the_detector_of_ilsvrcs_classes_classifies_whole_images(shared):
    images = open_labelled(f"voc:{shared / 'data' / 'imagenet_loc'}:train").spread(40)
    saved = [open_classifier("googlenet-ilsvrc")]
    images = for_outputs(saved, images)
    result = ClassificationResult(images.classes, images.targets, predict([saved[0].model], images, 1))
    assert result.top(5) > 0.8


def test_the_weights_that_ship_are_small_and_modes_share_what_they_can():
    sizes = {path.parent.name: path.stat().st_size for path in MODELS.glob("*/*.safetensors")}
    assert sum(path.stat().st_size for path in MODELS.glob("*/*.safetensors")) < 40e6, sizes
    network, _ = load_network(MODELS / "googlenet-ilsvrc")
    crops, shared = (network.box_head(mode).inception_5a.state_dict() for mode in ("crops", "shared"))
    assert all(torch.equal(crops[name], shared[name]) for name in crops)
