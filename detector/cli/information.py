"""The facts of an installation, for bug reports."""

import os

import torch

from ...backbone.precision import autocast, choose_device
from ...proposals.cache import home
from ...proposals.methods import METHODS
from ..inference.detect_run import versions
from ..training.presets import ILSVRC, PRESETS
from .options import complete_model


def describe() -> str:
    """Versions, devices, number format, models, methods and presets of training, a line each."""
    device = choose_device()
    kind = "bfloat16" if isinstance(autocast(device), torch.autocast) else "float32"
    gpu = f" ({torch.cuda.get_device_name()})" if device.type == "cuda" else ""
    lines = {
        **versions(),
        "device": f"{device}{gpu}, {kind}, {torch.get_num_threads()} threads",
        "models": ", ".join(complete_model("")) or "none",
        "proposals": ", ".join(METHODS),
        "presets": ", ".join(PRESETS),
        "ilsvrc": str(ILSVRC),
        "cache": f"{home()} (INCEPTION_RCNN_HOME {'is' if 'INCEPTION_RCNN_HOME' in os.environ else 'is not'} set)",
    }
    width = max(map(len, lines))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines.items())
