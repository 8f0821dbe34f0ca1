import numpy as np
import pytest
import torch

from inception_rcnn.backbone.features.image_pyramid import nearest_short_sides
from inception_rcnn.backbone.features.shared_maps import SharedMaps
from inception_rcnn.backbone.googlenet import STRIDE
from inception_rcnn.data.boxes import as_boxes, box_iou
from inception_rcnn.proposals.common.box_coding import DELTA_STD
from inception_rcnn.proposals.common.ranking import DECAY
from inception_rcnn.proposals.multibox import network as multibox
from inception_rcnn.proposals.multibox.network import MAP_CHANNELS, MultiBox, MultiBoxHead, crop_windows, scale_priors

SIDES = (200, 400, 800)  # of the image pyramid


class QuickTrunk(torch.nn.Module):
    """A backbone that mixes the mean colour of each cell: all that a head needs, at no cost."""

    def __init__(self):
        super().__init__()
        self.mixing = torch.nn.Conv2d(3, MAP_CHANNELS, 1)
        self.sizes = []

    @staticmethod
    def preprocess(images):
        return images.float() / 255

    def forward(self, images):
        self.sizes.append(tuple(images.shape[2:]))
        return torch.relu(self.mixing(torch.nn.functional.avg_pool2d(images, STRIDE)))


@pytest.mark.parametrize(
    ("priors", "windows", "placed"),
    [
        ([], [[0, 0, 100, 50]], []),
        ([[0.25, 0.5, 0.75, 1]], [], []),
        ([[0.25, 0.5, 0.75, 1]], [[0, 0, 100, 50]], [[25, 25, 75, 50]]),
        ([[0, 0, 1, 1], [0, 0, 1, 1]], [[5, 5, 6, 7]], [[5, 5, 6, 7], [5, 5, 6, 7]]),
        (
            [[0, 0, 1, 1], [0.5, 0, 1, 0.5]],  # all of the first window, then all of the second
            [[0, 0, 100, 50], [10, 20, 30, 60]],
            [[0, 0, 100, 50], [50, 0, 100, 25], [10, 20, 30, 60], [20, 20, 30, 40]],
        ),
    ],
)
def test_priors_are_fractions_of_a_window(priors, windows, placed):
    np.testing.assert_allclose(scale_priors(as_boxes(priors), as_boxes(windows)), as_boxes(placed))


@pytest.mark.parametrize("crops", [0, 1])
def test_without_crops_there_is_the_whole_image(crops):
    assert crop_windows((50, 100, 3), crops).tolist() == [[0, 0, 100, 50]]


def test_two_crops_a_side_are_two_thirds_wide():
    expected = [[0, 0, 90, 60], [0, 0, 60, 40], [30, 0, 90, 40], [0, 20, 60, 60], [30, 20, 90, 60]]
    np.testing.assert_allclose(crop_windows((60, 90), 2), expected)


@pytest.mark.parametrize("crops", [2, 3, 5])
@pytest.mark.parametrize("shape", [(1, 1), (37, 101, 3), (400, 30, 3)])
def test_crops_are_of_one_size_overlap_by_half_and_cover_the_image(shape, crops):
    whole, *windows = crop_windows(shape, crops)
    height, width = shape[:2]
    assert whole.tolist() == [0, 0, width, height]
    assert len(windows) == crops**2
    for window in windows:
        np.testing.assert_allclose(window[2:] - window[:2], [2 * width / (crops + 1), 2 * height / (crops + 1)])
    for y in np.linspace(0, height, 25):
        for x in np.linspace(0, width, 25):
            assert any(x1 - 1e-9 <= x <= x2 + 1e-9 and y1 - 1e-9 <= y <= y2 + 1e-9 for x1, y1, x2, y2 in windows)
    shared = windows[0][2] - windows[1][0]
    np.testing.assert_allclose(shared, (windows[0][2] - windows[0][0]) / 2)


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    backbone, head = QuickTrunk(), MultiBoxHead(2)
    torch.nn.init.normal_(head.outputs.weight, std=1.0)  # else all boxes are alike
    return backbone.requires_grad_(False), head.requires_grad_(False)


IMAGE = np.random.default_rng(0).integers(0, 255, (150, 200, 3), dtype=np.uint8)
BOXES = as_boxes([[20, 30, 40, 60], [0, 0, 200, 150], [20, 30, 90, 120], [22, 30, 40, 60], [10, 0, 190, 150]])


