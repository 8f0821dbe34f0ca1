"""What `detect --dry-run` says, and that it writes nothing."""

from pathlib import Path

import numpy as np
import pytest
from untrained_model import save_untrained

from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.detector.inference.detect_run import DetectOptions, detect_files, prepare
from inception_rcnn.detector.inference.plan import Plan, plan

pytestmark = pytest.mark.usefixtures("small_maps")


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> DetectOptions:
    folder = tmp_path_factory.mktemp("model")
    save_untrained(folder)
    return DetectOptions(str(folder), device="cpu")


@pytest.fixture
def photos(tmp_path: Path, rng: np.random.Generator) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in range(6):
        (folder / f"{name}.png").write_bytes(encode_image(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8), ".png"))
    return folder


def test_a_plan_counts_and_measures_and_writes_nothing(photos: Path, tmp_path: Path, options: DetectOptions) -> None:
    out = tmp_path / "out"
    planned = plan(prepare([str(photos)], out, options))
    assert not out.exists()
    assert (planned.images, planned.done) == (6, 0)
    assert planned.seconds is not None
    assert 0 < planned.seconds < 100
    detect_files([str(photos)], out, options)
    written = sum(path.stat().st_size for path in [out / "detections.jsonl", *out.glob("drawn/*.png")])
    assert planned.bytes == pytest.approx(written, rel=0.8)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    (photos / "7.png").write_bytes((photos / "1.png").read_bytes())
    (photos / "0.png").unlink()
    again = plan(prepare([str(photos)], out, options))
    assert (again.images, again.done) == (6, 5)
    assert "1 image of an earlier run is gone and left out" in str(again)
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*")}


def test_a_plan_refuses_what_the_run_would(photos: Path, tmp_path: Path, options: DetectOptions) -> None:
    detect_files([str(photos)], tmp_path / "out", options)
    other = DetectOptions(options.model, {"score": 0.5}, "cpu")
    with pytest.raises(UsageError, match="other settings"):
        plan(prepare([str(photos)], tmp_path / "out", other))
    assert plan(prepare([str(photos)], tmp_path / "out", DetectOptions(**{**vars(other), "overwrite": True}))).done == 0


def test_a_plan_of_images_that_cannot_be_read_has_no_time(tmp_path: Path, options: DetectOptions) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    planned = plan(prepare([str(tmp_path)], tmp_path / "out", options))
    assert (planned.seconds, planned.bytes) == (None, 0)
    assert "time" not in str(planned)


def test_a_plan_says_if_the_disk_is_too_small() -> None:
    text = str(Plan(10_000, 0, 20_000.0, 4 * 10**9, 10**9, Path("out")))
    assert text.splitlines() == [
        "10,000 images, 0 done before, 10,000 to do",
        "time: about 5.6 hours (2.00 s an image, measured on 4)",
        "disk: about 4.0 GB in out, 1.0 GB free; make room first",
    ]
