"""What a GPU detects is what a CPU does, within a tolerance; skipped where there is none."""

from pathlib import Path

import numpy as np
import pytest
import torch

from inception_rcnn.data.boxes import box_iou
from inception_rcnn.data.formats.specs import open_dataset
from inception_rcnn.detector.rcnn import RCNN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.shared,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]

SCORES, OVERLAP = 0.05, 0.9  # by which a GPU's bfloat16 may differ from a CPU's arithmetic


@pytest.mark.parametrize("name", ["googlenet-voc", "googlenet-ilsvrc"])
def test_a_gpu_detects_what_a_cpu_does(shared: Path, name: str) -> None:
    data = open_dataset(f"voc:{shared / 'data'}:2012:val")
    images = [data.read(truth) for truth in data.images[:12]]
    cpu, gpu = (RCNN.from_pretrained(name, device=device).with_options(score=0.1) for device in ("cpu", "cuda"))
    together = gpu.detect_batch(images)
    for image, many in zip(images, together, strict=True):
        one = cpu.detect(image)
        sure = one[one.scores > 0.1 + SCORES]
        for box, label, score in zip(sure.boxes, sure.labels, sure.scores, strict=True):
            same = many[(many.labels == label)]
            overlaps = box_iou(same.boxes, box[None])[:, 0]
            assert overlaps.max(initial=0) > OVERLAP
            assert abs(same.scores[np.argmax(overlaps)] - score) < SCORES
