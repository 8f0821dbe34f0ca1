"""What a detector is apart from its weights: the content of a model folder's `config.json`."""

import dataclasses
import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..backbone.classifier_folder import KIND
from ..data.errors import DataError, UsageError
from .heads import SCORES, Scores
from .regions import MODES, Mode

FORMAT_VERSION = 1


@dataclass(frozen=True)
class DetectorConfig:
    """Frozen facts of a trained detector, and the defaults it detects with."""

    classes: tuple[str, ...]  # the classifier's outputs 1..K; 0 is background
    architecture: str = "googlenet"  # or "torchvision"
    modes: tuple[Mode, ...] = ("shared",)  # the ways of looking at regions it has a tail and a head for
    mode: Mode = "shared"  # the one it uses by default
    proposals: str = "selective-search:googlenet"  # method
    regions: int = 1000  # proposals looked at, the best first
    score: float = 0.3  # detections below are left out
    nms_threshold: float = 0.3  # IoU above which a better box of the same class suppresses (R-CNN)
    max_detections: int = 100  # a picture (R-CNN's cap)
    vote_threshold: float = 0.5  # IoU from which boxes of the same class vote on where a detection is
    box_deltas: bool = True  # whether boxes are refined at all, by the head and by votes; the entry did not
    scores: Scores = "softmax"  # how logits become probabilities; "sigmoid" for linear classifiers
    members: int = 1  # networks whose answers are averaged; several lie in folders of their own

    def to_json(self) -> str:
        return json.dumps({"format_version": FORMAT_VERSION, **dataclasses.asdict(self)}, indent=2) + "\n"


def read_config(path: Path) -> DetectorConfig:
    """Read and check a `config.json`; DataError names what it does not understand."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("format_version", None)
    except FileNotFoundError as error:
        raise DataError(f"{path.parent} is not a model: it has no {path.name}") from error
    except (ValueError, TypeError, AttributeError, OSError) as error:
        raise DataError(f"{path} is not a model's configuration: {error}") from error
    if version != FORMAT_VERSION:
        raise DataError(f"{path} has format_version {version}; this release reads {FORMAT_VERSION}")
    if content.get("kind") == KIND:
        start = f"`inception-rcnn train finetune --init {path.parent}`"
        raise DataError(f"{path.parent} is a classifier, which finds no boxes; make a detector of it with {start}")
    return _checked(content, path)


def checked_options(options: Mapping[str, Any], config: DetectorConfig) -> dict[str, Any]:
    """Settings to change in a model's configuration; UsageError where this model cannot take one."""
    mode, regions, score = options.get("mode"), options.get("regions"), options.get("score")
    if mode is not None and mode not in config.modes:
        raise UsageError(f"--mode {mode}: this model looks at regions in these ways: {', '.join(config.modes)}")
    if regions is not None and regions < 1:
        raise UsageError(f"--regions {regions}: need at least 1")
    if score is not None and not 0 <= score <= 1:
        raise UsageError(f"--score {score}: need a number from 0 to 1")
    return dict(options)


def _checked(content: dict[str, Any], path: Path) -> DetectorConfig:
    defaults = {field.name: field.default for field in dataclasses.fields(DetectorConfig)}
    for name, value in content.items():
        if name not in defaults:
            near = difflib.get_close_matches(name, defaults, n=1)
            raise DataError(f"{path}: unknown setting {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        if isinstance(value, list):
            content[name] = value = tuple(value)
        wanted = tuple if name == "classes" else type(defaults[name])
        if not isinstance(value, wanted) and not (wanted is float and isinstance(value, int)):
            raise DataError(f"{path}: {name} is {value!r}, need a {wanted.__name__}")
    unknown = [mode for mode in (*content.get("modes", ()), content.get("mode", "shared")) if mode not in MODES]
    if not content.get("classes") or not all(isinstance(each, str) for each in content["classes"]) or unknown:
        raise DataError(f"{path}: need a list of class names, and modes among {', '.join(MODES)}")
    if content.get("scores", "softmax") not in SCORES:
        raise DataError(f"{path}: scores is {content['scores']!r}, need one of {', '.join(SCORES)}")
    if content.get("scores") == "sigmoid" and content.get("members", 1) > 1:
        raise DataError(f"{path}: the members of an ensemble need softmax scores, these have sigmoid ones")
    if content.get("members", 1) < 1:
        raise DataError(f"{path}: members is {content['members']}, need at least 1")
    return DetectorConfig(**content)
