"""What an evaluation left out, and what looks like a mistake: notes beside its numbers.

What official code leaves out without a word (predictions for other images, unknown classes) is left out here as well,
and counted. What may be a mistake of names or sizes is a warning.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from ...data.class_names import did_you_mean
from ...data.datasets.dataset import Dataset
from ...data.diagnostics import Notices, cut, listed
from ...data.terminal import printable
from ..metrics.evaluation import Evaluation
from ..metrics.table import Table

_NAMED = 8  # classes in a line, the others are counted
_NEAR_NAMES = 8  # of which a warning each
_COMPARED = 100  # predicted classes that the data set lacks, the most frequent
_LONGEST_NAME = 60  # characters that are shown
_COVERED = 0.1  # of the images must have predictions, else that is a warning


def omissions(table: Table, data: Dataset, notices: Notices, *, chosen: bool = False) -> list[str]:
    """What was left out of an evaluation and why, a phrase for each reason; none where nothing was.

    `chosen` says that the classes are a user's choice rather than what the predictions are about.
    """
    return [*_on_one_side(table, data, chosen), *_of_images(table), *map(printable, notices.lines())]


def omission_line(reasons: Sequence[str]) -> str:
    """The same in one line.

    >>> omission_line([]), omission_line(["2 images", "3 boxes"])
    ('Nothing was left out.', 'Left out or odd: 2 images; 3 boxes.')
    """
    return f"Left out or odd: {'; '.join(reasons)}." if reasons else "Nothing was left out."


def notes(evaluations: Sequence[Evaluation], left_out: Sequence[str] | None, warnings: Sequence[str]) -> list[str]:
    """What a reader must know to take the numbers right, in sentences; the last one says what was left out."""
    if not evaluations:
        return []
    sentences = [f"Warning: {warning}{'' if warning.endswith('?') else '.'}" for warning in warnings]
    if without := evaluations[0].without_objects:
        sentences.append(f"n/a: no objects to find, left out of the mean: {listed([*map(printable, without)])}.")
    sentences += [_flags_for_coco(one.table) for one in evaluations if one.metric == "coco"]
    return [*filter(None, sentences), *([] if left_out is None else [omission_line(left_out)])]


def _flags_for_coco(table: Table) -> str:
    """How objects with flags that COCO does not know were given to its code; nothing where there are none."""
    difficult = int(table.objects.difficult.sum())
    ignore = sum(int(truth.ignore.sum()) for truth in table.truths)
    notes = [f"{difficult:,} difficult objects need not be found, as crowds (COCO has no such flag)"] * (difficult > 0)
    notes += [f"{ignore:,} objects with `ignore` are to be found (COCO's code does not read that flag)"] * (ignore > 0)
    return f"COCO: {'; '.join(notes)}." if notes else ""


def warnings(table: Table, data: Dataset) -> list[str]:
    """What looks like a mistake: names of classes that nearly match, other images, other sizes of the images."""
    return [*_near_names(table, data), *_uncovered(table), *_other_sizes(table)]


def _on_one_side(table: Table, data: Dataset, chosen: bool) -> Iterator[str]:
    """Images and classes on one side only. An image's own blacklist is no omission: it is a part of the protocol."""
    if table.left_out_images:
        yield f"{table.left_out_detections:,} detections on {table.left_out_images:,} images outside the data set"
    objects = Counter(label for truth in data.images for label in truth.labels.tolist())
    if missing := [name for name in data.classes if objects[name] and name not in table.classes]:
        count = sum(objects[name] for name in missing)
        reason = "were not chosen" if chosen else "the predictions are not about"
        yield f"{_listed(missing)} of the data set with {count:,} objects, which {reason}"
    if unknown := {name: n for name, n in table.left_out_labels.items() if name not in data.classes}:
        yield f"{sum(unknown.values()):,} detections of {_listed(list(unknown))} that the data set does not have"
    if others := {name: n for name, n in table.left_out_labels.items() if name in data.classes}:
        yield f"{sum(others.values()):,} detections of {_listed(list(others))} that are not evaluated"


def _of_images(table: Table) -> Iterator[str]:
    """Images without an outcome, and objects that a data set has twice: a detector can find one of them."""
    if table.num_failed:
        yield f"{table.num_failed:,} images could not be read: their objects count as not found"
    odd = [(truth, i) for truth in table.truths for i in np.flatnonzero(truth.repeated & truth.to_find).tolist()]
    if odd:
        truth, i = odd[0]
        example = f"as a {_short(truth.labels[i])} of {_short(truth.file)}"
        yield f"{len(odd):,} x object with the class and box of another in its image, {example}: both count"


def _listed(names: Sequence[str]) -> str:
    """`2 classes (cat, dog)`, the first few by name."""
    more = f", … {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{len(names):,} class{'es' * (len(names) > 1)} ({', '.join(map(_short, names[:_NAMED]))}{more})"


def _short(name: str) -> str:
    return printable(cut(name, _LONGEST_NAME))


def _near_names(table: Table, data: Dataset) -> Iterator[str]:
    predicted = Counter({name: n for name, n in table.left_out_labels.items() if name not in data.classes})
    seen = {label for image, _ in table.paired for label in image.detections.labels.tolist()}
    # A detector's own class is in the table, also where nothing of it was found, and may be misspelt as well.
    counts = np.bincount(table.found.classes, minlength=len(table.classes)).tolist()
    own = zip(table.classes, counts, strict=True)
    predicted.update({name: count for name, count in own if name not in data.classes})
    unseen = [each for each in data.classes if each not in seen]
    near = {name: did_you_mean(name, unseen) for name, _ in predicted.most_common(_COMPARED)}
    meant = [(name, other) for name, other in near.items() if other is not None]
    for name, other in meant[:_NEAR_NAMES]:
        yield (
            f"the data set has no class {_short(name)!r}, of which there are {predicted[name]:,} detections: "
            f"did you mean {_short(other)!r}?"
        )
    if (more := len(meant) - _NEAR_NAMES) > 0:
        yield f"{more:,} more predicted classes nearly have names of the data set's"


def _uncovered(table: Table) -> Iterator[str]:
    covered = len({index for _, index in table.paired})
    if not table.truths or covered >= _COVERED * len(table.truths):
        return
    outside = table.left_out_images
    example = _short(table.example_outside)
    others = f"; {outside:,} are predicted that the data set does not have, for example {example}" if outside else ""
    yield (
        f"only {covered:,} of {len(table.truths):,} images of the data set have predictions "
        f"(the first of its images is {_short(table.truths[0].file)}){others}"
    )


def _other_sizes(table: Table) -> Iterator[str]:
    both = [(image, table.truths[index]) for image, index in table.paired]
    sizes = [((image.width, image.height), (truth.width, truth.height)) for image, truth in both]
    odd = [each for each, (a, b) in zip(both, sizes, strict=True) if all(a) and all(b) and a != b]
    if odd:
        image, truth = odd[0]
        yield (
            f"{len(odd):,} images are of another size in the predictions: {_short(truth.file)} is {image.width} x "
            f"{image.height} there and {truth.width} x {truth.height} in the data set; the boxes may be off"
        )
