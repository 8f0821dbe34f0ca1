"""One image explained: how each object was found or where it was lost, and the error of each wrong detection.

Shapes: O objects and D detections of one image.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import box_iou
from ...data.class_names import hint
from ...data.diagnostics import cut
from ...data.errors import UsageError
from ...data.images.pairing import pair_files
from ...data.records import GroundTruth, Indices, Stages
from ...data.terminal import printable
from ...data.values import NO_INDEX
from ..metrics.evaluation import NOT_COUNTED, Evaluation, Outcome
from .image_stages import stages_by_image
from .missed_objects import WHY_NO_STAGES, Loss, corners_text, losses_of_image

FOUND = "found"
MISSED = "missed"  # at an unknown step, without stages
IGNORED = "ignored"

_NEAR = 0.1  # the overlap from which a false positive is about an object at all, as TIDE has it (Bolya et al., 2020)


@dataclass(frozen=True, eq=False)
class Explained:
    """An object or a detection: how it was found or lost, or why it counts as it does."""

    about: str  # its class, and the score of a detection
    box: NDArray[np.float64]  # [4]
    kind: str  # FOUND, MISSED, IGNORED, the label of a `Loss`, or an error of a detection
    reason: str


@dataclass(frozen=True, eq=False)
class ImageExplanation:
    """One image's objects of the evaluated classes, and its detections; `str()` of it is the text."""

    truth: GroundTruth
    protocol: str
    objects: tuple[Explained, ...]  # [O]
    detections: tuple[Explained, ...]  # [D], the best first
    num_weak: int  # detections that find nothing and are left out, below the score of their class's best F1

    def __str__(self) -> str:
        kinds = [one.kind for one in self.objects]
        lines = [f"{printable(self.truth.file)} ({self.truth.width} x {self.truth.height}), {self.protocol}"]
        found = f"{kinds.count(FOUND)} of {len(kinds) - kinds.count(IGNORED)} objects found"
        lines.append(f"{found}, {len(self.detections) + self.num_weak} detections")
        for word, rows in (("object", self.objects), ("detection", self.detections)):
            for number, one in enumerate(rows, 1):
                lines.append(f"  {word} {number}, {one.about} at {corners_text(one.box)}: {one.kind}; {one.reason}")
        if self.num_weak:
            lines.append(f"  {self.num_weak} more, below the score with the best F1 of their class")
        return "\n".join(lines)


def explain_image(evaluation: Evaluation, file: str, stages: Mapping[str, Stages] | None = None) -> ImageExplanation:
    """Explain the image called `file`; without the run's `stages` not the step at which an object was lost.

    UsageError where no image has that name, as `pair_files` compares names.
    """
    table, image = evaluation.table, _index(evaluation, file)
    objects, rows = (np.flatnonzero(columns.images == image) for columns in (table.objects, table.found))
    all_rows = rows[np.argsort(-table.found.scores[rows], kind="stable")]
    # Those that find an object, or have a score with which one would use the detector.
    weak = table.found.scores[all_rows] < evaluation.best_f1_scores[table.found.classes[all_rows]]
    rows = all_rows[np.isin(all_rows, evaluation.matches.finders) | ~weak]
    overlaps = box_iou(table.found.boxes[rows], table.objects.boxes[objects])
    losses = None
    if stages is not None:  # which may have none of this image
        with_stages = stages_by_image(evaluation, stages, [image])
        losses = {row: (loss, why) for one in with_stages for row, loss, why in losses_of_image(evaluation, one)}
    parts, names = _Parts(evaluation, objects, rows, overlaps, losses), [printable(name) for name in table.classes]
    of_objects, of_rows = table.objects[objects], table.found[rows]
    classes = [names[number] for number in of_objects.classes]
    scored = [f"{names[number]} {score:.2f}" for number, score in zip(of_rows.classes, of_rows.scores, strict=True)]
    return ImageExplanation(
        truth=table.truths[image],
        protocol=evaluation.protocol,
        objects=tuple(Explained(classes[i], of_objects.boxes[i], *parts.of_object(i)) for i in range(len(objects))),
        detections=tuple(Explained(scored[d], of_rows.boxes[d], *parts.of_detection(d)) for d in range(len(rows))),
        num_weak=len(all_rows) - len(rows),
    )


