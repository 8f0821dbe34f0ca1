"""What users of such tools expect of the command line, a test for each behaviour; docs/scale.md says what is not there.

The numbers are those of the list that the project was begun with; 40 and 42, a loss that is no number and trainings of
several processes, have their tests in `tests/backbone/training`.
"""

import ast
import csv
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from untrained_model import save_untrained

from inception_rcnn.data.files.atomic import write_atomically
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.stores.detections_jsonl import read_ledger
from inception_rcnn.detector.cli import app as cli
from inception_rcnn.detector.cli.options import complete_model, complete_preset
from inception_rcnn.detector.model_folders import MODELS
from inception_rcnn.detector.training.presets import PRESETS
from inception_rcnn.eval.report.drawing import PALETTE, class_colour

ROOT = Path(__file__).resolve().parents[1]
Result = tuple[int, str, str]  # exit code, stdout, stderr
Main = Callable[..., Result]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real network, untrained, that finds things of two classes everywhere."""
    folder = tmp_path_factory.mktemp("model")
    save_untrained(folder, ("cat", "motorbike"), regions=6)
    return folder


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Main:
    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["inception-rcnn", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return (int(stopped.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture
def detect(main: Main, model: Path, tmp_path: Path) -> Main:
    """Detect in sources, in `out` if no --out is given."""

    def call(*arguments: object) -> Result:
        out = () if "--out" in arguments else ("--out", tmp_path / "out")
        return main("detect", *arguments, *out, "--model", model, "--device", "cpu")

    return call


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("10.png", "9.png", "sub/a.jpg", "sub/a.png"):
        save(tmp_path / "photos" / name, rng)
    return tmp_path / "photos"


def save(path: Path, rng: np.random.Generator) -> None:
    write_atomically(path, encode_image(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8), path.suffix))


def rows(folder: Path) -> list[str]:
    return [row.file for row in read_ledger(folder / "detections.jsonl")]


def voc(folder: Path, photos: Path, label: str = "cat") -> str:
    """Two of the photos as a VOC data set, with an object and a difficult one each; gives its SPEC."""
    objects = "".join(
        f"<object><name>{label}</name><difficult>{difficult}</difficult><bndbox><xmin>{left}</xmin><ymin>5</ymin>"
        f"<xmax>{left + 35}</xmax><ymax>50</ymax></bndbox></object>"
        for left, difficult in ((5, 0), (41, 1))
    )
    size = "<size><width>80</width><height>60</height></size>"
    for name in ("9", "10"):
        write_atomically(folder / "JPEGImages" / f"{name}.png", (photos / f"{name}.png").read_bytes())
        text = f"<annotation><filename>{name}.png</filename>{size}{objects}</annotation>"
        write_atomically(folder / "Annotations" / f"{name}.xml", text)
    write_atomically(folder / "ImageSets" / "Main" / "val.txt", "9\n10\n")
    return f"voc:{folder}:val"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_01_ctrl_c_ends_with_the_image_at_hand_and_says_how_to_go_on(
    number: int, code: int, model: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for index in range(400):
        save(tmp_path / "photos" / f"{index}.png", rng)
    words = ["detect", str(tmp_path / "photos"), "--out", str(tmp_path / "out"), "--model", str(model), "--no-draw"]
    running = subprocess.Popen([sys.executable, "-m", "inception_rcnn", *words], stderr=subprocess.PIPE, text=True)
    ledger = tmp_path / "out" / "detections.jsonl"
    while not (ledger.exists() and ledger.read_bytes().count(b"\n") > 3):
        assert running.poll() is None
        time.sleep(0.02)
    running.send_signal(number)
    assert running.wait(60) == code
    assert running.stderr is not None
    assert "to go on: inception-rcnn detect" in running.stderr.read()
    assert 3 < len(rows(tmp_path / "out")) < 400


def test_02_the_same_command_goes_on_and_other_settings_are_refused(detect: Main, photos: Path) -> None:
    assert detect(photos)[0] == 0
    assert "4 of 4 images are done already" in detect(photos)[2]
    code, _, said = detect(photos, "--score", ".5")
    assert (code, "config.score 0.0 -> 0.5" in said, "--overwrite" in said) == (2, True, True)
    assert detect(photos, "--score", ".5", "--overwrite")[0] == 0


def test_03_a_file_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "a.json", "before")
    monkeypatch.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(OSError(5, "broken disk")))
    with pytest.raises(Exception, match="cannot be written"):
        write_atomically(tmp_path / "a.json", "after")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "before")]


def test_04_a_torn_last_line_of_the_ledger_is_done_again(detect: Main, photos: Path, tmp_path: Path) -> None:
    detect(photos)
    ledger = tmp_path / "out" / "detections.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:-40])
    assert detect(photos)[0] == 0
    assert ledger.read_bytes() == whole


def test_05_a_corrupt_image_is_a_row_and_a_line_of_failures_csv(detect: Main, photos: Path, tmp_path: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"<html>")
    code, _, said = detect(photos)
    assert (code, "1 failed" in said) == (0, True)
    with (tmp_path / "out" / "failures.csv").open(newline="") as stream:
        assert [row["file"] for row in csv.DictReader(stream)] == ["bad.jpg"]
    assert detect(photos, "--fail-on-error", "20%")[0] == 0
    assert detect(photos, "--fail-on-error", "0")[0] == 1


def test_06_images_that_failed_are_tried_again(detect: Main, photos: Path, tmp_path: Path) -> None:
    (photos / "bad.png").write_bytes(b"")
    detect(photos)
    save(photos / "bad.png", np.random.default_rng(1))
    assert "5 images (4 done before, 0 failed)" in detect(photos)[2]
    assert not (tmp_path / "out" / "failures.csv").exists()


def test_07_drawings_mirror_sub_folders_and_do_not_collide(detect: Main, photos: Path, tmp_path: Path) -> None:
    detect(photos)
    drawn = tmp_path / "out" / "drawn"
    names = {path.relative_to(drawn).as_posix() for path in drawn.rglob("*.*")}
    assert names == {"9.png", "10.png", "sub/a.jpg", "sub/a.png"}


def test_08_results_are_in_natural_order_of_the_input(detect: Main, photos: Path, tmp_path: Path) -> None:
    detect(photos)
    assert rows(tmp_path / "out") == ["9.png", "10.png", "sub/a.jpg", "sub/a.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_09_names_may_be_anything(detect: Main, tmp_path: Path) -> None:
    names = ["a b.png", "ü 猫 🐈.png", os.fsdecode(b"latin\xe9.png"), "x" * 240 + ".png", "'q\"\n.png"]
    for name in names:
        save(tmp_path / "photos" / name, np.random.default_rng(0))
    assert detect(tmp_path / "photos")[0] == 0
    assert sorted(rows(tmp_path / "out")) == sorted(names)
    assert len(list((tmp_path / "out" / "drawn").iterdir())) == len(names)


@pytest.mark.skipif(os.name == "nt", reason="symbolic links")
def test_10_links_are_followed_once_and_what_is_hidden_or_ours_is_left_out(
    detect: Main, photos: Path, tmp_path: Path
) -> None:
    (photos / "loop").symlink_to(photos)
    save(photos / ".hidden" / "x.png", np.random.default_rng(0))
    for _ in range(2):
        assert detect(photos, "--out", photos / "found")[0] == 0
    assert rows(photos / "found") == ["9.png", "10.png", "sub/a.jpg", "sub/a.png"]
    assert detect(photos)[0] == 0
    assert len(rows(tmp_path / "out")) == 4


def test_11_sources_are_files_folders_globs_lists_and_archives(
    detect: Main, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.txt").write_text(f"{photos / '9.png'}\n{photos / '10.png'}\n")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(photos / "9.png", "9.png")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(photos / "9.png", "9.png")
    sources = {photos / "9.png": 1, f"{photos}/*.png": 2, f"{photos}/**/*.png": 3, f"@{tmp_path / 'list.txt'}": 2}
    sources |= {tmp_path / "a.zip": 1, tmp_path / "a.tar": 1}
    for number, (source, count) in enumerate(sources.items()):
        assert detect(source, "--out", tmp_path / str(number))[0] == 0
        assert len(rows(tmp_path / str(number))) == count
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{photos / '9.png'}\0{photos / '10.png'}\0"))
    assert detect("-")[0] == 0
    assert len(rows(tmp_path / "out")) == 2
    code, _, said = detect("https://example.org/a.jpg")
    assert (code, "is a URL: download it first" in said) == (2, True)


def test_12_an_empty_folder_says_what_is_there(detect: Main, tmp_path: Path) -> None:
    write_atomically(tmp_path / "photos" / "a.mp4", b"")
    code, _, said = detect(tmp_path / "photos")
    assert code == 4
    assert re.search(r"no images in .*photos \(looked for .jpg .*\); found 1 .mp4", said)


def test_13_a_dry_run_tells_counts_time_and_room_and_writes_nothing(detect: Main, photos: Path, tmp_path: Path) -> None:
    code, shown, _ = detect(photos, "--dry-run")
    assert code == 0
    assert re.match(r"4 images, 0 done before, 4 to do\ntime: about .*\ndisk: about .* free\n$", shown)
    assert not (tmp_path / "out").exists()


def test_14_memory_is_bounded_and_said(detect: Main, photos: Path, tmp_path: Path) -> None:
    assert re.search(r"peak memory \d+\.\d GB", detect(photos)[2])
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert 10**7 < run["peak_memory_bytes"] < 10**11


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_15_a_gpu_that_is_not_there_is_a_sentence_and_code_3(main: Main, photos: Path, tmp_path: Path) -> None:
    code, _, said = main("detect", photos, "--out", tmp_path / "out", "--device", "cuda")
    assert code == 3
    assert re.search(
        "--device cuda cannot be used: (no GPU or driver was found|this torch was built without CUDA)", said
    )


def test_16_a_torchvision_for_another_torch_is_a_sentence(main: Main, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(cli, "app", fail)
    code, _, said = main("info")
    assert (code, said.count("\n"), "was built for another torch" in said) == (3, 1, True)


def test_17_quiet_is_quiet(detect: Main, photos: Path) -> None:
    assert detect(photos, "--quiet") == (0, "", "")


def test_18_results_go_to_stdout_and_all_else_to_stderr(main: Main, detect: Main, photos: Path, tmp_path: Path) -> None:
    code, shown, said = detect(photos)
    assert (code, shown, "4 images" in said) == (0, "", True)
    spec = voc(tmp_path / "voc", photos)
    detect(spec, "--out", tmp_path / "found")
    _, shown, said = main("evaluate", "--predictions", tmp_path / "found", "--data", spec, "--out", tmp_path / "report")
    assert "mAP" in shown
    assert "mAP" not in said


def test_19_a_run_ends_with_counts_times_and_where_the_files_are(detect: Main, photos: Path, tmp_path: Path) -> None:
    said = detect(photos)[2]
    assert "4 images (0 done before, 0 failed)" in said
    assert re.search(r"seconds an image: decode \d.*, propose \d.*, wait \d.*, network \d", said)
    assert said.endswith(f"written to {tmp_path / 'out'}\n")


def test_20_run_json_has_what_made_the_results(detect: Main, photos: Path, tmp_path: Path) -> None:
    detect(photos, "--max-det", "5")
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["arguments"][:2] == ["detect", str(photos)]
    assert run["settings"]["config"]["max_detections"] == 5
    assert len(run["settings"]["weights_sha256"]) == 64
    assert {"torch", "python", "inception-rcnn"} <= run["versions"].keys()
    assert {"host", "seconds", "images", "finished"} <= run.keys()


def test_21_results_do_not_depend_on_what_is_detected_together(detect: Main, photos: Path, tmp_path: Path) -> None:
    detect(photos)
    detect(photos / "10.png", "--out", tmp_path / "alone")
    (alone,), together = (read_ledger(each / "detections.jsonl") for each in (tmp_path / "alone", tmp_path / "out"))
    np.testing.assert_allclose(alone.detections.boxes, together[1].detections.boxes, atol=1e-3)


def test_22_an_unknown_class_gets_a_suggestion(detect: Main, photos: Path) -> None:
    code, _, said = detect(photos, "--classes", "motorbik")
    assert (code, "did you mean 'motorbike'" in said) == (2, True)


def test_23_classes_are_compared_by_name(main: Main, photos: Path, tmp_path: Path) -> None:
    spec = voc(tmp_path / "voc", photos, "motorbike")
    lines = [f"{name}.png,{label},.9,4,4,40,50\n" for name in ("9", "10") for label in ("zebra", "motorbike", "cat")]
    (tmp_path / "found.csv").write_text("file,label,score,x1,y1,x2,y2\n" + "".join(lines))
    main("evaluate", "--predictions", tmp_path / "found.csv", "--data", spec, "--out", tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["metrics"]["voc10"]["per_class"]["motorbike"]["ap"] == 1


def test_24_detections_can_be_filtered(detect: Main, photos: Path, tmp_path: Path) -> None:
    options = ("--classes", "cat", "--max-det", 2, "--min-size", 20, "--agnostic-nms")
    assert detect(photos, *options)[0] == 0
    for row in read_ledger(tmp_path / "out" / "detections.jsonl"):
        assert len(row.detections) <= 2
        assert {*row.detections.labels} <= {"cat"}
        assert (row.detections.boxes[:, 2:] - row.detections.boxes[:, :2] >= 20).all()


def test_25_a_class_without_objects_is_not_in_the_mean(main: Main, detect: Main, photos: Path, tmp_path: Path) -> None:
    spec = voc(tmp_path / "voc", photos)
    detect(spec, "--out", tmp_path / "found")
    _, shown, _ = main("evaluate", "--predictions", tmp_path / "found", "--data", spec, "--out", tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text())["metrics"]["voc10"]
    assert report["map"] == report["per_class"]["cat"]["ap"]
    assert "left out of the mean: motorbike" in shown


def test_26_and_27_a_report_names_its_protocol_beside_each_number(
    main: Main, detect: Main, photos: Path, tmp_path: Path
) -> None:
    spec = voc(tmp_path / "voc", photos)
    detect(spec, "--out", tmp_path / "found")
    words = ("--predictions", tmp_path / "found", "--data", spec, "--out", tmp_path / "report")
    _, shown, _ = main("evaluate", *words, "--metric", "voc07,voc10,ilsvrc,coco")
    assert all(name in shown for name in ("VOC07", "VOC10+", "ILSVRC DET", "COCO"))
    assert "2 difficult objects need not be found" in shown


def test_28_info_can_be_pasted_into_a_bug_report(main: Main) -> None:
    _, shown, _ = main("info")
    assert {"torch", "device", "models", "cache"} <= {line.split()[0] for line in shown.splitlines()}


def test_29_errors_are_short_and_debug_shows_where_they_come_from(main: Main, tmp_path: Path) -> None:
    code, _, said = main("check", "--data", f"voc:{tmp_path}/none:val")
    assert (code, said.count("\n") <= 3, "Traceback" in said) == (4, True, False)
    assert "Traceback" in main("--debug", "check", "--data", f"voc:{tmp_path}/none:val")[2]
    assert "Traceback" not in main("check", "--data", f"voc:{tmp_path}/none:val")[2]


def test_30_a_mistyped_setting_of_a_model_gets_a_suggestion(
    main: Main, model: Path, photos: Path, tmp_path: Path
) -> None:
    shutil.copytree(model, tmp_path / "mine")
    config = json.loads((model / "config.json").read_text())
    (tmp_path / "mine" / "config.json").write_text(json.dumps({**config, "nms_treshold": 0.3}))
    code, _, said = main("detect", photos, "--out", tmp_path / "out", "--model", tmp_path / "mine")
    assert (code, "did you mean 'nms_threshold'" in said) == (4, True)


def test_31_the_shell_completes_models_and_presets(main: Main) -> None:
    assert complete_model("googlenet-v") == ["googlenet-voc"]
    assert complete_model("") == sorted(path.parent.name for path in MODELS.glob("*/config.json"))
    assert complete_preset("") == [*PRESETS]
    assert main("--version")[1].startswith("inception-rcnn ")


def test_32_help_does_not_wait_for_torch() -> None:
    code = "import sys; from inception_rcnn.detector.cli import app; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_33_nothing_is_downloaded(detect: Main, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("the network is used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert detect(photos)[0] == 0


def test_34_nothing_of_a_user_is_unpickled() -> None:
    for path in (
        path
        for folder in ("backbone", "data", "detector", "eval", "proposals")
        for path in (ROOT / folder).rglob("*.py")
    ):
        calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
        for call in calls:
            name = ast.unparse(call.func)
            if name in ("pickle.load", "pickle.loads", "np.load", "numpy.load", "torch.load"):
                safe = {
                    ast.unparse(each.value) for each in call.keywords if each.arg in ("weights_only", "allow_pickle")
                }
                ours = path.name in ("ray_engine.py", "ray_pipelines.py")  # what one process of a run sends to another
                assert ours or safe & {"True", "False"}, f"{path}: {name}"
                assert "weights_only=False" not in ast.unparse(call)
                assert "allow_pickle=True" not in ast.unparse(call)


def test_35_a_cache_for_other_inputs_is_never_used(
    main: Main, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is printed by `info`, and may be deleted; stored proposals are refused once they would be others."""
    assert str(tmp_path / "home") not in main("info")[1]
    monkeypatch.setenv("INCEPTION_RCNN_HOME", str(tmp_path / "home"))
    assert str(tmp_path / "home") in main("info")[1]
    words = (photos, "--proposals", "selective-search:single", "--out", tmp_path / "shards")
    assert main("propose", *words)[0] == 0
    code, _, said = main("propose", photos, "--proposals", "selective-search:fast", "--out", tmp_path / "shards")
    assert (code, "was made with parameters" in said) == (4, True)


