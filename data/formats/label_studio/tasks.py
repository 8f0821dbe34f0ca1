"""Label Studio's JSON: a list of tasks, each an image with what people drew (annotations) or a model (predictions).

A task that nobody has annotated, or that was skipped, is left out and counted. Of several annotations the one counts
that is marked as ground truth, else the newest. https://labelstud.io/guide/export and
https://labelstud.io/guide/predictions
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...boxes import Boxes, Size, as_boxes, xyxy_to_xywh
from ...class_names import checked_name
from ...datasets.annotated_objects import AnnotatedObject, checked_box, checked_number, read_size, to_truth
from ...datasets.dataset import Dataset, names_seen
from ...detections_by_image import emptied
from ...diagnostics import OnProblem, Problem, Unusable, refuse, skipping
from ...errors import DataError
from ...files.atomic import write_atomically
from ...files.json_files import load_json
from ...images.image_files import size_if_there
from ...records import Detections, GroundTruth, ImageDetections, Labels
from ...values import shown
from .image_names import local_address, task_file
from .regions import NO_BOX, SIDES, Drawn, drawn_objects


def read_label_studio(path: str | Path, images: str | Path, on_problem: OnProblem = refuse) -> Dataset:
    """Read a JSON export's annotations; `images` is the folder of the image files, which were shown upright.

    Images are found by the names that they had before they were uploaded. Classes are the labels seen.
    """
    path, folder = Path(path), Path(images)
    truths: dict[str, GroundTruth] = {}
    tasks, without_box = 0, 0

    def count(problem: Problem) -> None:
        nonlocal without_box
        without_box += problem.kind == NO_BOX
        on_problem(problem)

    for task, where in _tasks(load_json(path), path):
        tasks += 1
        with skipping(on_problem):
            annotation = _annotation(task, where, on_problem)
            file = task_file(task, folder, where)
            if annotation is not None and file in truths:
                raise Unusable("image with two tasks", where, f"is of {file}, as a task before", "keep one of them")
            if annotation is not None:
                truths[file] = _truth(task, annotation, file, folder, where, count)
    if tasks and not truths:
        what = f"none of its {tasks} tasks has an annotation that can be read"
        on_problem(Problem("export without annotations", str(path), what, "annotate some, or export them"))
    if without_box and not any(map(len, truths.values())):
        what = f"none of its {without_box} regions is a rectangle or a polygon"
        on_problem(Problem("export without boxes", str(path), what, "draw rectangles"))
    return Dataset(path.stem, names_seen(truths.values()), tuple(truths.values()), folder)


def is_label_studio(content: Any) -> bool:
    """Whether a JSON file's content looks like Label Studio's tasks."""
    return isinstance(content, list) and len(content) > 0 and isinstance(content[0], dict) and "data" in content[0]


def label_studio_predictions(content: Any, path: Path, on_problem: OnProblem = refuse) -> list[ImageDetections]:
    """The predictions of tasks, of one version of a model; a region without a score has that of its prediction."""
    return [_predicted(task, where, on_problem) for task, where in _tasks(content, path)]


def write_label_studio_truth(data: Dataset, path: str | Path) -> None:
    """Write a data set as annotated tasks; `difficult`, `crowd`, `truncated` and areas cannot be held and are lost."""
    results = [(truth, to_regions(truth, truth.labels, truth.boxes)) for truth in data.images]
    tasks = [to_task(truth, "annotations", {"result": result}) for truth, result in results]
    write_atomically(path, json.dumps(tasks) + "\n")


def to_task(image: GroundTruth | ImageDetections, kind: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """A task with one entry of a kind, `annotations` or `predictions`, of an image on Label Studio's disk."""
    data = {"image": local_address(image.file), "width": image.width, "height": image.height}
    return {"data": data, kind: [entry]}


def to_regions(image: GroundTruth | ImageDetections, labels: Labels, boxes: Boxes) -> list[dict[str, Any]]:
    """The boxes on an image as rectangles in percent of its size."""
    if len(boxes) and 0 in image.size:
        raise DataError(f"{image.file}: Label Studio's format needs the image's size, which is not known here")
    percent = xyxy_to_xywh(boxes) * 100 / np.maximum([*image.size, *image.size], 1)
    return [
        {
            "id": str(number),
            "type": "rectanglelabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": image.width,
            "original_height": image.height,
            "image_rotation": 0,
            "value": dict(zip(SIDES, sides, strict=True))
            | {"rotation": 0, "rectanglelabels": [checked_name(label, image.file)]},
        }
        for number, (label, sides) in enumerate(zip(labels.tolist(), percent.tolist(), strict=True), 1)
    ]


