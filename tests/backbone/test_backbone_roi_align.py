import pytest
import torch
from torchvision.ops import roi_align as reference

from inception_rcnn.backbone.roi_align import roi_align

MAP = torch.randn(1, 5, 9, 13, generator=torch.Generator().manual_seed(0))  # 208 x 144 pixels at a stride of 16


@pytest.mark.parametrize(
    "windows",
    [
        [],
        [[0, 0, 208, 144]],  # the whole map
        [[30.5, 20.2, 31.0, 21.0]],  # less than a cell
        [[-100, -80, 40, 60], [190, 100, 400, 300]],  # over the edges
        [[-500, -500, -400, -400], [1000, 1000, 1100, 1050]],  # beside the map
        [[17, 40, 90, 44], [17, 40, 20, 140], [17, 40, 90, 44]],  # wide, high, twice
    ],
)
def test_pooling_is_torchvisions_values_and_gradients(windows):
    windows = torch.tensor(windows, dtype=torch.float32).reshape(-1, 4)
    mine, theirs = MAP.clone().requires_grad_(), MAP.clone().requires_grad_()
    got = roi_align(mine, windows, 16, 7)
    wanted = reference(theirs, [windows], 7, 1 / 16, sampling_ratio=2, aligned=True)
    assert got.shape == (len(windows), 5, 7, 7)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)
    weights = torch.randn(got.shape, generator=torch.Generator().manual_seed(1))
    (got * weights).sum().backward()
    (wanted * weights).sum().backward()
    torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-5, rtol=1e-5)


def test_what_is_pooled_lies_channels_last_in_memory():
    pooled = roi_align(MAP, torch.tensor([[0.0, 0.0, 100.0, 100.0], [5.0, 5.0, 60.0, 90.0]]), 16, 7)
    assert pooled.is_contiguous(memory_format=torch.channels_last)
