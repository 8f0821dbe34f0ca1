"""One image explained: how each object was found or where it was lost, and the error of each wrong detection.

Shapes: O objects and D detections of one image.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import box_iou
from ...data.class_names import did_you_mean
from ...data.diagnostics import cut
from ...data.errors import UsageError
from ...data.images.pairing import pair_files
from ...data.records import Detections, GroundTruth, Indices, Stages
from ...data.terminal import printable
from ...data.values import NO_INDEX
from ..metrics.evaluation import NOT_COUNTED, Evaluation, Outcome
from .image_stages import stages_by_image
from .missed_objects import WHY_NO_STAGES, Loss, corners_text, losses_of_image

FOUND = "found"
MISSED = "missed"  # at an unknown step, without stages
IGNORED = "ignored"

_NEAR = 0.1  # the overlap from which a false positive is about an object at all, as TIDE has it (Bolya et al., 2020)


@dataclass(frozen=True)
class Reason:
    """How one object was found or lost, or why one detection counts as it does."""

    kind: str  # FOUND, MISSED, IGNORED, the label of a `Loss`, or an error of a detection
    text: str


@dataclass(frozen=True, eq=False)
class ImageExplanation:
    """One image's objects and detections, and a reason for each; `str()` of it is the text."""

    truth: GroundTruth
    protocol: str
    objects: GroundTruth  # [O], those of the evaluated classes
    detections: Detections  # [D], the best first
    object_reasons: tuple[Reason, ...]  # [O]
    detection_reasons: tuple[Reason, ...]  # [D]
    num_weak: int  # detections that find nothing and are left out, below the score of their class's best F1

    def __str__(self) -> str:
        kinds = [reason.kind for reason in self.object_reasons]
        lines = [f"{printable(self.truth.file)} ({self.truth.width} x {self.truth.height}), {self.protocol}"]
        found = f"{kinds.count(FOUND)} of {len(kinds) - kinds.count(IGNORED)} objects found"
        lines.append(f"{found}, {len(self.detections) + self.num_weak} detections")
        objects = zip(self.objects.labels.tolist(), self.objects.boxes, self.object_reasons, strict=True)
        for number, (label, box, reason) in enumerate(objects, 1):
            lines.append(f"  object {number}, {printable(label)} at {corners_text(box)}: {reason.kind}; {reason.text}")
        for number, (each, reason) in enumerate(zip(self.detections, self.detection_reasons, strict=True), 1):
            about = f"{printable(each.label)} {each.score:.2f} at {corners_text(each.box)}"
            lines.append(f"  detection {number}, {about}: {reason.kind}; {reason.text}")
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
    parts = _Parts(evaluation, objects, rows, overlaps, losses)
    truth, names = table.truths[image], np.array(table.classes, dtype=np.str_)
    labels, boxes = names[table.objects.classes[objects]], table.objects.boxes[objects]
    difficult = table.objects.difficult[objects]
    return ImageExplanation(
        truth=truth,
        protocol=evaluation.protocol,
        objects=GroundTruth(truth.file, truth.width, truth.height, boxes, labels, difficult),
        detections=Detections(table.found.boxes[rows], names[table.found.classes[rows]], table.found.scores[rows]),
        object_reasons=tuple(map(parts.object_reason, range(len(objects)))),
        detection_reasons=tuple(map(parts.detection_reason, range(len(rows)))),
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

    def object_reason(self, i: int) -> Reason:
        row = self.objects[i]
        finder = self.evaluation.matches.finders[row]
        if not self.evaluation.table.objects.to_find[row]:
            return Reason(IGNORED, "it counts neither for nor against a detector")
        if finder != NO_INDEX:
            d, score = int(np.flatnonzero(self.rows == finder)[0]), self.evaluation.table.found.scores[finder]
            return Reason(FOUND, f"by detection {d + 1} (score {score:.2f}, overlap {self.overlaps[d, i]:.2f})")
        if self.losses is not None:
            loss, text = self.losses.get(int(row), (Loss.NO_STAGES, WHY_NO_STAGES))
            return Reason(loss.label, text)
        own = self.evaluation.table.found.classes[self.rows] == self.evaluation.table.objects.classes[row]
        overlaps = np.where(own, self.overlaps[:, i], 0.0)
        if not overlaps.any():
            return Reason(MISSED, "no detection of its class touches it")
        best = int(np.argmax(overlaps))
        return Reason(MISSED, f"of its class detection {best + 1} is closest, with an overlap of {overlaps[best]:.2f}")

    def detection_reason(self, d: int) -> Reason:
        outcome, about = self.evaluation.matches.outcomes[self.rows[d]], self.evaluation.matches.objects[self.rows[d]]
        on = "" if about == NO_INDEX else f"object {int(np.flatnonzero(self.objects == about)[0]) + 1}"
        if outcome == Outcome.TRUE_POSITIVE:
            return Reason(FOUND, f"it finds {on}")
        if outcome == Outcome.DUPLICATE:
            return Reason("duplicate", f"a better detection has found {on}")
        if outcome == Outcome.IGNORED and on:
            return Reason(IGNORED, f"it is on {on}, which need not be found")
        if outcome == Outcome.IGNORED:
            return Reason(IGNORED, "its box is inside out on one side, which the protocol does not count")
        if outcome == NOT_COUNTED:
            return Reason("not counted", "the protocol counts the best detections of an image only")
        return self._false_positive(d)

    def _false_positive(self, d: int) -> Reason:
        table, overlaps = self.evaluation.table, self.overlaps[d]
        classes = table.objects.classes[self.objects]
        same = classes == table.found.classes[self.rows[d]]
        own, other = np.where(same, overlaps, 0.0), np.where(same, 0.0, overlaps)
        if own.max(initial=0.0) >= _NEAR:
            best = int(np.argmax(own))
            return Reason("bad localisation", f"it overlaps object {best + 1} by {own[best]:.2f}, which is not enough")
        if (other >= self.evaluation.thresholds[self.objects]).any():
            best = int(np.argmax(other))
            name = printable(table.classes[classes[best]])
            return Reason(
                "wrong class", f"it overlaps object {best + 1} by {other[best]:.2f}, which is of class {name}"
            )
        return Reason("background", f"it overlaps no object by more than {overlaps.max(initial=0.0):.2f}")


def _index(evaluation: Evaluation, file: str) -> int:
    """The image's index in the table."""
    files = [truth.file for truth in evaluation.table.truths]
    image = int(pair_files([file], files)[0])
    if image == NO_INDEX:
        near = did_you_mean(file, files)
        hint = f"did you mean {near!r}?" if near else "give its name as the data set has it"
        raise UsageError(f"image {cut(file)!r} is not among the {len(files)} of the data set; {hint}")
    return image
