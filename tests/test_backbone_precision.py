import pytest
import torch

from inception_rcnn.backbone.precision import autocast, choose_device
from inception_rcnn.data.errors import SetupError, UsageError


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device().type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device().type == "cpu"


def test_a_gpu_that_is_not_there_says_why(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SetupError, match=r"--device cuda:1 cannot be used: .*use --device cpu"):
        choose_device("cuda:1")
    with pytest.raises(UsageError, match="unknown device 'gpu'"):
        choose_device("gpu")


@pytest.mark.parametrize(("feature", "dtype"), [("avx512_bf16", torch.bfloat16), ("avx2", torch.float32)])
def test_bfloat16_only_where_the_processor_multiplies_it(monkeypatch, feature, dtype):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {feature: True}, raising=False)
    with autocast(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
