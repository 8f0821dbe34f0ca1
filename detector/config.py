"""What a detector is apart from its weights: the content of a model folder's `config.json`."""

import dataclasses
import json
import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..backbone.classification.model_folder import KIND
from ..backbone.features.image_pyramid import SHORT_SIDES, SHORTEST
from ..data.class_names import hint, require_known
from ..data.diagnostics import listed
from ..data.errors import DataError, UsageError
from ..data.files.json_files import parse_json
from ..data.files.text_files import read_text
from ..data.values import COUNT, FRACTION, Range, check_range, check_ranges, shown
from .box_predictor import SCORES, Scores
from .region_features import BOTH, MODES, POOLED_SIZE, Mode

FORMAT_VERSION = 1
HASHES = "sha256"  # the key under which a file may state those of its folder's weights, by name
_ARCHITECTURE, _GOOGLENET = "architecture", "googlenet"  # earlier releases had another one too
MOST_CLASSES = 10_000
LONGEST_NAME = 500  # characters, of a class
MEMBERS = Range(1, 1000, whole=True)
SHORT_SIDE = Range(SHORTEST, 4000)  # pixels
MOST_LEVELS = 8  # of an image pyramid
_EARLIER = {"short_sides": (200, 400, 800), "pooled_size": 7}  # settings of models that do not state theirs
RANGES = {
    "pooled_size": Range(1, 14, whole=True),
    "regions": COUNT,
    "budget": Range(0, math.inf, optional=True),
    "score": FRACTION,
    "context": Range(0, 4),
    "objectness": Range(0, 4),
    "min_size": Range(0, math.inf),
    "nms_threshold": FRACTION,
    "max_detections": COUNT,
    "vote_threshold": Range(0, 2),  # above 1 there are no votes
    "members": MEMBERS,
}
OF_THE_WEIGHTS = (
    "classes",
    "subclasses",
    "modes",
    "scores",
    "pooled_size",
    "members",
)  # settings that only training can change


