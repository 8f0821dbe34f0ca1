"""Average precision and recall by COCO's own code: pycocotools, or faster-coco-eval where it is installed.

It gets the numbers `x y width height` that the files have, so that nothing is lost on the way. Objects that VOC calls
difficult are given to it as crowds: COCO has no other way to say that something need not be found. The `ignore` of
COCO's files counts for nothing, as in COCO's own code, which overwrites it with `iscrowd`. What became of each
detection, which COCO's code does not explain, is found by its rule at an overlap of .5.
"""

import contextlib
import io
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes
from ...data.errors import SetupError
from ...data.records import Flags, Indices
from .average_precision import class_evaluation
from .evaluation import Evaluation, Outcome
from .matching import Matches, match_free, overlapping_pairs
from .table import Found, Objects, Table, rank_in_group

COCO_ENGINES = ("pycocotools", "faster-coco-eval")
COCO_NUMBERS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")

COCO_OVERLAPS = np.linspace(0.5, 0.95, 10)

_MOST = 100  # detections of a class in an image, the best; others do not count


def evaluate_coco(table: Table, engine: str | None = None) -> Evaluation:
    """Evaluate by COCO's protocol; equal scores are taken image by image in the order of the ground truth.

    The mean is COCO's AP; each class has its AP50 and AP75 besides. Without `engine`, one of `COCO_ENGINES`, the fast
    one is taken where it is installed; the numbers are the same. In the evaluation's table `ignore` counts for nothing.
    """
    objects = table.objects
    table = replace(table, objects=replace(objects, to_find=~(objects.difficult | objects.crowd)))
    if len(objects):
        stats, precision = _official(table, engine)
    else:
        stats, precision = [-1.0] * len(COCO_NUMBERS), np.full((10, 101, len(table.classes)), -1.0)
    classes = []
    for number in range(len(table.classes)):
        rows, matches = matches_at(table, number, COCO_OVERLAPS[0])
        ap, ap50, ap75 = (_number(float(precision[which, :, number].mean())) for which in (slice(None), 0, 5))
        further = {"AP50": ap50, "AP75": ap75}
        classes.append(class_evaluation(table, number, rows, matches, lambda *_, ap=ap: ap, further))
    numbers: dict[str, float] = dict(zip(COCO_NUMBERS, map(_number, stats), strict=True))
    thresholds = np.full(len(objects), COCO_OVERLAPS[0])
    return Evaluation("coco", "AP (COCO, 101-point, IoU 0.5:0.95)", tuple(classes), table, thresholds, numbers)


def engine_name() -> str:
    """The package that is taken where none is named."""
    return COCO_ENGINES[find_spec("faster_coco_eval") is not None]


def _engine(name: str) -> tuple[type[Any], type[Any]]:
    """COCO's class for annotations, and its evaluator: the same interface in both packages."""
    if name == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        return COCO, COCOeval
    try:
        from faster_coco_eval import COCO, COCOeval_faster  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise SetupError(f"{name} is not installed: pip install 'inception-rcnn[coco]'") from None
    return COCO, COCOeval_faster


def _official(table: Table, engine: str | None) -> tuple[list[float], NDArray[Any]]:
    """The twelve numbers, and precision [IoU, recall, class] for objects of all sizes; -1 where there is none."""
    coco_class, evaluator_class = _engine(engine or engine_name())
    objects, detections = table.objects, table.found
    with contextlib.redirect_stdout(io.StringIO()):  # both packages print their progress there
        truth, found = coco_class(), coco_class()
        truth.dataset = _content(table, objects, objects.areas, iscrowd=(~objects.to_find).astype(int))
        areas = detections.xywh[:, 2] * detections.xywh[:, 3]
        found.dataset = _content(table, detections, areas, score=detections.scores, iscrowd=np.zeros(len(areas), int))
        truth.createIndex()
        found.createIndex()
        evaluator = evaluator_class(truth, found, "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return list(evaluator.stats[: len(COCO_NUMBERS)]), evaluator.eval["precision"][:, :, :, 0, -1]


def _content(
    table: Table, rows: Found | Objects, areas: NDArray[np.float64], **columns: NDArray[Any]
) -> dict[str, Any]:
    """Detections or objects as the content of a COCO file, with further columns of the annotations by name."""
    named = {
        "id": np.arange(1, len(rows) + 1),  # an id of 0 would never count as found
        "image_id": rows.images + 1,
        "category_id": rows.classes + 1,
        "bbox": rows.xywh,
        "area": areas,
        **columns,
    }
    values = zip(*(column.tolist() for column in named.values()), strict=True)
    return {
        "info": {},
        "images": [{"id": i} for i in range(1, len(table.truths) + 1)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(table.classes, 1)],
        "annotations": [dict(zip(named, row, strict=True)) for row in values],
    }


def matches_at(table: Table, number: int, overlap: float) -> tuple[Indices, Matches]:
    """A class's detections, the best first, and their matches by COCO's rule at an overlap."""
    rows, objects = table.found_of(number, by_image=True), table.objects_of(number)
    order = np.argsort(table.found.images[rows], kind="stable")
    rows = rows[np.sort(order[rank_in_group(table.found.images[rows][order]) < _MOST])]
    ignored = ~table.objects.to_find[objects]
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

    With a crowd it is the fraction of the detection that lies in it.
    """
    near, far = np.maximum(found[:, :2], objects[:, :2]), found[:, :2] + found[:, 2:]
    sides = np.minimum(far, objects[:, :2] + objects[:, 2:]) - near
    shared = np.where((sides > 0).all(axis=1), sides[:, 0] * sides[:, 1], 0.0)
    area = found[:, 2] * found[:, 3]
    union = area + objects[:, 2] * objects[:, 3] - shared
    whole = union if crowd is None else np.where(crowd, area, union)
    return np.divide(shared, whole, out=np.zeros_like(shared), where=shared > 0)


def _number(value: float) -> float:
    return float("nan") if value < 0 else float(value)
