"""Label Studio's JSON: a list of tasks, each a picture with what people drew (annotations) or a model (predictions).

A region is a box `x y width height` in percent of the picture's size, which it states. Read are rectangles with labels
that are not turned. A task that nobody has annotated, or that was skipped, is left out: its objects are not known.
https://labelstud.io/guide/export and https://labelstud.io/guide/predictions
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

import numpy as np

from .boxes import Boxes, xyxy_to_xywh
from .class_names import checked_name
from .dataset import Dataset, names_seen
from .errors import DataError
from .files import write_atomically
from .json_files import load_json, shown
from .objects import AnnotatedObject, Unusable, checked_box, checked_label, checked_number, checked_side, to_truth
from .picture_files import Size, picture_name
from .problems import OnProblem, refuse
from .records import Detections, GroundTruth, Labels, Picture

_LOCAL = "/data/local-files/"  # where Label Studio serves files of its machine: ?d=PATH
_UPLOADS = "/data/upload/"
_UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-(?=.)")  # put before the name of what is uploaded
_SIDES = ("x", "y", "width", "height")


class _Drawn(NamedTuple):
    """An object, the index of its region and the size of the picture that it was drawn on."""

    row: int
    size: Size
    object: AnnotatedObject


def read_label_studio(path: str | Path, images: str | Path, on_problem: OnProblem = refuse) -> Dataset:
    """Read a JSON export's annotations; `images` is the folder of the picture files.

    Pictures are found by the names that they had before they were uploaded; they were shown upright. Classes are the
    labels seen.
    """
    path, folder = Path(path), Path(images)
    truths: dict[str, GroundTruth] = {}
    for task, where in _tasks(load_json(path), path):
        try:
            annotation = _annotation(task, where)
            file = _file(task, folder, where)
            if annotation is not None and file in truths:
                raise Unusable("picture with two tasks", where, f"is of {file}, as a task before", "keep one of them")
            if annotation is not None:
                truths[file] = _truth(task, annotation, file, where, on_problem)
        except Unusable as unusable:
            on_problem(unusable.problem)
    return Dataset(path.stem, names_seen(truths.values()), tuple(truths.values()), folder)


def is_label_studio(content: Any) -> bool:
    """Whether a JSON file's content looks like Label Studio's tasks."""
    return isinstance(content, list) and len(content) > 0 and isinstance(content[0], dict) and "data" in content[0]


def label_studio_predictions(content: Any, path: Path) -> list[Picture]:
    """The predictions of tasks, of one version of a model; a region without a score has that of its prediction."""
    pictures = []
    for task, where in _tasks(content, path):
        try:
            pictures.append(_predicted(task, where))
        except Unusable as unusable:
            refuse(unusable.problem)
    return pictures


def write_label_studio_truth(data: Dataset, path: str | Path) -> None:
    """Write a data set as annotated tasks; `difficult`, `crowd`, `truncated` and areas have no place and are lost."""
    tasks = [
        to_task(truth, "annotations", {"result": to_regions(truth, truth.labels, truth.boxes)})
        for truth in data.pictures
    ]
    write_atomically(path, json.dumps(tasks) + "\n")


def to_task(picture: GroundTruth | Picture, kind: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """A task with one entry of a kind, `annotations` or `predictions`, of a picture on Label Studio's disk."""
    address = f"{_LOCAL}?d={quote(picture.file, errors='surrogateescape')}"
    return {"data": {"image": address, "width": picture.width, "height": picture.height}, kind: [entry]}


def to_regions(picture: GroundTruth | Picture, labels: Labels, boxes: Boxes) -> list[dict[str, Any]]:
    """The boxes on a picture as rectangles in percent of its size."""
    size = [picture.width, picture.height]
    if len(boxes) and 0 in size:
        raise DataError(f"{picture.file}: Label Studio's format needs the picture's size, which is not known here")
    shares = xyxy_to_xywh(boxes) * 100 / np.maximum([*size, *size], 1)
    return [
        {
            "id": str(number),
            "type": "rectanglelabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": size[0],
            "original_height": size[1],
            "image_rotation": 0,
            "value": dict(zip(_SIDES, share, strict=True))
            | {"rotation": 0, "rectanglelabels": [checked_name(label, picture.file)]},
        }
        for number, (label, share) in enumerate(zip(labels.tolist(), shares.tolist(), strict=True), 1)
    ]


