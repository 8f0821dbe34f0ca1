"""Data sets and predictions, of any format that is read here, as files of one that is written.

What a format cannot hold is reported, one line for each kind.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..boxes import UNKNOWN_SIZE, box_area, clip_boxes
from ..datasets.annotated_objects import FLAGS
from ..datasets.dataset import Dataset, names_seen, size_or_unknown, with_sizes
from ..diagnostics import Notices, listed
from ..errors import UsageError
from ..files.atomic import naming_failures, writing_folder
from ..images.image_files import is_turned
from ..images.pairing import pair_files
from ..records import GroundTruth, ImageDetections
from ..stores.detections_jsonl import LEDGER_NAME, write_ledger
from ..terminal import Report
from ..values import NO_INDEX
from .coco.annotations import write_coco_truth
from .exports import write_coco, write_csv, write_label_studio, write_voc_results, write_yolo
from .label_studio.tasks import write_label_studio_truth
from .predictions import COCO_NAME, CSV_NAME, merge_parts, read_categories, read_predictions
from .specs import is_spec, open_datasets, split_of
from .tables import write_csv_truth, write_jsonl_truth
from .voc.annotations import write_voc_truth
from .yolo.annotations import write_yolo_truth
from .yolo.lines import xyxy_to_normalised

# What each format holds of a data set besides labels and boxes.
HELD: dict[str, set[str]] = {
    "coco": {"difficult", "crowd", "ignore", "areas", "classes", "sizes"},
    "yolo": {"classes"},
    "voc": {"difficult", "truncated", "sizes"},
    "csv": {"difficult", "crowd", "truncated", "areas", "sizes"},
    "jsonl": {"difficult", "crowd", "ignore", "truncated", "areas", "sizes"},
    "label-studio": {"sizes"},
}
_SINGLE = {  # the file of a format that has one, and what writes it
    "coco": ("annotations.json", write_coco_truth),
    "csv": ("annotations.csv", write_csv_truth),
    "jsonl": ("annotations.jsonl", write_jsonl_truth),
    "label-studio": ("tasks.json", write_label_studio_truth),
}
_PREDICTIONS: dict[str, tuple[str, Callable[[list[ImageDetections], Path, tuple[str, ...]], None]]] = {
    "coco": (COCO_NAME, write_coco),
    "csv": (CSV_NAME, lambda images, path, _: write_csv(images, path)),
    "jsonl": (LEDGER_NAME, lambda images, path, _: write_ledger(images, path)),
    "label-studio": ("predictions.json", lambda images, path, _: write_label_studio(images, path)),
    "voc": ("", write_voc_results),  # a folder of files
    "yolo": ("", write_yolo),
}


def convert(
    source: str, to: str, out: str | Path, data: str | None, report: Report, *, copy_images: bool = False
) -> str:
    """Write a data set, named by a SPEC, or predictions into a new folder; gives what to call them there.

    Predictions need `data`, the data set that they are about, where they name images by ids or the format needs sizes.
    """
    if to not in HELD:
        raise UsageError(f"--to {to!r}: is no format to write; known: {', '.join(HELD)}")
    out = Path(out)
    if is_spec(source):
        if data is not None:
            raise UsageError(f"--data {data}: goes with predictions; {source} is a data set itself")
        return _convert_dataset(source, to, out, report, copy_images=copy_images)
    if copy_images:
        raise UsageError(f"--copy-images: goes with a data set (a SPEC); {source} are predictions")
    return _convert_predictions(Path(source), to, out, data, report)


def _convert_dataset(spec: str, to: str, out: Path, report: Report, *, copy_images: bool) -> str:
    dataset, split = with_sizes(open_datasets([spec], report)), split_of(spec)
    for line in _losses(dataset, to):
        report(line)
    dataset = _with_valid_boxes(dataset, to, report)
    images = {"yolo": f"images/{split}", "voc": "JPEGImages"}.get(to, "images")
    with writing_folder(out) as folder:
        if to == "yolo":
            write_yolo_truth(dataset, folder, split)
        elif to == "voc":
            write_voc_truth(dataset, folder, split)
        else:
            name, write = _SINGLE[to]
            write(dataset, folder / name)
        if copy_images:
            _copy_images(dataset, folder / images, report)
    if to in ("yolo", "voc"):
        if not copy_images:
            report(f"{to} has its images in {out / images}: copy them there, or give --copy-images")
        return f"{to}:{out / 'data.yaml' if to == 'yolo' else out}:{split}"
    return f"{to}:{out / _SINGLE[to][0]}:{out / images if copy_images else dataset.folder}"


def _losses(dataset: Dataset, to: str) -> Iterator[str]:
    held, images = HELD[to], dataset.images
    for name in FLAGS:
        count = sum(int(getattr(truth, name).sum()) for truth in images)
        if count and name not in held:
            instead = "difficult" if "difficult" in held and name != "truncated" else "objects like others"
            yield f"{count:,} objects are flagged {name}, which {to} has no flag for: written as {instead}"
    areas = sum(int((truth.areas != box_area(truth.boxes)).sum()) for truth in images)
    if areas and "areas" not in held:
        yield f"{areas:,} objects have areas of their own, which {to} cannot hold: left out"
    if "classes" not in held and dataset.classes != (names := names_seen(images)):
        unseen = [name for name in dataset.classes if name not in names]
        also = f", and {len(unseen)} without objects are left out ({listed(unseen)})" if unseen else ""
        yield f"{to} has no list of the classes: their order is lost{also}"
    if partly := sum(bool(truth.ignored_classes) or not truth.exhaustive for truth in images):
        yield f"{partly:,} images have classes that are not annotated or evaluated there, which {to} cannot say"
    if unknown := sum(0 in truth.size for truth in images):
        yield f"{unknown:,} images have no size, neither stated nor of a file"
    if turned := sum(_is_turned_otherwise(dataset, truth, to) for truth in images):
        yield f"{turned:,} images have EXIF data by which {to} turns them the other way than their boxes: rewrite them"


def _with_valid_boxes(dataset: Dataset, to: str, report: Report) -> Dataset:
    """The data set with those boxes changed that the format has no numbers for.

    YOLO's are fractions from 0 to 1 of the image's size; VOC's last pixel is not before the first.
    """
    if to not in ("yolo", "voc"):
        return dataset
    images, count = [], 0
    for truth in dataset.images:
        boxes = truth.boxes.copy()
        if to == "yolo":
            fractions = xyxy_to_normalised(boxes, truth.file, truth.size)
            rows = np.flatnonzero(((fractions < 0) | (fractions > 1)).any(axis=1))
            boxes[rows] = clip_boxes(boxes[rows], *truth.size)
        else:
            rows = np.flatnonzero((boxes[:, 2:] - boxes[:, :2] < 1).any(axis=1))
            boxes[rows, 2:] = np.maximum(boxes[rows, 2:], boxes[rows, :2] + 1)
        images.append(replace(truth, boxes=boxes))
        count += len(rows)
    if count:
        what = "reach outside their images: cut to them" if to == "yolo" else "are thinner than a pixel: made one wide"
        report(f"{count:,} boxes cannot be written in {to}, as they {what}")
    return replace(dataset, images=tuple(images))


def _is_turned_otherwise(dataset: Dataset, truth: GroundTruth, to: str) -> bool:
    """Whether those who read the format see other pixels than the boxes are of, by an image's EXIF data."""
    before = {"upright": truth.upright, "stated": truth.size}
    after = {"upright": to in ("yolo", "label-studio"), "stated": truth.size if "sizes" in HELD[to] else UNKNOWN_SIZE}
    path = dataset.path(truth)
    return before != after and is_turned(path, **before) != is_turned(path, **after)


