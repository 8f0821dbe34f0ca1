"""At which step of the pipeline an object was lost that the detector was asked to find.

A step lets some of the boxes through that could find an object; the object is lost at the last step that any of them
reached. So each lost object has one step, and one box that came closest.

Shapes: O objects of one image, P proposals, R regions, C candidates.
"""

from collections.abc import Iterator
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import box_iou
from ...data.printable import printable
from ...data.records import NO_INDEX, Indices
from ..metrics.evaluation import Outcome
from ..metrics.outcomes import Verdicts
from ..metrics.table import Table
from .stage_table import Retraced

WHY_NOT_LOOKED_AT = "there are no stages of its image"


class Loss(IntEnum):
    """The steps, in the order of the pipeline."""

    NOT_LOOKED_AT = 0
    NOT_PROPOSED = 1
    CUT_BY_BUDGET = 2
    WRONG_CLASS = 3
    BELOW_THRESHOLD = 4
    REGRESSED_AWAY = 5
    SUPPRESSED = 6
    CLAIMED = 7


NAMES = {
    Loss.NOT_LOOKED_AT: "not looked at",
    Loss.NOT_PROPOSED: "not proposed",
    Loss.CUT_BY_BUDGET: "cut by the budget",
    Loss.WRONG_CLASS: "wrong class",
    Loss.BELOW_THRESHOLD: "below the score threshold",
    Loss.REGRESSED_AWAY: "regressed away",
    Loss.SUPPRESSED: "suppressed by a neighbour",
    Loss.CLAIMED: "claimed",
}

# "On the object": overlapping it as much as the protocol asks of a detection that finds it.
MEANINGS = {
    Loss.NOT_LOOKED_AT: "there are no stages of the image: it could not be read, or was left out",
    Loss.NOT_PROPOSED: "no proposal is on the object, not even beyond the budget",
    Loss.CUT_BY_BUDGET: "proposals are on it, but none among the first that were looked at; or a box of its class was "
    "still there after suppression, but not among the most that an image may have",
    Loss.WRONG_CLASS: "regions are on it and none reaches the score threshold; the one that most believes in its class "
    "believes more in another one, which reaches the threshold",
    Loss.BELOW_THRESHOLD: "regions are on it and none reaches the score threshold for its class or, where they believe "
    "in it most, for a likelier one",
    Loss.REGRESSED_AWAY: "regions are on it and reach the threshold for its class, but no refined box is on it",
    Loss.SUPPRESSED: "a refined box of its class is on it, but each such box was dropped for a better one nearby",
    Loss.CLAIMED: "a detection of its class is on it, but counts for another object, or as that one's duplicate",
}


def losses_of_image(table: Table, verdicts: Verdicts, retraced: Retraced) -> Iterator[tuple[int, Loss, str]]:
    """For each lost object of an image its row in the table, its step, and why, in words with numbers."""
    lost = table.objects.asked[retraced.objects] & (verdicts.finders[retraced.objects] == NO_INDEX)
    proposed = box_iou(retraced.stages.proposals, retraced.boxes)  # [P, O]
    refined = box_iou(retraced.candidates.boxes, retraced.boxes)  # [C, O]
    for place in np.flatnonzero(lost):
        loss, why = _loss(table, verdicts, retraced, int(place), proposed[:, place], refined[:, place])
        yield int(retraced.objects[place]), loss, why


def _loss(
    table: Table,
    verdicts: Verdicts,
    retraced: Retraced,
    place: int,
    proposed: NDArray[np.float64],
    refined: NDArray[np.float64],
) -> tuple[Loss, str]:
    """One object's step, looked for from the last one back; `proposed` [P] and `refined` [C] overlap it so much."""
    candidates, threshold = retraced.candidates, retraced.thresholds[place]
    own = (candidates.classes == retraced.classes[place]) & (refined >= threshold)
    near = proposed >= threshold
    regions = len(retraced.stages.probabilities)
    if (own & candidates.detected).any():
        best = int(np.argmax(own & candidates.detected))
        return Loss.CLAIMED, _why_claimed(table, verdicts, retraced, best, refined[best])
    if (own & (candidates.suppressors == NO_INDEX)).any():
        best = int(np.argmax(own & (candidates.suppressors == NO_INDEX)))
        return Loss.CUT_BY_BUDGET, _why_one_too_many(retraced, best, refined[best])
    if own.any():
        best = int(np.argmax(own))
        return Loss.SUPPRESSED, _why_suppressed(retraced, best, refined[best])
    if near[:regions].any():
        return _loss_of_regions(retraced, place, np.flatnonzero(near[:regions]), proposed)
    if near.any():
        rank = int(np.argmax(near))
        return Loss.CUT_BY_BUDGET, (
            f"proposal {rank + 1} is the first on it (overlap {proposed[rank]:.2f}), and only {regions} were looked at"
        )
    best = proposed.max(initial=0.0)
    return Loss.NOT_PROPOSED, (
        f"the best of {len(proposed)} proposals overlaps it by {best:.2f}; it takes {threshold:.2f}"
    )


