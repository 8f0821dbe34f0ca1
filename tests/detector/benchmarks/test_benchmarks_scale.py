"""What very many images take, computed from rates that are measured on a few."""

from pathlib import Path

import numpy as np
import pytest
from untrained_model import save_untrained

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.images.sources import list_sources
from inception_rcnn.detector.benchmarks.scale import Rates, check_rates, measure_rates, scale_table
from inception_rcnn.detector.rcnn import RCNN

RATES = Rates(0.1, 0.2, 0.7, start=10.0, read=50_000, row=500, drawn=60_000, proposals=1000, gpu=False)


def test_hours_bytes_and_pace_follow_from_the_rates() -> None:
    one, many = scale_table(RATES, {"a": 3600}, (1, 100))
    assert one.hours == pytest.approx((10 + 3600) / 3600)
    assert many.hours == pytest.approx((10 + 36) / 3600)
    assert one.read == many.read == pytest.approx(0.18)
    assert one.ledger == pytest.approx(0.0018)
    assert one.proposals == pytest.approx(3600 * 1000 * 20 / 1e9)
    assert one.features == pytest.approx(3600 * 2000 * 2048 / 1e9)
    assert many.read_mb_a_second == pytest.approx(3600 * 0.05 / 46)


def test_a_gpu_is_as_fast_as_its_network_and_needs_cores() -> None:
    gpu = Rates(**{**vars(RATES), "network": 0.01, "gpu": True})
    assert gpu.seconds == 0.01
    assert gpu.feeding_cores == pytest.approx(30)
    assert "30 cores decode and propose for it" in str(gpu)
    assert "1.00 images/s" in str(RATES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_untrained(tmp_path / "model")
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
        (tmp_path / f"{number}.png").write_bytes(encode_image(pixels, ".png"))
    return tmp_path


def test_rates_are_measured_on_images_that_can_be_read(folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"")
    sources = list_sources([f"{folder}/*.png"])
    rates = measure_rates(RCNN.from_pretrained(folder / "model", device="cpu"), folder / "model", sources)
    assert 0 < rates.decode < rates.seconds < 10
    assert 0 < rates.start < 60
    assert rates.read == np.mean([(folder / f"{number}.png").stat().st_size for number in range(4)])
    with pytest.raises(DataError, match="there are no rates"):
        measure_rates(RCNN.from_pretrained(folder / "model", device="cpu"), folder / "model", sources[-1:])


@pytest.mark.slow
def test_a_real_run_in_shards_stands_beside_what_the_rates_say(folder: Path) -> None:
    rows = check_rates(RATES, folder / "model", list_sources([f"{folder}/*.png"]), [1, 2])
    assert [(row.processes, row.images) for row in rows] == [(1, 4), (2, 4)]
    assert rows[0].predicted_seconds == 10 + 4
    assert all(row.measured_seconds > 0 for row in rows)
