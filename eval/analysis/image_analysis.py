"""The story of one image: how each object was found or where it was lost, and what each wrong detection is about.

Shapes: O objects and D detections of one image.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import box_iou
from ...data.class_names import did_you_mean
from ...data.errors import UsageError
from ...data.images.pairing import pair_files
from ...data.printable import printable
from ...data.records import NO_INDEX, Detections, GroundTruth, Indices, Stages
from ..metrics.average_precision import best_f1
from ..metrics.evaluation import Evaluation, Outcome
from ..metrics.outcomes import NOT_COUNTED, Verdicts, verdicts_of
from ..metrics.table import Table
from .missed_objects import NAMES, WHY_NOT_LOOKED_AT, Loss, losses_of_image, place_of
from .stage_table import retrace_image

FOUND = "found"
MISSED = "missed"  # where no stages tell at which step
NOT_ASKED = "not asked for"
DUPLICATE = "duplicate"
BAD_PLACE = "bad place"
WRONG_CLASS = "wrong class"
BACKGROUND = "background"
NOT_JUDGED = "not judged"

_NEAR = 0.1  # the overlap from which a false positive is about an object at all, as TIDE has it (Bolya et al., 2020)


@dataclass(frozen=True)
class Chapter:
    """What is to say of one object or one detection."""

    kind: str  # FOUND, a step's name, DUPLICATE and so on
    words: str


@dataclass(frozen=True, eq=False)
class Story:
    """One image's objects and detections, and a chapter for each; `str()` of it is the text."""

    truth: GroundTruth
    protocol: str
    objects: GroundTruth  # [O], those of the classes that are judged
    detections: Detections  # [D], the best first
    of_objects: tuple[Chapter, ...]  # [O]
    of_detections: tuple[Chapter, ...]  # [D]
    num_weak: int  # detections that find nothing and are left out, below the score of their class's best F1

    def __str__(self) -> str:
        found = sum(chapter.kind == FOUND for chapter in self.of_objects)
        asked = sum(chapter.kind != NOT_ASKED for chapter in self.of_objects)
        lines = [f"{printable(self.truth.file)} ({self.truth.width} x {self.truth.height}), {self.protocol}"]
        lines.append(f"{found} of {asked} objects found, {len(self.detections) + self.num_weak} detections")
        for number, chapter in enumerate(self.of_objects, 1):
            box, label = self.objects.boxes[number - 1], self.objects.labels[number - 1]
            lines.append(f"  object {number}, {printable(label)} at {place_of(box)}: {chapter.kind}; {chapter.words}")
        for number, chapter in enumerate(self.of_detections, 1):
            found_one = self.detections[number - 1 : number]
            about = f"{printable(found_one.labels[0])} {found_one.scores[0]:.2f} at {place_of(found_one.boxes[0])}"
            lines.append(f"  detection {number}, {about}: {chapter.kind}; {chapter.words}")
        if self.num_weak:
            lines.append(f"  {self.num_weak} more, below the score with the best F1 of their class")
        return "\n".join(lines)


def tell(evaluation: Evaluation, image_file: str, stages: Mapping[str, Stages] | None = None) -> Story:
    """What happened on one image; without the run's `stages` only what the evaluation knows."""
    table, verdicts, image = evaluation.table, verdicts_of(evaluation), _image(evaluation, image_file)
    objects = np.flatnonzero(table.objects.images == image)
    rows = np.flatnonzero(table.found.images == image)
    all_rows = rows[np.argsort(-table.found.scores[rows], kind="stable")]
    rows = all_rows[_are_worth_telling(evaluation, verdicts, all_rows)]
    facts = _Facts(
        table=table,
        verdicts=verdicts,
        objects=objects,
        rows=rows,
        overlaps=box_iou(table.found.boxes[rows], table.objects.boxes[objects]),
        losses=None if stages is None else _losses(table, verdicts, stages, image),
    )
    truth, names = table.truths[image], np.array(table.classes, dtype=np.str_)
    return Story(
        truth=truth,
        protocol=evaluation.protocol,
        objects=GroundTruth(
            truth.file,
            truth.width,
            truth.height,
            table.objects.boxes[objects],
            names[table.objects.classes[objects]],
            table.objects.difficult[objects],
        ),
        detections=Detections(table.found.boxes[rows], names[table.found.classes[rows]], table.found.scores[rows]),
        of_objects=tuple(facts.of_objects()),
        of_detections=tuple(facts.of_detections()),
        num_weak=len(all_rows) - len(rows),
    )


def _are_worth_telling(evaluation: Evaluation, verdicts: Verdicts, rows: Indices) -> NDArray[np.bool_]:
    """Which detections find an object, or have a score with which one would use the detector."""
    table = evaluation.table
    lowest = np.array([best_f1(one, table).score for one in evaluation.classes])  # [K], NaN without one
    found = np.isin(rows, verdicts.finders)
    return found | ~(table.found.scores[rows] < lowest[table.found.classes[rows]])