def _loss_of_regions(
    retraced: Retraced, place: int, regions: Indices, proposed: NDArray[np.float64]
) -> tuple[Loss, str]:
    """The step of an object that `regions` are on, and no refined box of its class."""
    stages, number = retraced.stages, int(retraced.classes[place])
    if number == NO_INDEX:
        return Loss.BELOW_THRESHOLD, f"{len(regions)} regions are on it, but the detector does not know its class"
    probabilities = stages.probabilities[regions, 1:]  # [regions, K]
    best = int(np.argmax(probabilities[:, number]))
    region, own = regions[best], probabilities[best, number]
    name, likeliest = stages.classes[number], int(np.argmax(probabilities[best]))
    about = f"of {len(regions)} regions on it the one that most believes in {printable(name)}"
    if own >= stages.score_threshold:
        overlap = box_iou(stages.boxes[region, number][None], retraced.boxes[place][None])[0, 0]
        moved = ", but its neighbours moved it away" if overlap >= retraced.thresholds[place] else ""
        return Loss.REGRESSED_AWAY, (
            f"{about} ({own:.2f}) overlaps it by {proposed[region]:.2f}, its refined box by {overlap:.2f}{moved}"
        )
    other = probabilities[best, likeliest]
    if other >= stages.score_threshold:
        return Loss.WRONG_CLASS, (
            f"{about} ({own:.2f}, overlap {proposed[region]:.2f}) "
            f"believes more in {printable(stages.classes[likeliest])} ({other:.2f})"
        )
    return Loss.BELOW_THRESHOLD, (
        f"{about} gives it {own:.2f} (overlap {proposed[region]:.2f}); it takes {stages.score_threshold:.2f}"
    )


def _why_suppressed(retraced: Retraced, candidate: int, overlap: float) -> str:
    candidates = retraced.candidates
    by = int(candidates.suppressors[candidate])
    shared = box_iou(candidates.refined[candidate][None], candidates.refined[by][None])[0, 0]
    return (
        f"a box with score {candidates.scores[candidate]:.2f} overlaps it by {overlap:.2f}, but was dropped for the "
        f"one with score {candidates.scores[by]:.2f} at {place_of(candidates.refined[by])}, which overlaps that box by "
        f"{shared:.2f}"
    )


def _why_one_too_many(retraced: Retraced, candidate: int, overlap: float) -> str:
    return (
        f"a box with score {retraced.candidates.scores[candidate]:.2f} overlaps it by {overlap:.2f}, but an image may "
        f"have {retraced.stages.max_detections} detections, and so many are better"
    )


def _why_claimed(table: Table, verdicts: Verdicts, retraced: Retraced, candidate: int, overlap: float) -> str:
    row = retraced.rows[candidate]
    about = f"the detection with score {retraced.candidates.scores[candidate]:.2f} overlaps it by {overlap:.2f}, but "
    if verdicts.objects[row] == NO_INDEX:
        return f"{about}the protocol does not count it"
    counts = "as a duplicate for" if verdicts.outcomes[row] == Outcome.DUPLICATE else "for"
    return f"{about}counts {counts} the object at {place_of(table.objects.boxes[verdicts.objects[row]])}"


def place_of(box: NDArray[np.float64]) -> str:
    """A box's corners in whole pixels.

    >>> place_of(np.array([1.2, 2, 30.6, 40]))
    '1 2 31 40'
    """
    return " ".join(f"{value:.0f}" for value in box)
