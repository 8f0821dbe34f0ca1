"""The values that travel between the parts: ground truth, proposals, detections, a detector's stages.

All are frozen and checked when made; a mask, indices or a slice in brackets picks a part; `len()` counts the boxes.

Shapes: N boxes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .boxes import Boxes, Size, as_boxes, box_area, xyxy_to_xywh
from .errors import DataError
from .terminal import format_columns, printable

Labels = NDArray[np.str_]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

# The score from which boxes vote, whatever the threshold of detections: else that would move the boxes it leaves.
VOTING_SCORE = 0.001

_LARGEST = 1e100  # of a coordinate: areas of larger boxes would be infinite


def _checked_boxes(boxes: ArrayLike, owner: str) -> Boxes:
    array = as_boxes(boxes)
    if array.ndim != 2 or array.shape[1] != 4:
        raise DataError(f"{owner}: boxes must have shape (N, 4), got {array.shape}")
    bad = ~((np.abs(array) <= _LARGEST).all(axis=1) & (array[:, 2:] >= array[:, :2]).all(axis=1))  # NaN is not
    if bad.any():
        index = int(np.flatnonzero(bad)[0])
        box = array[index].tolist()
        raise DataError(f"{owner}: boxes[{index}] is {box}: need finite x1 <= x2 and y1 <= y2, of an image")
    return array


def _checked_xywh(xywh: ArrayLike, boxes: Boxes, owner: str) -> Boxes:
    """The numbers of a COCO file, (N, 4), or those of the boxes where there are none."""
    array = as_boxes(xywh)
    if not array.size:
        return xyxy_to_xywh(boxes)
    if array.shape != boxes.shape:
        raise DataError(f"{owner}: xywh must have shape {boxes.shape}, as the boxes, got {array.shape}")
    if not (np.abs(array) <= _LARGEST).all():
        raise DataError(f"{owner}: xywh has a number that is not finite, or of no image")
    return array


def _unset() -> NDArray[Any]:
    return np.zeros(0)


class _Columns:
    """What the records share: length and indexing by the columns named in `_columns`."""

    _columns: tuple[str, ...] = ()
    boxes: Boxes

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: Any) -> Self:
        picked = {name: getattr(self, name)[index] for name in self._columns}
        return replace(self, **picked)  # pyright: ignore[reportArgumentType] (every subclass is a dataclass)

    def _set(self, **columns: Any) -> None:
        for name, value in columns.items():
            object.__setattr__(self, name, value)

    def _check_columns(self, owner: str, **dtypes: Any) -> None:
        """Make columns arrays of these types; DataError where one has not a value for each box."""
        for name, dtype in dtypes.items():
            array = np.asarray(getattr(self, name), dtype=dtype)
            if array.shape != (len(self),):
                raise DataError(f"{owner}: {name} must have shape ({len(self)},), one for each box, got {array.shape}")
            self._set(**{name: array})


@dataclass(frozen=True, eq=False)
class Proposals(_Columns):
    """Class-agnostic boxes that may hold an object, the best first; a higher score is better."""

    boxes: Boxes  # [N, 4]
    scores: NDArray[np.float64]  # [N]

    _columns = ("boxes", "scores")

    def __post_init__(self) -> None:
        self._set(boxes=_checked_boxes(self.boxes, "Proposals"))
        self._check_columns("Proposals", scores=np.float64)


class Detection(NamedTuple):
    box: tuple[float, float, float, float]  # x1, y1, x2, y2
    label: str
    score: float


@dataclass(frozen=True, eq=False)
class Detections(_Columns):
    """Objects found in one image: a box, a class name and a score each, the best first.

    >>> found = Detections(np.array([[10, 20, 110.25, 70]]), np.array(["cat"]), np.array([0.98]))
    >>> [(label, score) for box, label, score in found]
    [('cat', 0.98)]
    >>> print(found)
    class  score    x1    y1     x2    y2
    cat    0.980  10.0  20.0  110.2  70.0
    """

    boxes: Boxes = field(default_factory=lambda: np.zeros((0, 4)))  # [N, 4]
    labels: Labels = field(default_factory=lambda: np.zeros(0, dtype=np.str_))  # [N]
    scores: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))  # [N]
    xywh: Boxes = field(default_factory=_unset)  # [N, 4], as a file of COCO's has them: corners would lose bits

    _columns = ("boxes", "labels", "scores", "xywh")

    def __post_init__(self) -> None:
        self._set(boxes=_checked_boxes(self.boxes, "Detections"))
        self._check_columns("Detections", labels=np.str_, scores=np.float64)
        if not np.isfinite(self.scores).all():
            raise DataError(f"Detections: scores[{int(np.argmin(np.isfinite(self.scores)))}] is not a finite number")
        self._set(xywh=_checked_xywh(self.xywh, self.boxes, "Detections"))

    @overload
    def __getitem__(self, index: int) -> Detection: ...

    @overload
    def __getitem__(self, index: slice | NDArray[Any] | list[Any]) -> Self: ...

    def __getitem__(self, index: Any) -> Any:
        """One detection by its number; several, as detections, by a slice, indices or a mask."""
        if isinstance(index, int | np.integer):
            x1, y1, x2, y2 = self.boxes[index].tolist()
            return Detection((x1, y1, x2, y2), str(self.labels[index]), float(self.scores[index]))
        return super().__getitem__(index)

    def __iter__(self) -> Iterator[Detection]:
        rows = zip(self.boxes.tolist(), self.labels.tolist(), self.scores.tolist(), strict=True)
        return (Detection((x1, y1, x2, y2), label, score) for (x1, y1, x2, y2), label, score in rows)

    def __str__(self) -> str:
        rows = [[printable(label), f"{score:.3f}", *(f"{x:.1f}" for x in box)] for box, label, score in self]
        heading = ["class", "score", "x1", "y1", "x2", "y2"]
        return "\n".join(format_columns([heading, *rows])) if rows else "no detections"

    def to_dict(self) -> dict[str, Any]:
        """As plain values that JSON can hold, as in a line of `detections.jsonl`."""
        return {"detections": [{"label": each.label, "score": each.score, "box": [*each.box]} for each in self]}


@dataclass(frozen=True, eq=False)
class GroundTruth(_Columns):
    """The annotated objects of one image. `file` is its path below the data set's image folder.

    What a data set does not state may be left out: flags are then unset, areas the boxes'. An unknown size is 0.
    """

    file: str
    width: int
    height: int
    boxes: Boxes  # [N, 4]
    labels: Labels  # [N]
    difficult: NDArray[np.bool_]  # [N], VOC's flag: neither to be found nor false
    crowd: NDArray[np.bool_] = field(default_factory=_unset)  # [N], COCO's flag: a region with many of the class
    ignore: NDArray[np.bool_] = field(default_factory=_unset)  # [N], COCO's flag: as difficult, but not to COCO's code
    truncated: NDArray[np.bool_] = field(default_factory=_unset)  # [N], VOC's flag: reaches out of the image or hides
    areas: NDArray[np.float64] = field(default_factory=_unset)  # [N], square pixels of the object itself, as COCO's
    xywh: Boxes = field(default_factory=_unset)  # [N, 4], as a file of COCO's has them: corners would lose bits
    ignored_classes: tuple[str, ...] = ()  # classes that are not evaluated here: ILSVRC's blacklist, or not annotated
    upright: bool = False  # boxes are of the image turned upright by its EXIF data, if its size does not decide
    exhaustive: bool = True  # every object of the data set's classes is annotated: not so in ILSVRC's training images

    _columns = ("boxes", "labels", "difficult", "crowd", "ignore", "truncated", "areas", "xywh")

    @property
    def size(self) -> Size:
        return self.width, self.height

    def __post_init__(self) -> None:
        self._set(boxes=_checked_boxes(self.boxes, self.file))
        unset = [name for name in ("crowd", "ignore", "truncated") if len(getattr(self, name)) == 0]
        self._set(**{name: np.zeros(len(self), np.bool_) for name in unset})
        if len(self.areas) == 0:
            self._set(areas=box_area(self.boxes))
        flags = dict.fromkeys(("difficult", "crowd", "ignore", "truncated"), np.bool_)
        self._check_columns(self.file, labels=np.str_, **flags, areas=np.float64)
        self._set(xywh=_checked_xywh(self.xywh, self.boxes, self.file))

    @property
    def to_ignore(self) -> Flags:
        """The objects that are neither to be found nor background, [N]: by one of the flags, or by their class."""
        flagged = self.difficult | self.crowd | self.ignore
        return flagged | np.isin(self.labels, self.ignored_classes) if self.ignored_classes else flagged

    @property
    def to_find(self) -> Flags:
        """The objects that a detector is to find, and to learn from, [N]."""
        return ~self.to_ignore

    @property
    def repeated(self) -> NDArray[np.bool_]:
        """The objects whose class and box one before them has already, [N]."""
        keys = list(zip(self.labels.tolist(), map(tuple, self.boxes.tolist()), strict=True))
        first = dict(zip(reversed(keys), reversed(range(len(keys))), strict=True))
        return np.array([first[key] != i for i, key in enumerate(keys)], dtype=np.bool_)

    def annotates(self, classes: Sequence[str]) -> bool:
        """Whether every object of these classes is annotated, so that all else in the image is background."""
        return self.exhaustive and set(classes).isdisjoint(self.ignored_classes)


@dataclass(frozen=True)
class Origin:
    """What an image's file was when it was read: another file of the same name has another, and so another reading."""

    bytes: int
    modified_ns: int  # time of change, nanoseconds
    read_as: str  # whether it was turned upright, and the size that an annotation states, which can decide that


