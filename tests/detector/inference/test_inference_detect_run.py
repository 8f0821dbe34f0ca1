import json
import os
import shutil
import signal
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import DataError, LimitError, UsageError
from inception_rcnn.data.files.folder_walk import RUN_FILES
from inception_rcnn.data.formats.predictions import read_predictions
from inception_rcnn.data.formats.specs import open_dataset
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.records import Proposals
from inception_rcnn.data.stores.proposal_files import read_proposal_file
from inception_rcnn.data.stores.proposal_store import hash_of, read_proposals
from inception_rcnn.data.stores.proposal_writers import write_proposals
from inception_rcnn.data.stores.stage_files import read_stages
from inception_rcnn.detector.config import DetectorConfig
from inception_rcnn.detector.inference import propose_run as proposing
from inception_rcnn.detector.inference.detect_run import DetectOptions, detect_files
from inception_rcnn.detector.inference.image_run import Writing
from inception_rcnn.detector.inference.propose_run import propose_to_file
from inception_rcnn.detector.model_folders import save_network
from inception_rcnn.detector.network import RegionNetwork
from inception_rcnn.proposals.methods import Proposer, proposer

pytestmark = pytest.mark.usefixtures("small_maps")


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
        tmp_path / "boxes.safetensors", {n: Proposals(boxes, [1, 0.5]) for n in ("1.png", "2.png")}, "m", ("h",)
    )
    return folder


def run(model, photos, out, report=lambda line: None, **changes):
    settings = {"proposals": str(photos.parent / "boxes.safetensors"), **changes.pop("options", {})}
    settings = {name: value for name, value in settings.items() if value is not None}
    writing = Writing(**{name: changes.pop(name) for name in ("draw", "save_crops", "keep_stages") if name in changes})
    options = DetectOptions(str(model), settings, "cpu", writing, **changes)
    return detect_files([str(photos)], out, options, report)


def test_a_run_leaves_the_promised_files(model, photos, tmp_path):
    out = tmp_path / "out"
    summary = run(model, photos, out, formats="coco,voc,yolo,csv")
    assert (summary.images, summary.failed) == (2, 0)
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
    assert content["images"] == {"all": 2, "skipped": 0, "failed": 0}
    assert len(content["settings"]["weights_sha256"]) == 64
    assert {"decode", "propose", "wait", "network", "draw", "wall"} == content["seconds"].keys()
    ledger, coco = read_predictions(out), read_predictions(out / "predictions.coco.json")
    for a, b in zip(ledger, coco, strict=True):
        np.testing.assert_allclose(a.detections.boxes, b.detections.boxes, atol=1e-9)


def test_the_same_command_again_does_nothing_and_another_is_refused(model, photos, tmp_path):
    run(model, photos, tmp_path / "out")
    assert run(model, photos, tmp_path / "out").skipped == 2
    with pytest.raises(UsageError, match=r"other settings \(config.*--overwrite"):
        run(model, photos, tmp_path / "out", options={"score": 0.9})
    summary = run(model, photos, tmp_path / "out", options={"score": 0.9}, overwrite=True)
    assert summary.skipped == 0


def test_what_a_killed_run_did_not_finish_writing_is_removed(model, photos, tmp_path):
    out = tmp_path / "out"
    run(model, photos, out, keep_stages=True)
    unfinished = [out / folder / f".{'0a' * 16}.tmp" for folder in ("", "drawn", "stages")]
    for path in (*unfinished, out / ".mine.tmp"):
        path.write_bytes(b"half")
    assert run(model, photos, out, keep_stages=True).skipped == 2
    assert sorted(path.name for path in out.rglob(".*.tmp")) == [".mine.tmp"]


def test_stages_are_kept_where_asked_and_go_with_the_run_they_are_of(model, photos, tmp_path):
    out = tmp_path / "out"
    run(model, photos, out, keep_stages=True)
    assert sorted(read_stages(out)) == ["1.png", "2.png"]
    assert {stages.score_threshold for stages in read_stages(out).values()} == {0.0}
    assert run(model, photos, out, keep_stages=True).skipped == 2
    assert run(model, photos, out).skipped == 2  # what is kept stays
    assert len(read_stages(out)) == 2
    run(model, photos, out, options={"score": 0.9}, overwrite=True)
    assert not read_stages(out)