def _tasks(content: Any, path: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The tasks, and how messages call each."""
    if not isinstance(content, list):
        raise DataError(f"{path}: is not an export of Label Studio: need a list of tasks; export it as JSON")
    for number, task in enumerate(content, 1):
        where = f"{path}: task {task.get('id', number) if isinstance(task, dict) else number}"
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            raise DataError(f"{where}: has no data; export it as JSON, not as JSON-MIN")
        yield task, where


def _dicts(values: Any, name: str, where: str) -> list[dict[str, Any]]:
    values = values or []
    if not isinstance(values, list) or not {*map(type, values)} <= {dict}:
        raise Unusable(f"{name} that are no list", where, f"{name} is {shown(values)}: need a list", "export it again")
    return values


def _annotation(task: Mapping[str, Any], where: str) -> Mapping[str, Any] | None:
    """What the one person who did not skip a task drew; None if there is nobody."""
    drawn = [one for one in _dicts(task.get("annotations"), "annotations", where) if not one.get("was_cancelled")]
    if len(drawn) > 1:
        raise Unusable("picture annotated several times", where, f"has {len(drawn)} annotations", "keep one of them")
    return drawn[0] if drawn else None


def _truth(
    task: Mapping[str, Any], annotation: Mapping[str, Any], file: str, where: str, on_problem: OnProblem
) -> GroundTruth:
    regions = _dicts(annotation.get("result"), "result", where)
    objects = list(_objects(regions, where, on_problem))
    return to_truth(file, _size_of(task, objects, where), [drawn.object for drawn in objects], upright=True)


def _predicted(task: Mapping[str, Any], where: str) -> Picture:
    predictions = _dicts(task.get("predictions"), "predictions", where)
    if len(predictions) > 1:
        versions = ", ".join(str(one.get("model_version")) for one in predictions)
        raise Unusable("several predictions", where, f"has predictions of {versions}", "keep those of one version")
    prediction = predictions[0] if predictions else {}
    regions = _dicts(prediction.get("result"), "result", where)
    objects = list(_objects(regions, where, refuse))
    scores = [_score(regions[drawn.row], prediction, where) for drawn in objects]
    found = Detections(
        boxes=np.array([drawn.object.box for drawn in objects], dtype=np.float64).reshape(-1, 4),
        labels=np.array([drawn.object.label for drawn in objects], dtype=np.str_),
        scores=np.array(scores, dtype=np.float64),
    )
    best_first = np.argsort(-found.scores, kind="stable")
    return Picture(_file(task, None, where), *_size_of(task, objects, where), found[best_first])


def _score(region: Mapping[str, Any], prediction: Mapping[str, Any], where: str) -> float:
    return checked_number(region.get("score", prediction.get("score")), "score", where)


def _objects(regions: Sequence[Mapping[str, Any]], where: str, on_problem: OnProblem) -> Iterator[_Drawn]:
    """The objects that are drawn as rectangles; what is about the picture, or about another region, is passed over."""
    for row, region in enumerate(regions):
        try:
            if _is_rectangle(region, place := f"{where}: region {region.get('id', row + 1)}"):
                labels, box, size = _rectangle(region, place)
                yield from (_Drawn(row, size, AnnotatedObject(label, box)) for label in labels)
        except Unusable as unusable:
            on_problem(unusable.problem)


def _is_rectangle(region: Mapping[str, Any], where: str) -> bool:
    kind = str(region.get("type"))
    if kind.endswith("labels") and kind != "rectanglelabels":
        what = f"is of the type {kind}: need rectanglelabels"
        raise Unusable("region that is no rectangle", where, what, "draw a rectangle instead")
    return kind == "rectanglelabels"


def _rectangle(region: Mapping[str, Any], where: str) -> tuple[list[str], list[float], Size]:
    """The labels of a rectangle, its box and the size of its picture."""
    value = region.get("value")
    if not isinstance(value, dict) or not isinstance(value.get("rectanglelabels"), list):
        raise Unusable("region without a label", where, f"its value is {shown(value)}: need rectanglelabels")
    for name, angle in (("rotation", value.get("rotation", 0)), ("image_rotation", region.get("image_rotation", 0))):
        if checked_number(angle, name, where) % 360:
            raise Unusable("region that is turned", where, f"its {name} is {angle}: need 0", "draw it upright")
    if not value["rectanglelabels"]:
        raise Unusable("region without a label", where, "its rectanglelabels are empty", "name it")
    labels = [checked_label(label, where) for label in value["rectanglelabels"]]
    x, y, width, height = (checked_number(value.get(name), name, where) / 100 for name in _SIDES)
    across, down = size = _region_size(region, where)
    return labels, checked_box([x * across, y * down, (x + width) * across, (y + height) * down], where), size


def _region_size(region: Mapping[str, Any], where: str) -> Size:
    width, height = (checked_side(region.get(f"original_{side}"), f"original_{side}", where) for side in _SIDES[2:])
    if 0 in (width, height):
        what = "has no original_width or original_height, of which its numbers are parts"
        raise Unusable("region without the picture's size", where, what, "export the tasks again")
    return width, height


def _size_of(task: Mapping[str, Any], drawn: Sequence[_Drawn], where: str) -> Size:
    """The size that a picture's rectangles state; where there are none that of its data, else 0."""
    sizes = sorted({one.size for one in drawn})
    if len(sizes) > 1:
        what = f"its regions are of pictures of {sizes[0]} and {sizes[1]} pixels"
        raise Unusable("picture with two sizes", where, what, "export the tasks again")
    stated = task["data"]
    return (
        sizes[0]
        if sizes
        else (checked_side(stated.get("width"), "width", where), checked_side(stated.get("height"), "height", where))
    )


def _file(task: Mapping[str, Any], folder: Path | None, where: str) -> str:
    """The picture's path below `folder`, from its address; without a folder as the address has it."""
    texts = [value for value in task["data"].values() if isinstance(value, str)]
    stated = task["data"].get("image", texts[0] if len(texts) == 1 else None)
    names = _possible_names(stated) if isinstance(stated, str) else []
    there = [name for name in names if folder is not None and _is_file(folder / name)]
    file = picture_name(max(there, key=len) if there else next(iter(names), None), folder or Path())
    if file is None:
        what = f"its image is {shown(stated)}: need the address of a picture"
        raise Unusable("picture without a usable name", where, what, "correct the task's data")
    return file


def _possible_names(address: str) -> list[str]:
    """What a picture with this address may be called below its folder; the first where none of these is there.

    >>> _possible_names("/data/upload/3/1a2b3c4d-cat.jpg"), _possible_names("https://host/a/cat%201.jpg?size=2")
    (['cat.jpg', '1a2b3c4d-cat.jpg'], ['cat 1.jpg', 'a/cat 1.jpg'])
    """
    try:
        parts = urlsplit(address)
    except ValueError:  # a host in brackets that is none
        return [address]
    if parts.path == _LOCAL:
        below = parse_qs(parts.query, errors="surrogateescape").get("d", [""])[0].strip("/").split("/")
        return ["/".join(below[start:]) for start in range(len(below))]
    if not parts.scheme and not address.startswith("/"):
        return [address]
    below = unquote(parts.path, errors="surrogateescape").strip("/").split("/")
    if parts.path.startswith(_UPLOADS):
        return list(dict.fromkeys([_UPLOAD_PREFIX.sub("", below[-1], count=1), below[-1]]))
    return ["/".join(below[start:]) for start in range(len(below) - 1, -1, -1)]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # an address may be too long for a file's name, or hold what no file name can
        return False