@dataclass(frozen=True)
class DetectorConfig:
    """Frozen facts of a trained detector, and the defaults it detects with; UsageError where one cannot be."""

    classes: tuple[str, ...]  # the classifier's outputs 1..K; 0 is background
    # The outputs of the classifier that it was grown from and still has, each with its class, "" for background.
    subclasses: Mapping[str, str] = field(default_factory=dict)
    modes: tuple[Mode, ...] = ("shared",)  # of region features, with a box head and a box predictor each
    mode: Mode = None  # pyright: ignore[reportAssignmentType]  # to detect with; without, the first of `modes`
    proposals: str = "selective-search:googlenet"  # method
    short_sides: tuple[float, ...] = field(default_factory=lambda: SHORT_SIDES)  # pixels, of the image pyramid, rising
    pooled_size: int = POOLED_SIZE  # cells along a side of a region pooled from a shared map
    regions: int = 1000  # proposals that are classified, the best first
    budget: float | None = None  # seconds an image, after which no more of its proposals are classified
    score: float = 0.3  # detections below are left out
    context: float = 0.0  # the power of a class's probability for the whole image that its score is multiplied by
    objectness: float = 0.0  # the power of a proposal's score that its classes' scores are multiplied by
    min_size: float = 0.0  # pixels: boxes of less width or height are left out before suppression
    nms_threshold: float = 0.3  # IoU above which a better box of the same class suppresses (R-CNN)
    max_detections: int = 100  # an image (R-CNN's cap)
    vote_threshold: float = 0.5  # IoU from which boxes of the same class vote on where a detection is
    box_deltas: bool = True  # whether boxes are refined at all, by the head and by votes; the entry did not
    scores: Scores = "softmax"  # how logits become probabilities; "sigmoid" for linear classifiers
    members: int = 1  # networks whose predictions are fused; several lie in folders of their own
    output_classes: tuple[str, ...] = ()  # those of `classes` that are detected at all; without, all of them
    agnostic_nms: bool = False  # whether a box suppresses those of other classes too

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", _checked_names("classes", self.classes, MOST_CLASSES))
        object.__setattr__(self, "subclasses", _checked_subclasses(self.subclasses, self.classes))
        object.__setattr__(self, "modes", _checked_names("modes", self.modes, len(MODES)))
        for mode in self.modes:
            _require_known("modes", mode, MODES)
        if self.mode is None:
            object.__setattr__(self, "mode", self.modes[0])
        _require_known("mode", self.mode, self.detection_modes)
        _require_known("scores", self.scores, SCORES)
        check_ranges(self, RANGES)
        object.__setattr__(self, "short_sides", _checked_sides(self.short_sides))
        if not isinstance(self.proposals, str) or not 0 < len(self.proposals) <= LONGEST_NAME:
            raise UsageError(f"proposals is {shown(self.proposals)}: need the name of a method")
        for name in ("box_deltas", "agnostic_nms"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} is {shown(getattr(self, name))}: need true or false")
        object.__setattr__(self, "output_classes", _checked_outputs(self.output_classes, self.classes))
        if self.scores == "sigmoid" and (self.members > 1 or self.mode == BOTH):
            raise UsageError("the members of an ensemble, or both modes, need softmax scores; these have sigmoid ones")

    @property
    def detection_modes(self) -> tuple[Mode, ...]:
        """What `mode` can be: one of `modes`, or the two together."""
        return (*self.modes, *([BOTH] if len(self.modes) == len(MODES) else []))

    @property
    def class_of(self) -> tuple[int, ...]:
        """The class of each subclass, an index into the classifier's outputs."""
        index_of = {"": 0, **{name: index for index, name in enumerate(self.classes, 1)}}
        return tuple(index_of[name] for name in self.subclasses.values())

    @property
    def detected_classes(self) -> tuple[str, ...]:
        """The classes that detections can have, in the order of the classifier's outputs."""
        wanted = {*(self.output_classes or self.classes)}
        return tuple(name for name in self.classes if name in wanted)

    def to_json(self) -> str:
        return json.dumps({"format_version": FORMAT_VERSION, **dataclasses.asdict(self)}, indent=2) + "\n"


SETTINGS = tuple(field.name for field in dataclasses.fields(DetectorConfig))


def read_config(path: Path) -> DetectorConfig:
    """Read and check a `config.json`; DataError names what it does not understand."""
    content = _read_content(path)
    content.pop("format_version")
    content.pop(HASHES, None)
    if (architecture := content.pop(_ARCHITECTURE, _GOOGLENET)) != _GOOGLENET:
        raise DataError(f"{path}: the architecture is {shown(architecture)}, of an earlier release; train it anew")
    try:
        for name in content:
            require_known("setting", name, SETTINGS)
        if "mode" in content and content["mode"] is None:
            raise UsageError(f"mode is None: need one of {', '.join((*MODES, BOTH))}")
        return DetectorConfig(**{"classes": (), **_EARLIER, **content})
    except UsageError as error:
        raise DataError(f"{path}: {error}") from error


def read_hashes(path: Path) -> dict[str, str]:
    """The sha256 of files beside a `config.json`, by name, that it states; there need not be any."""
    hashes = _read_content(path).get(HASHES, {})
    if not isinstance(hashes, dict) or not all(map(_is_hash, hashes.values())):
        raise DataError(f"{path}: {HASHES} is {shown(hashes)}: need 64 hexadecimal digits for each file's name")
    return hashes


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= {*string.hexdigits.lower()}