def _tasks(content: Any, path: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    if not isinstance(content, list):
        raise DataError(f"{path}: is not an export of Label Studio: need a list of tasks; export it as JSON")
    for number, entry in enumerate(content, 1):
        task = entry if isinstance(entry, dict) else {}
        identity = task.get("id")
        where = f"{path}: task {str(identity)[:40] if isinstance(identity, str | int) else number}"
        if not isinstance(task.get("data"), dict):
            raise DataError(f"{where}: has no data; export it as JSON, not as JSON-MIN")
        yield task, where


def _dicts(values: Any, name: str, where: str) -> list[dict[str, Any]]:
    values = values or []
    if not isinstance(values, list) or not {*map(type, values)} <= {dict}:
        raise Unusable(f"{name} that are no list", where, f"{name} is {shown(values)}: need a list", "export it again")
    return values


def _annotation(task: Mapping[str, Any], where: str, on_problem: OnProblem) -> Mapping[str, Any] | None:
    """What people drew, of several the one that counts; None if nobody did who did not skip the task."""
    name = "annotations" if task.get("annotations") else "completions"  # as they were called before 1.0
    done = [one for one in _dicts(task.get(name), name, where) if not (one.get("was_cancelled") or one.get("skipped"))]
    if not done:
        what = "nobody annotated it, or it was skipped"
        on_problem(Problem("task without an annotation", where, what, "it is left out", minor=True))
        return None
    true = [one for one in done if one.get("ground_truth") is True]
    if len(done) > 1 and len(true) != 1:
        what = f"has {len(done)} annotations"
        on_problem(Problem("image annotated several times", where, what, "the newest counts", minor=True))
    return true[0] if len(true) == 1 else _newest(done)


def _newest(annotations: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    dates = [one.get("created_at") for one in annotations]
    comparable = {*map(type, dates)} <= {str} or {*map(type, dates)} <= {int, float}
    rows = range(len(annotations))
    return annotations[max(rows, key=lambda row: (dates[row], row)) if comparable else rows[-1]]


def _truth(
    task: Mapping[str, Any], annotation: Mapping[str, Any], file: str, folder: Path, where: str, on_problem: OnProblem
) -> GroundTruth:
    def of_file() -> Size:
        stated = _data_size(task, where, on_problem)
        return stated if all(stated) else size_if_there(folder / file, upright=True)

    results = _dicts(annotation.get("result"), "result", where)
    drawn = list(drawn_objects(results, of_file, where, on_problem))
    size = _size_of(drawn, where) or of_file()
    return to_truth(file, size, list(_checked(drawn, on_problem)), upright=True)


def _checked(drawn: Sequence[Drawn], on_problem: OnProblem) -> Iterator[AnnotatedObject]:
    for one in drawn:
        with skipping(on_problem):
            yield AnnotatedObject(one.label, checked_box(one.box, one.where))


def _predicted(task: Mapping[str, Any], where: str, on_problem: OnProblem) -> ImageDetections:
    predictions = _dicts(task.get("predictions"), "predictions", where)
    if len(predictions) > 1:
        versions = ", ".join(str(one.get("model_version"))[:40] for one in predictions[:5])
        raise Unusable("several predictions", where, f"has predictions of {versions}", "keep those of one version")
    prediction = predictions[0] if predictions else {}
    results = _dicts(prediction.get("result"), "result", where)
    drawn = list(drawn_objects(results, lambda: _data_size(task, where, on_problem), where, on_problem))
    scores = [prediction.get("score") if one.score is None else one.score for one in drawn]
    found = Detections(
        boxes=emptied(as_boxes([one.box for one in drawn]), where, on_problem),
        labels=np.array([one.label for one in drawn], dtype=np.str_),
        scores=np.array([checked_number(score, "score", where) for score in scores], dtype=np.float64),
    )
    size = _size_of(drawn, where) or _data_size(task, where, on_problem)
    return ImageDetections(task_file(task, None, where), *size, found[np.argsort(-found.scores, kind="stable")])


def _size_of(drawn: Sequence[Drawn], where: str) -> Size | None:
    sizes = sorted({one.size for one in drawn})
    if len(sizes) > 1:
        what = f"its regions are of images of {sizes[0]} and {sizes[1]} pixels"
        raise Unusable("image with two sizes", where, what, "export the tasks again")
    return sizes[0] if sizes else None


def _data_size(task: Mapping[str, Any], where: str, on_problem: OnProblem) -> Size:
    return read_size(task["data"].get("width"), task["data"].get("height"), where, on_problem)
