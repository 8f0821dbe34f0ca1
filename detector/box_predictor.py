"""The classification and box-regression layers of a region.

Shapes: R regions, K classes (0 = background in the logits, absent from the deltas), F subclasses.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from ..backbone.googlenet import FEATURE_CHANNELS
from ..backbone.inception import ConvReLU

LAYOUT_CHANNELS = 64
FIRST_BACKGROUND = 10.0  # logit, near the largest of a thousand subclasses
SMALLEST = 1e-20  # of a class's exp(logit), relative to the largest subclass

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

    With `class_of`, the class of each of a classifier's outputs (0 for none), these are subclasses that add to the
    logits, and the deltas are those of any class.
    """

    def __init__(self, num_classes: int, size: int, class_of: Sequence[int] = ()):
        super().__init__()
        self.size = size  # cells along a side of the features
        layout = LAYOUT_CHANNELS * size * size
        self.dropout = nn.Dropout(0.4)
        self.reduce = ConvReLU(FEATURE_CHANNELS, LAYOUT_CHANNELS, 1)
        self.classifier = nn.Linear(FEATURE_CHANNELS + layout, num_classes + 1)
        self.deltas = nn.Linear(layout, 4 if class_of else num_classes * 4)
        nn.init.normal_(self.classifier.weight, std=0.01)  # as R-CNN starts its new layer
        nn.init.normal_(self.deltas.weight, std=0.001)
        for layer in (self.classifier, self.deltas, self.reduce):
            nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]
        self.subclasses = Subclasses(num_classes, class_of) if class_of else None
        if self.subclasses is not None:
            nn.init.zeros_(self.classifier.weight)
            nn.init.constant_(self.classifier.bias[0], FIRST_BACKGROUND)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [R, K + 1] and deltas [R, K, 4] of features [R, 1024, size, size], in float32 whatever came."""
        return self.predict(self.pool(features))

    def pool(self, features: Tensor) -> Tensor:
        """The average of features [R, 1024, size, size] and their layout, [R, D]: D = 1024 + 64 size²."""
        layout = torch.flatten(self.reduce(features), 1)  # [R, D - 1024]
        return torch.cat([features.mean(dim=(2, 3)), layout], dim=1)

    def predict(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [R, K + 1] and deltas [R, K, 4] of pooled features [R, D]."""
        logits = self.classifier(self.dropout(pooled)).float()  # [R, K + 1]
        deltas = self.deltas(pooled[:, FEATURE_CHANNELS:]).float().unflatten(1, (-1, 4))  # [R, K or 1, 4]
        if self.subclasses is not None:
            logits = self.subclasses.add(logits, self.subclass_logits(pooled))
            deltas = deltas.expand(-1, logits.shape[1] - 1, -1)
        return logits, deltas

    def subclass_logits(self, pooled: Tensor) -> Tensor:
        """The logits [R, F] of the subclasses."""
        assert self.subclasses is not None
        return self.subclasses.classifier(self.dropout(pooled[:, :FEATURE_CHANNELS])).float()


class Subclasses(nn.Module):
    """The outputs of the classifier that a detector was grown from: a class is as likely as its subclasses together.

    So classes are known before any box of them was seen (as in LSDA, Hoffman et al. 2014). Outputs that belong to no
    class are kinds of background.
    """

    class_of: Tensor  # [F], 0 = background

    def __init__(self, num_classes: int, class_of: Sequence[int]):
        super().__init__()
        self.num_outputs = num_classes + 1
        self.classifier = nn.Linear(FEATURE_CHANNELS, len(class_of))
        self.register_buffer("class_of", torch.tensor(class_of), persistent=False)

    def class_logits(self, logits: Tensor) -> Tensor:
        """The logits [R, K + 1] of background and classes, of which a softmax is the sum of the subclasses' [R, F]."""
        largest = logits.amax(dim=1, keepdim=True)
        powers = logits.new_zeros(len(logits), self.num_outputs).index_add(1, self.class_of, (logits - largest).exp())
        return powers.clamp_min(SMALLEST).log() + largest

    def add(self, own: Tensor, logits: Tensor) -> Tensor:
        """The logits [R, K + 1] with those of the subclasses [R, F]: the background's are one kind more of it."""
        summed = self.class_logits(logits)
        background = torch.logaddexp(own[:, :1], summed[:, :1])
        return torch.cat([background, own[:, 1:] + summed[:, 1:]], dim=1)
