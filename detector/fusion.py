"""Several predictions for the same regions as one: of the networks of an ensemble, or of the modes of a network.

Shapes: M predictions, R regions, K classes (0 = background in the logits, not in the deltas).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..proposals.common.box_coding import DELTA_STD, MAX_LOG_GROWTH

Prediction = tuple[Tensor, Tensor]  # logits [R, K + 1] and deltas [R, K, 4] of an image's boxes


def fuse(predictions: Sequence[Prediction]) -> Prediction:
    """The fused prediction: the mean of the probabilities, and deltas to the mean of the refined boxes.

    The logits that come back are logarithms of probabilities, which a softmax leaves as they are.
    """
    logarithms = torch.stack([logits.log_softmax(dim=1) for logits, _ in predictions])  # [M, R, K + 1]
    logits = logarithms.logsumexp(dim=0) - math.log(len(predictions))  # [R, K + 1]
    return logits, mean_deltas(torch.stack([deltas for _, deltas in predictions]))


def mean_deltas(deltas: Tensor) -> Tensor:
    """Of deltas [M, ..., 4] of the same boxes those, [..., 4], that lead to the mean of the M boxes they lead to.

    The mean's centre is the mean of the centres, and its sides are the means of the sides, whose logarithms deltas are.
    """
    usual = deltas.new_tensor(DELTA_STD)[2:]
    growth = (deltas[..., 2:] * usual).clamp(max=MAX_LOG_GROWTH)  # as decoding limits it
    sides = (growth.logsumexp(dim=0) - math.log(len(deltas))) / usual
    return torch.cat([deltas[..., :2].mean(dim=0), sides], dim=-1)
