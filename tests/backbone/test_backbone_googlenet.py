import pytest
import torch
import torch.nn.functional as F
from test_backbone_inception import multiply_adds

from inception_rcnn.backbone.classification.batches import CropBatch
from inception_rcnn.backbone.classification.classifier import classification_loss
from inception_rcnn.backbone.googlenet import MEAN, AuxiliaryHead, Backbone, BoxHead, GoogLeNet, local_response_norm

# Weights and biases of each stage in BVLC's train_val.prototxt.
PARAMETERS = {
    "backbone.conv1": 9_472,
    "backbone.inception_3a": 163_696,
    "backbone.inception_3b": 388_736,
    "backbone.inception_4a": 376_176,
    "backbone.inception_4b": 449_160,
    "backbone.inception_4c": 510_104,
    "backbone.inception_4d": 605_376,
    "backbone.inception_4e": 868_352,
    "box_head.inception_5a": 1_043_456,
    "box_head.inception_5b": 1_444_080,
    "classifier": 1_025_000,
    "auxiliary1": 3_188_840,
    "auxiliary2": 3_190_888,
}
# Output of each stage for a 224 x 224 input, Table 1.
SHAPES = {
    "backbone.conv1": (64, 112, 112),
    "backbone.conv2": (192, 56, 56),
    "backbone.inception_3a": (256, 28, 28),
    "backbone.inception_3b": (480, 28, 28),
    "backbone.inception_4a": (512, 14, 14),
    "backbone.inception_4d": (528, 14, 14),
    "backbone.inception_4e": (832, 14, 14),
    "box_head.inception_5a": (832, 7, 7),
    "box_head.inception_5b": (1024, 7, 7),
}


def num_parameters(module):
    return sum(each.numel() for each in module.parameters())


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return GoogLeNet(auxiliary=True).eval()


def test_parameters_are_those_of_the_paper(model):
    assert num_parameters(GoogLeNet()) == 6_998_552
    assert num_parameters(model) == 13_378_280
    assert {name: num_parameters(model.get_submodule(name)) for name in PARAMETERS} == PARAMETERS
    conv2 = num_parameters(model.backbone.conv2_reduce) + num_parameters(model.backbone.conv2)
    assert conv2 == 114_944


def test_multiply_adds_are_those_of_the_prototxt():
    total = multiply_adds(GoogLeNet(), torch.zeros(1, 3, 224, 224))
    assert total / 1e6 == pytest.approx(1582.7, abs=0.05)


def test_every_stage_has_the_shape_of_table_1(model):
    shapes = {}
    for name in SHAPES:
        model.get_submodule(name).register_forward_hook(
            lambda _, __, output, name=name: shapes.update({name: tuple(output.shape[1:])})
        )
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
    assert shapes == SHAPES


def test_response_normalisation_is_caffes():
    x = torch.randn(2, 7, 5, 4) * 100
    torch.testing.assert_close(local_response_norm(x), F.local_response_norm(x, 5, 1e-4, 0.75, 1.0))
    shape = torch.ones(1, 7, 1, 1)
    by_hand = shape.clone()
    for channel in range(7):
        window = shape[:, max(channel - 2, 0) : channel + 3] ** 2
        by_hand[:, channel] = shape[:, channel] / (1 + 1e-4 / 5 * window.sum()) ** 0.75
    torch.testing.assert_close(local_response_norm(shape), by_hand)


def test_both_normalisations_are_in_the_backbone(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "inception_rcnn.backbone.googlenet.local_response_norm", lambda x: calls.append(tuple(x.shape)) or x
    )
    Backbone()(torch.zeros(1, 3, 224, 224))
    assert calls == [(1, 64, 56, 56), (1, 192, 56, 56)]


def test_auxiliary_heads_count_three_tenths_and_are_gone_at_inference(model):
    crops = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8)
    images, targets = model.backbone.preprocess(crops.permute(0, 3, 1, 2)), torch.tensor([3, 7])
    with torch.no_grad():
        main, first, second = model.forward_auxiliary(images)
        expected = F.cross_entropy(main, targets)
        expected += 0.3 * (F.cross_entropy(first, targets) + F.cross_entropy(second, targets))
        batch = CropBatch(("a", "b"), crops.numpy(), targets.numpy())
        torch.testing.assert_close(classification_loss(model, batch)["loss"], expected, rtol=0.01, atol=0.01)
        torch.testing.assert_close(model(images), main)
    plain = GoogLeNet()
    assert not any("auxiliary" in name for name, _ in plain.named_parameters())
    with pytest.raises(RuntimeError, match="auxiliary=True"):
        plain.forward_auxiliary(images)


def test_auxiliary_heads_drop_seven_tenths_and_the_classifier_four(model):
    assert [each.p for each in model.modules() if isinstance(each, torch.nn.Dropout)] == [0.4, 0.7, 0.7]
    assert AuxiliaryHead(512, 10)(torch.zeros(2, 512, 14, 14)).shape == (2, 10)


def test_new_weights_start_as_bvlc_started_them(model):
    convolution = model.backbone.inception_3a.conv3x3
    bound = (6 / (9 * (96 + 128))) ** 0.5
    assert convolution.weight.abs().max() <= bound
    assert convolution.weight.abs().max() > 0.95 * bound
    assert (convolution.bias == 0.2).all()
    assert (model.classifier.bias == 0).all()


def test_preprocessing_only_subtracts_the_mean():
    images = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    images[:, 0] = 200
    out = Backbone.preprocess(images)
    assert out.dtype == torch.float32
    assert out[0, :, 0, 0].tolist() == [200 - MEAN[0], -MEAN[1], -MEAN[2]]


def test_the_box_head_takes_what_pool4_makes_of_the_backbone():
    box_head = BoxHead()
    assert box_head.pool4(torch.zeros(1, 832, 14, 14)).shape == (1, 832, 7, 7)
    assert box_head(torch.zeros(0, 832, 7, 7)).shape == (0, 1024, 7, 7)
