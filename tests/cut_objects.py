"""A set of labelled images made of the objects of a detection data set, cut out one by one."""

from collections import Counter
from pathlib import Path

import numpy as np

from inception_rcnn.data.boxes import clip_boxes
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.images.crops import with_context
from inception_rcnn.data.images.decoding import encode_image


def cut_objects(data: Dataset, folder: Path, *, context: int = 16, limit: int | None = None) -> Counter[str]:
    """Write `folder/CLASS/IMAGE-NUMBER.png` for each object that is not difficult; gives how many of each class.

    Around an object stay about `context` pixels of 224, as R-CNN's crops have them, where the image has them. A
    `limit` keeps as many objects, the first, of each class.
    """
    counts: Counter[str] = Counter()
    for truth in data.images:
        image = data.read(truth)
        boxes = clip_boxes(with_context(truth.boxes, context=context), image.shape[1], image.shape[0])
        for number, (label, difficult, box) in enumerate(zip(truth.labels, truth.difficult, boxes, strict=True)):
            x1, y1, x2, y2 = np.rint(box).astype(int)
            if difficult or x2 - x1 < 2 or y2 - y1 < 2 or (limit is not None and counts[str(label)] >= limit):
                continue
            path = folder / str(label) / f"{Path(truth.file).stem}-{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_image(np.ascontiguousarray(image[y1:y2, x1:x2]), ".png"))
            counts[str(label)] += 1
    return counts
