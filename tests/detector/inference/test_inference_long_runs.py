"""Runs over many images: their memory, threads and open files stay as they are after the first hundred."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from untrained_model import save_untrained

from inception_rcnn.data.images.decoding import encode_image

IMAGES = 10_000
FILES = 50  # that the images are links to
SETTLED = 500  # images, after which an allocator has met all sizes


def _state(process: int) -> tuple[int, int, int]:
    """Bytes of memory, threads and open files of a process."""
    folder = Path("/proc") / str(process)
    pages = int((folder / "statm").read_text().split()[1])
    return (
        pages * os.sysconf("SC_PAGE_SIZE"),
        len(list((folder / "task").iterdir())),
        len(list((folder / "fd").iterdir())),
    )


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
def test_ten_thousand_images_take_the_memory_of_the_first_hundreds(tmp_path: Path) -> None:
    save_untrained(
        tmp_path / "model", regions=2, score=0.9, proposals="selective-search:single,width=40", short_sides=(32,)
    )
    rng, photos = np.random.default_rng(0), tmp_path / "photos"
    photos.mkdir()
    for number in range(FILES):
        size = (int(rng.integers(24, 48)), int(rng.integers(24, 48)), 3)
        (tmp_path / f"{number}.png").write_bytes(encode_image(rng.integers(0, 255, size, dtype=np.uint8), ".png"))
    for number in range(IMAGES):
        os.link(tmp_path / f"{number % FILES}.png", photos / f"{number}.png")
    words = ["detect", str(photos), "--out", str(tmp_path / "out"), "--model", str(tmp_path / "model"), "--no-draw"]
    words += ["--device", "cpu", "--quiet"]
    running = subprocess.Popen([sys.executable, "-m", "inception_rcnn", *words])
    ledger, states = tmp_path / "out" / "detections.jsonl", {}
    while running.poll() is None:
        rows = ledger.read_bytes().count(b"\n") if ledger.exists() else 0
        if SETTLED <= rows < IMAGES:
            states[rows] = _state(running.pid)
        time.sleep(0.5)
    assert running.returncode == 0
    assert ledger.read_bytes().count(b"\n") == IMAGES
    memory, threads, files = np.array(list(states.values())).T
    assert len(memory) > 20
    assert memory.max() < 1.05 * np.median(memory[:5])
    assert threads.max() == threads.min()
    assert files.max() - files.min() <= 4  # the images that are open at the moment
