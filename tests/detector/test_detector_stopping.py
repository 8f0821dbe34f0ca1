"""Training the real network from the command line: stopped by signals and resumed, alone and as several processes."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from region_training import draw_squares, environment, finish, new_detector

from inception_rcnn.backbone.weights import read_weights

pytestmark = pytest.mark.slow

STEPS = 6
IN_FLOAT32 = [str(Path(__file__).with_name("region_training.py"))]  # sums in bfloat16 depend on how they are split
HOW = ["--mode", "crops", "--freeze", "backbone", "--images", "2", "--regions", "4", "--steps", str(STEPS)]
HOW += ["--checkpoint-every", "2", "--device", "cpu"]
TWO_PROCESSES = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("stopping")


@pytest.fixture(scope="module")
def data(place):
    return draw_squares(place / "squares")


@pytest.fixture(scope="module")
def arguments(data, place):
    """What every run of fine-tuning here has in common."""
    start = ["--init", str(new_detector(place / "beginner")), "--proposals", "selective-search:single"]
    return ["train", "finetune", "--data", data, *start, *HOW]


@pytest.fixture(scope="module")
def whole(arguments, place):
    """The folder of a run that nobody stopped."""
    done = finish([sys.executable, *IN_FLOAT32, *arguments, "--out", str(place / "whole")], place / "home")
    assert done.returncode == 0, done.stderr
    assert "images/s" in done.stderr
    assert "waiting for data" in done.stderr
    return place / "whole"


def weights(folder):
    return read_weights(folder / "model.safetensors")


def losses(folder):
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(row["step"], row["loss"], row["class"], row["box"]) for row in rows]


def stop_when_checkpointed(arguments, out, home, number):
    """Start a run and send it a signal when its first checkpoint is there; its exit code and what it said."""
    command = [sys.executable, *IN_FLOAT32, *arguments, "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(home)) as process:
        deadline = time.monotonic() + 120
        while not (out / "last.ckpt").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
    return process.returncode, errors


def test_a_stopped_training_goes_on_to_the_same_weights_and_losses(whole, arguments, place):
    """By Ctrl-C here; every signal has its test with a smaller model."""
    out = place / "stopped"
    returned, errors = stop_when_checkpointed(arguments, out, place / "home", signal.SIGINT)
    assert returned == 130, errors
    kept = torch.load(out / "last.ckpt", weights_only=True)["state"]["step"]
    assert 2 <= kept < STEPS
    assert f"stopped after step {kept}" in errors
    assert "--resume" in errors
    done = finish([sys.executable, *IN_FLOAT32, *arguments, "--out", str(out), "--resume"], place / "home")
    assert done.returncode == 0, done.stderr
    assert losses(out) == losses(whole)
    for name, tensor in weights(whole).items():
        assert torch.equal(weights(out)[name], tensor), name


def test_two_processes_make_the_updates_of_one(whole, arguments, place):
    out, home = place / "two", place / "another home"
    done = finish([sys.executable, *TWO_PROCESSES, *IN_FLOAT32, *arguments, "--out", str(out)], home)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("selective-search:single on 4 images") == 1  # the other finds what the first computed
    assert done.stderr.count("written to") == 1
    check_same(whole, out)


def check_same(one, two):
    """That the training of two folders went the same way, but for the order in which numbers were added.

    A ReLU whose input rounds to either side of 0 may give a weight of a large layer another step.
    """
    first, second = (torch.load(folder / "last.ckpt", weights_only=True) for folder in (one, two))
    for part in ("model", "ema"):
        for name, tensor in first[part].items():
            close = torch.isclose(second[part][name], tensor, rtol=1e-4, atol=1e-5)
            assert int((~close).sum()) <= tensor.numel() / 10_000, name
    for row, expected in zip(losses(two), losses(one), strict=True):
        assert row == pytest.approx(expected, abs=2e-4)


def test_two_processes_make_the_ensemble_of_one_and_the_net_it_teaches(whole, data, arguments, place):
    home, ensemble = place / "home", place / "ensemble"
    members = [*arguments, "--members", "2", "--out", str(ensemble)]
    done = finish([sys.executable, *TWO_PROCESSES, *IN_FLOAT32, *members], home)
    assert done.returncode == 0, done.stderr
    assert json.loads((ensemble / "config.json").read_text())["members"] == 2
    check_same(whole, ensemble / "member-1")
    for processes, out in (([], "taught by one"), (TWO_PROCESSES, "taught by two")):
        command = ["train", "distil", "--data", data, "--model", str(ensemble), *HOW, "--out", str(place / out)]
        done = finish([sys.executable, *processes, *IN_FLOAT32, *command], home)
        assert done.returncode == 0, done.stderr
    check_same(place / "taught by one", place / "taught by two")


def test_a_checkpoint_of_other_options_is_refused_with_what_differs(whole, arguments, place):
    command = [sys.executable, "-m", "inception_rcnn", *arguments, "--out", str(whole), "--resume", "--regions", "5"]
    done = finish(command, place / "home")
    assert done.returncode == 2
    assert "regions was 4 and is 5" in done.stderr


def test_too_few_images_for_the_processes_are_refused_by_the_process_that_says_its_name(arguments, place, tmp_path):
    command = ["-m", "inception_rcnn", *arguments, "--images", "1", "--out", str(tmp_path / "out")]
    done = finish([sys.executable, *TWO_PROCESSES, *command], place / "home")
    assert done.returncode != 0
    assert "error in process 0: --images 1: need at least 1 for each of the 2 processes" in done.stderr