def test_no_boxes_have_no_outputs(parts):
    backbone, head = parts
    confidence, deltas, iou = head(SharedMaps(backbone, IMAGE, SIDES), as_boxes([]))
    assert (confidence.shape, deltas.shape, iou.shape) == ((0,), (0, 4), (0,))


def test_a_new_head_is_sure_of_nothing_and_moves_nothing():
    """Sigmoid(-3) is .05; the weights are small."""
    torch.manual_seed(0)
    confidence, deltas, iou = MultiBoxHead(2)(SharedMaps(QuickTrunk(), IMAGE, SIDES), BOXES)
    torch.testing.assert_close(confidence, torch.full((5,), -3.0), atol=0.5, rtol=0)
    torch.testing.assert_close(deltas, torch.zeros(5, 4), atol=0.5, rtol=0)
    torch.testing.assert_close(iou, torch.full((5,), -3.0), atol=0.5, rtol=0)


def test_a_box_does_not_depend_on_its_company_and_keeps_its_place(parts, monkeypatch):
    """The five boxes are looked at on three maps, the large one in the middle of the list on the first of them."""
    backbone, head = parts
    maps = SharedMaps(backbone, IMAGE, SIDES)
    assert nearest_short_sides(BOXES, IMAGE.shape, SIDES).tolist() == [2, 0, 1, 2, 0]
    together = head(maps, BOXES)
    assert len(set(together[0].tolist())) == 5
    monkeypatch.setattr(multibox, "CHUNK", 1)
    for parted, whole in zip(head(maps, BOXES), together, strict=True):
        torch.testing.assert_close(parted, whole, rtol=1e-4, atol=1e-4)
    for i in range(5):
        for alone, whole in zip(head(maps, BOXES[i : i + 1]), together, strict=True):
            torch.testing.assert_close(alone[0], whole[i], rtol=1e-4, atol=1e-4)


class Scripted(MultiBoxHead):
    """A head that says what it is told to, prior by prior, and remembers what it was asked."""

    def __init__(self, priors, logits, deltas=0.0):
        super().__init__(len(priors))
        self.priors.copy_(torch.tensor(priors).reshape(-1, 4))
        self.logits, self.deltas = torch.tensor(logits).float(), torch.zeros(len(logits), 4) + torch.tensor(deltas)
        self.asked = []

    def forward(self, maps, boxes):
        self.asked.append(boxes)
        return self.logits[: len(boxes)], self.deltas[: len(boxes)], -self.logits[: len(boxes)]


MAPS = SharedMaps(QuickTrunk(), np.zeros((100, 200, 3), dtype=np.uint8), SIDES)


def proposing(*script, **settings):
    return MultiBox(MAPS.backbone, Scripted(*script), SIDES, **{"crops": 1, **settings})


def test_no_priors_propose_nothing():
    found = proposing([], []).propose(MAPS, 10)
    assert (found.boxes.shape, found.scores.shape) == ((0, 4), (0,))


def test_priors_move_and_end_at_the_images_edge():
    """A prior in the middle, 100 x 50: half a width to the right, a whole height up, three times as high."""
    deltas = [0.5 / DELTA_STD[0], 0, 0, 0], [0, -1 / DELTA_STD[1], 0, np.log(3) / DELTA_STD[3]]
    found = proposing([[0.25, 0.25, 0.75, 0.75]] * 2, [2, 0], deltas).propose(MAPS, 10)
    np.testing.assert_allclose(found.boxes, [[100, 25, 200, 75], [50, 0, 150, 75]], atol=1e-4)
    np.testing.assert_allclose(found.scores, [1 / (1 + np.exp(-2)), 0.5 * (1 - DECAY / 4**2)])  # they overlap by 1/4


def test_the_surest_come_first_and_no_more_than_asked_for():
    priors = [[0, 0, 0.25, 0.5], [0.25, 0, 0.5, 0.5], [0.5, 0, 0.75, 0.5], [0.75, 0, 1, 0.5]]
    model = proposing(priors, [0.0, 2.0, -1.0, 1.0])
    assert model.propose(MAPS, 10).boxes[:, 0].tolist() == [50, 150, 0, 100]
    assert model.propose(MAPS, 2).boxes[:, 0].tolist() == [50, 150]
    assert len(model.propose(MAPS, 0)) == 0