def test_36_an_images_detections_can_be_explained(main: Main, detect: Main, photos: Path, tmp_path: Path) -> None:
    spec = voc(tmp_path / "voc", photos)
    detect(spec, "--out", tmp_path / "found", "--keep-stages")
    words = ("--predictions", tmp_path / "found", "--data", spec, "--out", tmp_path / "report")
    assert "9.png" in main("evaluate", *words, "--explain", "9.png")[1]


def test_37_a_class_has_its_colour_in_every_run() -> None:
    code = "from inception_rcnn.eval.report.drawing import class_colour; print(class_colour('cat'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(class_colour("cat"))
    assert class_colour("cat") in PALETTE


def test_38_the_report_needs_no_network_and_escapes_names(
    main: Main, detect: Main, photos: Path, tmp_path: Path
) -> None:
    spec = voc(tmp_path / "voc", photos, "&lt;script&gt;alert(1)&lt;/script&gt;")
    detect(spec, "--out", tmp_path / "found")
    words = ("--predictions", tmp_path / "found", "--data", spec, "--out", tmp_path / "report")
    main("evaluate", *words, "--classes", "<script>alert(1)</script>")
    page = (tmp_path / "report" / "report.html").read_text()
    assert "default-src 'none'" in page
    assert "<script>alert(1)" not in page
    assert not re.search(r"""(src|href)=["']?https?:""", page)