@dataclass(frozen=True, eq=False)
class _Facts:
    """One image's part of the evaluation, and the chapters that follow from it."""

    table: Table
    verdicts: Verdicts
    objects: Indices  # [O], in the table
    rows: Indices  # [D], the table's detections, the best first
    overlaps: NDArray[np.float64]  # [D, O]
    losses: Mapping[int, tuple[Loss, str]] | None  # of each lost object, None where there are no stages

    def of_objects(self) -> Iterator[Chapter]:  # [O]
        for place, row in enumerate(self.objects):
            finder = self.verdicts.finders[row]
            if not self.table.objects.asked[row]:
                yield Chapter(NOT_ASKED, "it counts neither for nor against a detector")
            elif finder != NO_INDEX:
                number = int(np.flatnonzero(self.rows == finder)[0])
                score = self.table.found.scores[finder]
                yield Chapter(
                    FOUND, f"by detection {number + 1} (score {score:.2f}, overlap {self.overlaps[number, place]:.2f})"
                )
            elif self.losses is not None:
                loss, words = self.losses.get(int(row), (Loss.NOT_LOOKED_AT, WHY_NOT_LOOKED_AT))
                yield Chapter(NAMES[loss], words)
            else:
                yield Chapter(MISSED, self._nearest(place))

    def of_detections(self) -> Iterator[Chapter]:  # [D]
        for number, row in enumerate(self.rows):
            outcome, about = self.verdicts.outcomes[row], self.verdicts.objects[row]
            where = "" if about == NO_INDEX else f"object {int(np.flatnonzero(self.objects == about)[0]) + 1}"
            if outcome == Outcome.TRUE_POSITIVE:
                yield Chapter(FOUND, f"it finds {where}")
            elif outcome == Outcome.DUPLICATE:
                yield Chapter(DUPLICATE, f"a better detection has found {where}")
            elif outcome == Outcome.IGNORED and not where:
                yield Chapter(NOT_ASKED, "its box is inside out on one side, which the protocol does not count")
            elif outcome == Outcome.IGNORED:
                yield Chapter(NOT_ASKED, f"it is on {where}, which nobody is asked to find")
            elif outcome == NOT_COUNTED:
                yield Chapter(NOT_JUDGED, "the protocol looks at the best detections of an image only")
            else:
                yield self._false_positive(number, row)

    def _false_positive(self, number: int, row: int) -> Chapter:
        table, overlaps = self.table, self.overlaps[number]
        classes = table.objects.classes[self.objects]
        own = np.where(classes == table.found.classes[row], overlaps, 0.0)
        other = np.where(classes != table.found.classes[row], overlaps, 0.0)
        if own.max(initial=0.0) >= _NEAR:
            best = int(np.argmax(own))
            return Chapter(BAD_PLACE, f"it overlaps object {best + 1} by {own[best]:.2f}, and that is not enough")
        if (other >= self.verdicts.thresholds[self.objects]).any():
            best = int(np.argmax(other))
            name = printable(table.classes[classes[best]])
            return Chapter(
                WRONG_CLASS, f"it overlaps object {best + 1} by {other[best]:.2f}, and that is of class {name}"
            )
        return Chapter(BACKGROUND, f"it overlaps no object by more than {overlaps.max(initial=0.0):.2f}")

    def _nearest(self, place: int) -> str:
        """Of a missed object the detection that comes closest to it."""
        table = self.table
        own = table.found.classes[self.rows] == table.objects.classes[self.objects[place]]
        overlaps = np.where(own, self.overlaps[:, place], 0.0)
        if not overlaps.any():
            return "no detection of its class touches it"
        best = int(np.argmax(overlaps))
        return f"of its class detection {best + 1} comes closest, with an overlap of {overlaps[best]:.2f}"


def _losses(table: Table, verdicts: Verdicts, stages: Mapping[str, Stages], image: int) -> dict[int, tuple[Loss, str]]:
    """The step of each lost object, and why; nothing where there are no stages of the image."""
    retraced = retrace_image(table, verdicts, stages, image)
    losses = losses_of_image(table, verdicts, retraced) if retraced is not None else ()
    return {row: (loss, why) for row, loss, why in losses}


def _image(evaluation: Evaluation, image_file: str) -> int:
    """The image's number in the table."""
    files = [truth.file for truth in evaluation.table.truths]
    image = int(pair_files([image_file], files)[0])
    if image == NO_INDEX:
        near = difflib.get_close_matches(image_file, files, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "give its name as the data set has it"
        raise UsageError(f"image {image_file!r} is not among the {len(files)} that were judged; {hint}")
    return image
