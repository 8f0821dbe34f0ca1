"""Our split of torchvision's GoogLeNet against torchvision's own forward pass."""

import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models import GoogLeNet, GoogLeNet_Weights, googlenet
from torchvision.transforms.v2.functional import normalize

from inception_rcnn.backbone import googlenet as paper
from inception_rcnn.backbone.torchvision_googlenet import (
    TorchvisionGoogLeNet,
    TorchvisionTail,
    TorchvisionTrunk,
    googlenet_from_torchvision,
    is_torchvision,
    load_torchvision_weights,
)
from inception_rcnn.data.errors import DataError


@pytest.fixture(scope="module")
def theirs() -> GoogLeNet:
    """torchvision's net with random weights and statistics, so that a mixed-up layer shows."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = googlenet(weights=None, init_weights=False, aux_logits=True, num_classes=10)
    for name, buffer in net.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.05)
        elif name.endswith("running_var"):
            buffer.uniform_(0.02, 0.1)  # about what such layers give, so that the signal survives to the end
    for name, parameter in net.named_parameters():
        if ".bn." in name:
            parameter.data.uniform_(0.5, 1.5)
    return net.eval()


@pytest.fixture(scope="module")
def ours(theirs: GoogLeNet) -> TorchvisionGoogLeNet:
    return googlenet_from_torchvision(theirs.state_dict(), "test")


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1


def steps(net: GoogLeNet, x: Tensor, first: str, last: str) -> Tensor:
    """torchvision's layers from one name to another, in its own order; auxiliary heads are no part of the way."""
    names = [name for name, _ in net.named_children() if not name.startswith("aux")]
    for name in names[names.index(first) : names.index(last) + 1]:
        x = getattr(net, name)(x)
    return x


