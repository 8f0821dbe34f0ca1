"""The regions of Label Studio's tasks: the shapes that people or models drew on an image, and what each is.

A region's labels are with its shape (`rectanglelabels`), or in another result of its id: `labels`, or where there are
none `choices` for each region. Numbers are percent of the image's size, which a region states. Rectangles and polygons
become the boxes around them; other shapes (key points, brushes, ellipses) are passed over, and counted.
https://labelstud.io/guide/task_format
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ...boxes import Size
from ...datasets.annotated_objects import checked_label, checked_number, checked_side
from ...diagnostics import OnProblem, Problem, Unusable, skipping
from ...values import shown

SIDES = ("x", "y", "width", "height")
NO_BOX = "region that is neither a rectangle nor a polygon"

_BOXED = ("rectangle", "polygon")
_OTHER_SHAPES = ("keypoint", "brush", "ellipse", "vector", "bitmask", "magicwand", "cuboid")


class Drawn(NamedTuple):
    """A label on a region, its box as it is drawn, the size of the image there, and the score, if it has one."""

    label: str
    box: list[float]  # x1 y1 x2 y2; inside out where a side is negative
    size: Size
    score: Any
    where: str


def drawn_objects(
    results: Sequence[Mapping[str, Any]], size: Callable[[], Size], where: str, on_problem: OnProblem
) -> Iterator[Drawn]:
    """The labelled boxes; `size` gives that of the image where regions do not state it."""
    tags = _tags(results)
    for row, result in enumerate(results):
        identity = result.get("id")
        known = isinstance(identity, str | int)
        own = f"{where}: region {str(identity)[:40] if known else row + 1}"
        with skipping(on_problem):
            kind = _shape(result, own, on_problem)
            if kind is not None:
                others = tags.get(identity, []) if known else []
                labels = _labels(result, others, own)
                of_image = _stated_size(result, own) or size()
                box = _box(result, kind, of_image, own, on_problem)
                score = next((one["score"] for one in (result, *others) if one.get("score") is not None), None)
                yield from (Drawn(label, box, of_image, score, own) for label in labels)


def _tags(results: Sequence[Mapping[str, Any]]) -> dict[str | int, list[Mapping[str, Any]]]:
    tags: dict[str | int, list[Mapping[str, Any]]] = {}
    for result in results:
        identity = result.get("id")
        if result.get("type") in ("labels", "choices") and isinstance(identity, str | int):
            tags.setdefault(identity, []).append(result)
    return tags


def _shape(result: Mapping[str, Any], where: str, on_problem: OnProblem) -> str | None:
    stated = result.get("type")
    kind = stated.removesuffix("labels") if isinstance(stated, str) else ""
    if kind in _BOXED:
        return kind
    if kind in _OTHER_SHAPES or (kind and kind != stated):
        what = f"is of the type {shown(stated)}: need a rectangle or a polygon"
        on_problem(Problem(NO_BOX, where, what, "it is passed over", minor=True))
    return None


def _labels(result: Mapping[str, Any], tags: Sequence[Mapping[str, Any]], where: str) -> list[str]:
    """What a region is: by its own labels, else by those of its id, else by the one choice made for it."""
    kind = str(result["type"])
    own = _value(result, where).get(kind, []) if kind.endswith("labels") else []
    named = [own] + [_value(tag, where).get("labels") for tag in tags if tag["type"] == "labels"]
    found = [label for labels in named for label in _texts(labels, kind, where)]
    choices = [tag for tag in tags if tag["type"] == "choices"]
    if not found and choices:
        if len({str(tag.get("from_name")) for tag in choices}) > 1:
            what = "has no labels, and choices of several controls"
            raise Unusable("region without a label", where, what, "label it")
        found = [label for tag in choices for label in _texts(_value(tag, where).get("choices"), "choices", where)]
    if not found:
        own_words = f"its {kind} are empty" if kind.endswith("labels") else "it is a shape without labels"
        raise Unusable("region without a label", where, own_words, "name it")
    return [checked_label(label, where) for label in dict.fromkeys(found)]


def _texts(labels: Any, kind: str, where: str) -> list[str]:
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise Unusable("region without a label", where, f"its labels are {shown(labels)}: need {kind}", "name it")
    return labels


def _value(result: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    value = result.get("value")
    if not isinstance(value, dict):
        raise Unusable("region without a value", where, f"its value is {shown(value)}: need its shape and labels")
    return value


def _stated_size(result: Mapping[str, Any], where: str) -> Size | None:
    width, height = (checked_side(result.get(f"original_{side}"), f"original_{side}", where) for side in SIDES[2:])
    return (width, height) if width and height else None


def _box(result: Mapping[str, Any], kind: str, size: Size, where: str, on_problem: OnProblem) -> list[float]:
    if 0 in size:
        what = "has no original_width or original_height, of which its numbers are percent"
        raise Unusable("region without the image's size", where, what, "export the tasks again")
    turned = checked_number(result.get("image_rotation") or 0, "image_rotation", where)
    if turned % 360:
        what = f"its image_rotation is {turned:g}: need 0"
        raise Unusable("region on a turned image", where, what, "draw it on the upright image")
    value = _value(result, where)
    return _polygon(value, size, where) if kind == "polygon" else _rectangle(value, size, where, on_problem)


def _polygon(value: Mapping[str, Any], size: Size, where: str) -> list[float]:
    points = value.get("points")
    if not isinstance(points, list) or not points or any(not isinstance(one, list) or len(one) != 2 for one in points):
        raise Unusable("polygon without points", where, f"its points are {shown(points)}: need a list of x and y")
    xs, ys = ([checked_number(one[axis], "xy"[axis], where) * size[axis] / 100 for one in points] for axis in (0, 1))
    return [min(xs), min(ys), max(xs), max(ys)]


def _rectangle(value: Mapping[str, Any], size: Size, where: str, on_problem: OnProblem) -> list[float]:
    """The box of a rectangle, around it where it is turned, clockwise about its first corner."""
    x, y, width, height = (checked_number(value.get(name), name, where) / 100 for name in SIDES)
    across, down = size
    degrees = checked_number(value.get("rotation") or 0, "rotation", where)
    if not degrees % 360:
        return [x * across, y * down, (x + width) * across, (y + height) * down]
    what = f"is turned by {degrees:g}°"
    on_problem(Problem("rectangle that is turned", where, what, "as the box around it", minor=True))
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(0.0, 0.0), (width, 0.0), (0.0, height), (width, height)]
    sides = [(one * across, other * down) for one, other in corners]
    xs = [x * across + one * cosine - other * sine for one, other in sides]
    ys = [y * down + one * sine + other * cosine for one, other in sides]
    return [min(xs), min(ys), max(xs), max(ys)]
