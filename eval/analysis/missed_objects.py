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
from ..metrics.evaluation import Evaluation, Outcome
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
    CUT_BY_BUDGET = 2, "cut by the budget", "only proposals beyond the budget, or boxes beyond the limit, are on it"
    WRONG_CLASS = 3, "wrong class", "the region on it that scores highest for its class scores higher for another"
    BELOW_THRESHOLD = 4, "below the score threshold", "no region on it reaches the score threshold"
    REGRESSED_AWAY = 5, "regressed away", "regions on it reach the threshold, but no refined box of its class is on it"
    SUPPRESSED = 6, "suppressed by a neighbour", "each refined box on it was suppressed by a better one nearby"
    CLAIMED = 7, "claimed", "a detection of its class is on it, but is matched with another object, or its duplicate"


def losses_of_image(evaluation: Evaluation, image: ImageStages) -> Iterator[tuple[int, Loss, str]]:
    """For each lost object of an image its row in the table, its step, and why, in words with numbers."""
    to_find, finders = evaluation.table.objects.to_find[image.objects], evaluation.matches.finders[image.objects]
    proposed = box_iou(image.stages.proposals, image.boxes)  # [P, O]
    refined = box_iou(image.candidates.boxes, image.boxes)  # [C, O]
    for i in np.flatnonzero(to_find & (finders == NO_INDEX)).tolist():
        step = _lost_as_candidate(evaluation, image, i, refined[:, i]) or _lost_before(image, i, proposed[:, i])
        yield int(image.objects[i]), *step


def _lost_as_candidate(
    evaluation: Evaluation, image: ImageStages, i: int, overlaps: NDArray[np.float64]
) -> tuple[Loss, str] | None:
    """The step of the object where a refined box of its class is on it; `overlaps` [C] of the boxes with it."""
    candidates = image.candidates
    own = (candidates.classes == image.classes[i]) & (overlaps >= image.thresholds[i])
    unsuppressed = candidates.suppressors == NO_INDEX
    steps = {Loss.CLAIMED: own & candidates.detected, Loss.CUT_BY_BUDGET: own & unsuppressed, Loss.SUPPRESSED: own}
    loss = next((loss for loss, flags in steps.items() if flags.any()), None)
    if loss is None:
        return None
    best = int(np.argmax(steps[loss]))
    score, overlap = f"score {candidates.scores[best]:.2f}", f"overlaps it by {overlaps[best]:.2f}"
    if loss == Loss.CLAIMED:
        return loss, f"the detection with {score} {overlap}, but {_match_of(evaluation, int(image.rows[best]))}"
    if loss == Loss.CUT_BY_BUDGET:
        limit = image.stages.max_detections
        return loss, f"a box with {score} {overlap}, but an image may have {limit} detections, and others are better"
    by = int(candidates.suppressors[best])
    shared = box_iou(candidates.refined[best][None], candidates.refined[by][None])[0, 0]
    return loss, (
        f"a box with {score} {overlap}, but was suppressed by the one with score {candidates.scores[by]:.2f} at "
        f"{corners_text(candidates.refined[by])}, which overlaps that box by {shared:.2f}"
    )


def _match_of(evaluation: Evaluation, row: int) -> str:
    about = evaluation.matches.objects[row]
    if about == NO_INDEX:
        return "the protocol does not count it"
    counts = "as a duplicate for" if evaluation.matches.outcomes[row] == Outcome.DUPLICATE else "for"
    return f"counts {counts} the object at {corners_text(evaluation.table.objects.boxes[about])}"


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
