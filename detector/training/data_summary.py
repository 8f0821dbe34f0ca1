"""What a training reports of its data before the first step."""

from collections import Counter
from collections.abc import Iterator, Mapping

from ...data.boxes import box_iou
from ...data.datasets.dataset import Dataset
from ...data.datasets.labelling import split_objects
from ...data.diagnostics import listed
from ...data.records import Proposals
from ...data.terminal import format_columns
from ..config import DetectorConfig

FEW_OBJECTS = 50  # of a class, from which little can be learnt


def coverage(data: Dataset, proposals: Mapping[str, Proposals], classes: tuple[str, ...]) -> str:
    """How many proposals are foreground and how many objects are covered: an early sign of trouble."""
    foreground = boxes = objects = covered = tightly = 0
    for truth in data.images:
        wanted = split_objects(truth, classes)[0]
        overlaps = box_iou(proposals[truth.file].boxes, wanted.boxes)
        foreground += int((overlaps >= 0.5).any(axis=1).sum())
        boxes, objects = boxes + len(overlaps), objects + len(wanted)
        best = overlaps.max(axis=0, initial=0.0)
        covered, tightly = covered + int((best >= 0.5).sum()), tightly + int((best >= 0.7).sum())
    nowhere = "; NO OBJECT IS COVERED: run `inception-rcnn check` on the boxes" if objects and not covered else ""
    return (
        f"{len(data)} images, {objects} objects of {len(classes)} classes; {boxes / max(len(data), 1):.0f} proposals "
        f"an image cover {covered / max(objects, 1):.1%} of them at IoU .5 and {tightly / max(objects, 1):.1%} at .7; "
        f"{foreground / max(boxes, 1):.1%} of the proposals are foreground{nowhere}"
    )


def class_counts(data: Dataset, config: DetectorConfig) -> Iterator[str]:
    """What there is of each class to learn from, and which have little."""
    objects: Counter[str] = Counter()
    images: Counter[str] = Counter()
    for truth in data.images:
        labels = truth.labels[truth.to_find].tolist()
        objects.update(labels)
        images.update(set(labels))
    classes = [name for name in config.classes if objects[name] or not config.subclasses]
    counts = [[name, str(objects[name]), str(images[name])] for name in classes]
    yield from format_columns([["class", "objects", "images"], *counts])
    if others := len(config.classes) - len(classes):
        yield f"{others} classes have no object here: of them the detector knows what its classifier did"
    if few := [name for name in classes if objects[name] < FEW_OBJECTS]:
        yield f"fewer than {FEW_OBJECTS} objects of {listed(few)}: expect little of these classes"
