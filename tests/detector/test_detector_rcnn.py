import pickle
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision_suppression import detections_by_torchvision

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.formats.specs import open_dataset
from inception_rcnn.data.images.decoding import encode_image, read_image
from inception_rcnn.data.records import Detections, Proposals
from inception_rcnn.data.suppression import detections_of
from inception_rcnn.detector import RCNN, rcnn
from inception_rcnn.detector.config import DetectorConfig
from inception_rcnn.detector.model_folders import save_network
from inception_rcnn.detector.network import RegionNetwork
from inception_rcnn.proposals.common.box_coding import DELTA_STD


class Scripted(torch.nn.Module):
    """A network that says what it is told to, region by region, and remembers what it was asked."""

    def __init__(self, logits, deltas):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.logits, self.deltas = torch.as_tensor(logits).float(), torch.as_tensor(deltas).float()
        self.calls = []

    @property
    def backbone(self):
        return self

    def forward(self, mode, regions):
        self.calls += [(mode, maps.image.shape, boxes.tolist()) for maps, boxes in regions]
        return [(self.logits[: len(boxes)], self.deltas[: len(boxes)]) for _, boxes in regions]


CONFIG = DetectorConfig(("cat", "dog"), modes=("shared", "crops"), vote_threshold=2.0)  # nobody votes
IMAGE = np.zeros((100, 200, 3), dtype=np.uint8)
BOXES = as_boxes([[10, 10, 50, 50], [12, 10, 52, 50], [100, 20, 140, 60]])
PROPOSALS = Proposals(BOXES, [0.9, 0.8, 0.7])
LOGITS = [[0, 5, 0], [0, 4, 0], [0, 0, 6]]  # cat, a weaker double of it, dog
DELTAS = np.zeros((3, 2, 4))


def detector(logits=LOGITS, deltas=DELTAS, **changes):
    return RCNN(Scripted(logits, deltas), CONFIG, "cpu").with_options(**changes)


def test_no_proposals_give_no_detections():
    found = detector().detect(IMAGE, Proposals(as_boxes([]), []))
    assert isinstance(found, Detections)
    assert len(found) == 0


def test_the_double_goes_and_the_best_comes_first():
    found = detector().detect(IMAGE, PROPOSALS)
    assert found.labels.tolist() == ["dog", "cat"]
    np.testing.assert_allclose(found.boxes, BOXES[[2, 0]])
    expected = torch.tensor(LOGITS).float().softmax(1)
    np.testing.assert_allclose(found.scores, [expected[2, 2], expected[0, 1]], rtol=1e-6)


def test_deltas_of_the_winning_class_move_the_box():
    deltas = DELTAS.copy()
    deltas[2, 1, 0] = 0.25 / DELTA_STD[0]  # dog: a quarter of 40 pixels to the right
    deltas[2, 0, 1] = 9.0  # cat: not asked
    found = detector(deltas=deltas).detect(IMAGE, PROPOSALS)
    np.testing.assert_allclose(found.boxes[0], [110, 20, 150, 60], rtol=1e-6)


def test_boxes_end_at_the_images_edge():
    deltas = DELTAS.copy()
    deltas[0, 0, 0] = -10
    found = detector(deltas=deltas).detect(IMAGE, PROPOSALS[:1])
    np.testing.assert_allclose(found.boxes, [[0, 10, 10, 50]], atol=1e-5)


def test_in_context_scores_are_weighed_by_the_classes_of_the_whole_image():
    model = detector(context=0.5, score=0.0)
    found = model.detect(IMAGE, PROPOSALS)
    assert model.network.calls[-1] == ("shared", IMAGE.shape, [[0, 0, 200, 100]])
    own = torch.tensor(LOGITS).double().softmax(1)
    of_image = own[0, 1:] / own[0, 1:].sum()  # the network predicts the first row for the first box of any image
    by_label = dict(zip(found.labels[:2].tolist(), found.scores[:2].tolist(), strict=True))
    assert by_label["cat"] == pytest.approx(float(own[0, 1] * of_image[0] ** 0.5), rel=1e-5)
    assert max(found.scores[found.labels == "dog"]) == pytest.approx(float(own[2, 2] * of_image[1] ** 0.5), rel=1e-5)


