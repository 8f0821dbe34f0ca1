import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.records import GroundTruth
from inception_rcnn.data.terminal import format_rows, rows_to_json
from inception_rcnn.detector.benchmarks import speed
from inception_rcnn.detector.benchmarks.speed import SpeedRow, benchmark_speed, check_numbers, matmul_rate
from inception_rcnn.detector.benchmarks.speed_plot import speed_svg
from inception_rcnn.detector.config import DetectorConfig
from inception_rcnn.detector.network import RegionNetwork
from inception_rcnn.detector.rcnn import RCNN


@pytest.fixture
def data(tmp_path, rng):
    truths = []
    for name in ("a.png", "b.png"):
        pixels = np.kron(rng.integers(0, 256, (3, 4, 3)).astype(np.uint8), np.ones((20, 20, 1), np.uint8))
        (tmp_path / name).write_bytes(encode_image(pixels, ".png"))
        truths.append(GroundTruth(name, 80, 60, as_boxes([[0, 0, 20, 20]]), ["cat"], [False]))
    return Dataset("two", ("cat",), tuple(truths), tmp_path)


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = DetectorConfig(("cat",), modes=("shared", "crops"), short_sides=(32, 64), regions=4)
    return RCNN(RegionNetwork(1, config.modes), config, "cpu")


def test_each_setting_is_a_row_with_its_seconds_by_stage(data, model, monkeypatch):
    monkeypatch.setattr(speed, "FIRST_RELEASE", {"regions": 6, "short_sides": (32, 48, 64)})
    monkeypatch.setattr(speed, "PLAIN_CROPS", 3)
    rows = benchmark_speed(model, data, 5, (2, 3))
    names = ["default", "default, 2 regions", "default, 3 regions", "crops", "0.1.0's default", speed.PLAIN]
    assert [row.method for row in rows] == names
    assert [row.regions for row in rows[:5]] == [4, 2, 3, 4, 6]
    for row in rows:
        stages = [row.decode, row.proposals, row.maps, row.regions_seconds, row.suppression]
        assert row.cpu_seconds == pytest.approx(sum(stages))
        assert row.images == 2
        assert row.wall_seconds > 0
        assert row.proposals > 0
        assert row.regions_seconds > 0
    assert rows[3].maps == 0  # crops need none
    for row in rows[:5]:
        assert 0 <= (row.map or 0.0) <= 1
        assert row.regions_a_second == pytest.approx(row.images_a_second * row.regions, rel=0.01)
        assert 0 <= row.waiting < 1
        assert 0 < row.matmul_fraction < 2
    assert rows[5].map is rows[5].images_a_second is None
    assert len(format_rows(rows).splitlines()) == 7
    assert {"method", "cpu_seconds", "wall_seconds", "map", "regions"} <= json.loads(rows_to_json(rows))[0].keys()


def test_the_plain_loop_takes_as_many_times_longer_as_it_has_crops(data, monkeypatch):
    """A clock on which every reading takes a second: a batch takes one, and only the crops are multiplied."""
    monkeypatch.setattr(speed, "PLAIN_CROPS", 2)
    ticks = iter(range(10**6))
    monkeypatch.setattr(speed.time, "process_time", lambda: next(ticks))
    row = speed.measure_plain_loop(data, torch.device("cpu"))
    assert row.regions > 10
    assert row.decode == row.proposals == row.suppression == 1
    numbers = [len(speed.opencv_selective_search(data.read(truth), "fast").boxes) for truth in data.images]
    assert row.regions_seconds == pytest.approx(np.mean(numbers) / 2)


def test_the_rate_of_a_product_is_that_of_its_multiplications_and_additions(monkeypatch):
    monkeypatch.setattr(speed, "MATMUL", 100)
    ticks = iter(range(100))
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(ticks))
    assert matmul_rate(torch.device("cpu"), torch.float32) == pytest.approx(2 * 100**3 / 1e9)


def test_regions_are_numbers():
    assert check_numbers("--regions", "50, 100,") == (50, 100)
    with pytest.raises(UsageError, match="--regions 5x"):
        check_numbers("--regions", "5x")


def test_the_plot_has_a_point_for_each_row_with_map():
    rows = [
        SpeedRow("default", 100, 9, 0.7, 0.5, 0.8, *[0.1] * 5),
        SpeedRow("a < b", 25, 9, 0.5, 0.4, 0.7, *[0.1] * 5),
        SpeedRow("plain", 2000, 9, 90, 60, None, *[0.1] * 5),
    ]
    svg = speed_svg(rows)
    root = ET.fromstring(svg)
    circles = root.findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(circles) == 4  # two plots
    assert sorted(float(each.attrib["cy"]) for each in circles)[:2] == [float(circles[0].attrib["cy"])] * 2
    assert float(circles[0].attrib["cx"]) > float(circles[1].attrib["cx"])  # more regions
    assert "a &lt; b: mAP 0.700 at 25 regions an image" in svg
    assert re.search("nan|inf", svg) is None
    assert speed_svg([]).startswith("<svg")
