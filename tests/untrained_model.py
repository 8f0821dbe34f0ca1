"""A model folder with a real network that has learned nothing: fast, and with detections everywhere."""

from pathlib import Path
from typing import Any

import torch

from inception_rcnn.detector.config import DetectorConfig
from inception_rcnn.detector.model_folders import save_network
from inception_rcnn.detector.network import RegionNetwork

FAST: dict[str, Any] = {"regions": 3, "score": 0.0, "proposals": "selective-search:single", "short_sides": (60,)}


def save_untrained(folder: Path, classes: tuple[str, ...] = ("a",), **settings: Any) -> None:
    torch.manual_seed(0)
    config = DetectorConfig(classes, **{**FAST, **settings})
    save_network(folder, RegionNetwork(len(classes), ("shared",)), config)
