"""At which step of the pipeline an object was lost that the detector was to find.

A step lets some of the boxes through that could find an object; the object is lost at the last step that any of them
reached. So each lost object has one step, and one box that came closest.

Shapes: O objects of one image, P proposals, R regions, C candidates.
"""

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import box_iou
from ...data.records import Indices
from ...data.terminal import printable
from ...data.values import NO_INDEX
from ..metrics.evaluation import Outcome
from ..metrics.table import Table
from ..metrics.table_matches import TableMatches
from .image_stages import ImageStages

WHY_NO_STAGES = "there are no stages of its image"


class Loss(IntEnum):
    """The steps, in the order of the pipeline.

    "On the object" in a meaning: overlapping it as much as the protocol demands of a detection that finds it.
    """

    label: str
    meaning: str

    def __new__(cls, value: int, label: str, meaning: str) -> Self:
        loss = int.__new__(cls, value)
        loss._value_, loss.label, loss.meaning = value, label, meaning
        return loss

    NO_STAGES = 0, "no stages", "there are no stages of the image: it could not be read, or was left out"
    NOT_PROPOSED = 1, "not proposed", "no proposal is on the object, not even beyond the budget"
    CUT_BY_BUDGET = (
        2,
        "cut by the budget",
        "proposals are on it, but none within the budget of regions; or a box of its class was left after suppression, "
        "but not among the most detections that an image may have",
    )
    WRONG_CLASS = (
        3,
        "wrong class",
        "regions are on it and none reaches the score threshold for its class; the one with the highest score for it "
        "has a higher score, above the threshold, for another class",
    )
    BELOW_THRESHOLD = (
        4,
        "below the score threshold",
        "regions are on it and none reaches the score threshold for its class, nor does the one with the highest score "
        "for it reach the threshold for a likelier one",
    )
    REGRESSED_AWAY = (
        5,
        "regressed away",
        "regions are on it and reach the threshold for its class, but no refined box is on it",
    )
    SUPPRESSED = (
        6,
        "suppressed by a neighbour",
        "a refined box of its class is on it, but each such box was suppressed by a better one nearby",
    )
    CLAIMED = (
        7,
        "claimed",
        "a detection of its class is on it, but is matched with another object, or is that one's duplicate",
    )


def losses_of_image(table: Table, matches: TableMatches, image: ImageStages) -> Iterator[tuple[int, Loss, str]]:
    """For each lost object of an image its row in the table, its step, and why, in words with numbers."""
    lost = table.objects.to_find[image.objects] & (matches.finders[image.objects] == NO_INDEX)
    proposed = box_iou(image.stages.proposals, image.boxes)  # [P, O]
    refined = box_iou(image.candidates.boxes, image.boxes)  # [C, O]
    for i in np.flatnonzero(lost).tolist():
        row = int(image.objects[i])
        step = _lost_as_candidate(table, matches, image, i, refined[:, i])
        yield row, *(step or _lost_before(image, i, proposed[:, i]))


def _lost_as_candidate(
    table: Table, matches: TableMatches, image: ImageStages, i: int, overlaps: NDArray[np.float64]
) -> tuple[Loss, str] | None:
    """The step of the object where a refined box of its class is on it; `overlaps` [C] of the boxes with it."""
    candidates = image.candidates
    own = (candidates.classes == image.classes[i]) & (overlaps >= image.thresholds[i])
    steps = {
        Loss.CLAIMED: own & candidates.detected,
        Loss.CUT_BY_BUDGET: own & (candidates.suppressors == NO_INDEX),
        Loss.SUPPRESSED: own,
    }
    loss = next((loss for loss, flags in steps.items() if flags.any()), None)
    if loss is None:
        return None
    best = int(np.argmax(steps[loss]))
    score, overlap = f"score {candidates.scores[best]:.2f}", f"overlaps it by {overlaps[best]:.2f}"
    if loss == Loss.CLAIMED:
        return loss, f"the detection with {score} {overlap}, but {_match_of(table, matches, int(image.rows[best]))}"
    if loss == Loss.CUT_BY_BUDGET:
        limit = image.stages.max_detections
        return loss, f"a box with {score} {overlap}, but an image may have {limit} detections, and others are better"
    by = int(candidates.suppressors[best])
    shared = box_iou(candidates.refined[best][None], candidates.refined[by][None])[0, 0]
    return loss, (
        f"a box with {score} {overlap}, but was suppressed by the one with score {candidates.scores[by]:.2f} at "
        f"{corners_text(candidates.refined[by])}, which overlaps that box by {shared:.2f}"
    )


