import csv

import numpy as np
import pytest
import torch
from region_training import draw_squares
from test_classification_labelled_images import write_image

from inception_rcnn.backbone.classification.model_folder import save_classifier
from inception_rcnn.backbone.googlenet import GoogLeNet
from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.records import Stages
from inception_rcnn.detector import RCNN
from inception_rcnn.detector.config import DetectorConfig
from inception_rcnn.detector.ensemble import Ensemble
from inception_rcnn.detector.model_folders import save_detector
from inception_rcnn.detector.network import RegionNetwork
from inception_rcnn.detector.reproduction import run
from inception_rcnn.detector.reproduction.experiment import Measured, Row, measured
from inception_rcnn.detector.reproduction.run import ReproductionOptions, reproduce
from inception_rcnn.detector.reproduction.stage_images import stage_images
from inception_rcnn.detector.reproduction.tables import Reproduction, format_csv, format_markdown, render_html

pytestmark = pytest.mark.usefixtures("small_maps")


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    """Two networks of one class, which know nothing."""
    folder = tmp_path_factory.mktemp("ensemble")
    torch.manual_seed(0)
    config = DetectorConfig(("square",), proposals="selective-search:single", regions=4, short_sides=(200,))
    save_detector(folder, Ensemble([RegionNetwork(1, ("shared",)) for _ in range(2)]), config)
    return folder


def test_every_row_is_measured_once_and_written_beside_what_is_published(ensemble, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "describe_machine", lambda device: "a machine")
    for number, name in enumerate(("ant", "bee")):
        write_image(tmp_path / "photos" / name / "a.png", 99 * number)
    save_classifier(tmp_path / "classifier", GoogLeNet(2), ("ant", "bee"), {})
    options = ReproductionOptions(
        models=[str(ensemble)],
        images=2,
        classified=str(tmp_path / "photos"),
        classifiers=[str(tmp_path / "classifier")],
        device="cpu",
    )
    spec, lines = draw_squares(tmp_path / "squares"), []
    summary = reproduce(spec, tmp_path / "out", options, lines.append)
    with (tmp_path / "out" / "reproduction.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = list(dict.fromkeys((row["table"], row["row"]) for row in rows))
    assert summary.startswith(f"{len(names)} rows")
    assert [name for table, name in names if table == "Proposals"] == [
        *("selective-search:fast", "selective-search:googlenet", "mix")
    ]
    assert [name.partition(", ")[2] for table, name in names if table == "Detection"] == [
        *(
            "first 1 of 2 nets: shared, no box regression, no context",
            "first 2 of 2 nets: shared, no box regression, no context",
        ),
        *("first 1 of 2 nets: shared, no context", "first 2 of 2 nets: shared, no context"),
        *("first 1 of 2 nets: shared, with context", "first 2 of 2 nets: shared, with context"),
    ]
    assert [name for table, name in names if table == "Classification"] == [
        f"1 network, {crops} crop{'s' * (crops > 1)}" for crops in (1, 10, 144)
    ]
    published = {row["row"]: row["published"] for row in rows}
    assert published["1 network, 144 crops"] == "top-5: 7.89 %"
    aps = [float(row["value"]) for row in rows if row["column"] == "mAP"]
    assert all(0 <= ap <= 1 for ap in aps)
    page = (tmp_path / "out" / "reproduction.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 7
    text = (tmp_path / "out" / "reproduction.md").read_text()
    assert "| selective-search:fast |" in text

    again: list[str] = []
    reproduce(spec, tmp_path / "out", options, again.append)
    assert again.count("  measured before") == len(names)
    assert (tmp_path / "out" / "reproduction.md").read_text() == text


def test_an_ensemble_begins_with_its_first_networks(ensemble):
    model = RCNN.from_pretrained(ensemble, device="cpu")
    first = model.first_members(1)
    assert isinstance(first.network, RegionNetwork)
    assert first.config.members == 1
    assert model.first_members(2) is model
    torch.testing.assert_close(first.network.state_dict(), model.network.members[0].state_dict())


def test_a_row_is_measured_anew_when_what_decides_it_changes(tmp_path):
    calls = []

    def measure(folder):
        calls.append(folder)
        return {"mAP": 0.5}

    for facts, number in ((("a",), 1), (("a",), 1), (("b",), 2)):
        found, _ = measured(Row("Detection", "x", facts, measure, "38.02"), tmp_path)
        assert len(calls) == number
        assert (found.values, found.published) == ({"mAP": 0.5}, "38.02")
    (calls[0] / "row.json").write_text("[broken")
    assert measured(Row("Detection", "x", ("a",), measure), tmp_path)[1] is False


def test_names_cannot_break_the_tables():
    rows = [Measured("Detection", "a|b <i>\x1b[2J", {"mAP": 0.1234, "regions": 64, "seconds an image": None}, "")]
    made = Reproduction({"models": "<b>"}, rows)
    assert "| a\\|b <i>\\x1b[2J | .123 | 64 | – |" in format_markdown(made)
    page = render_html(made)
    assert "&lt;i&gt;" in page
    assert "<b>" not in page.replace("<b>{{", "")
    assert format_csv(made).splitlines()[1] == "Detection,a|b <i>\x1b[2J,mAP,0.1234,"


def test_stages_without_any_box_have_images_too():
    stages = Stages(
        proposals=np.zeros((0, 4)),
        probabilities=np.zeros((0, 2)),
        boxes=np.zeros((0, 1, 4)),
        classes=("cat",),
        score_threshold=0.3,
        nms_threshold=0.3,
        max_detections=100,
    )
    images = stage_images(np.zeros((60, 80, 3), dtype=np.uint8), stages)
    assert [each.name for each in images][-1] == "Suppression"
    assert images[-1].text == "0 detections"


def test_a_metric_that_is_none_is_refused_at_once(tmp_path, ensemble):
    spec = draw_squares(tmp_path / "squares")
    with pytest.raises(UsageError, match="unknown --metric 'voc'"):
        reproduce(spec, tmp_path / "out", ReproductionOptions(models=[str(ensemble)], metric="voc"), print)
