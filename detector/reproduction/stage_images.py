"""The stages of the pipeline on one photo, as images for a page."""

import base64
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...data.boxes import Boxes
from ...data.images.crops import warp_regions
from ...data.images.decoding import encode_image
from ...data.records import Detections, Stages
from ...data.suppression import detections_of
from ...eval.report.drawing import Colour, draw_detections
from ...proposals.common.working_size import to_working_size
from ...proposals.selective_search.colour_spaces import to_colour_space
from ...proposals.selective_search.search import PRESETS
from ...proposals.selective_search.segmentation import part_graph, segment

LONGEST_SIDE = 640  # pixels
SHOWN_BOXES = 40
SHOWN_CROPS = 12
CROP_SIDE = 112  # pixels
SURE = 0.3  # score of the detections that are drawn
LINE: Colour = (240, 228, 66)


@dataclass(frozen=True)
class StageImage:
    """One stage: what it does, in a sentence, and its image as a data URI."""

    name: str
    text: str
    image: str


def stage_images(image: NDArray[np.uint8], stages: Stages) -> list[StageImage]:
    """The image (H, W, 3) as each stage of its detection leaves it."""
    classes = np.array(stages.classes, dtype=np.str_)
    best = stages.probabilities[:, 1:].argmax(axis=1)  # [R]
    score = stages.probabilities[:, 1:].max(axis=1)  # [R]
    rows = np.arange(len(best))
    order = np.argsort(-score, kind="stable")
    sure = order[score[order] >= SURE]
    classified = stages.proposals[: len(best)]
    refined = Detections(stages.boxes[rows, best][sure], classes[best[sure]], score[sure])
    found = detections_of(stages)
    found = found[found.scores >= SURE]
    shown = stages.proposals[:SHOWN_BOXES]
    crops = warp_regions(image, classified[order[:SHOWN_CROPS]])
    return [
        StageImage("Image", f"{image.shape[1]} x {image.shape[0]} pixels", _uri(image)),
        StageImage(
            "Superpixels", "Selective Search starts from segments, here doubled in size", _uri(superpixels(image))
        ),
        StageImage("Proposals", f"the best {len(shown)} of {len(stages.proposals)}", _uri(_with_boxes(image, shown))),
        StageImage("Regions", f"the likeliest of {len(best)}, warped to the network's input", _uri(_sheet(crops))),
        StageImage(
            "Scores",
            f"the regions with a class from {SURE:g} on",
            _uri(draw_detections(image, Detections(classified[sure], classes[best[sure]], score[sure]))),
        ),
        StageImage("Box regression", "the same, each moved towards its object", _uri(draw_detections(image, refined))),
        StageImage("Suppression", f"{len(found)} detections", _uri(draw_detections(image, found))),
    ]


def superpixels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image with the borders of the segments that the entry's Selective Search starts from."""
    settings = PRESETS["googlenet"]
    working = to_working_size(image, settings.width)
    converted, k = to_colour_space(working, settings.colour_spaces[0]), settings.scales[0]
    labels = segment(part_graph(converted, settings.sigma, k), k, settings.min_size or k).labels
    borders = np.zeros(labels.shape, dtype=bool)
    borders[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    borders[1:] |= labels[1:] != labels[:-1]
    drawn = working.copy()
    drawn[borders] = LINE
    return drawn


def _with_boxes(image: NDArray[np.uint8], boxes: Boxes) -> NDArray[np.uint8]:
    drawn = image.copy()
    for x1, y1, x2, y2 in boxes.round().astype(int).tolist():
        cv2.rectangle(drawn, (x1, y1), (x2 - 1, y2 - 1), LINE, max(1, max(image.shape) // 400))
    return drawn


def _sheet(crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Crops (N, S, S, 3) side by side, four a row."""
    small = [cv2.resize(crop, (CROP_SIDE, CROP_SIDE), interpolation=cv2.INTER_AREA) for crop in crops]
    small += [np.full((CROP_SIDE, CROP_SIDE, 3), 255, np.uint8)] * (-len(small) % 4 or (4 if not small else 0))
    rows = [np.concatenate(small[start : start + 4], axis=1) for start in range(0, len(small), 4)]
    return np.asarray(np.concatenate(rows), dtype=np.uint8)


def _uri(image: NDArray[np.uint8]) -> str:
    scale = min(1.0, LONGEST_SIDE / max(image.shape[:2]))
    if scale < 1:
        image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return "data:image/jpeg;base64," + base64.b64encode(encode_image(image, ".jpg")).decode()