def test_scores_are_weighed_by_those_of_the_proposals():
    found = detector(objectness=0.5, score=0.0, nms_threshold=1.0).detect(IMAGE, PROPOSALS)
    own = torch.tensor(LOGITS).double().softmax(1)
    for row, proposal in enumerate(PROPOSALS.scores):
        assert np.isclose(found.scores, float(own[row, 1]) * proposal**0.5, rtol=1e-5).any()
    odd = detector(objectness=2.0, score=0.0).detect(IMAGE, Proposals(BOXES, [7.0, -3.0, 0.0]))
    assert found.scores.max() < odd.scores.max() <= 1  # above 1 is as sure as can be


def test_options_change_what_is_scored_and_detected():
    model = detector(regions=1, score=0.0, mode="crops")
    model.detect(IMAGE, PROPOSALS)
    assert model.network.calls == [("crops", IMAGE.shape, BOXES[:1].tolist())]
    assert len(detector(score=0.991).detect(IMAGE, PROPOSALS)) == 1
    assert len(detector(max_detections=1).detect(IMAGE, PROPOSALS)) == 1
    assert len(detector(nms_threshold=0.95).detect(IMAGE, PROPOSALS)) == 3


@pytest.mark.parametrize("shape", [(100, 200), (100, 200, 4), (0, 5, 3)])
def test_what_is_no_rgb_image_is_refused(shape):
    with pytest.raises(DataError, match=r"uint8 RGB of shape \(H, W, 3\)"):
        detector().detect(np.zeros(shape, dtype=np.uint8), PROPOSALS)
    with pytest.raises(DataError, match="got float64"):
        detector().detect(IMAGE / 255, PROPOSALS)


def test_an_unknown_method_or_device_is_refused_at_once():
    with pytest.raises(UsageError, match="did you mean 'fast'"):
        detector(proposals="selective-search:fsat")
    with pytest.raises(UsageError, match="unknown device"):
        RCNN(Scripted(LOGITS, DELTAS), CONFIG, "gpu0")


def test_a_stream_keeps_the_order_and_survives_a_bad_file(tmp_path):
    for name, width in (("b.png", 60), ("a.png", 40)):
        (tmp_path / name).write_bytes(encode_image(np.zeros((50, width, 3), dtype=np.uint8), ".png"))
    (tmp_path / "c.png").write_bytes(b"not an image")
    rows = list(detector([[9, 0, 0]] * 500, np.zeros((500, 2, 4))).stream(tmp_path))
    assert [(row.file, row.width, row.error is None) for row in rows] == [
        ("a.png", 40, True),
        ("b.png", 60, True),
        ("c.png", 0, False),
    ]
    assert "c.png" in rows[2].error


def test_the_stages_hold_everything_up_to_suppression():
    model = detector(regions=2, score=0.2, nms_threshold=0.4, max_detections=9)
    stages = model.forward([IMAGE], [lambda maps: PROPOSALS])[0][1]
    assert stages.proposals.tolist() == BOXES.tolist()  # the third too, which the budget cuts
    np.testing.assert_allclose(stages.probabilities, torch.tensor(LOGITS[:2]).float().softmax(1))
    np.testing.assert_allclose(stages.boxes, np.repeat(BOXES[:2, None], 2, axis=1))
    assert (stages.classes, stages.score_threshold) == (("cat", "dog"), 0.2)
    assert (stages.nms_threshold, stages.max_detections) == (0.4, 9)


def test_without_deltas_boxes_stay_as_they_were_proposed():
    stages = detector(deltas=DELTAS + 1, vote_threshold=0.5, box_deltas=False).forward(
        [IMAGE], [lambda maps: PROPOSALS]
    )[0][1]
    assert stages.boxes[:, 0].tolist() == BOXES.tolist()
    assert stages.vote_threshold is None


def test_the_stages_of_nothing():
    stages = detector(vote_threshold=0.5).forward([IMAGE], [lambda maps: Proposals(as_boxes([]), [])])[0][1]
    assert (stages.proposals.shape, stages.probabilities.shape, stages.boxes.shape) == ((0, 4), (0, 3), (0, 2, 4))
    assert len(detections_by_torchvision(stages)) == len(detections_of(stages)) == 0


def assert_same(a, b):
    assert a.labels.tolist() == b.labels.tolist()
    np.testing.assert_array_equal(a.boxes, b.boxes)
    np.testing.assert_array_equal(a.scores, b.scores)


