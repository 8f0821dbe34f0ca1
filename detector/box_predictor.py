"""The classification and box-regression layers of a region.

Shapes: R regions, K classes (0 = background in the logits, absent from the deltas).
"""

from typing import Literal

import torch
from torch import Tensor, nn

from ..backbone.googlenet import FEATURE_CHANNELS
from ..backbone.inception import ConvReLU

LAYOUT_CHANNELS = 64

Scores = Literal["softmax", "sigmoid"]  # of classes that exclude each other, or each on its own as R-CNN's SVMs
SCORES: tuple[Scores, ...] = ("softmax", "sigmoid")


def class_probabilities(logits: Tensor, scores: Scores) -> Tensor:
    """Probabilities [R, K + 1] of logits [R, K + 1], background first.

    By "sigmoid" each class has its own; the background has what the likeliest of them leaves. That is in float64: in
    float32 high scores would be equal, and the order of the margins lost.
    """
    if scores == "softmax":
        return logits.softmax(dim=1)
    of_classes = logits[:, 1:].double().sigmoid()  # [R, K]
    return torch.cat([1 - of_classes.amax(dim=1, keepdim=True), of_classes], dim=1)


class BoxPredictor(nn.Module):
    """A softmax classifier and box deltas for each class, on features averaged and on features with their layout.

    GoogLeNet's own end (average pool, dropout 0.4, linear) no longer knows where in the window it saw something: a
    face that fills a window is as good a dog as the whole dog. So both outputs read all cells too, through a 1x1
    reduction that makes that affordable.
    """

    def __init__(self, num_classes: int, size: int):
        super().__init__()
        self.size = size  # cells along a side of the features
        layout = LAYOUT_CHANNELS * size * size
        self.dropout = nn.Dropout(0.4)
        self.reduce = ConvReLU(FEATURE_CHANNELS, LAYOUT_CHANNELS, 1)
        self.classifier = nn.Linear(FEATURE_CHANNELS + layout, num_classes + 1)
        self.deltas = nn.Linear(layout, num_classes * 4)
        nn.init.normal_(self.classifier.weight, std=0.01)  # as R-CNN starts its new layer
        nn.init.normal_(self.deltas.weight, std=0.001)
        for layer in (self.classifier, self.deltas, self.reduce):
            nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [R, K + 1] and deltas [R, K, 4] of features [R, 1024, size, size], in float32 whatever came."""
        return self.predict(self.pool(features))

    def pool(self, features: Tensor) -> Tensor:
        """The average of features [R, 1024, size, size] and their layout, [R, D]: D = 1024 + 64 size²."""
        layout = torch.flatten(self.reduce(features), 1)  # [R, D - 1024]
        return torch.cat([features.mean(dim=(2, 3)), layout], dim=1)

    def predict(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [R, K + 1] and deltas [R, K, 4] of pooled features [R, D]."""
        logits = self.classifier(self.dropout(pooled))  # [R, K + 1]
        deltas = self.deltas(pooled[:, FEATURE_CHANNELS:])  # [R, 4 K]
        return logits.float(), deltas.float().unflatten(1, (-1, 4))
