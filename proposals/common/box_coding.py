"""Deltas of box regression: encoding and decoding of boxes relative to a region (R-CNN, appendix C).

dx and dy move the centre by fractions of the region's width and height, dw and dh are logarithms of the growth. Each
is divided by its standard deviation, so that the four weigh alike in a loss.

Shapes: R regions, K classes; boxes [..., 4] as in `data/boxes.py`, deltas [..., 4] as dx, dy, dw, dh.
"""

import math

import torch
from torch import Tensor

DELTA_STD = (0.1, 0.1, 0.2, 0.2)  # of the targets (Fast R-CNN)
MAX_LOG_GROWTH = math.log(1000 / 16)  # keeps exp() finite: from a 16-pixel region to a 1000-pixel object


def _centres_and_sides(boxes: Tensor) -> tuple[Tensor, Tensor]:
    sides = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + sides / 2, sides


def encode(boxes: Tensor, targets: Tensor) -> Tensor:
    """The deltas that take `boxes` to `targets`; both need positive sides.

    `decode(boxes, encode(boxes, targets))` gives `targets` back unless a side grows more than 62-fold.
    """
    centres, sides = _centres_and_sides(boxes)
    target_centres, target_sides = _centres_and_sides(targets)
    deltas = torch.cat([(target_centres - centres) / sides, torch.log(target_sides / sides)], dim=-1)
    return deltas / deltas.new_tensor(DELTA_STD)


def decode(boxes: Tensor, deltas: Tensor) -> Tensor:
    """The boxes that `deltas` point to; shapes broadcast, so [R, 1, 4] with [R, K, 4] gives a box for each class."""
    centres, sides = _centres_and_sides(boxes)
    deltas = deltas * deltas.new_tensor(DELTA_STD)
    new_centres = centres + deltas[..., :2] * sides
    half = torch.exp(deltas[..., 2:].clamp(max=MAX_LOG_GROWTH)) * sides / 2
    return torch.cat([new_centres - half, new_centres + half], dim=-1)
