"""Testing classifiers on labelled images, with the crops and the ensembles of GoogLeNet's section 7."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...backbone.classification.classifier import CHUNK, mean_softmax
from ...backbone.classification.model_folder import SavedClassifier
from ...backbone.googlenet import GoogLeNet
from ...backbone.precision import choose_device
from ...data.classification.labelled_images import LabelledImages, labelled_images_of, read_class_folders
from ...data.classification.test_crops import COUNTS, crops_of
from ...data.classification.webdataset_shards import read_shards, shards_of
from ...data.errors import UsageError
from ...data.formats.ilsvrc.imagenet import IMAGENET_CLASSES, IMAGENET_WNIDS
from ...data.formats.specs import is_spec, open_dataset
from ...data.terminal import Progress, Report, silent
from ...eval.metrics.classification import ClassificationResult
from ..model_folders import open_classifier


def open_labelled(source: str | Path, report: Report = silent) -> LabelledImages:
    """The labelled images of WebDataset shards (a .tar, a glob or folder of them), a folder a class, or a data set.

    Of a data set, named by its SPEC, they are those with objects of one class; how many others it has is reported.
    """
    if is_spec(str(source)):
        data = open_dataset(str(source))
        labelled = labelled_images_of(data)
        if left_out := len(data) - len(labelled):
            report(f"{left_out} of {len(data)} images of {data.name} left out: their objects are not of one class")
        return labelled
    return read_shards(source) if shards_of(source) or str(source).endswith(".tar") else read_class_folders(source)


def classify(
    models: Sequence[str | Path],
    data: str | Path,
    crops: int,
    device: str = "auto",
    limit: int | None = None,
    report: Report = silent,
) -> ClassificationResult:
    """How right classifiers are, one or several as an ensemble, on all images of `data` or `limit`, evenly spread."""
    saved = open_classifiers(models, crops)
    images = for_outputs(saved, open_labelled(data, report))
    images = images if limit is None else images.spread(limit)
    networks = [each.model.to(choose_device(device)) for each in saved]
    report(f"{len(images)} images, {crops} crops each, {len(networks)} networks")
    probabilities = predict(networks, images, crops, report)
    return ClassificationResult(images.classes, images.targets, probabilities)


def open_classifiers(models: Sequence[str | Path], crops: int) -> list[SavedClassifier]:
    """The classifiers of an ensemble; UsageError without any, or for a number of crops that there is no rule for."""
    if crops not in COUNTS:
        raise UsageError(f"--crops {crops}: known are {', '.join(map(str, COUNTS))}")
    if not models:
        raise UsageError("give at least one --model")
    return [open_classifier(path) for path in models]


def output_classes(saved: Sequence[SavedClassifier], unnamed: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the classifiers' outputs, which must agree; `unnamed` are a weights file's, which has none."""
    first = next((each for each in saved if each.classes), None)
    classes = unnamed if first is None else first.classes
    for each in saved:
        if each.classes and each.classes != classes:
            raise UsageError(
                f"{each.source} has other classes than {first and first.source}; those of an ensemble are the same"
            )
        if (outputs := each.model.classifier.out_features) != len(classes):
            raise UsageError(
                f"{each.source} has {outputs} outputs, and there are {len(classes)} classes; give a folder that "
                "`inception-rcnn train classifier` wrote, or train it on them with `--init`"
            )
    return classes


def for_outputs(saved: Sequence[SavedClassifier], images: LabelledImages) -> LabelledImages:
    """The images with the classes of the outputs; ImageNet's are known by their names and by their synsets.

    The outputs of a file of weights are taken for the data's classes, or for all of ImageNet's synsets, in the order of
    BVLC's and torchvision's networks, where the data's are some of these.
    """
    classes = output_classes(saved, IMAGENET_WNIDS if _has_synsets(images) else images.classes)
    if classes == IMAGENET_CLASSES and _has_synsets(images):
        name_of = dict(zip(IMAGENET_WNIDS, IMAGENET_CLASSES, strict=True))
        images = replace(images, classes=tuple(name_of[wnid] for wnid in images.classes))
    return images.with_classes(classes)


def _has_synsets(images: LabelledImages) -> bool:
    return {*images.classes} <= {*IMAGENET_WNIDS}


def predict(
    models: Sequence[GoogLeNet],
    images: LabelledImages,
    count: int,
    report: Report = silent,
) -> NDArray[np.float64]:
    """The probabilities (N, K) of images, averaged over crops and networks; batches of the network go across images."""
    together = max(CHUNK // count, 1)
    rows: list[NDArray[np.float64]] = []
    with Progress("classifying", len(images), report) as progress:
        for crops in _prefetched(images, count, together):
            probabilities = mean_softmax(models, crops)  # [images * count, K]
            rows.append(probabilities.reshape(-1, count, probabilities.shape[1]).mean(axis=1))
            progress.add(len(rows[-1]))
    return np.concatenate(rows) if rows else np.zeros((0, len(images.classes)))


def _prefetched(images: LabelledImages, count: int, together: int) -> Iterator[NDArray[np.uint8]]:
    """The crops of `together` images at a time; a thread prepares the next ones."""

    def crops(start: int) -> NDArray[np.uint8]:
        indices = range(start, min(start + together, len(images)))
        return np.concatenate([crops_of(images.read(index), count) for index in indices])

    starts = range(0, len(images), together)
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = [pool.submit(crops, start) for start in starts[:2]]
        for start in starts:
            ready = waiting.pop(0).result()
            if start + 2 * together < len(images):
                waiting.append(pool.submit(crops, start + 2 * together))
            yield ready
