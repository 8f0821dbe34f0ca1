"""Kill -9 at random moments of runs by one process, in shards and by Ray: the ledger in the end is always the same."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from untrained_model import save_untrained

from inception_rcnn.data.images.decoding import encode_image

pytestmark = [pytest.mark.fuzz, pytest.mark.skipif(os.name == "nt", reason="kills groups of processes")]

IMAGES, SHARDS = 60, 2
KILLS = int(os.environ.get("KILLS", "34"))  # of each kind of run
# Seconds from a start in which it is killed: from before the first image to after the last one.
MOMENTS = {"one": (1.5, 9.0), "shards": (1.5, 9.0), "ray": (3.0, 25.0)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kills")
    save_untrained(folder / "model", ("thing",), regions=20, short_sides=(240,))
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir()
    for number in range(IMAGES):
        pixels = rng.integers(0, 255, (90, 120, 3), dtype=np.uint8)
        (folder / "photos" / f"{number}.jpg").write_bytes(encode_image(pixels, ".jpg") if number % 20 else b"broken")
    assert start(folder, "whole", ()).wait() == 0
    return folder


def start(folder: Path, out: str, options: tuple[str, ...]) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-m", "inception_rcnn", "detect", str(folder / "photos"), "--out", str(folder / out)]
    words += ["--model", str(folder / "model"), "--device", "cpu", "--quiet", "--save-crops", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(words, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a run, without what says when and where it was."""
    files = (path for path in folder.rglob("*") if path.is_file() and folder / "shards" not in path.parents)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in files
        if path.name not in ("run.json", ".lock")
    }


@pytest.mark.parametrize("kind", ["one", "shards", "ray"])
def test_the_ledger_is_the_same_whenever_the_run_is_killed(folder: Path, kind: str) -> None:
    if kind == "ray":
        pytest.importorskip("ray")
    rng, kills, wanted = np.random.default_rng(len(kind)), 0, contents(folder / "whole")
    while kills < KILLS:
        shards = [("--shard", f"{index}/{SHARDS}") for index in range(SHARDS)]
        for options in shards if kind == "shards" else [("--engine", "ray")] if kind == "ray" else [()]:
            while True:
                running = start(folder, f"{kind}-run", options)
                try:
                    code = running.wait(float(rng.uniform(*MOMENTS[kind])) if kills < KILLS else None)
                    assert code == 0
                    break
                except subprocess.TimeoutExpired:
                    kills += 1
                    os.killpg(running.pid, signal.SIGKILL)
                    running.wait()
                    time.sleep(0.2)
        if kind == "shards":
            subprocess.run([sys.executable, "-m", "inception_rcnn", "merge", str(folder / f"{kind}-run")], check=True)
        found = contents(folder / f"{kind}-run")
        assert found == wanted
        shutil.rmtree(folder / f"{kind}-run")
