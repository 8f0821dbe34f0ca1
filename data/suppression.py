"""Non-maximum suppression with box voting: a detector's scores and refined boxes become detections.

Shapes: R regions, K classes, C candidates, the boxes that reach the score threshold.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .boxes import Boxes, box_iou
from .records import Detections, Flags, Indices, Stages
from .values import NO_INDEX


@dataclass(frozen=True, eq=False)
class Suppression:
    """The candidates of one image, the best first, and what suppression made of each."""

    boxes: Boxes  # [C, 4], those of detections after the vote
    refined: Boxes  # [C, 4], before it
    classes: Indices  # [C], into the stages' classes
    scores: NDArray[np.float64]  # [C]
    suppressors: Indices  # [C], the candidate that suppressed each, or NO_INDEX
    detected: Flags  # [C], not suppressed, and among the best `max_detections`

    def __len__(self) -> int:
        return len(self.boxes)


def detections_of(stages: Stages) -> Detections:
    """The detections of one image, the best first, by the rules that its stages state."""
    candidates = suppress(stages)
    rows = candidates.detected
    labels = np.array(stages.classes, dtype=np.str_)[candidates.classes[rows]]
    return Detections(candidates.boxes[rows], labels, candidates.scores[rows])


def suppress(stages: Stages, first: Flags | None = None) -> Suppression:
    """Greedy suppression within each class, then box voting.

    A box is suppressed where its IoU with a better one is above the threshold (R-CNN's `nms.m`), and dropped where the
    image's edge left nothing of it. Of equal scores the first region's, then the first class's, is the better, but
    before all the `first` ones, [R, K]. Boxes below the score threshold vote too, from `Stages.voting_score` on: so a
    higher threshold leaves fewer detections, and moves none.
    """
    scores = stages.probabilities[:, 1:]  # [R, K]
    regions, classes = np.nonzero(_voters(stages))
    later = np.zeros(len(regions), np.bool_) if first is None else ~first[regions, classes]
    best_first = np.lexsort((later, -scores[regions, classes]))  # stable
    regions, classes = regions[best_first], classes[best_first]
    boxes, scores = stages.boxes[regions, classes], scores[regions, classes]  # [V, 4], [V]: all that vote
    candidates = slice(int((scores >= stages.score_threshold).sum()))  # the best of them, C
    groups = np.zeros_like(classes) if stages.agnostic else classes
    suppressors = _suppressors(boxes[candidates], groups[candidates], stages.nms_threshold)
    detected = first_true(suppressors == NO_INDEX, stages.max_detections)
    voted, kept = boxes[candidates].copy(), np.flatnonzero(detected)
    if stages.vote_threshold is not None:
        voted[kept] = voted_boxes(boxes, classes, scores, kept, stages.vote_threshold)
    return Suppression(voted, boxes[candidates], classes[candidates], scores[candidates], suppressors, detected)


def all_voted_boxes(stages: Stages) -> Boxes:
    """Every region's box of every class after a vote, as if none were suppressed, [R, K, 4]."""
    if stages.vote_threshold is None:
        return stages.boxes
    scores, boxes = stages.probabilities[:, 1:], stages.boxes.copy()
    for number, flags in enumerate(_voters(stages).T):
        voters = np.flatnonzero(flags)
        kept, own = np.arange(len(voters)), np.zeros(len(voters), np.int64)
        votes = scores[voters, number]
        boxes[voters, number] = voted_boxes(boxes[voters, number], own, votes, kept, stages.vote_threshold)
    return boxes


def voted_boxes(boxes: Boxes, groups: Indices, weights: NDArray[np.float64], kept: Indices, threshold: float) -> Boxes:
    """The `kept` of N boxes, each moved to the weighted mean of the boxes of its group that overlap it enough.

    Boxes around one object scatter about it; their mean is better than the best of them (Gidaris and Komodakis, ICCV
    2015, section 4). A box's own vote counts too.
    """
    moved = boxes[kept]
    for group in np.unique(groups[kept]):
        own, rows = np.flatnonzero(groups == group), np.flatnonzero(groups[kept] == group)
        votes = (box_iou(moved[rows], boxes[own]) >= threshold) * weights[own]  # [rows, own]
        total = votes.sum(axis=1, keepdims=True)
        # Summed for each row alone: a matrix product rounds by how many rows there are.
        sums = (votes[:, :, None] * boxes[own]).sum(axis=1)  # [rows, 4]
        moved[rows] = np.divide(sums, total, out=moved[rows], where=total > 0)
    return moved


def first_true(flags: Flags, count: int) -> Flags:
    return flags & (np.cumsum(flags) <= count)


def _voters(stages: Stages) -> Flags:
    """The boxes that have a vote, [R, K]."""
    whole = (stages.boxes[..., 2:] > stages.boxes[..., :2]).all(axis=2)
    return whole & (stages.probabilities[:, 1:] >= stages.voting_score)


def _suppressors(boxes: Boxes, groups: Indices, threshold: float) -> Indices:
    """For each box, the best first, the better one of its group that suppresses it, or NO_INDEX."""
    suppressors = np.full(len(boxes), NO_INDEX)
    for group in np.unique(groups):
        left = np.flatnonzero(groups == group)
        while len(left):
            best, others = left[0], left[1:]
            near = box_iou(boxes[best][None], boxes[others])[0] > threshold
            suppressors[others[near]] = best
            left = others[~near]
    return suppressors
