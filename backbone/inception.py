"""The Inception module of "Going deeper with convolutions": parallel 1x1, 3x3, 5x5 and pooling branches, concatenated.

Shapes: N images, C channels, H x W pixels; a module changes C and keeps H and W.
"""

import torch
from torch import Tensor, nn


class ConvReLU(nn.Conv2d):
    """A convolution with bias and the ReLU that follows every one of them, reductions included (paper, section 5)."""

    def forward(self, input: Tensor) -> Tensor:
        return torch.relu_(super().forward(input))


class Inception(nn.Module):
    """Figure 2(b): 1x1 reductions before the 3x3 and the 5x5, a 1x1 projection after the pool.

    The widths stand in the order of Table 1's columns: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj.
    """

    def __init__(self, channels: int, n1x1: int, reduce3x3: int, n3x3: int, reduce5x5: int, n5x5: int, pool_proj: int):
        super().__init__()
        self.conv1x1 = ConvReLU(channels, n1x1, 1)
        self.reduce3x3 = ConvReLU(channels, reduce3x3, 1)
        self.conv3x3 = ConvReLU(reduce3x3, n3x3, 3, padding=1)
        self.reduce5x5 = ConvReLU(channels, reduce5x5, 1)
        self.conv5x5 = ConvReLU(reduce5x5, n5x5, 5, padding=2)
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.pool_proj = ConvReLU(channels, pool_proj, 1)

    def forward(self, x: Tensor) -> Tensor:
        branches = (
            self.conv1x1(x),  # [N, n1x1, H, W]
            self.conv3x3(self.reduce3x3(x)),  # [N, n3x3, H, W]
            self.conv5x5(self.reduce5x5(x)),  # [N, n5x5, H, W]
            self.pool_proj(self.pool(x)),  # [N, pool_proj, H, W]
        )
        return torch.cat(branches, dim=1)