def test_a_folder_that_is_its_own_output_is_not_detected_in_twice(model, photos):
    run(model, photos, photos)
    assert run(model, photos, photos).images == 2


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"formats": "coco,pdf"}, UsageError, "unknown --format 'pdf'"),
        ({"options": {"mode": "crops"}}, UsageError, "mode is 'crops', need modes among shared"),
        ({"options": {"proposals": "selective-search:fats"}}, UsageError, "did you mean 'fast'"),
        ({"options": {"proposals": "no.npz"}}, UsageError, r"^no\.npz: there is no such file of proposals$"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(model, photos, tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        run(model, photos, tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_says_what_was_looked_for(model, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no images in .*looked for \.jpg"):
        run(model, tmp_path / "empty", tmp_path / "out", options={"proposals": None})


def test_proposals_are_written_for_what_can_be_read(photos, tmp_path):
    (photos / "3.jpg").write_bytes(b"<html>")
    lines = []
    message = propose_to_file(
        [str(photos)], tmp_path / "p.safetensors", proposer("selective-search:single"), lines.append
    )
    stored = read_proposals(tmp_path / "p.safetensors")
    assert list(stored) == ["1.png", "2.png"]
    assert stored.method == "selective-search:single"
    assert message.startswith("2 of 3 images")
    assert "3.jpg" in lines[0]


def test_stored_proposals_that_are_out_of_date_are_refused(model, photos, tmp_path):
    kept = read_proposals(tmp_path / "boxes.safetensors")
    write_proposals(tmp_path / "boxes.safetensors", kept, "selective-search:fast", ("old",))
    with pytest.raises(DataError, match=f"with parameters {hash_of('old')}, which now are"):
        run(model, photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["p.safetensors", "shards"])
def test_proposals_of_a_file_that_was_replaced_are_of_no_use(model, photos, tmp_path, name):
    method = proposer("selective-search:single")
    propose_to_file([str(photos)], tmp_path / name, method, lambda line: None)
    (photos / "2.png").write_bytes(encode_image(np.zeros((50, 50, 3), np.uint8), ".png"))
    options = {"proposals": str(tmp_path / name)}
    run(model, photos, tmp_path / "out", options=options)
    first, second = read_predictions(tmp_path / "out")
    assert first.error is None
    assert "has none for this image as it is now" in second.error
    propose_to_file([str(photos)], tmp_path / name, method, lambda line: None)
    run(model, photos, tmp_path / "new", options=options)
    assert [image.error for image in read_predictions(tmp_path / "new")] == [None, None]


@pytest.mark.parametrize("as_stored", [False, True])
def test_proposals_of_the_pixels_as_stored_are_none_of_the_upright_image(model, photos, tmp_path, as_stored):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down: of the same size
    with Image.open(photos / "2.png") as image:
        image.save(photos / "2.png", exif=exif)
    path = tmp_path / "p.safetensors"
    propose_to_file([str(photos)], path, Method("m").proposer, print, ignore_exif=as_stored)
    for ignore_exif in (False, True):
        out = tmp_path / f"out {ignore_exif}"
        run(model, photos, out, options={"proposals": str(path)}, ignore_exif=ignore_exif)
        first, second = read_predictions(out)
        assert first.error is None  # is no other, however it is read
        assert (second.error is None) == (as_stored == ignore_exif)
    how = "upright" if as_stored else "as stored"
    [error] = {image.error for image in read_predictions(tmp_path / f"out {not as_stored}")} - {None}
    assert error.endswith(f"has none for this image as it is now, read {how}: make the proposals anew")


@pytest.mark.parametrize(
    ("box", "fails"),
    [
        ((0, 0, 80, 60), False),
        ((-9, 59, 1, 99), False),  # a pixel of it is inside
        ((80, 0, 90, 60), True),
        ((0, 60, 80, 61), True),
        ((-9, 0, 0, 60), True),
        ((5000, 5000, 6000, 6000), True),
    ],
)
def test_proposals_outside_their_image_are_of_another(model, photos, tmp_path, box, fails):
    numbers = ",".join(map(str, box))
    (tmp_path / "p.csv").write_text(f"file,x1,y1,x2,y2,score\n1.png,0,0,9,9,1\n1.png,{numbers},.5\n2.png,0,0,9,9,1\n")
    run(model, photos, tmp_path / "out", options={"proposals": str(tmp_path / "p.csv")})
    first, second = read_predictions(tmp_path / "out")
    shown = f"({', '.join(map(str, box))})"
    sentence = f"1.png: is 80 x 60 pixels large, and 1 of its 2 proposals are outside it, as {shown}: "
    assert first.error == (f"{sentence}make the proposals anew" if fails else None)
    assert second.error is None


def test_stored_proposals_may_be_a_table_or_a_folder(model, photos, tmp_path):
    (tmp_path / "boxes.csv").write_text("file,x1,y1,x2,y2,score\n1.png,0,0,30,40,1\n2.png\n")
    (tmp_path / "shards").mkdir()
    write_proposals(tmp_path / "shards" / "0.safetensors", read_proposal_file(tmp_path / "boxes.csv"), "m", ("h",))
    for name in ("boxes.csv", "shards"):
        out = tmp_path / f"by {name}"
        run(model, photos, out, options={"proposals": str(tmp_path / name)})
        counts = [len(image.detections) for image in read_predictions(out)]
        assert counts == [1, 0]  # every proposal is a detection at a score of 0


class Method:
    """The whole image is the only proposal; `seen` are the widths of the images asked about."""

    def __init__(self, *parameters):
        self.seen = []
        self.proposer = Proposer("whole", parameters, self._search)

    def _search(self, image):
        height, width = image.shape[:2]
        self.seen.append(width)
        return Proposals([[0, 0, width, height]], [1])


@pytest.fixture
def five(tmp_path, monkeypatch):
    """Five images 11 to 15 wide, which make three shards."""
    monkeypatch.setattr(proposing, "SHARD", 2)
    (tmp_path / "five").mkdir()
    for i in range(1, 6):
        add_image(tmp_path / "five", i)
    return tmp_path / "five"


def add_image(folder, i):
    (folder / f"{i}.png").write_bytes(encode_image(np.zeros((10, 10 + i, 3), np.uint8), ".png"))


def propose(folder, out, *parameters):
    """Which images were asked about, by their widths, what was reported, and what was said at the end."""
    method, lines = Method(*parameters), []
    message = propose_to_file([str(folder)], out, method.proposer, lines.append)
    return sorted(method.seen), lines, message


def test_an_output_without_ending_is_a_folder_of_shards(five, tmp_path):
    out = tmp_path / "shards"
    seen, lines, message = propose(five, out, "same")
    assert seen == [11, 12, 13, 14, 15]
    names = [f"proposals-0000{i}.safetensors" for i in range(3)]
    assert sorted(path.name for path in out.iterdir()) == names
    assert [list(read_proposals(out / name)) for name in names] == [["1.png", "2.png"], ["3.png", "4.png"], ["5.png"]]
    assert lines == [f"{out / name}: {n} of {n} images" for name, n in zip(names, (2, 2, 1), strict=True)]
    assert message == f"5 images, proposals by whole, in shards in {out} (0 shards done before)"
    found = read_proposal_file(out)
    assert {file: each.boxes.tolist() for file, each in found.items()} == {
        f"{i}.png": [[0, 0, 10 + i, 10]] for i in range(1, 6)
    }
    assert (found.method, found.parameters) == ("whole", hash_of("same"))


def test_shards_that_are_done_are_not_made_again(five, tmp_path):
    out = tmp_path / "shards"
    propose(five, out, "same")
    (out / "proposals-00001.safetensors").unlink()
    kept = (out / "proposals-00000.safetensors").stat().st_mtime_ns
    seen, _, message = propose(five, out, "same")
    assert seen == [13, 14]
    assert message.endswith("(2 shards done before)")
    assert (out / "proposals-00000.safetensors").stat().st_mtime_ns == kept
    assert list(read_proposal_file(out)) == [f"{i}.png" for i in range(1, 6)]


def test_images_that_came_since_are_added_and_the_others_not_asked_about_again(five, tmp_path):
    out = tmp_path / "shards"
    propose(five, out, "same")
    for i in (6, 7):
        add_image(five, i)
    seen, _, message = propose(five, out, "same")
    assert seen == [16, 17]  # the sixth fills the third shard
    assert message.startswith("7 images")
    assert list(read_proposal_file(out)) == [f"{i}.png" for i in range(1, 8)]


def test_an_image_that_is_gone_is_left_out_of_all_shards(five, tmp_path):
    out = tmp_path / "shards"
    propose(five, out, "same")
    (five / "1.png").unlink()  # all move up
    seen, _, _ = propose(five, out, "same")
    assert seen == [13, 15]  # what is in its shard already is not asked about again
    assert list(read_proposals(out / "proposals-00000.safetensors")) == ["2.png", "3.png"]
    assert list(read_proposal_file(out)) == ["2.png", "3.png", "4.png", "5.png"]
    assert len([*out.iterdir()]) == 2  # the third shard is empty and gone


def test_an_image_whose_file_is_another_now_is_asked_about_again(five, tmp_path):
    for out in (tmp_path / "shards", tmp_path / "p.safetensors"):
        propose(five, out, "same")
        (five / "2.png").write_bytes(encode_image(np.zeros((10, 30, 3), np.uint8), ".png"))
        assert propose(five, out, "same")[0] == [30]
        assert read_proposal_file(out)["2.png"].boxes.tolist() == [[0, 0, 30, 10]]
        add_image(five, 2)


def test_shards_are_never_lost_to_a_run_on_fewer_images(five, tmp_path):
    out = tmp_path / "shards"
    propose(five, out, "same")
    with pytest.raises(UsageError, match=r"not among the sources, as 1\.png"):
        propose(five / "2.png", out, "same")
    assert list(read_proposal_file(out)) == [f"{i}.png" for i in range(1, 6)]


def test_an_image_that_cannot_be_read_does_not_undo_its_shard(five, tmp_path):
    out = tmp_path / "shards"
    (five / "2.png").write_bytes(b"<html>")
    _, lines, _ = propose(five, out, "same")
    assert "left out: " in lines[0]
    assert "2.png" in lines[0]
    assert lines[1].endswith("00000.safetensors: 1 of 2 images")
    seen, lines, message = propose(five, out, "same")
    assert (seen, len(lines)) == ([], 1)  # said again
    assert message.endswith("(3 shards done before)")
    add_image(five, 2)
    assert propose(five, out, "same")[0] == [12]
    assert set(read_proposal_file(out)) == {f"{i}.png" for i in range(1, 6)}


def test_shards_with_other_parameters_are_refused_and_stay(five, tmp_path):
    out = tmp_path / "shards"
    propose(five, out, "one")
    with pytest.raises(DataError, match=r"delete the folder, or choose another --out") as caught:
        propose(five, out, "other")
    for text in (str(out / "proposals-00000.safetensors"), hash_of("one"), hash_of("other"), "whole"):
        assert text in str(caught.value)
    assert read_proposal_file(out).parameters == hash_of("one")


def test_proposals_are_written_as_a_table_where_the_ending_says_so(five, tmp_path):
    seen, lines, message = propose(five, tmp_path / "p.csv", "same")
    assert (seen, lines) == ([11, 12, 13, 14, 15], [])
    assert message == f"5 of 5 images, 5 proposals by whole, written to {tmp_path / 'p.csv'}"
    table = (tmp_path / "p.csv").read_text().splitlines()
    assert table[:2] == ["file,x1,y1,x2,y2,score", "1.png,0.0,0.0,11.0,10.0,1.0"]
    assert len(table) == 6


def test_a_setting_that_differs_is_told_alone(model, photos, tmp_path):
    run(model, photos, tmp_path / "out")
    with pytest.raises(UsageError) as caught:
        run(model, photos, tmp_path / "out", options={"score": 0.9})
    assert "(config.score 0.0 -> 0.9)" in str(caught.value)
    shutil.copytree(photos, tmp_path / "elsewhere")
    options = {"proposals": str(tmp_path / "boxes.safetensors")}
    with pytest.raises(UsageError, match=r"images_from .*photos/ -> .*elsewhere/\)"):
        run(model, tmp_path / "elsewhere", tmp_path / "out", options=options)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"settings": 3}', '{"settings": {"config": []}}', "[" * 10**5])
def test_a_run_json_that_is_none_is_one_sentence(model, photos, tmp_path, content):
    run(model, photos, tmp_path / "out")
    (tmp_path / "out" / "run.json").write_text(content)
    with pytest.raises(UsageError, match="--overwrite") as caught:
        run(model, photos, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert run(model, photos, tmp_path / "out", overwrite=True).skipped == 0


def test_of_several_folders_some_may_be_detected_in_again(model, photos, tmp_path):
    other, out = tmp_path / "other", tmp_path / "out"
    other.mkdir()
    shutil.copy(photos / "1.png", other / "9.png")
    options = {"proposals": "selective-search:single"}
    both = [str(photos), str(other)], out, DetectOptions(str(model), options, "cpu")
    assert detect_files(*both).images == 3
    assert run(model, other, out, options=options).skipped == 1
    assert [image.file for image in read_predictions(out)] == ["1.png", "2.png", "9.png"]
    assert detect_files(*both).skipped == 3


def test_starting_anew_leaves_nothing_of_the_earlier_run(model, photos, tmp_path):
    out = tmp_path / "out"
    run(model, photos, out, keep_stages=True)
    run(model, photos, out, overwrite=True, draw=False)
    assert not [path for path in (out / "drawn").rglob("*") if path.is_file()]
    assert not [*(out / "stages").iterdir()]


@pytest.mark.parametrize(("number", "ending"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_ends_a_run_with_the_image_at_hand_and_all_files(model, photos, tmp_path, monkeypatch, number, ending):
    (photos / "0.png").write_bytes(b"")  # its failure is told, and then the signal comes
    out, lines = tmp_path / "out", []
    monkeypatch.setattr(sys, "argv", ["/bin/inception-rcnn", "detect", "my photos", "--out", "o", "--overwrite"])

    def report(line):
        lines.append(line)
        if line.startswith("left out"):
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(ending) as caught:
        run(model, photos, out, formats="coco,csv", report=report)
    assert getattr(caught.value, "code", 143) == 143
    assert signal.getsignal(number) == before
    assert lines[-1] == "stopped with 2 of 3 images left; to go on: inception-rcnn detect 'my photos' --out o"
    assert [image.file for image in read_predictions(out)] == ["0.png"]
    assert (out / "predictions.coco.json").exists()
    assert (out / "detections.csv").exists()
    assert not json.loads((out / "run.json").read_text())["finished"]
    (photos / "0.png").unlink()
    assert run(model, photos, out).images == 2


@pytest.mark.parametrize(("number", "ending"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_ends_proposing_and_the_same_command_goes_on(five, tmp_path, number, ending):
    (five / "3.png").write_bytes(b"")
    method, lines = Method("same"), []

    def report(line):
        lines.append(line)
        if line.startswith("left out"):
            os.kill(os.getpid(), number)

    with pytest.raises(ending):
        propose_to_file([str(five)], tmp_path / "p.csv", method.proposer, report)
    assert lines[-1].startswith("stopped; to go on: ")
    assert not (tmp_path / "p.csv").exists()
    add_image(five, 3)
    assert propose(five, tmp_path / "p.csv", "same")[0] == [13, 14, 15]
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 6


def test_too_many_failures_fail_a_run_once_all_is_written(model, photos, tmp_path):
    (photos / "3.png").write_bytes(b"<html>")
    assert run(model, photos, tmp_path / "a", fail_on_error="34%").failed == 1
    lines = []
    with pytest.raises(LimitError, match=r"1 of 3 images failed, and --fail-on-error 0 .*3\.png"):
        run(model, photos, tmp_path / "b", fail_on_error="0", report=lines.append)
    assert "written to" in lines[-1]
    assert (tmp_path / "b" / "predictions.coco.json").exists()
    for name in ("1.png", "2.png"):
        (photos / name).write_bytes(b"<html>")
    with pytest.raises(LimitError, match="all of 3 images failed"):
        run(model, photos, tmp_path / "c")
    assert len(read_predictions(tmp_path / "c")) == 3
    with pytest.raises(UsageError, match="--fail-on-error"):
        run(model, photos, tmp_path / "d", fail_on_error="some")
    with pytest.raises(UsageError, match="--time-limit"):
        run(model, photos, tmp_path / "d", time_limit=float("nan"))
    assert not (tmp_path / "d").exists()


def test_drawings_of_an_earlier_run_are_no_images(model, photos, tmp_path):
    run(model, photos, photos / "found")
    left = {path.name for path in (photos / "found").iterdir() if path.is_file()}
    assert left >= {*RUN_FILES}
    said = str(run(model, photos, tmp_path / "elsewhere"))
    assert said.startswith("2 images ")
    assert "2 drawn by an earlier run" in said


def test_what_was_passed_over_is_told_at_the_end(model, photos, five, tmp_path):
    for folder in (photos, five):
        for name in ("a.heic", "b.mp4", "c.mp4", "notes"):
            (folder / name).write_bytes(b"x")
    said = str(run(model, photos, tmp_path / "out"))
    assert "2 .mp4" in said
    assert "1 without extension" in said
    _, lines, _ = propose(five, tmp_path / "p.csv", "same")
    assert "2 .mp4" in lines[-1]


def test_pixels_are_as_stored_where_exif_is_ignored(model, photos, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(photos / "1.png").save(photos / "1.png", exif=exif)
    for ignored, size in ((False, (60, 80)), (True, (80, 60)), (False, (60, 80))):
        summary = run(model, photos, tmp_path / "out", ignore_exif=ignored)
        assert summary.skipped == 0
        image = read_predictions(tmp_path / "out")[0]
        assert (image.width, image.height) == size


@pytest.mark.parametrize("name", ["p.safetensors", "p.npz", "p.csv", "p.json", "shards"])
def test_what_was_made_before_a_run_was_killed_is_not_made_again(five, tmp_path, name):
    class Killed(BaseException):
        pass

    class Mortal(Method):
        def _search(self, image):
            if image.shape[1] == 13:
                raise Killed
            return super()._search(image)

    whole, out = tmp_path / f"whole {name}", tmp_path / name
    propose(five, whole, "same")
    with pytest.raises(Killed):
        propose_to_file([str(five)], out, Mortal("same").proposer, lambda line: None)
    seen, _, _ = propose(five, out, "same")
    assert seen == [13, 14, 15]
    assert not [path for path in tmp_path.rglob("*.part") if path.is_file()]
    for path in [whole] if whole.is_file() else sorted(whole.iterdir()):
        assert (out if whole.is_file() else out / path.name).read_bytes() == path.read_bytes()
    found = read_proposal_file(out)
    assert [found[f"{i}.png"].boxes.tolist() for i in range(1, 6)] == [[[0, 0, 10 + i, 10]] for i in range(1, 6)]


def test_what_was_begun_in_another_way_is_refused(five, tmp_path):
    out = tmp_path / "p.csv"
    (tmp_path / "p.csv.part").write_text("{}\n")
    with pytest.raises(DataError, match=r"p\.csv\.part: was begun with another method"):
        propose(five, out, "same")


def test_where_nothing_can_be_proposed_on_the_run_has_failed(five, tmp_path):
    for path in five.iterdir():
        path.write_bytes(b"<html>")
    with pytest.raises(LimitError, match=r"all of 5 images failed, as .*1\.png"):
        propose(five, tmp_path / "p.csv", "same")
    add_image(five, 1)
    propose(five, tmp_path / "p.csv", "same")
    with pytest.raises(LimitError, match="4 of 5 images failed"):
        propose_to_file([str(five)], tmp_path / "p.csv", Method().proposer, lambda line: None, fail_on_error="3")
    assert (tmp_path / "p.csv").exists()


def test_images_are_proposed_on_as_stored_where_exif_is_ignored(five, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(five / "1.png", exif=exif)
    heights = []
    for ignored in (False, True):
        out = tmp_path / "p.safetensors"
        propose_to_file([str(five)], out, Method().proposer, lambda line: None, ignore_exif=ignored)
        heights.append(read_proposal_file(out)["1.png"].boxes[0, 3])
    assert heights == [20, 10]


def test_an_ending_that_cannot_be_written_is_refused_before_any_work(five, tmp_path):
    method = Method("same")
    with pytest.raises(UsageError, match=r"p\.mat: no format to write proposals in"):
        propose_to_file([str(five)], tmp_path / "p.mat", method.proposer, lambda line: None)
    assert method.seen == []


def test_results_with_a_data_set_s_numbers(model, photos, tmp_path):
    images = [{"id": 70 + i, "file_name": f"{i}.png", "width": 40, "height": 30} for i in (1, 2)]
    content = {"images": images, "categories": [{"id": 9, "name": "thing"}], "annotations": []}
    (tmp_path / "truth.json").write_text(json.dumps(content))
    spec, out = f"coco:{tmp_path / 'truth.json'}:{photos}", tmp_path / "out"
    options = {"proposals": str(photos.parent / "boxes.safetensors")}
    detect_files([spec], out, DetectOptions(str(model), options, "cpu", formats="coco-results,ilsvrc"))
    results = json.loads((out / "results.coco.json").read_text())
    assert {row["image_id"] for row in results} <= {71, 72}
    data = open_dataset(spec)
    found = read_predictions(out)
    assert sum(len(image.detections) for image in found) == len(results) > 0
    for file in ("results.coco.json", "results.ilsvrc.txt"):
        for image, other in zip(found, read_predictions(out / file, data), strict=True):
            np.testing.assert_allclose(image.detections.boxes, other.detections.boxes, atol=1e-6)
            assert image.detections.labels.tolist() == other.detections.labels.tolist()
    with pytest.raises(UsageError, match=r"need one SOURCE, an ilsvrc: or coco: data set"):
        run(model, photos, tmp_path / "other", formats="ilsvrc")
    assert not (tmp_path / "other").exists()


def test_results_of_a_test_set_without_annotations(model, photos, tmp_path):
    images = [{"id": 70 + i, "file_name": f"{i}.png", "width": 40, "height": 30} for i in (1, 2)]
    (tmp_path / "info.json").write_text(json.dumps({"images": images, "categories": [{"id": 9, "name": "thing"}]}))
    spec, out = f"coco:{tmp_path / 'info.json'}:{photos}", tmp_path / "out"
    options = {"proposals": str(photos.parent / "boxes.safetensors")}
    detect_files([spec], out, DetectOptions(str(model), options, "cpu", formats="coco-results,voc"))
    results = json.loads((out / "results.coco.json").read_text())
    assert {row["image_id"] for row in results} == {71, 72}
    assert {row["category_id"] for row in results} == {9}
    assert (out / "voc" / "comp4_det_test_thing.txt").is_file()


def test_files_of_further_formats_never_contradict_the_ledger(model, photos, tmp_path):
    out, lines = tmp_path / "out", []
    run(model, photos, out, formats="yolo,csv")
    (photos / "1.png").write_bytes(b"<html>")
    run(model, photos, out, formats="yolo, csv", report=lines.append)
    assert {path.name for path in (out / "yolo" / "labels").iterdir()} == {"2.txt"}
    assert not any(line.startswith("removed") for line in lines)
    run(model, photos, out, formats="voc", report=lines.append)
    (line,) = [line for line in lines if line.startswith("removed")]
    assert "--format yolo,csv writes it anew" in line
    assert not (out / "yolo").exists()
    assert not (out / "detections.csv").exists()
    run(model, photos, out, options={"score": 0.9}, overwrite=True)
    assert not (out / "voc").exists()


def test_a_run_whose_files_cannot_hold_a_name_is_refused_before_or_told_after(model, photos, tmp_path):
    (photos / "1.png").rename(photos / "a\nb.png")
    options = {"proposals": "selective-search:single"}
    with pytest.raises(DataError, match="line break"):
        run(model, photos, tmp_path / "out", options=options, formats="csv,voc")
    assert not (tmp_path / "out").exists()
    run(model, photos, tmp_path / "out", options=options)
    out, lines = tmp_path / "out", []
    (photos / "2.png").rename(photos / "c.png")
    with pytest.raises(DataError, match="line break"):  # a row of the earlier run
        run(model, photos / "c.png", out, options=options, formats="voc,yolo,csv", report=lines.append)
    assert [line.startswith("not written: ") for line in lines].count(True) == 1
    assert "written to" in lines[-1]
    assert json.loads((out / "run.json").read_text())["finished"]
    assert (out / "detections.csv").exists()


@pytest.mark.parametrize("told", [True, False])
def test_a_run_of_which_everything_failed_stands_in_no_other_s_way(model, photos, tmp_path, told):
    out, lines = tmp_path / "out", []
    with pytest.raises(LimitError):
        run(model, tmp_path / "9.png", out)
    if not told:
        (out / "run.json").unlink()
    assert run(model, photos, out, options={"score": 0.9}, report=lines.append).images == 2
    assert [image.file for image in read_predictions(out)] == ["1.png", "2.png"]
    assert not any("earlier" in line for line in lines)
    with pytest.raises(UsageError, match="other settings"):
        run(model, photos, out)
    (out / "detections.jsonl").write_text("[]\n")
    with pytest.raises(UsageError, match="other settings"):
        run(model, photos, out)
