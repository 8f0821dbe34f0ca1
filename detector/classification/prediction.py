"""Prediction of the classes of images, by a classifier or several as an ensemble."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...backbone.classification.classifier import CHUNK, mean_softmax
from ...backbone.precision import choose_device
from ...data.classification.test_crops import crops_of
from ...data.diagnostics import failure_of, late
from ...data.files.atomic import writing_atomically
from ...data.formats.ilsvrc.imagenet import IMAGENET_CLASSES
from ...data.images.prefetching import TimeLimit, prefetch
from ...data.images.sources import Source
from ...data.terminal import Report, printable, tracked
from ..inference.failure_limit import FailureLimit
from ..inference.run_images import list_images
from ..streaming import IMAGE_SECONDS, bytes_needed
from .testing import open_classifiers, output_classes


@dataclass(frozen=True)
class ImageClasses:
    """The likeliest classes of an image, the best first, or the reason why it has none."""

    file: str
    labels: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()  # their probabilities
    error: str | None = None

    def to_json(self) -> str:
        """A line of JSON: `file` and `classes` with `label` and `score`, or `error`."""
        if self.error is not None:
            return json.dumps({"file": self.file, "error": self.error}, ensure_ascii=False)
        classes = [{"label": label, "score": score} for label, score in zip(self.labels, self.scores, strict=True)]
        return json.dumps({"file": self.file, "classes": classes}, ensure_ascii=False)

    def __str__(self) -> str:
        """The file, and below it a line for each class."""
        rows = (f"  {score:.3f}  {printable(label)}" for label, score in zip(self.labels, self.scores, strict=True))
        return "\n".join((printable(self.file), *rows))


def classify_files(
    models: Sequence[str | Path],
    named: Sequence[str],
    crops: int,
    top: int,
    device: str,
    out: Path | None,
    show: Report,
    report: Report,
) -> str:
    """Show the classes of images, and write a line of JSON for each to `out`; gives a summary.

    LimitError where all of them fail.
    """
    sources, notices = list_images(named)
    failures: list[str] = []
    with nullcontext() if out is None else writing_atomically(out) as stream:
        for image in tracked(classify_images(models, sources, crops, top, device), "classifying", len(sources), report):
            if image.error is None:
                show(str(image))
            else:
                failures.append(image.error)
                report(f"left out: {image.error}")
            if stream is not None:
                stream.write(f"{image.to_json()}\n".encode())
    for line in notices:
        report(line)
    FailureLimit(None).check(len(failures), of=len(sources), example=failures[0] if failures else None)
    return f"{len(sources)} images, {crops} crops each, {len(models)} networks{f', written to {out}' if out else ''}"


def classify_images(
    models: Sequence[str | Path],
    sources: Sequence[Source],
    crops: int,
    top: int,
    device: str = "auto",
    time_limit: float = IMAGE_SECONDS,
) -> Iterator[ImageClasses]:
    """The `top` classes of each image, in order, by the mean over its crops and over all networks.

    The outputs of a file of weights are taken for ImageNet's thousand classes, in BVLC's order.
    An image that cannot be read has an `error`. Threads read the next images while the network works.
    """
    saved = open_classifiers(models, crops)
    names, networks = output_classes(saved, IMAGENET_CLASSES), [each.model.to(choose_device(device)) for each in saved]
    prepared = prefetch(
        lambda source: _prepare(source, crops),
        sources,
        cost=bytes_needed,
        limit=TimeLimit(time_limit, lambda source: ImageClasses(source.file, error=str(late(source.file, time_limit)))),
    )
    with closing(prepared):
        while ready := list(islice(prepared, max(CHUNK // crops, 1))):
            read = [each for each in ready if not isinstance(each, ImageClasses)]
            means = iter(())
            if read:
                probabilities = mean_softmax(networks, np.concatenate([each.crops for each in read]))
                means = iter(probabilities.reshape(len(read), crops, -1).mean(axis=1))
            for each in ready:
                yield each if isinstance(each, ImageClasses) else _best(each.file, next(means), names, top)


@dataclass(frozen=True)
class _Prepared:
    file: str
    crops: NDArray[np.uint8]  # [C, 224, 224, 3]


def _prepare(source: Source, crops: int) -> _Prepared | ImageClasses:
    try:
        return _Prepared(source.file, crops_of(source.read(), crops))
    except Exception as error:
        return ImageClasses(source.file, error=str(failure_of(error, source.file)))


def _best(file: str, probabilities: NDArray[np.float64], names: tuple[str, ...], top: int) -> ImageClasses:
    order = np.argsort(-probabilities, kind="stable")[:top]
    return ImageClasses(file, tuple(names[index] for index in order), tuple(probabilities[order].tolist()))