@dataclass(frozen=True, eq=False)
class _Parts:
    """One image's part of the evaluation, and the reasons that follow from it."""

    evaluation: Evaluation
    objects: Indices  # [O], in the table
    rows: Indices  # [D], the table's detections, the best first
    overlaps: NDArray[np.float64]  # [D, O]
    losses: Mapping[int, tuple[Loss, str]] | None  # by the lost object's row in the table, None without stages

    def of_object(self, i: int) -> tuple[str, str]:
        row, table = self.objects[i], self.evaluation.table
        finder = self.evaluation.matches.finders[row]
        if not table.objects.to_find[row]:
            return IGNORED, "it counts neither for nor against a detector"
        if finder != NO_INDEX:
            d, score = int(np.flatnonzero(self.rows == finder)[0]), table.found.scores[finder]
            return FOUND, f"by detection {d + 1} (score {score:.2f}, overlap {self.overlaps[d, i]:.2f})"
        if self.losses is not None:
            loss, text = self.losses.get(int(row), (Loss.NO_STAGES, WHY_NO_STAGES))
            return loss.label, text
        own = table.found.classes[self.rows] == table.objects.classes[row]
        overlaps = np.where(own, self.overlaps[:, i], 0.0)
        if not overlaps.any():
            return MISSED, "no detection of its class touches it"
        best = int(np.argmax(overlaps))
        return MISSED, f"of its class detection {best + 1} is closest, with an overlap of {overlaps[best]:.2f}"

    def of_detection(self, d: int) -> tuple[str, str]:
        matches, row = self.evaluation.matches, self.rows[d]
        outcome, about = matches.outcomes[row], matches.objects[row]
        if outcome == Outcome.FALSE_POSITIVE:
            return self._of_false_positive(d)
        if outcome == NOT_COUNTED:
            return "not counted", "the protocol counts the best detections of an image only"
        if about == NO_INDEX:
            return IGNORED, "its box is inside out on one side, which the protocol does not count"
        on = f"object {int(np.flatnonzero(self.objects == about)[0]) + 1}"
        if outcome == Outcome.IGNORED:
            return IGNORED, f"it is on {on}, which need not be found"
        duplicate = outcome == Outcome.DUPLICATE
        return ("duplicate", f"a better detection has found {on}") if duplicate else (FOUND, f"it finds {on}")

    def _of_false_positive(self, d: int) -> tuple[str, str]:
        table, overlaps = self.evaluation.table, self.overlaps[d]
        classes = table.objects.classes[self.objects]
        same = classes == table.found.classes[self.rows[d]]
        own, other = np.where(same, overlaps, 0.0), np.where(same, 0.0, overlaps)
        if own.max(initial=0.0) >= _NEAR:
            best = int(np.argmax(own))
            return "bad localisation", f"it overlaps object {best + 1} by {own[best]:.2f}, which is not enough"
        if (other >= self.evaluation.thresholds[self.objects]).any():
            best = int(np.argmax(other))
            name = printable(table.classes[classes[best]])
            return "wrong class", f"it overlaps object {best + 1} by {other[best]:.2f}, which is of class {name}"
        return "background", f"it overlaps no object by more than {overlaps.max(initial=0.0):.2f}"


def _index(evaluation: Evaluation, file: str) -> int:
    files = [truth.file for truth in evaluation.table.truths]
    image = int(pair_files([file], files)[0])
    if image == NO_INDEX:
        advice = hint(file, files, "give its name as the data set has it")
        raise UsageError(f"image {cut(file)!r} is not among the {len(files)} of the data set; {advice}")
    return image