@pytest.mark.parametrize("seed", range(8))
def test_detections_are_those_of_the_stages_by_torchvisions_suppression(seed):
    """Scores with many ties, and boxes whose overlaps lie on the threshold."""
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, [150, 60], (200, 2))
    proposals = Proposals(np.concatenate([corners, corners + rng.integers(1, 8, (200, 2)) * 10], axis=1), np.ones(200))
    logits, deltas = rng.integers(0, 4, (200, 3)), rng.integers(-2, 3, (200, 2, 4)) / 2
    rules = {"nms_threshold": rng.choice([0.25, 0.3, 0.5]), "vote_threshold": rng.choice([0.5, 2.0])}
    model = detector(logits, deltas, score=0.2, max_detections=40, **rules)
    found = model.detect(IMAGE, proposals)
    assert len(found) > 10
    assert_same(found, detections_of(model.forward([IMAGE], [lambda maps: proposals])[0][1]))


@pytest.mark.slow
@pytest.mark.shared
def test_suppression_is_torchvisions_on_real_photos(shared):
    data, model = open_dataset(f"voc:{shared / 'data' / 'VOCdevkit'}:2012:val"), RCNN.from_pretrained(device="cpu")
    for truth, score in zip(data.images[:2], (0.3, 0.01), strict=True):
        image = read_image(data.path(truth), ignore_exif=True)
        stages = model.with_options(score=score).forward([image], [model.propose])[0][1]
        assert len(stages.boxes) <= len(stages.proposals)
        assert_same(detections_by_torchvision(stages), detections_of(stages))


@pytest.mark.parametrize("option", [{"mode": "fast"}, {"score": 30}, {"score": float("nan")}, {"regions": 2.5}])
def test_settings_that_cannot_be_are_refused_in_python_too(option):
    with pytest.raises(UsageError, match=next(iter(option))):
        detector(**option)
    with pytest.raises(UsageError, match="did you mean 'regions'"):
        detector(region=5)


def test_a_file_and_a_pillow_image_are_detected_in_as_an_array_is(tmp_path):
    (tmp_path / "a.png").write_bytes(encode_image(IMAGE, ".png"))
    expected = detector().detect(IMAGE, PROPOSALS)
    for image in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.open(tmp_path / "a.png"), IMAGE[..., ::-1]):
        assert_same(detector().detect(image, PROPOSALS), expected)
    with pytest.raises(UsageError, match="got None"):
        detector().detect(None)


def test_what_is_found_draws_itself():
    found = detector().detect(IMAGE, PROPOSALS)
    drawn = found.plot(IMAGE)
    assert drawn.shape == IMAGE.shape
    assert drawn.any()
    assert not IMAGE.any()
    assert not detector().detect(IMAGE, PROPOSALS[:0]).plot(Image.fromarray(IMAGE)).any()
    assert found[found.labels == "cat"].plot(IMAGE).any()


def test_a_model_can_be_sent_to_a_spawned_worker():
    model = detector(score=0.5)
    copy = pickle.loads(pickle.dumps(model))
    assert copy.config == model.config
    assert copy.proposer.parameters == model.proposer.parameters
    assert_same(copy.detect(IMAGE, PROPOSALS), model.detect(IMAGE, PROPOSALS))


@pytest.mark.slow
def test_a_model_from_disk_can_be_sent_to_a_spawned_worker(tmp_path):
    network = RegionNetwork(2, ("shared",))
    save_network(tmp_path, network, DetectorConfig(("cat", "dog"), proposals="selective-search:single"))
    model = RCNN.from_pretrained(tmp_path, device="cpu").with_options(regions=3, score=0)
    code = "import pickle, sys; print(len(pickle.load(sys.stdin.buffer).detect(sys.argv[1])))"
    (tmp_path / "a.png").write_bytes(encode_image(IMAGE, ".png"))
    found = model.detect(tmp_path / "a.png")
    command = [sys.executable, "-c", code, str(tmp_path / "a.png")]
    done = subprocess.run(command, input=pickle.dumps(model), capture_output=True, check=True)
    assert int(done.stdout) == len(found) > 0


