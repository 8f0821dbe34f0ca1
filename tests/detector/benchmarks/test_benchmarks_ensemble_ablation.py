import numpy as np
import pytest
import torch

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.records import GroundTruth, Proposals
from inception_rcnn.data.terminal import format_rows, rows_to_json
from inception_rcnn.detector import RCNN
from inception_rcnn.detector.benchmarks.ensemble_ablation import benchmark_ensemble
from inception_rcnn.detector.config import DetectorConfig
from inception_rcnn.detector.ensemble import Ensemble
from inception_rcnn.detector.network import RegionNetwork

BOXES = as_boxes([[2, 2, 22, 22], [30, 5, 50, 25], [5, 30, 25, 50]])


@pytest.fixture
def data(tmp_path):
    """Three images, each with a cat in the first region and a dog in the second."""
    truths = []
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(encode_image(np.full((60, 60, 3), i, dtype=np.uint8), ".png"))
        truths.append(GroundTruth(f"{i}.png", 60, 60, BOXES[:2], ["cat", "dog"], [False, False]))
    return Dataset("three", ("cat", "dog"), tuple(truths), tmp_path)


@pytest.fixture
def scripted(monkeypatch):
    """An ensemble whose members say what they are told to, and that always looks at the same three regions."""

    def make(*told):
        members = [RegionNetwork(2, ("shared",)) for _ in told]
        model = RCNN(Ensemble(members), DetectorConfig(("cat", "dog"), members=len(told)), "cpu")
        calls = []

        def predictions(mode, regions):
            calls.extend(boxes.tolist() for _, boxes in regions)
            return [[(torch.tensor(logits).float(), torch.zeros(3, 2, 4))] for logits in told]

        monkeypatch.setattr(model.network, "predictions", predictions)
        monkeypatch.setattr(RCNN, "propose", lambda self, maps: Proposals(BOXES, np.ones(3)))
        return model, calls

    return make


CAT, DOG, NOTHING = [0, 9, 0], [0, 0, 9], [9, 0, 0]
SURELY_NOT = [0, -30, -30]  # nothing to detect, not even weakly
RIGHT = [CAT, DOG, SURELY_NOT]
NO_DOG = [CAT, SURELY_NOT, SURELY_NOT]
WRONG = [DOG, CAT, SURELY_NOT]


def test_what_each_member_is_worth(data, scripted):
    model, calls = scripted(RIGHT, NO_DOG, [SURELY_NOT] * 3)
    rows = {row.nets: row for row in benchmark_ensemble(model, data, 3)}
    assert calls == [BOXES.tolist()] * 3  # one pass
    assert [rows[name].map for name in ("1", "2", "3", "all")] == pytest.approx([1, 0.5, 0, 1])
    assert [rows[name].map_without for name in "123"] == pytest.approx([0.5, 1, 1])
    assert [rows[name].gain for name in ("1", "2", "3", "all")] == pytest.approx([0.5, 0, 0, 0.5])
    assert list(rows) == ["all", "1", "2", "3", "1 and 2", "1 and 3", "2 and 3"]
    assert "0.500" in format_rows(list(rows.values()))
    assert '"map": null' in rows_to_json(list(rows.values()))


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [
        (RIGHT, RIGHT, 0.0),
        (RIGHT, WRONG, 1.0),
        (RIGHT, NO_DOG, 0.5),  # of the two regions that one of them is sure of
        ([NOTHING] * 3, [NOTHING] * 3, None),  # sure of nothing
    ],
)
def test_disagreement_is_counted_where_a_member_is_sure(data, scripted, first, second, share):
    model, _ = scripted(first, second)
    rows = {row.nets: row for row in benchmark_ensemble(model, data, 2)}
    assert rows["1 and 2"].disagreement == share
    assert rows["1"].map_without == rows["2"].map


def test_members_with_different_mistakes_are_right_together(data, scripted):
    """One takes the dog for a cat rather than the cat itself, the other the cat for a dog."""
    first = [[0, 1, 0], [0, 3, 2.5], SURELY_NOT]
    second = [[0, 2.5, 3], [0, 0, 1], SURELY_NOT]
    model, _ = scripted(first, second)
    rows = {row.nets: row for row in benchmark_ensemble(model, data, 3)}
    assert [rows[name].map for name in ("1", "2", "all")] == pytest.approx([0.75, 0.75, 1])


def test_a_single_net_is_refused(data):
    model = RCNN(RegionNetwork(2, ("shared",)), DetectorConfig(("cat", "dog")), "cpu")
    with pytest.raises(UsageError, match="one net"):
        benchmark_ensemble(model, data, 1)
