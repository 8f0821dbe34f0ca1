"""Suppression done again from an image's stages, to see what became of every box on the way to the detections.

The rules are those of the detector's own suppression; here each dropped box also says which one it was dropped for.

Shapes: R regions, K classes, C candidates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes, box_iou, voted_boxes
from ...data.records import Detections, Stages
from ..metrics.table import Flags, Indices

NOT_SUPPRESSED = -1


@dataclass(frozen=True, eq=False)
class Candidates:
    """The boxes of one image that reach the score threshold, the best first."""

    boxes: Boxes  # [C, 4], those of detections where the votes around them put them
    unmoved: Boxes  # [C, 4], as refined, before any vote
    classes: Indices  # [C], into the stages' classes
    scores: NDArray[np.float64]  # [C]
    suppressors: Indices  # [C], the candidate that each was dropped for, or NOT_SUPPRESSED
    detected: Flags  # [C], those that became detections: not suppressed, and among the most that an image may have

    def __len__(self) -> int:
        return len(self.boxes)


def suppress_again(stages: Stages, first: Flags | None = None) -> Candidates:
    """What suppression makes of an image's boxes; of equal scores the `first` ones, [R, K], are taken first."""
    scores = stages.probabilities[:, 1:]  # [R, K]
    regions, classes = np.nonzero(_voters(stages))
    later = np.zeros(len(regions), np.bool_) if first is None else ~first[regions, classes]
    best_first = np.lexsort((later, -scores[regions, classes]))  # stable
    regions, classes = regions[best_first], classes[best_first]
    boxes, scores = stages.boxes[regions, classes], scores[regions, classes]  # [V, 4], [V]: all that vote
    candidates = slice(int((scores >= stages.score_threshold).sum()))  # the best of them, C
    groups = np.zeros_like(classes) if stages.agnostic else classes
    suppressors = _suppressors(boxes[candidates], groups[candidates], stages.nms_threshold)
    detected = most_allowed(suppressors == NOT_SUPPRESSED, stages.max_detections)
    placed, kept = boxes[candidates].copy(), np.flatnonzero(detected)
    if stages.vote_threshold is not None:
        placed[kept] = voted_boxes(boxes, classes, scores, kept, stages.vote_threshold)
    return Candidates(placed, boxes[candidates], classes[candidates], scores[candidates], suppressors, detected)


def boxes_if_kept(stages: Stages) -> Boxes:
    """Where each box of a class would be as a detection, [R, K, 4]: where the votes around it put it."""
    if stages.vote_threshold is None:
        return stages.boxes
    scores, boxes = stages.probabilities[:, 1:], stages.boxes.copy()
    for number, flags in enumerate(_voters(stages).T):
        voters = np.flatnonzero(flags)
        kept, own = np.arange(len(voters)), np.zeros(len(voters), np.int64)
        votes = scores[voters, number]
        boxes[voters, number] = voted_boxes(boxes[voters, number], own, votes, kept, stages.vote_threshold)
    return boxes


def _voters(stages: Stages) -> Flags:
    """The boxes that have a vote, [R, K]."""
    whole = (stages.boxes[..., 2:] > stages.boxes[..., :2]).all(axis=2)
    return whole & (stages.probabilities[:, 1:] >= stages.voting_score)


def most_allowed(kept: Flags, max_detections: int) -> Flags:
    """The first `max_detections` of those that are kept."""
    return kept & (np.cumsum(kept) <= max_detections)


def detections_of(stages: Stages) -> Detections:
    """The detections that come of the stages."""
    candidates = suppress_again(stages)
    rows = candidates.detected
    labels = np.array(stages.classes, dtype=np.str_)[candidates.classes[rows]]
    return Detections(candidates.boxes[rows], labels, candidates.scores[rows])


def _suppressors(boxes: Boxes, groups: Indices, threshold: float) -> Indices:
    suppressors = np.full(len(boxes), NOT_SUPPRESSED)
    for number in np.unique(groups):
        left = np.flatnonzero(groups == number)
        while len(left):
            best, others = left[0], left[1:]
            near = box_iou(boxes[best][None], boxes[others])[0] > threshold
            suppressors[others[near]] = best
            left = others[~near]
    return suppressors