def _read_content(path: Path) -> dict[str, Any]:
    """The content of a detector's file, its version checked."""
    if not path.exists():
        raise DataError(f"{path.parent} is not a model: it has no {path.name}")
    content = parse_json(read_text(path), f"{path} is not a model's configuration")
    if not isinstance(content, dict):
        raise DataError(f"{path} is not a model's configuration: it holds {shown(content)}")
    version = content.get("format_version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise DataError(f"{path} has format_version {shown(version)}; this release reads {FORMAT_VERSION}")
    if content.get("kind") == KIND:
        start = f"`inception-rcnn train finetune --init {path.parent}`"
        raise DataError(f"{path.parent} is a classifier, which finds no boxes; make a detector of it with {start}")
    return content


def checked_options(options: Mapping[str, Any], config: DetectorConfig) -> dict[str, Any]:
    """Settings to change in a model's configuration; UsageError where it has no such or this model cannot take it."""
    for name in options:
        if name in OF_THE_WEIGHTS:
            instead = "; output_classes selects those to detect" if name == "classes" else ""
            raise UsageError(f"{name} belongs to a model's weights and cannot be changed{instead}")
        require_known("setting", name, [each for each in SETTINGS if each not in OF_THE_WEIGHTS])
    dataclasses.replace(config, **options)  # which checks the values
    return dict(options)


def _checked_subclasses(subclasses: Any, classes: tuple[str, ...]) -> dict[str, str]:
    """The class of each subclass, one of the detector's own or "" for none; they need not be there."""
    if not isinstance(subclasses, Mapping):
        raise UsageError(f"subclasses is {shown(subclasses)}: need the class of each, by name")
    if subclasses:
        _checked_names("subclasses", [*subclasses], MOST_CLASSES)
    for name, parent in subclasses.items():
        if parent not in ("", *classes):
            raise UsageError(f"subclasses: {shown(name)} belongs to {shown(parent)}, which is none of the classes")
    return dict(subclasses)


def _checked_outputs(names: Any, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Which classes are detected: some of a model's own, or none for all of them."""
    if isinstance(names, Sequence) and not isinstance(names, str) and not names:
        return ()
    for name in (names := _checked_names("output_classes", names, MOST_CLASSES)):
        if name not in classes:
            raise UsageError(
                f"unknown class {shown(name)}; {hint(name, classes, f'this model knows {listed(classes)}')}"
            )
    return names


def _checked_sides(values: Any) -> tuple[float, ...]:
    """The short sides of an image pyramid, the smallest first."""
    if not isinstance(values, Sequence) or isinstance(values, str) or not 0 < len(values) <= MOST_LEVELS:
        raise UsageError(f"short_sides is {shown(values)}: need 1 to {MOST_LEVELS} numbers of pixels")
    for value in values:
        check_range(f"short_sides has {shown(value)}", value, SHORT_SIDE)
    if any(small >= large for small, large in pairwise(values)):
        raise UsageError(f"short_sides is {shown(values)}: need rising numbers")
    return tuple(values)


def _checked_names(name: str, values: Any, most: int) -> tuple[Any, ...]:
    """A list of different names, one at least."""
    what = f"a list of modes among {', '.join(MODES)}" if name == "modes" else "a list of class names"
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise UsageError(f"{name} is {shown(values)}: need {what}")
    if len(values) > most:
        raise UsageError(f"there are {len(values)} {name}: need at most {most}")
    seen: set[str] = set()
    for value in values:
        if not isinstance(value, str):
            raise UsageError(f"{name} has {shown(value)}: need {what}")
        if not _is_name(value):
            raise UsageError(f"{name} has {shown(value)}: need a line of at most {LONGEST_NAME} characters of Unicode")
        if value in seen:
            raise UsageError(f"{name} has {shown(value)} twice: name each once")
        seen.add(value)
    return tuple(map(str, values))


def _is_name(text: str) -> bool:
    """Whether a text can name a class: a line that is not empty, nor endless, of characters that a file can hold."""
    return bool(text.strip()) and len(text) <= LONGEST_NAME and "\n" not in text and text == _encodable(text)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _require_known(name: str, value: Any, known: Sequence[str]) -> None:
    if value not in known:
        among = f"modes among {', '.join(known)}" if name.startswith("mode") else f"one of {', '.join(known)}"
        raise UsageError(f"{name} is {shown(value)}, need {among}")
