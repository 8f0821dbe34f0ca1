"""Ray as the engine of a run: the files are those of one process, whatever dies meanwhile."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from untrained_model import save_untrained

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.images.sources import Source
from inception_rcnn.data.stores.detections_jsonl import read_ledger
from inception_rcnn.detector.linear.features import find_features
from inception_rcnn.detector.model_folders import load_network
from inception_rcnn.detector.scale.ray_engine import ray_features

pytest.importorskip("ray", reason="Ray is an extra: pip install 'inception-rcnn[ray]'")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

IMAGES = 40
# In place of a decoder that an image makes crash.
DEADLY = """
import os, PIL.Image
real = PIL.Image.open
def opened(file, *args, **options):
    if hasattr(file, "getvalue") and b"DEADLY" in file.getvalue():
        os.kill(os.getpid(), 9)
    return real(file, *args, **options)
PIL.Image.open = opened
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and photos, two of which cannot be read and one of which kills what reads it."""
    folder = tmp_path_factory.mktemp("ray")
    save_untrained(folder / "model", ("thing",), regions=20, short_sides=(240,))
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(IMAGES):
        pixels = rng.integers(0, 255, (90, 120, 3), dtype=np.uint8)
        (folder / "photos" / f"{number}.jpg").write_bytes(encode_image(pixels, ".jpg"))
    for number in (3, 20):
        (folder / "photos" / f"{number}.jpg").write_bytes(b"no image")
    shutil.copytree(folder / "photos", folder / "deadly")
    with (folder / "deadly" / "25.jpg").open("ab") as image:
        image.write(b"DEADLY")
    (folder / "crash").mkdir()
    (folder / "crash" / "sitecustomize.py").write_text(DEADLY)
    assert start(folder, "one", "photos", "--save-crops").wait(120) == 0
    return folder


def start(folder: Path, out: str, photos: str, *options: str, **environment: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "inception_rcnn", "detect", str(folder / photos), "--out", str(folder / out)]
    command += ["--model", str(folder / "model"), "--device", "cpu", *options]
    log = (folder / f"{out}.log").open("ab")
    return subprocess.Popen(command, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1", **environment})


def rows_written(folder: Path, out: str) -> int:
    path = folder / out / "detections.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_until(condition: Callable[[], bool], running: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        assert running.poll() is None
        time.sleep(0.02)


def workers(name: str) -> Iterator[int]:
    """The processes of Ray's workers that are doing what has this name."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                title = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if title.startswith(b"ray::") and name.encode() in title:
                yield int(process.name)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc")
def test_a_killed_worker_loses_and_doubles_nothing(folder: Path) -> None:
    elsewhere = {"RAY_ADDRESS": "127.0.0.1:1"}  # of a cluster that is gone, which nobody asked for
    running = start(folder, "killed", "photos", "--save-crops", "--engine", "ray", **elsewhere)
    wait_until(lambda: rows_written(folder, "killed") > 0, running)
    for name in ("Network", "prepare"):
        for process in [*workers(name)][:1]:
            os.kill(process, signal.SIGKILL)
    assert running.wait(120) == 0
    paths = {
        each: {path.relative_to(folder / each) for path in (folder / each).rglob("*.*")} for each in ("killed", "one")
    }
    assert paths["killed"] == paths["one"]
    for path in paths["one"]:
        if path.suffix != ".lock" and path.name != "run.json" and (folder / "one" / path).is_file():
            assert (folder / "killed" / path).read_bytes() == (folder / "one" / path).read_bytes(), path


def test_a_killed_driver_goes_on_and_an_image_that_kills_its_worker_is_a_row(folder: Path) -> None:
    options = ("--no-draw", "--engine", "ray")
    running = start(folder, "driver", "deadly", *options, PYTHONPATH=str(folder / "crash"))
    wait_until(lambda: rows_written(folder, "driver") > 0, running)
    running.kill()
    running.wait()
    assert 0 < len(read_ledger(folder / "driver" / "detections.jsonl")) < IMAGES
    assert start(folder, "driver", "deadly", *options, PYTHONPATH=str(folder / "crash")).wait(120) == 0
    assert "images are done already" in (folder / "driver.log").read_text()
    rows, wanted = (read_ledger(folder / each / "detections.jsonl") for each in ("driver", "one"))
    assert [row.file for row in rows] == [row.file for row in wanted]
    differing = [a for a, b in zip(rows, wanted, strict=True) if a.detections.to_dict() != b.detections.to_dict()]
    assert [row.file for row in differing] == ["25.jpg"]
    assert "the process that read it was killed" in str(differing[0].error)


def test_rays_features_are_those_of_one_process(folder: Path) -> None:
    ray = pytest.importorskip("ray")
    network, config = load_network(folder / "model")
    boxes = np.array([[0.0, 0, 60, 60], [10, 10, 100, 80]])
    items = [(Source(folder / "photos" / f"{number}.jpg", f"{number}.jpg"), boxes) for number in (0, 1, 2, 2)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        find = ray_features(str(folder / "model"), "cpu")
        made = list(find("shared", config.short_sides, items))
        wanted = list(find_features(network, "shared", config.short_sides, items))
        broken = [(Source(folder / "photos" / "3.jpg", "3.jpg"), boxes)]
        with pytest.raises(DataError, match=r"3.jpg"):
            list(find("shared", config.short_sides, broken))
    finally:
        torch.set_num_threads(threads)
        ray.shutdown()
    assert len(made) == 4
    for one, other in zip(made, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