def _copy_images(dataset: Dataset, folder: Path, report: Report) -> None:
    missing: list[str] = []
    for file in dict.fromkeys(truth.file for truth in dataset.images):
        path, target = dataset.folder / file, folder / file
        if not path.is_file():
            missing.append(file)
            continue
        with naming_failures(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    if missing:
        report(f"{len(missing):,} images are not there and were not copied, as {missing[0]}")


def _convert_predictions(path: Path, to: str, out: Path, data: str | None, report: Report) -> str:
    dataset, notices = open_datasets([data], report, allow_unannotated=True) if data else None, Notices()
    images = merge_parts(read_predictions(path, dataset, notices))
    images = _as_in(dataset, images) if dataset else images
    stated = read_categories(path, images, dataset)
    found = sorted({label for image in images for label in image.detections.labels.tolist()})
    classes = tuple(dict.fromkeys([*stated, *found]))
    for line in (*notices.lines(), *_lost_predictions(images, to)):
        report(line)
    name, write = _PREDICTIONS[to]
    with writing_folder(out) as folder:
        write(images, folder / name, classes)
    return str(out / name)


def _as_in(dataset: Dataset, images: Sequence[ImageDetections]) -> list[ImageDetections]:
    """The images by the names that they have in a data set, with their sizes where they state none."""
    paired = pair_files([image.file for image in images], [truth.file for truth in dataset.images]).tolist()
    named = []
    for image, index in zip(images, paired, strict=True):
        truth = None if index == NO_INDEX else dataset.images[index]
        width, height = image.size if truth is None or all(image.size) else size_or_unknown(dataset, truth)
        named.append(replace(image, file=truth.file if truth else image.file, width=width, height=height))
    return named


def _lost_predictions(images: Sequence[ImageDetections], to: str) -> Iterator[str]:
    failed = sum(image.error is not None for image in images)
    if failed and to != "jsonl":
        yield f"{failed:,} images that failed are left out"
    empty = sum(image.error is None and not len(image.detections) for image in images)
    if empty and to in ("csv", "voc"):
        yield f"{empty:,} images without detections are left out: {to} has a row for each detection"
    unsized = [image.file for image in images if image.error is None and 0 in image.size]
    if unsized and to in ("yolo", "label-studio"):
        raise UsageError(f"{to} needs the sizes of images, as of {unsized[0]}: give the data set (--data SPEC)")
    if unsized and to == "coco":
        yield f"{len(unsized):,} images have no size: give the data set (--data SPEC)"
