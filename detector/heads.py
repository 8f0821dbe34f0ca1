"""What is said of a region: how likely each class is, and where the object's box would be.

Shapes: R regions, K classes (0 = background in the logits, absent from the deltas).
"""

import torch
from torch import Tensor, nn

from ..backbone.googlenet import TAIL_CHANNELS
from ..backbone.inception import ConvReLU

WINDOW = 7  # cells along a side of the tail's output
LAYOUT_CHANNELS = 64


class Head(nn.Module):
    """A softmax classifier on the averaged features, and box deltas for each class on features that keep the layout.

    The classifier is GoogLeNet's own end (average pool, dropout 0.4, linear). An average no longer knows where in
    the window the object ends, so the deltas read all 49 cells, through a 1x1 reduction that keeps that affordable.
    """

    def __init__(self, num_classes: int):
        super().__init__()
        self.dropout = nn.Dropout(0.4)
        self.classifier = nn.Linear(TAIL_CHANNELS, num_classes + 1)
        self.reduce = ConvReLU(TAIL_CHANNELS, LAYOUT_CHANNELS, 1)
        self.deltas = nn.Linear(LAYOUT_CHANNELS * WINDOW * WINDOW, num_classes * 4)
        nn.init.normal_(self.classifier.weight, std=0.01)  # as R-CNN starts its new layer
        nn.init.normal_(self.deltas.weight, std=0.001)
        for layer in (self.classifier, self.deltas, self.reduce):
            nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [R, K + 1] and deltas [R, K, 4] of features [R, 1024, 7, 7], in float32 whatever came."""
        logits = self.classifier(self.dropout(features.mean(dim=(2, 3))))  # [R, K + 1]
        deltas = self.deltas(torch.flatten(self.reduce(features), 1))  # [R, K * 4]
        return logits.float(), deltas.float().unflatten(1, (-1, 4))
