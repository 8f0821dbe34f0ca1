"""Classifiers on disk: folders of this package's, or files of weights under our names or BVLC's."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ...data.errors import DataError
from ...data.files.atomic import write_atomically
from ...data.files.json_files import load_json, parse_json
from ...data.files.text_files import read_text
from ...data.values import shown
from ..bvlc import googlenet_from_bvlc, is_bvlc
from ..googlenet import GoogLeNet
from ..weights import compact, count_outputs, load_checked, read_weights, save_weights

CONFIG, WEIGHTS = "config.json", "model.safetensors"
FORMAT_VERSION = 1
KIND = "classifier"  # in the configuration; a detector's has none


@dataclass(frozen=True)
class SavedClassifier:
    """A classifier as it was read."""

    source: str  # what messages call it
    model: GoogLeNet
    classes: tuple[str, ...]  # of its outputs, in order; none where the file does not name them


def is_classifier_folder(folder: Path) -> bool:
    """Whether a folder's configuration is a classifier's."""
    try:
        content = load_json(folder / CONFIG)
    except DataError:
        return False
    return isinstance(content, dict) and content.get("kind") == KIND


def save_classifier(folder: Path, model: GoogLeNet, classes: tuple[str, ...], about: Mapping[str, Any]) -> None:
    """Write a classifier's folder, weights in fp16, without the auxiliary heads, which only training needs.

    `about` says in `config.json` how it was trained.
    """
    tensors = {name: each for name, each in model.state_dict().items() if not name.startswith("auxiliary")}
    save_weights(folder / WEIGHTS, compact(tensors), {})
    content = {"format_version": FORMAT_VERSION, "kind": KIND, "classes": classes, "trained_with": about}
    write_atomically(folder / CONFIG, json.dumps(content, indent=2) + "\n")


def read_classifier(path: str | Path) -> SavedClassifier:
    """The classifier of a folder that `save_classifier` wrote, or of a file of weights."""
    path = Path(path)
    if not path.is_dir():
        return SavedClassifier(str(path), classifier_of(read_weights(path), str(path)), ())
    classes = _read_classes(path / CONFIG)
    model = classifier_of(read_weights(path / WEIGHTS), str(path / WEIGHTS))
    outputs = model.classifier.out_features
    if outputs != len(classes):
        raise DataError(f"{path}: {CONFIG} names {len(classes)} classes, and {WEIGHTS} has {outputs} outputs")
    return SavedClassifier(str(path), model, classes)


def classifier_of(tensors: dict[str, Tensor], source: str) -> GoogLeNet:
    """The classifier with these weights, under BVLC's names or ours."""
    if is_bvlc(tensors):
        return googlenet_from_bvlc(tensors, source)
    if "classifier.bias" not in tensors:
        raise DataError(f"{source} holds neither BVLC's GoogLeNet nor a classifier trained here")
    model = GoogLeNet(count_outputs(tensors["classifier.bias"], source), auxiliary="auxiliary1.1.weight" in tensors)
    load_checked(model, tensors, source)
    return model.eval()


def _read_classes(path: Path) -> tuple[str, ...]:
    """The names in a classifier's configuration."""
    if not path.exists():
        raise DataError(f"{path.parent} is no classifier: it has no {path.name}")
    content = parse_json(read_text(path), f"{path} is not a classifier's configuration")
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise DataError(f"{path.parent} is no classifier; train one with `inception-rcnn train classifier`")
    if content.get("format_version") != FORMAT_VERSION:
        raise DataError(
            f"{path} has format_version {shown(content.get('format_version'))}; this release reads {FORMAT_VERSION}"
        )
    classes = content.get("classes")
    if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
        raise DataError(f"{path}: need a list of class names, got {shown(classes)}")
    return tuple(classes)