def test_39_and_41_a_training_warns_of_its_proposals_and_refuses_to_resume_nothing(
    main: Main, model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCEPTION_RCNN_HOME", str(tmp_path / "home"))
    spec = voc(tmp_path / "voc", photos)
    words = ["train", "finetune", "--data", spec, "--init", model, "--out", tmp_path / "trained", "--device", "cpu"]
    words += [
        "--steps",
        1,
        "--images",
        1,
        "--regions",
        4,
        "--proposals",
        "selective-search:single",
        "--freeze",
        "backbone",
    ]
    code, _, said = main(*words, "--resume")
    assert (code, "nothing to resume" in said) == (2, True)
    code, _, said = main(*words)
    assert code == 0
    assert re.search(
        r"proposals an image cover [\d.]+% of them at IoU .5 and [\d.]+% at .7; [\d.]+% of the proposals", said
    )


def test_43_nothing_is_reported_to_anyone() -> None:
    source = (ROOT / "detector" / "scale" / "ray_engine.py").read_text("utf-8")
    assert 'os.environ["RAY_USAGE_STATS_ENABLED"] = "0"' in source


def test_44_what_weights_and_data_may_be_used_for_is_in_the_model_card() -> None:
    for card in MODELS.glob("*/README.md"):
        assert "licen" in card.read_text("utf-8").lower()
