"""GoogLeNet as Table 1 of "Going deeper with convolutions" and the BVLC prototxt give it.

The net is in two parts because a detector shares the first: `Backbone` (to inception 4e) and `BoxHead` (pool4, 5a,
5b). Inputs are RGB, 0-255, minus `MEAN`; weights trained on Caffe's BGR are converted when they are loaded.

Shapes: N images; the comments show a 224 x 224 input.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .inception import ConvReLU, Inception

MEAN = (123.0, 117.0, 104.0)  # RGB, of ImageNet's pixels; BVLC subtracts it and scales nothing
STRIDE = 16  # pixels between neighbouring cells of 4e
CELL_SHIFT = 6.5  # pixels: Caffe's unpadded pools put the centre of cell i of 4e at 16 i + 14.5, not at 16 i + 8
FEATURE_CHANNELS = 1024
LRN_AT_ONCE = 1 << 17  # values


def local_response_norm(x: Tensor) -> Tensor:
    """Caffe's LRN across five channels: x / (1 + 1e-4 / 5 * sum of squares) ** 0.75.

    Its dozen passes are over parts that the CPU's cache holds: less than half the time of passes over the whole.
    """
    x = x.permute(0, 2, 3, 1)  # [N, H, W, C]
    if x.device.type == "cpu" and not x.requires_grad:
        parts = x.flatten(0, 2).split(max(LRN_AT_ONCE // x.shape[3], 1))
        normalised = torch.cat([_normalise(part) for part in parts]).view_as(x)
    else:
        normalised = _normalise(x)
    return normalised.permute(0, 3, 1, 2)


def _normalise(x: Tensor) -> Tensor:
    """LRN of values [..., C].

    The sum is one of views along the channels, which lie side by side in memory, and the power is two square roots:
    less than half the time of a banded 1x1 convolution and `pow`. torch's own goes through avg_pool3d, which has no
    bf16 on the CPU.
    """
    squares = F.pad(x * x, (2, 2))
    pairs = squares[..., :-1] + squares[..., 1:]
    total = pairs[..., :-3] + pairs[..., 2:-1] + squares[..., 4:]
    root = (total * (1e-4 / 5) + 1).sqrt()
    return x / (root * root.sqrt())


def map_side(pixels: int) -> int:
    """The cells along a side of 4e's map, from the pixels along that side of the image.

    >>> map_side(224), map_side(240)
    (14, 15)
    """
    cells = math.ceil(pixels / 2)  # conv1
    for _ in range(3):  # the pools, which round up
        cells = max(math.ceil((cells - 3) / 2) + 1, 1)
    return cells


class Backbone(nn.Module):
    """From the image to inception 4e: run once for an image, or for each crop."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvReLU(3, 64, 7, stride=2, padding=3)
        self.conv2_reduce = ConvReLU(64, 64, 1)
        self.conv2 = ConvReLU(64, 192, 3, padding=1)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)  # floor would give 55, 27, 13, 6
        self.inception_3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception_3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.inception_4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception_4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception_4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception_4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception_4e = Inception(528, 256, 160, 320, 32, 128, 128)

    def forward_stages(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The outputs of 4a, 4d and 4e; the first two feed the auxiliary heads."""
        x = self.conv1(images)  # [N, 64, 112, 112]
        x = local_response_norm(self.pool(x))  # [N, 64, 56, 56]
        x = self.conv2_reduce(x)  # [N, 64, 56, 56]
        x = local_response_norm(self.conv2(x))  # [N, 192, 56, 56]
        x = self.pool(x)  # [N, 192, 28, 28]
        x = self.inception_3a(x)  # [N, 256, 28, 28]
        x = self.inception_3b(x)  # [N, 480, 28, 28]
        x = self.pool(x)  # [N, 480, 14, 14]
        stage_4a = self.inception_4a(x)  # [N, 512, 14, 14]
        x = self.inception_4b(stage_4a)  # [N, 512, 14, 14]
        x = self.inception_4c(x)  # [N, 512, 14, 14]
        stage_4d = self.inception_4d(x)  # [N, 528, 14, 14]
        return stage_4a, stage_4d, self.inception_4e(stage_4d)  # [N, 832, 14, 14]

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_stages(images)[-1]

    @staticmethod
    def preprocess(images: Tensor) -> Tensor:
        """RGB images [N, 3, H, W], 0-255 of any dtype, as the float32 that this net was trained on."""
        return images.float() - torch.tensor(MEAN, device=images.device)[:, None, None]


class BoxHead(nn.Module):
    """Inception 5a and 5b on a 7 x 7 window, run on every region. `pool4` makes that window of a whole crop."""

    def __init__(self) -> None:
        super().__init__()
        self.pool4 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception_5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception_5b = Inception(832, 384, 192, 384, 48, 128, 128)

    def forward(self, x: Tensor) -> Tensor:
        return self.inception_5b(self.inception_5a(x))  # [N, 1024, 7, 7]


class AuxiliaryHead(nn.Sequential):
    """A side classifier on 4a or 4d, in training only."""

    WEIGHT = 0.3  # of its loss (paper, section 5)

    def __init__(self, channels: int, num_classes: int):
        super().__init__(
            nn.AvgPool2d(5, stride=3),  # [N, C, 4, 4]
            ConvReLU(channels, 128, 1),  # [N, 128, 4, 4]
            nn.Flatten(),  # [N, 2048]
            nn.Linear(2048, 1024),
            nn.ReLU(inplace=True),
            nn.Dropout(0.7),
            nn.Linear(1024, num_classes),
        )


class GoogLeNet(nn.Module):
    """The classifier: 6,998,552 parameters, 13,378,280 with both auxiliary heads, for 1,000 classes."""

    def __init__(self, num_classes: int = 1000, auxiliary: bool = False):
        super().__init__()
        self.backbone = Backbone()
        self.box_head = BoxHead()
        self.dropout = nn.Dropout(0.4)
        self.classifier = nn.Linear(FEATURE_CHANNELS, num_classes)
        self.auxiliary1 = AuxiliaryHead(512, num_classes) if auxiliary else None
        self.auxiliary2 = AuxiliaryHead(528, num_classes) if auxiliary else None
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, num_classes] of images [N, 3, 224, 224]."""
        return self._classify(self.backbone(images))

    def forward_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The logits of the main and of the two auxiliary classifiers, for training."""
        if self.auxiliary1 is None or self.auxiliary2 is None:
            raise RuntimeError("this GoogLeNet was made without auxiliary heads; pass auxiliary=True")
        stage_4a, stage_4d, stage_4e = self.backbone.forward_stages(images)
        return self._classify(stage_4e), self.auxiliary1(stage_4a), self.auxiliary2(stage_4d)

    def _classify(self, stage_4e: Tensor) -> Tensor:
        x = self.box_head(self.box_head.pool4(stage_4e))  # [N, 1024, 7, 7]
        return self.classifier(self.dropout(x.mean(dim=(2, 3))))  # [N, num_classes]


def _initialise(module: nn.Module) -> None:
    """Xavier weights; biases .2 before a ReLU, 0 in classifiers (BVLC's train_val.prototxt)."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.constant_(module.bias, 0.2 if isinstance(module, nn.Conv2d) else 0.0)  # pyright: ignore[reportArgumentType]
