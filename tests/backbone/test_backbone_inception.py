import pytest
import torch

from inception_rcnn.backbone.inception import ConvReLU, Inception


def multiply_adds(module, image):
    """Multiply-adds of the convolutions and linear layers, counted while they run."""
    total = 0

    def count(layer, _, output):
        nonlocal total
        weight = layer.weight
        total += output[0, 0].numel() * weight.numel() if weight.ndim == 4 else weight.numel()

    hooks = [
        layer.register_forward_hook(count)
        for layer in module.modules()
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)
    ]
    with torch.no_grad():
        module.eval()(image)
    for hook in hooks:
        hook.remove()
    return total


def test_the_branches_are_concatenated_in_the_order_of_the_figure():
    module = Inception(8, 4, 2, 6, 2, 5, 3).eval()
    x = torch.randn(2, 8, 9, 7)
    y = module(x)
    assert y.shape == (2, 4 + 6 + 5 + 3, 9, 7)
    torch.testing.assert_close(y[:, :4], module.conv1x1(x))
    torch.testing.assert_close(y[:, 4:10], module.conv3x3(module.reduce3x3(x)))
    torch.testing.assert_close(y[:, 10:15], module.conv5x5(module.reduce5x5(x)))
    torch.testing.assert_close(y[:, 15:], module.pool_proj(torch.nn.functional.max_pool2d(x, 3, 1, 1)))


def test_a_relu_follows_every_convolution():
    module = Inception(8, 4, 2, 6, 2, 5, 3)
    convolutions = [each for each in module.modules() if isinstance(each, torch.nn.Conv2d)]
    assert len(convolutions) == 6
    assert all(isinstance(each, ConvReLU) for each in convolutions)
    assert ConvReLU(3, 4, 1)(torch.randn(1, 3, 8, 8)).min() == 0


class NaiveInception(torch.nn.Module):
    """Figure 2(a): the same branches without reductions.

    A 5x5 to B channels from A costs 25AB multiply-adds a pixel here and AC + 25CB through a reduction to C:
    13 times less for A = 480, B = 128, C = 32.
    """

    def __init__(self, channels: int, n1x1: int, n3x3: int, n5x5: int):
        super().__init__()
        self.conv1x1 = ConvReLU(channels, n1x1, 1)
        self.conv3x3 = ConvReLU(channels, n3x3, 3, padding=1)
        self.conv5x5 = ConvReLU(channels, n5x5, 5, padding=2)
        self.pool = torch.nn.MaxPool2d(3, stride=1, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat((self.conv1x1(x), self.conv3x3(x), self.conv5x5(x), self.pool(x)), dim=1)


def test_the_naive_module_keeps_all_channels_of_its_pool():
    assert NaiveInception(8, 4, 6, 5)(torch.randn(1, 8, 9, 7)).shape == (1, 4 + 6 + 5 + 8, 9, 7)


def test_a_reduction_makes_a_5x5_thirteen_times_cheaper():
    a, b, c, image = 480, 128, 32, torch.zeros(1, 480, 14, 14)
    naive = NaiveInception(a, 1, 1, b)
    reduced = Inception(a, 1, 1, 1, c, b, 1)
    naive_cost = multiply_adds(naive.conv5x5, image)
    reduced_cost = multiply_adds(torch.nn.Sequential(reduced.reduce5x5, reduced.conv5x5), image)
    assert naive_cost == 25 * a * b * 14 * 14
    assert reduced_cost == (a * c + 25 * c * b) * 14 * 14
    assert naive_cost / reduced_cost == pytest.approx(13.04, abs=0.005)