def test_only_the_classes_that_are_wanted_are_detected():
    wide = detector(score=0.001).detect(IMAGE, PROPOSALS)
    model = detector(score=0.001, output_classes=("dog",))
    found = model.detect(IMAGE, PROPOSALS)
    assert_same(found, wide[wide.labels == "dog"])
    stages = model.forward([IMAGE], [lambda maps: PROPOSALS])[0][1]
    assert (stages.classes, stages.probabilities.shape, stages.boxes.shape) == (("dog",), (3, 2), (3, 1, 4))
    assert_same(found, detections_of(stages))


def test_unwanted_classes_take_no_room_and_suppress_nothing():
    one = detector(output_classes=("cat",), max_detections=1, agnostic_nms=True)
    assert one.detect(IMAGE, PROPOSALS).labels.tolist() == ["cat"]
    logits = [[0, 5, 5.1], [0, 0, 6], [6, 0, 0]]  # a dog that suppresses the cat, where dogs are wanted
    boxes = Proposals(BOXES, [0.9, 0.8, 0.7])
    assert detector(logits, agnostic_nms=True).detect(IMAGE, boxes).labels.tolist() == ["dog"]
    assert detector(logits, agnostic_nms=True, output_classes=["cat"]).detect(IMAGE, boxes).labels.tolist() == ["cat"]


def test_agnostic_suppression_is_that_of_the_stages():
    model = detector([[0, 2, 2.1], [0, 2.2, 2], [0, 0, 6]], agnostic_nms=True, vote_threshold=0.5, score=0.01)
    found = model.detect(IMAGE, PROPOSALS)
    assert len(found) == 2
    assert_same(found, detections_of(model.forward([IMAGE], [lambda maps: PROPOSALS])[0][1]))


@pytest.mark.parametrize("mode", ["shared", "crops"])
def test_several_images_together_are_detected_in_as_each_alone(mode, rng):
    torch.manual_seed(0)
    config = DetectorConfig(("cat", "dog"), modes=("shared", "crops"), score=0.0, regions=7, short_sides=(48, 96))
    model = RCNN(RegionNetwork(2, config.modes), config, "cpu").with_options(mode=mode)
    sizes = [(60, 80), (60, 80), (90, 50), (10, 12)]
    images = [cv2.blur(rng.integers(0, 256, (*size, 3)).astype(np.uint8), (9, 9)) for size in sizes]
    together = model.detect_batch(images)
    assert model.detect_batch([]) == []
    assert sum(map(len, together)) > 8
    for image, found in zip(images, together, strict=True):
        alone = model.detect(image)
        assert found.labels.tolist() == alone.labels.tolist()
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-4)
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=1e-2)


def test_a_budget_that_is_used_up_leaves_the_best_regions(monkeypatch):
    """Each look at the clock takes a second; two regions are classified between them."""
    monkeypatch.setattr(rcnn, "REGIONS_A_CLOCK_READING", 2)
    seconds = iter(range(100))
    monkeypatch.setattr(rcnn.time, "monotonic", lambda: next(seconds))
    boxes = np.concatenate([BOXES, BOXES + 7])
    proposals = Proposals(boxes, np.arange(6, 0, -1))
    for budget, expected in [(0, 2), (1, 2), (2, 4), (9, 6)]:
        model = detector(np.ones((6, 3)), np.zeros((6, 2, 4)), budget=budget)
        stages = model.forward([IMAGE], [lambda maps: proposals])[0][1]
        assert len(stages.probabilities) == expected
        assert len(stages.proposals) == 6
    whole = detector(np.ones((6, 3)), np.zeros((6, 2, 4)))
    whole.detect(IMAGE, proposals)
    assert len(whole.network.calls) == 1


def test_boxes_below_the_smallest_size_neither_count_nor_suppress():
    boxes = Proposals(as_boxes([[10, 10, 50, 29], [10, 10, 50, 31], [100, 20, 140, 60]]), [0.9, 0.8, 0.7])
    assert detector().detect(IMAGE, boxes).boxes[:, 3].tolist() == [60, 29]  # the cat of 40 x 19 suppresses the other
    assert detector(min_size=20, score=0.0, vote_threshold=2).detect(IMAGE, boxes).boxes[:, 3].tolist()[:2] == [60, 31]
    assert not (detector(min_size=20, score=0.0).detect(IMAGE, boxes).boxes == 29).any()
    assert len(detector(min_size=41).detect(IMAGE, boxes)) == 0
