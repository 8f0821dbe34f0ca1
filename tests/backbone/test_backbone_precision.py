import pytest
import torch

from inception_rcnn.backbone import precision
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


@pytest.mark.parametrize(
    "name",
    [
        "",
        "gpu",
        "GPU:0",
        "0",
        "meta",
        "xpu",
        "cpu:1",
        "mps:1",
        "cuda:-1",
        "cuda:x",
        "cuda:9999999999",
        "cpu\n",
        "cuda:²",
    ],
)
def test_a_device_that_nobody_knows_is_one_sentence(name):
    with pytest.raises(UsageError, match=r"unknown device .*use auto, cpu, cuda, cuda:N or mps"):
        choose_device(name)


def test_a_message_about_a_device_is_short():
    with pytest.raises(UsageError) as caught:
        choose_device("x" * 10**5)
    assert len(str(caught.value)) < 200


def test_the_cpu_has_two_names():
    assert choose_device("cpu") == choose_device("cpu:0") == torch.device("cpu")


def test_a_gpu_beyond_the_last_says_how_many_there_are(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(SetupError, match=r"cuda:9 cannot be used: this machine has 2 GPUs, numbered from cuda:0"):
        choose_device("cuda:9")


def test_a_mac_is_named_only_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(SetupError, match=r"--device mps cannot be used: .*use --device cpu"):
        choose_device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("mps") == choose_device("mps:0") == torch.device("mps")


@pytest.mark.parametrize(("works", "device"), [(True, "mps"), (False, "cpu")])
def test_auto_takes_a_macs_gpu_where_it_does_all_that_is_asked(monkeypatch, works, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(precision, "computes", lambda device: works)
    assert choose_device("auto").type == device


def test_whether_a_device_computes_is_tried_and_no_random_number_is_spent():
    torch.manual_seed(0)
    assert precision.computes(torch.device("cpu"))
    after = torch.rand(1)
    torch.manual_seed(0)
    assert after == torch.rand(1)
    assert not precision.computes(torch.device("mps" if not torch.backends.mps.is_available() else "xpu"))


def test_a_macs_gpu_computes_in_float32():
    with autocast(torch.device("mps")):
        assert not torch.is_autocast_enabled("mps")


def test_a_device_may_be_torchs_own_or_a_number():
    assert choose_device(None) == choose_device("auto")
    assert choose_device(torch.device("cpu")) == torch.device("cpu")
    if not torch.cuda.is_available():
        with pytest.raises(SetupError, match="cuda:0"):
            choose_device(0)


@pytest.mark.parametrize("native", [True, False])
def test_a_gpu_computes_in_bfloat16_where_it_multiplies_it_natively(monkeypatch, native):
    asked, made = [], []
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **options: asked.append(options) or native)
    monkeypatch.setattr(torch, "autocast", lambda *arguments: made.append(arguments))
    autocast(torch.device("cuda:1"))
    assert asked == [{"including_emulation": False}]
    assert made == ([("cuda", torch.bfloat16)] if native else [])


@pytest.mark.parametrize(
    ("capabilities", "native"),
    [({}, False), ({"avx2": True}, False), ({"avx512_bf16": True}, True), ({"amx_bf16": True}, True)],
)
def test_a_cpu_computes_in_bfloat16_where_it_multiplies_it_natively(monkeypatch, capabilities, native):
    made = []
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(torch, "autocast", lambda *arguments: made.append(arguments))
    autocast(torch.device("cpu"))
    assert made == ([("cpu", torch.bfloat16)] if native else [])