def test_a_surer_box_suppresses_what_overlaps_it_by_more_than_the_threshold():
    priors = [[0, 0, 0.4, 1], [0, 0, 0.5, 1], [0, 0, 0.5, 0.5]]  # the second overlaps the others by .8 and .5
    assert proposing(priors, [0.0, 2.0, 1.0]).propose(MAPS, 10).boxes.tolist() == [[0, 0, 100, 100], [0, 0, 100, 50]]
    assert len(proposing(priors, [0.0, 2.0, 1.0], nms_threshold=0.45).propose(MAPS, 10)) == 1
    assert len(proposing(priors, [0.0, 2.0, 1.0], nms_threshold=0.85).propose(MAPS, 10)) == 3


def test_what_is_thinner_than_a_pixel_is_left_out():
    thin, outside = [0.5, 0, 0.504, 1], [1.5, 0, 2, 1]
    assert proposing([thin, outside, [0, 0, 1, 1]], [3.0, 2.0, 1.0]).propose(MAPS, 10).boxes.tolist() == [
        [0, 0, 200, 100]
    ]


def test_with_crops_every_window_has_the_smaller_half_of_the_priors():
    model = proposing([[0, 0, 1, 1], [0, 0, 0.5, 0.5]], [0.0] * 6, crops=2)
    found = model.propose(MAPS, 100)
    windows = crop_windows((100, 200), 2)
    whole = scale_priors(as_boxes([[0, 0, 1, 1], [0, 0, 0.5, 0.5]]), windows[:1])
    parts = scale_priors(as_boxes([[0, 0, 0.5, 0.5]]), windows[1:])
    np.testing.assert_allclose(model.head.asked[0], np.concatenate([whole, parts]))
    assert box_iou(found.boxes, as_boxes([[400 / 6, 100 / 3, 400 / 3, 200 / 3]])).max() > 0.99  # of the last crop


def test_fit_is_of_the_boxes_as_they_are():
    boxes = as_boxes([[0, 0, 10, 10], [5, 5, 50, 50]])
    model = proposing([[0, 0, 1, 1]], [0.0, 1.0], 5.0)
    np.testing.assert_allclose(model.predict_iou(MAPS, boxes), [0.5, 1 / (1 + np.exp(1))], rtol=1e-6)
    np.testing.assert_array_equal(model.head.asked[0], boxes)
    assert model.predict_iou(MAPS, as_boxes([])).shape == (0,)


def test_proposals_of_a_real_head_are_in_order_inside_and_apart(parts):
    backbone, head = parts
    grid = np.stack(np.meshgrid([0, 0.25, 0.5], [0, 0.25, 0.5]), axis=-1).reshape(-1, 2)
    many = MultiBoxHead(9)
    many.load_state_dict({**head.state_dict(), "priors": torch.tensor(np.concatenate([grid, grid + 0.5], axis=1))})
    found = MultiBox(backbone, many, SIDES, nms_threshold=0.3).propose(SharedMaps(backbone, IMAGE, SIDES), 100)
    assert 1 < len(found) <= 9
    assert (np.diff(found.scores) <= 0).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert ((found.boxes >= 0) & (found.boxes <= [200, 150, 200, 150])).all()
    assert (box_iou(found.boxes, found.boxes) - np.eye(len(found))).max() <= 0.3


def test_the_fingerprint_changes_with_weights_and_settings():
    def model(backbone=1.0, weight=1.0, priors=1.0, **settings):
        torch.manual_seed(0)
        made = MultiBox(QuickTrunk(), MultiBoxHead(2), SIDES, **settings)
        with torch.no_grad():
            made.backbone.mixing.bias[0] = backbone
            made.head.outputs.bias[0] = weight
            made.head.priors[0, 0] = priors
        return made.fingerprint

    assert model() == model()
    changed = [model(), model(backbone=2), model(weight=2), model(priors=2), model(crops=3), model(nms_threshold=0.5)]
    assert len(set(changed)) == 6


def test_outputs_are_on_the_device_of_the_network():
    """On a device without memory: a tensor made on the CPU would not go with the others."""
    head, backbone = MultiBoxHead(2).to("meta"), QuickTrunk().to("meta")
    for boxes in (BOXES, as_boxes([])):
        for output in head(SharedMaps(backbone, IMAGE, SIDES), boxes):
            assert (output.device.type, output.dtype, len(output)) == ("meta", torch.float32, len(boxes))
