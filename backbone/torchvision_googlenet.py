"""torchvision's GoogLeNet, the second architecture: a relative of the paper's net, split at the same places.

It differs in three ways from `googlenet.py`, and weights of the one never fit the other: BatchNorm stands in place of
biases and LRN, the "5x5" branch has 3x3 filters (a mistake that its published weights were trained with,
pytorch/vision#906), and pool4 is 2x2. The cells of 4e lie as there: `STRIDE` and `CELL_SHIFT` hold for both.

Names inside are torchvision's. Shapes: N images; the comments show a 224 x 224 input.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.googlenet import Inception

from ..data.errors import DataError
from .googlenet import TAIL_CHANNELS
from .weights import count_outputs, load_checked, read_weights

# torchvision normalises by ImageNet's mean and deviation, and its net, with the published weights, takes that back
# for (x - 0.5) / 0.5 of x in 0-1 (`transform_input`). The two steps in one:
CENTRE = 127.5


class FixedBatchNorm(nn.Module):
    """Batch normalisation that always uses the statistics it was loaded with; its scale and shift can be trained.

    Regions of one image are no sample to estimate statistics from, and an average of weights has none of its own.
    """

    EPSILON = 0.001

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.EPSILON)


class ConvNormReLU(nn.Module):
    """A convolution without bias, its normalisation and the ReLU."""

    def __init__(self, channels: int, width: int, kernel_size: int, stride: int = 1, padding: int = 0):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel_size, stride=stride, padding=padding, bias=False)
        self.bn = FixedBatchNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(self.bn(self.conv(x)))


def _inception(channels: int, *widths: int) -> Inception:
    """torchvision's module; the widths stand in the order of Table 1, as in `inception.py`."""
    return Inception(channels, *widths, conv_block=ConvNormReLU)


class TorchvisionTrunk(nn.Module):
    """From the image to inception 4e: what one image pays once."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvNormReLU(3, 64, kernel_size=7, stride=2, padding=3)
        self.conv2 = ConvNormReLU(64, 64, kernel_size=1)
        self.conv3 = ConvNormReLU(64, 192, kernel_size=3, padding=1)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = _inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = _inception(256, 128, 128, 192, 32, 96, 64)
        self.inception4a = _inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = _inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = _inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = _inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = _inception(528, 256, 160, 320, 32, 128, 128)

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv1(images)  # [N, 64, 112, 112]
        x = self.conv2(self.pool(x))  # [N, 64, 56, 56]
        x = self.pool(self.conv3(x))  # [N, 192, 28, 28]
        x = self.inception3a(x)  # [N, 256, 28, 28]
        x = self.inception3b(x)  # [N, 480, 28, 28]
        x = self.inception4a(self.pool(x))  # [N, 512, 14, 14]
        x = self.inception4b(x)  # [N, 512, 14, 14]
        x = self.inception4c(x)  # [N, 512, 14, 14]
        x = self.inception4d(x)  # [N, 528, 14, 14]
        return self.inception4e(x)  # [N, 832, 14, 14]

    @staticmethod
    def preprocess(images: Tensor) -> Tensor:
        """RGB images [N, 3, H, W], 0-255 of any dtype, as the float32 that this net was trained on."""
        return images.float() / CENTRE - 1


class TorchvisionTail(nn.Module):
    """Inception 5a and 5b, on a 7 x 7 window: what every region pays. `pool4` makes that window of a whole crop."""

    def __init__(self) -> None:
        super().__init__()
        self.pool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = _inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = _inception(832, 384, 192, 384, 48, 128, 128)

    def forward(self, x: Tensor) -> Tensor:
        return self.inception5b(self.inception5a(x))  # [N, 1024, 7, 7]


class TorchvisionGoogLeNet(nn.Module):
    """The classifier: 6,624,904 parameters for 1,000 classes."""

    def __init__(self, num_classes: int = 1000):
        super().__init__()
        self.trunk = TorchvisionTrunk()
        self.tail = TorchvisionTail()
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(TAIL_CHANNELS, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, num_classes] of images [N, 3, 224, 224]."""
        x = self.tail(self.tail.pool4(self.trunk(images)))  # [N, 1024, 7, 7]
        return self.fc(self.dropout(x.mean(dim=(2, 3))))  # [N, num_classes]


def our_name(name: str) -> str:
    """What a parameter of torchvision's is called here.

    >>> our_name("inception5a.branch1.conv.weight"), our_name("conv1.bn.bias"), our_name("fc.bias")
    ('tail.inception5a.branch1.conv.weight', 'trunk.conv1.bn.bias', 'fc.bias')
    """
    if name.startswith(("conv", "inception3", "inception4")):
        return f"trunk.{name}"
    return f"tail.{name}" if name.startswith("inception5") else name


def is_torchvision(tensors: dict[str, Tensor]) -> bool:
    """Whether these are parameters under the names of torchvision's GoogLeNet."""
    return "inception3a.branch1.conv.weight" in tensors


def load_torchvision_weights(path: str | Path) -> TorchvisionGoogLeNet:
    """The classifier of a `.pth` or safetensors file of torchvision's; `DataError` where it holds another network."""
    return googlenet_from_torchvision(read_weights(path), str(path))


def googlenet_from_torchvision(tensors: dict[str, Tensor], source: str) -> TorchvisionGoogLeNet:
    """The same from tensors under torchvision's names; `source` is what an error calls them.

    Left out are the auxiliary heads, which torchvision publishes untrained, and BatchNorm's counts of batches.
    """
    if not is_torchvision(tensors):
        raise DataError(f"{source} does not hold torchvision's GoogLeNet{_resemblance(tensors)}")
    renamed = {
        our_name(name): tensor
        for name, tensor in tensors.items()
        if not name.startswith(("aux1.", "aux2.")) and not name.endswith(".num_batches_tracked")
    }
    model = TorchvisionGoogLeNet(count_outputs(renamed["fc.bias"], source) if "fc.bias" in renamed else 1000)
    load_checked(model, renamed, source)
    return model.eval()


# A parameter that gives a network away, and what to say of it.
_RESEMBLANCES = {
    "conv1/7x7_s2.weight": "but BVLC's, which is the other architecture, `googlenet`",
    "trunk.inception_3a.conv1x1.weight": "but this package's net after the paper, the other architecture, `googlenet`",
    "trunk.inception3a.branch1.conv.weight": "but a detector of this package; give its folder instead",
    "Conv2d_1a_3x3.conv.weight": "but Inception v3",
    "layer1.0.conv1.weight": "but a ResNet",
    "features.0.weight": "but an AlexNet or a VGG",
}


def _resemblance(tensors: dict[str, Tensor]) -> str:
    for name, what in _RESEMBLANCES.items():
        if name in tensors:
            return f" {what}"
    first = next(iter(tensors), "none")[:100]
    return f": of its {len(tensors)} tensors, {first} the first, none is inception3a.branch1.conv.weight"