@dataclass(frozen=True, eq=False)
class ImageDetections:
    """One image's outcome: its detections, or the `error` in their place."""

    file: str
    width: int = 0
    height: int = 0
    detections: Detections = field(default_factory=Detections)
    error: str | None = None
    origin: Origin | None = None  # None where it is not known

    @property
    def size(self) -> Size:
        return self.width, self.height

    def __len__(self) -> int:
        return len(self.detections)

    def __bool__(self) -> bool:
        return True  # an image without detections is one, too

    def __iter__(self) -> Iterator[Detection]:
        return iter(self.detections)

    def __str__(self) -> str:
        size = f" ({self.width} x {self.height})" if self.width else ""
        return f"{printable(self.file)}{size}\n{self.detections if self.error is None else printable(self.error)}"

    def to_dict(self) -> dict[str, Any]:
        """As plain values that JSON can hold, as in a line of `detections.jsonl`."""
        if self.error is not None:
            return {"file": self.file, "error": self.error}
        return {"file": self.file, "width": self.width, "height": self.height, **self.detections.to_dict()}


@dataclass(frozen=True, eq=False)
class Stages:
    """What a detector made of one image, step by step, and the rules by which detections come of it.

    Shapes: P proposals, of which the first R were classified, K classes (0 = background in the probabilities).
    """

    proposals: Boxes  # [P, 4], the best first, also those beyond the budget
    probabilities: NDArray[np.float64]  # [R, K + 1], background first
    boxes: NDArray[np.float64]  # [R, K, 4], refined for each class and cut to the image
    classes: tuple[str, ...]  # [K]
    score_threshold: float  # detections below are left out
    nms_threshold: float  # IoU above which a better box of the same class suppresses
    max_detections: int
    vote_threshold: float | None = None  # IoU from which boxes of the same class vote on a detection's box; None: none
    agnostic: bool = False  # whether a box suppresses those of other classes too

    @property
    def voting_score(self) -> float:
        """The score from which boxes have a vote: `VOTING_SCORE`, or a lower one that detections need."""
        return min(VOTING_SCORE, self.score_threshold)

    def __post_init__(self) -> None:
        probabilities = np.asarray(self.probabilities, dtype=np.float64)
        boxes = np.asarray(self.boxes, dtype=np.float64)
        regions, columns = len(probabilities), len(self.classes) + 1
        if probabilities.shape != (regions, columns) or not np.isfinite(probabilities).all():
            shape = probabilities.shape
            raise DataError(f"Stages: probabilities must be finite and have shape (R, {columns}), got {shape}")
        if boxes.shape != (regions, len(self.classes), 4):
            raise DataError(f"Stages: boxes must have shape ({regions}, {len(self.classes)}, 4), got {boxes.shape}")
        _checked_boxes(boxes.reshape(-1, 4), "Stages")
        proposals = _checked_boxes(self.proposals, "Stages: proposals")
        if regions > len(proposals):
            raise DataError(f"Stages: {regions} regions cannot be the first of {len(proposals)} proposals")
        for name, value in (("proposals", proposals), ("probabilities", probabilities), ("boxes", boxes)):
            object.__setattr__(self, name, value)
