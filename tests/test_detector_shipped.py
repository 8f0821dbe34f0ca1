"""The detector that ships, on photos that it was not trained on."""

import numpy as np
import pytest

from inception_rcnn.data.images import read_image
from inception_rcnn.data.records import Picture
from inception_rcnn.data.specs import open_dataset
from inception_rcnn.detector import RCNN
from inception_rcnn.eval.voc import evaluate_voc


@pytest.mark.shared
@pytest.mark.parametrize(("mode", "regions", "num_photos"), [("shared", 1000, 24), ("crops", 150, 6)])
def test_the_detector_that_ships_knows_its_classes(shared, mode, regions, num_photos):
    """Few photos keep it short. The bound is far below what it reaches, far above a broken one."""
    data = open_dataset(f"voc:{shared / 'data' / 'VOCdevkit'}:2012:val")
    places = np.linspace(0, len(data) - 1, num_photos).round().astype(int)
    truths = [data.pictures[place] for place in places]
    model = RCNN.from_pretrained().with_options(mode=mode, regions=regions, score=0.001)
    found = [
        Picture(truth.file, truth.width, truth.height, model.detect(read_image(data.path(truth), ignore_exif=True)))
        for truth in truths
    ]
    present = [
        name for name in model.config.classes if any((truth.labels[~truth.difficult] == name).any() for truth in truths)
    ]
    assert evaluate_voc(found, truths, present, "voc10").map > 0.6
