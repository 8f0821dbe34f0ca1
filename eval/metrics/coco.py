"""Average precision and recall by COCO's own code: pycocotools, or faster-coco-eval where it is installed.

It gets the numbers `x y width height` that the files have, so that nothing is lost on the way. Objects that VOC calls
difficult are given to it as crowds: COCO has no other way to say that something need not be found. The `ignore` of
COCO's files counts for nothing, as in COCO's own code, which overwrites it with `iscrowd`. What became of each
detection, which COCO's code does not tell, is found by its rule at an overlap of .5.
"""

import contextlib
import io
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes
from ...data.errors import SetupError
from ...data.records import Flags, Indices
from .average_precision import judged_class
from .evaluation import ClassEvaluation, Evaluation, Outcome
from .matching import Matches, match_free, overlapping_pairs
from .table import Table

COCO_PROTOCOL = "AP (COCO, 101-point, IoU 0.5:0.95)"
COCO_ENGINES = ("pycocotools", "faster-coco-eval")
COCO_NUMBERS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")

COCO_OVERLAPS = np.linspace(0.5, 0.95, 10)

_MOST = 100  # detections of a class in an image, the best; others are not looked at


def evaluate_coco(table: Table, engine: str | None = None) -> Evaluation:
    """Judge by COCO's protocol; equal scores are taken image by image in the order of the ground truth.

    The mean is COCO's AP; each class has its AP50 and AP75 besides. Without `engine`, one of `COCO_ENGINES`, the quick
    one is taken where it is installed; the numbers are the same. The table of the evaluation has no object to ignore.
    """
    table = replace(table, objects=replace(table.objects, ignore=np.zeros(len(table.objects), np.bool_)))
    if len(table.objects):
        stats, precision = _official(table, engine)
    else:
        stats, precision = [-1.0] * len(COCO_NUMBERS), np.full((10, 101, len(table.classes)), -1.0)
    classes = tuple(_class(table, number, precision[:, :, number]) for number in range(len(table.classes)))
    return Evaluation("coco", COCO_PROTOCOL, classes, table, dict(zip(COCO_NUMBERS, map(_number, stats), strict=True)))


def engine_name() -> str:
    """The package that is taken where none is named."""
    return COCO_ENGINES[_engine(None)[1].__module__.startswith("faster")]


def _engine(name: str | None) -> tuple[type[Any], type[Any]]:
    """COCO's class for annotations, and its evaluator: the same interface in both packages."""
    if name != "pycocotools":
        try:
            from faster_coco_eval import COCO, COCOeval_faster  # pyright: ignore[reportMissingImports]
        except ImportError:
            if name is not None:
                raise SetupError(f"{name} is not installed: pip install 'inception-rcnn[coco]'") from None
        else:
            return COCO, COCOeval_faster
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return COCO, COCOeval


