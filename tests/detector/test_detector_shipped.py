"""The detector and the MultiBox that ship, on photos that they were not trained on."""

import numpy as np
import pytest

from inception_rcnn.data.datasets.dataset import spread
from inception_rcnn.data.formats.specs import open_dataset
from inception_rcnn.data.images.decoding import read_image
from inception_rcnn.data.records import ImageDetections
from inception_rcnn.detector import RCNN
from inception_rcnn.detector.model_folders import proposer_named
from inception_rcnn.eval.metrics.protocols import evaluate_voc
from inception_rcnn.eval.metrics.recall import evaluate_recall
from inception_rcnn.eval.metrics.table import tabulate

pytestmark = pytest.mark.slow


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "mode", "num_photos"),
    [("googlenet-voc", "shared", 24), ("googlenet-voc6", "shared", 12), ("googlenet-voc6", "crops", 6)],
)
def test_the_detectors_that_ship_know_their_classes(shared, name, mode, num_photos):
    """Few photos keep it short. The bound is far below what it reaches, far above a broken one."""
    data = open_dataset(f"voc:{shared / 'data' / 'VOCdevkit'}:2012:val")
    places = np.linspace(0, len(data) - 1, num_photos).round().astype(int)
    truths = [data.images[place] for place in places]
    model = RCNN.from_pretrained(name).with_options(mode=mode, score=0.001)
    model = model.with_options(regions=min(model.config.regions, 150 if mode == "crops" else 1000))
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
@pytest.mark.parametrize(("name", "first"), [("googlenet-voc6", 300), ("googlenet-voc", 100)])
def test_the_multiboxes_that_ship_find_objects_with_few_boxes(shared, name, first):
    """200 boxes cover most objects, and the mix's first ones more of them tightly than Selective Search's first.

    A hundred are what `googlenet-voc` classifies.
    """
    data = spread(open_dataset(f"voc:{shared / 'data' / 'VOCdevkit'}:2012:val"), 24)
    found = {}
    for method in ("selective-search:googlenet", "multibox:200", "mix"):
        propose = proposer_named(method, name, "cpu")
        boxes = {truth.file: propose(read_image(data.path(truth), ignore_exif=True)) for truth in data.images}
        found[method] = evaluate_recall(method, boxes, data.images)
    assert found["multibox:200"].boxes <= 200
    assert found["multibox:200"].all.recall_50 > 0.85
    searched, mixed = found["selective-search:googlenet"], found["mix"]
    assert mixed.boxes < searched.boxes + 200
    assert mixed.all.average_recall > searched.all.average_recall
    assert mixed.budgets[first].average_recall > searched.budgets[first].average_recall + 0.03