def _match_of(table: Table, matches: TableMatches, row: int) -> str:
    if matches.objects[row] == NO_INDEX:
        return "the protocol does not count it"
    counts = "as a duplicate for" if matches.outcomes[row] == Outcome.DUPLICATE else "for"
    return f"counts {counts} the object at {corners_text(table.objects.boxes[matches.objects[row]])}"


def _lost_before(image: ImageStages, i: int, overlaps: NDArray[np.float64]) -> tuple[Loss, str]:
    """The step of an object that no refined box of its class is on; `overlaps` [P] of the proposals with it."""
    threshold, regions = image.thresholds[i], len(image.stages.probabilities)
    near = overlaps >= threshold
    if near[:regions].any():
        return _lost_by_network(image, i, np.flatnonzero(near[:regions]), overlaps)
    if near.any():
        rank = int(np.argmax(near))
        first = f"proposal {rank + 1} is the first on it (overlap {overlaps[rank]:.2f})"
        return Loss.CUT_BY_BUDGET, f"{first}, and the budget is {regions}"
    best = overlaps.max(initial=0.0)
    return Loss.NOT_PROPOSED, (
        f"the best of {len(overlaps)} proposals overlaps it by {best:.2f}; it takes {threshold:.2f}"
    )


def _lost_by_network(image: ImageStages, i: int, regions: Indices, overlaps: NDArray[np.float64]) -> tuple[Loss, str]:
    """The step of an object that `regions` are on, and no refined box of its class."""
    stages, number = image.stages, int(image.classes[i])
    if number == NO_INDEX:
        return Loss.BELOW_THRESHOLD, f"{len(regions)} regions are on it, but the detector does not know its class"
    probabilities = stages.probabilities[regions, 1:]  # [regions, K]
    best = int(np.argmax(probabilities[:, number]))
    region, own = regions[best], probabilities[best, number]
    likeliest = int(np.argmax(probabilities[best]))
    about = f"of {len(regions)} regions on it the one with the highest score for {printable(stages.classes[number])}"
    if own >= stages.score_threshold:
        overlap = box_iou(stages.boxes[region, number][None], image.boxes[i][None])[0, 0]
        voted = ", but votes moved it away" if overlap >= image.thresholds[i] else ""
        return Loss.REGRESSED_AWAY, (
            f"{about} ({own:.2f}) overlaps it by {overlaps[region]:.2f}, its refined box by {overlap:.2f}{voted}"
        )
    other = probabilities[best, likeliest]
    if other >= stages.score_threshold:
        return Loss.WRONG_CLASS, (
            f"{about} ({own:.2f}, overlap {overlaps[region]:.2f}) "
            f"has a higher one for {printable(stages.classes[likeliest])} ({other:.2f})"
        )
    return Loss.BELOW_THRESHOLD, (
        f"{about} has {own:.2f} (overlap {overlaps[region]:.2f}); it takes {stages.score_threshold:.2f}"
    )


def corners_text(box: Iterable[float]) -> str:
    """A box's corners in whole pixels.

    >>> corners_text(np.array([1.2, 2, 30.6, 40]))
    '1 2 31 40'
    """
    return " ".join(f"{value:.0f}" for value in box)