@torch.inference_mode()
def test_whole_net_equals_torchvisions(theirs: GoogLeNet, ours: TorchvisionGoogLeNet, images: Tensor) -> None:
    expected = theirs(images)
    assert expected.std() > 0.01  # else any net would agree
    torch.testing.assert_close(ours(images), expected, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("size", [(224, 224), (97, 160)])
def test_trunk_pool_and_tail_equal_torchvisions(
    theirs: GoogLeNet, ours: TorchvisionGoogLeNet, images: Tensor, size: tuple[int, int]
) -> None:
    images = images[:, :, : size[0], : size[1]]
    at_4e = ours.trunk(images)
    pooled = ours.tail.pool4(at_4e)
    torch.testing.assert_close(at_4e, steps(theirs, images, "conv1", "inception4e"))
    torch.testing.assert_close(ours.tail(pooled), steps(theirs, at_4e, "maxpool4", "inception5b"))


@torch.inference_mode()
def test_split_is_the_papers(ours: TorchvisionGoogLeNet) -> None:
    """Same shapes as `Trunk`, `pool4` and `Tail`, so that a detector can hold either."""
    trunk, tail = paper.Trunk().eval(), paper.Tail().eval()
    for height, width in [(224, 224), (101, 180)]:
        images = torch.zeros(1, 3, height, width)
        assert ours.trunk(images).shape == trunk(images).shape
    window = torch.zeros(2, 832, 7, 7)
    assert ours.tail(window).shape == tail(window).shape == (2, 1024, 7, 7)
    assert ours.tail.pool4(torch.zeros(1, 832, 14, 14)).shape == (1, 832, 7, 7)


def test_parameters_are_counted_as_torchvision_counts() -> None:
    count = sum(parameter.numel() for parameter in TorchvisionGoogLeNet().parameters())
    assert count == GoogLeNet_Weights.IMAGENET1K_V1.meta["num_params"] == 6_624_904


@torch.inference_mode()
def test_preprocessing_equals_the_published_weights(theirs: GoogLeNet) -> None:
    """What `googlenet(weights=...)` does: ImageNet's normalisation, and then its own `transform_input`."""
    pixels = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    transforms = GoogLeNet_Weights.IMAGENET1K_V1.transforms()
    normalised = normalize(pixels / 255, transforms.mean, transforms.std)
    with_transform = GoogLeNet(transform_input=True, aux_logits=False, init_weights=False)
    expected = with_transform._transform_input(normalised)
    torch.testing.assert_close(TorchvisionTrunk.preprocess(pixels), expected, rtol=1e-5, atol=1e-5)


def test_training_leaves_the_statistics_alone(ours: TorchvisionGoogLeNet) -> None:
    tail = TorchvisionTail()
    tail.load_state_dict(ours.tail.state_dict())
    tail.train()
    before = {name: buffer.clone() for name, buffer in tail.named_buffers()}
    window = torch.rand(1, 832, 7, 7)
    tail(window).sum().backward()
    assert tail.inception5a.branch1.bn.weight.grad is not None
    for name, buffer in tail.named_buffers():
        assert torch.equal(buffer, before[name])
    with torch.no_grad():
        torch.testing.assert_close(tail(window), ours.tail(window))


@torch.inference_mode()
def test_runs_in_bfloat16(ours: TorchvisionGoogLeNet, images: Tensor) -> None:
    expected = ours(images)
    with torch.autocast("cpu", torch.bfloat16):
        got = ours(images)
    assert (got.float() - expected).abs().max() < 0.1 * expected.std() + 0.05


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_are_read(tmp_path: Path, theirs: GoogLeNet, images: Tensor, suffix: str) -> None:
    path = tmp_path / f"googlenet{suffix}"
    torch.save(theirs.state_dict(), path) if suffix == ".pth" else save_file(theirs.state_dict(), path)
    model = load_torchvision_weights(path)
    assert not model.training
    with torch.inference_mode():
        torch.testing.assert_close(model(images[:1]), theirs(images[:1]), rtol=1e-5, atol=1e-5)


def test_parts_for_a_detector(theirs: GoogLeNet, ours: TorchvisionGoogLeNet) -> None:
    model = googlenet_from_torchvision(theirs.state_dict(), "test")
    assert torch.equal(model.trunk.conv1.conv.weight, theirs.conv1.conv.weight)
    assert torch.equal(model.tail.inception5b.branch4[1].bn.running_var, theirs.inception5b.branch4[1].bn.running_var)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["conv1/7x7_s2.weight"], "BVLC's, which is the other architecture"),
        (["trunk.inception_3a.conv1x1.weight"], "the other architecture, `googlenet`"),
        (["layer1.0.conv1.weight"], "a ResNet"),
        (["Conv2d_1a_3x3.conv.weight"], "Inception v3"),
        (["something.else"], "of its 1 tensors, something.else the first"),
    ],
)
def test_other_networks_are_named(tmp_path: Path, names: list[str], said: str) -> None:
    save_file({name: torch.zeros(1) for name in names}, tmp_path / "net.safetensors")
    with pytest.raises(DataError) as caught:
        load_torchvision_weights(tmp_path / "net.safetensors")
    assert said in str(caught.value)
    assert "net.safetensors does not hold torchvision's GoogLeNet" in str(caught.value)


def test_incomplete_weights_are_refused(theirs: GoogLeNet) -> None:
    tensors = dict(theirs.state_dict())
    assert is_torchvision(tensors)
    tensors["conv1.conv.wheight"] = tensors.pop("conv1.conv.weight")
    tensors["conv2.bn.bias"] = torch.zeros(7)
    with pytest.raises(DataError) as caught:
        googlenet_from_torchvision(tensors, "mine.pth")
    message = str(caught.value)
    assert "mine.pth does not fit" in message
    assert "1 missing (trunk.conv1.conv.weight, nearest trunk.conv1.conv.wheight)" in message
    assert "trunk.conv2.bn.bias is (7,) and should be (64,)" in message