def _official(table: Table, engine: str | None) -> tuple[list[float], NDArray[Any]]:
    """The twelve numbers, and precision [IoU, recall, class] for objects of all sizes; -1 where there is none."""
    coco_class, evaluator_class = _engine(engine)
    with contextlib.redirect_stdout(io.StringIO()):  # both packages print their progress there
        truth, found = coco_class(), coco_class()
        truth.dataset, found.dataset = _truth_content(table), _found_content(table)
        truth.createIndex()
        found.createIndex()
        evaluator = evaluator_class(truth, found, "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return list(evaluator.stats[: len(COCO_NUMBERS)]), evaluator.eval["precision"][:, :, :, 0, -1]


def _truth_content(table: Table) -> dict[str, Any]:
    objects = table.objects
    columns = zip(
        (objects.images + 1).tolist(),
        (objects.classes + 1).tolist(),
        objects.xywh.tolist(),
        objects.areas.tolist(),
        (~objects.asked).tolist(),
        strict=True,
    )
    annotations = [
        {"id": i, "image_id": image, "category_id": number, "bbox": box, "area": area, "iscrowd": int(crowd)}
        for i, (image, number, box, area, crowd) in enumerate(columns, 1)  # an id of 0 would never count as found
    ]
    return {**_frame(table), "annotations": annotations}


def _found_content(table: Table) -> dict[str, Any]:
    found = table.found
    columns = zip(
        (found.images + 1).tolist(),
        (found.classes + 1).tolist(),
        found.xywh.tolist(),
        (found.xywh[:, 2] * found.xywh[:, 3]).tolist(),
        found.scores.tolist(),
        strict=True,
    )
    annotations = [
        {
            "id": i,
            "image_id": image,
            "category_id": number,
            "bbox": box,
            "area": area,
            "score": score,
            "iscrowd": 0,
        }
        for i, (image, number, box, area, score) in enumerate(columns, 1)
    ]
    return {**_frame(table), "annotations": annotations}


def _frame(table: Table) -> dict[str, Any]:
    return {
        "info": {},
        "images": [{"id": i} for i in range(1, len(table.truths) + 1)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(table.classes, 1)],
    }


def _class(table: Table, number: int, precision: NDArray[Any]) -> ClassEvaluation:
    rows, matches = matches_at(table, number, COCO_OVERLAPS[0])
    aps = {name: _number(float(precision[i].mean())) for name, i in (("AP50", 0), ("AP75", 5))}
    mean = _number(float(precision.mean()))
    return judged_class(table, number, rows, table.objects_of(number), matches, lambda *_: mean, aps)


def matches_at(table: Table, number: int, overlap: float) -> tuple[Indices, Matches]:
    """A class's detections, the best first, and what becomes of them by COCO's rule at an overlap."""
    rows, objects = table.found_of(number, by_image=True), table.objects_of(number)
    rows = _first_of_each_image(rows, table.found.images[rows])
    ignored = ~table.objects.asked[objects]
    pairs = overlapping_pairs(
        *(table.found.xywh[rows], table.found.images[rows]),
        *(table.objects.xywh[objects], table.objects.images[objects]),
        crowd=ignored,
        overlaps_of=coco_overlaps,
    )
    thresholds = np.full(len(objects), overlap)
    matches = match_free(pairs, len(rows), thresholds, ignored, ignored, last_of_equal=True)
    # Where one side alone is negative the area is, which is none that COCO's code counts: such a box is not even false.
    outcomes = np.where(table.found.xywh[rows, 2:].prod(axis=1) < 0, np.uint8(Outcome.IGNORED), matches.outcomes)
    return rows, Matches(outcomes, matches.objects)


def coco_overlaps(found: Boxes, objects: Boxes, crowd: Flags | None) -> NDArray[np.float64]:
    """The overlap of the boxes `x y width height` in the same row, (P,), bit for bit as COCO's `bbIou` has it.

    With a crowd it is the part of the detection that lies in it.
    """
    near, far = np.maximum(found[:, :2], objects[:, :2]), found[:, :2] + found[:, 2:]
    sides = np.minimum(far, objects[:, :2] + objects[:, 2:]) - near
    shared = np.where((sides > 0).all(axis=1), sides[:, 0] * sides[:, 1], 0.0)
    area = found[:, 2] * found[:, 3]
    union = area + objects[:, 2] * objects[:, 3] - shared
    whole = union if crowd is None else np.where(crowd, area, union)
    return np.divide(shared, whole, out=np.zeros_like(shared), where=shared > 0)


def _first_of_each_image(rows: Indices, images: Indices) -> Indices:
    """The first `_MOST` rows of each image, in the same order."""
    order = np.argsort(images, kind="stable")
    sorted_images = images[order]
    place = np.arange(len(rows)) - np.searchsorted(sorted_images, sorted_images)
    return rows[np.sort(order[place < _MOST])]


def _number(value: float) -> float:
    return float("nan") if value < 0 else float(value)
