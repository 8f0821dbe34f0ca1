import json

import numpy as np
import pytest
import torch

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.images import encode_image
from inception_rcnn.data.records import Proposals
from inception_rcnn.data.results import read_predictions
from inception_rcnn.data.store import read_proposals, write_proposals
from inception_rcnn.detector.config import DetectorConfig
from inception_rcnn.detector.network import RegionNetwork
from inception_rcnn.detector.pretrained import save_network
from inception_rcnn.detector.running import DetectRun, propose_to_file
from inception_rcnn.proposals.methods import proposer


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A real, untrained network whose scores are all near a half."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    save_network(folder, RegionNetwork(1, ("shared",)), DetectorConfig(("thing",), regions=3, score=0.0))
    return folder


@pytest.fixture
def photos(tmp_path, rng):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("1.png", "2.png"):
        (folder / name).write_bytes(encode_image(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8), ".png"))
    boxes = as_boxes([[0, 0, 30, 40], [20, 10, 70, 55]])
    write_proposals(
        tmp_path / "boxes.safetensors", {n: Proposals(boxes, [1, 0.5]) for n in ("1.png", "2.png")}, "m", "h"
    )
    return folder


def run(model, photos, out, **changes):
    options = {"proposals": str(photos.parent / "boxes.safetensors"), **changes.pop("options", {})}
    return DetectRun([str(photos)], out, str(model), options, device="cpu", **changes)


def test_a_run_leaves_the_promised_files(model, photos, tmp_path):
    out = tmp_path / "out"
    summary = run(model, photos, out, formats="coco,voc,yolo,csv").execute()
    assert (summary.pictures, summary.failed) == (2, 0)
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {
        "detections.jsonl",
        "predictions.coco.json",
        "run.json",
        "detections.csv",
        "drawn/1.png",
        "drawn/2.png",
        "voc/comp4_det_test_thing.txt",
    } <= names
    content = json.loads((out / "run.json").read_text())
    assert content["finished"]
    assert content["pictures"] == {"all": 2, "skipped": 0, "failed": 0}
    assert len(content["settings"]["weights_sha256"]) == 64
    assert {"decode", "propose", "network", "draw", "wall"} == content["seconds"].keys()
    ledger, coco = read_predictions(out), read_predictions(out / "predictions.coco.json")
    for a, b in zip(ledger, coco, strict=True):
        np.testing.assert_allclose(a.detections.boxes, b.detections.boxes, atol=1e-9)


def test_the_same_command_again_does_nothing_and_another_is_refused(model, photos, tmp_path):
    run(model, photos, tmp_path / "out").execute()
    assert run(model, photos, tmp_path / "out").execute().skipped == 2
    with pytest.raises(UsageError, match=r"other settings \(config.*--overwrite"):
        run(model, photos, tmp_path / "out", options={"score": 0.9}).execute()
    summary = run(model, photos, tmp_path / "out", options={"score": 0.9}, overwrite=True).execute()
    assert summary.skipped == 0


def test_a_folder_that_is_its_own_output_is_not_detected_in_twice(model, photos):
    run(model, photos, photos).execute()
    assert run(model, photos, photos).execute().pictures == 2


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"formats": "coco,pdf"}, UsageError, "unknown --format 'pdf'"),
        ({"options": {"mode": "crops"}}, UsageError, "--mode crops"),
        ({"options": {"proposals": "selective-search:fats"}}, UsageError, "did you mean 'fast'"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(model, photos, tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        run(model, photos, tmp_path / "out", **changes).execute()
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_says_what_was_looked_for(model, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no pictures in .*looked for \.jpg"):
        run(model, tmp_path / "empty", tmp_path / "out", options={"proposals": None}).execute()


def test_proposals_are_written_for_what_can_be_read(photos, tmp_path):
    (photos / "3.jpg").write_bytes(b"<html>")
    lines = []
    message = propose_to_file(
        [str(photos)], tmp_path / "p.safetensors", proposer("selective-search:single"), lines.append
    )
    stored = read_proposals(tmp_path / "p.safetensors")
    assert list(stored) == ["1.png", "2.png"]
    assert stored.method == "selective-search:single"
    assert message.startswith("2 of 3 pictures")
    assert "3.jpg" in lines[0]
