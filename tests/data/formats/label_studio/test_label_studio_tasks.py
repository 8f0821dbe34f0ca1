import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from random_truths import check_same, data_sets

from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.diagnostics import Problem
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.formats.exports import write_label_studio
from inception_rcnn.data.formats.label_studio.regions import NO_BOX
from inception_rcnn.data.formats.label_studio.tasks import read_label_studio, write_label_studio_truth
from inception_rcnn.data.formats.predictions import read_categories, read_predictions
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections


def _region(value: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    box = {"x": 10, "y": 20, "width": 50, "height": 30, "rotation": 0, "rectanglelabels": ["cat"]}
    region = {"id": "r", "type": "rectanglelabels", "original_width": 200, "original_height": 100, "image_rotation": 0}
    return region | {"value": box | (value or {})} | changes


def _task(*regions: Any, image: Any = "a.jpg", **changes: Any) -> dict[str, Any]:
    return {"id": 3, "data": {"image": image}, "annotations": [{"result": list(regions)}]} | changes


def _write(folder: Path, *tasks: Any) -> Path:
    (folder / "tasks.json").write_text(json.dumps(list(tasks)))
    return folder / "tasks.json"


def test_no_tasks(tmp_path: Path) -> None:
    assert read_label_studio(_write(tmp_path), tmp_path).images == ()


def test_percent_become_pixels(tmp_path: Path) -> None:
    choice = {"type": "choices", "value": {"choices": ["indoors"]}}
    twice = _region({"rectanglelabels": ["dog", "pet"]})
    data = read_label_studio(_write(tmp_path, _task(_region(), choice, twice)), tmp_path)
    (truth,) = data.images
    assert (data.name, data.classes) == ("tasks", ("cat", "dog", "pet"))
    assert (truth.file, truth.width, truth.height) == ("a.jpg", 200, 100)
    assert np.allclose(truth.boxes, [[20, 20, 120, 50]] * 3)
    assert truth.labels.tolist() == ["cat", "dog", "pet"]


def test_only_what_people_finished_is_known(tmp_path: Path) -> None:
    nobody, skipped = _task(annotations=[]), _task(annotations=[{"was_cancelled": True, "result": [_region()]}])
    without, empty = {"data": {"image": "c.jpg"}}, _task(image="b.jpg")
    empty["data"] |= {"width": 8, "height": 9}
    (truth,) = read_label_studio(_write(tmp_path, nobody, skipped, without, empty), tmp_path).images
    assert (truth.file, truth.width, truth.height, len(truth)) == ("b.jpg", 8, 9, 0)


@pytest.mark.parametrize(
    ("image", "there", "file"),
    [
        ("a b.jpg", "", "a b.jpg"),
        ("sub/a?x.jpg", "", "sub/a?x.jpg"),
        ("/data/upload/3/1a2b3c4d-name.jpg", "", "name.jpg"),
        ("/data/upload/3/1a2b3c4d-name.jpg", "1a2b3c4d-name.jpg", "1a2b3c4d-name.jpg"),
        ("/data/upload/3/name-1.jpg", "", "name-1.jpg"),
        ("http://host:8080/data/upload/3/1a2b3c4d-na%20me.jpg?x=1", "", "na me.jpg"),
        ("https://host/photos/sub/a.jpg?signature=/x.png#y", "", "a.jpg"),
        ("https://host/photos/sub/a.jpg", "sub/a.jpg", "sub/a.jpg"),
        ("s3://bucket/deadbeef-a.jpg", "", "deadbeef-a.jpg"),  # not an upload: its own name
        ("/data/local-files/?d=photos/a%2Bb.jpg", "", "photos/a+b.jpg"),
        ("/data/local-files/?d=photos/sub/a.jpg", "sub/a.jpg", "sub/a.jpg"),
    ],
)
def test_addresses(tmp_path: Path, image: str, there: str, file: str) -> None:
    if there:
        (tmp_path / there).parent.mkdir(exist_ok=True)
        (tmp_path / there).touch()
    assert read_label_studio(_write(tmp_path, _task(image=image)), tmp_path).images[0].file == file


def test_a_backslash_in_the_name_of_an_image_stays(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for file in ("b/a.jpg", "b\\a.jpg"):
        (tmp_path / file).touch()
        truth = GroundTruth(file, 20, 10, np.zeros((0, 4)), np.zeros(0, np.str_), np.zeros(0, bool))
        write_label_studio_truth(Dataset("x", (), (truth,), tmp_path), tmp_path / "x.json")
        assert read_label_studio(tmp_path / "x.json", tmp_path).images[0].file == file


def test_of_two_images_that_are_there_the_longer_path_is_meant(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for file in ("a.jpg", "sub/a.jpg"):
        (tmp_path / file).touch()
    path = _write(tmp_path, _task(image="https://host/sub/a.jpg"))
    assert read_label_studio(path, tmp_path).images[0].file == "sub/a.jpg"


def test_an_image_under_another_key(tmp_path: Path) -> None:
    path = _write(tmp_path, _task(data={"photo": "a.jpg", "width": 3, "height": 2}))
    assert read_label_studio(path, tmp_path).images[0].file == "a.jpg"


def _named(kind: str, label: str, **changes: Any) -> dict[str, Any]:
    """A result that says what the region r is."""
    return _region({kind: [label]}, type=kind, from_name=kind) | changes


RECTANGLE = _region(type="rectangle", score=0.5)
KEY_POINT = {"id": "k", "type": "keypointlabels", "value": {"x": 1, "y": 2, "width": 1, "keypointlabels": ["eye"]}}
BRUSH = {"id": "b", "type": "brushlabels", "value": {"format": "rle", "rle": [1], "brushlabels": ["fur"]}}


@pytest.mark.parametrize(
    ("results", "labels"),
    [
        ([RECTANGLE, _named("labels", "dog")], ["dog"]),  # <Rectangle> with <Labels>
        ([_named("labels", "dog"), RECTANGLE], ["dog"]),
        ([RECTANGLE, _named("choices", "dog")], ["dog"]),  # choices for each region
        ([RECTANGLE, _named("choices", "old"), _named("labels", "dog")], ["dog"]),
        ([_region(), _named("choices", "old"), _named("choices", "wet", from_name="more")], ["cat"]),
        ([_region({"rectanglelabels": []}), _named("labels", "dog")], ["dog"]),
        ([_region(), _named("labels", "dog", id="another")], ["cat"]),
        ([_region(), {"type": "relation", "from_id": "r", "to_id": "r"}, _named("textarea", "text")], ["cat"]),
    ],
)
def test_a_region_is_named_by_its_own_or_another_result(
    tmp_path: Path, results: list[dict[str, Any]], labels: list[str]
) -> None:
    (truth,) = read_label_studio(_write(tmp_path, _task(*results)), tmp_path).images
    assert truth.labels.tolist() == labels
    assert np.allclose(truth.boxes, [[20, 20, 120, 50]] * len(labels))
    (found,) = read_predictions(_write(tmp_path, _predicted(*results, score=0.25)))
    assert (found.detections.labels.tolist(), found.detections.scores[0] in (0.25, 0.5)) == (labels, True)


def test_choices_of_several_controls_name_no_region(tmp_path: Path) -> None:
    task = _task(RECTANGLE, _named("choices", "cat"), _named("choices", "wet", from_name="more"))
    with pytest.raises(DataError, match="region r: has no labels, and choices of several controls"):
        read_label_studio(_write(tmp_path, task), tmp_path)


def test_shapes_without_a_box_are_passed_over_and_counted(tmp_path: Path) -> None:
    path, told = _write(tmp_path, _task(KEY_POINT, _region(), BRUSH, _region(type="ellipse"))), list[Problem]()
    assert read_label_studio(path, tmp_path, told.append).images[0].labels.tolist() == ["cat"]
    assert [(problem.kind, problem.minor) for problem in told] == [(NO_BOX, True)] * 3
    assert len(read_label_studio(path, tmp_path).images[0]) == 1
    with pytest.raises(DataError, match=r"tasks\.json: none of its 2 regions is a rectangle or a polygon"):
        read_label_studio(_write(tmp_path, _task(KEY_POINT, BRUSH)), tmp_path)


def test_polygons_and_turned_rectangles_become_the_box_around_them(tmp_path: Path) -> None:
    polygon = _region({"points": [[10, 20], [30, 10], [20, 50]], "polygonlabels": ["cat"]}, type="polygonlabels")
    turned = _region({"x": 50, "y": 20, "width": 10, "height": 40, "rotation": 90})
    half = _region({"rotation": 45.0, "width": 10, "height": 20})
    told: list[Problem] = []
    (truth,) = read_label_studio(_write(tmp_path, _task(polygon, turned, half)), tmp_path, told.append).images
    side = 20 * 0.5**0.5
    assert np.allclose(truth.boxes, [[20, 10, 60, 50], [60, 20, 100, 40], [20 - side, 20, 20 + side, 20 + 2 * side]])
    assert [problem.minor for problem in told] == [True, True]


def test_exports_from_before_1_0(tmp_path: Path) -> None:
    region = {key: value for key, value in _region().items() if not key.startswith("original")}
    Image.new("RGB", (200, 100)).save(tmp_path / "a.jpg")
    task = {"id": 1, "data": {"image": "/data/upload/a.jpg"}, "completions": [{"result": [region]}]}
    skipped = {"id": 2, "data": {"image": "b.jpg"}, "completions": [{"result": [region], "skipped": True}]}
    (truth,) = read_label_studio(_write(tmp_path, task, skipped), tmp_path).images
    assert (truth.file, truth.width, truth.height, truth.boxes.tolist()) == ("a.jpg", 200, 100, [[20, 20, 120, 50]])


def test_tasks_that_nobody_annotated_are_counted(tmp_path: Path) -> None:
    told: list[Problem] = []
    tasks = _task(image="b.jpg"), _task(annotations=[]), {"data": {"image": "c.jpg"}}
    assert len(read_label_studio(_write(tmp_path, *tasks), tmp_path, told.append)) == 1
    assert [(problem.kind, problem.minor) for problem in told] == [("task without an annotation", True)] * 2
    with pytest.raises(DataError, match="none of its 2 tasks has an annotation"):
        read_label_studio(_write(tmp_path, *tasks[1:]), tmp_path)


def test_an_image_on_which_nothing_is_drawn_has_the_size_of_its_file(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(tmp_path / "a.jpg", exif=exif)
    (truth,) = read_label_studio(_write(tmp_path, _task()), tmp_path).images
    assert (truth.file, truth.width, truth.height, len(truth)) == ("a.jpg", 10, 20, 0)
    sized = _task(data={"image": "a.jpg", "width": "wide", "height": 10})
    assert read_label_studio(_write(tmp_path, sized), tmp_path).images[0].width == 10


@pytest.mark.parametrize(
    ("annotations", "label"),
    [
        ([{"created_at": "2021-03-09T21:52"}, {"created_at": "2022-01-01T00:00"}, {"created_at": "2020-01-01"}], "1"),
        ([{"created_at": 5}, {"created_at": 3}], "0"),
        ([{"created_at": "2021"}, {"created_at": 3}], "1"),
        ([{}, {}], "1"),
        ([{"ground_truth": True}, {}], "0"),
        ([{"ground_truth": True}, {"ground_truth": True}, {}], "2"),
        ([{"created_at": "2022"}, {"created_at": "2023", "was_cancelled": True}], "0"),
    ],
)
def test_of_several_annotations_one_counts(tmp_path: Path, annotations: list[dict[str, Any]], label: str) -> None:
    done = [one | {"result": [_region({"rectanglelabels": [str(row)]})]} for row, one in enumerate(annotations)]
    told: list[Problem] = []
    (truth,) = read_label_studio(_write(tmp_path, _task(annotations=done)), tmp_path, told.append).images
    assert truth.labels.tolist() == [label]
    assert all(problem.minor for problem in told)


@pytest.mark.parametrize(
    "image",
    [
        r"photos\a.jpg",
        "/data/local-files/?d=photos%5Ca.jpg",
        r"/data/local-files/?d=C:\x\photos\a.jpg",
        r"C:\x\photos\a.jpg",
        r"\\host\share\a.jpg",
        "/home/x/photos/A.JPG",
        "file:///C:/x/a.jpg",
        "/data/upload/1/1a2b3c4d-A.jpg",
    ],
)
def test_addresses_of_windows_and_other_cases(tmp_path: Path, image: str) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    path = _write(tmp_path, _task(image=image))
    assert read_label_studio(path, tmp_path / "photos").images[0].file == "a.jpg"


def test_predicted_regions_that_are_inside_out_are_counted(tmp_path: Path) -> None:
    told: list[Problem] = []
    path = _write(tmp_path, _predicted(_region({"width": -50}), score=0.5))
    (found,) = read_predictions(path, None, told.append)
    assert found.detections.boxes.tolist() == [[20, 20, 20, 50]]
    assert [problem.minor for problem in told] == [True]


def test_predictions_do_not_depend_on_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "A.JPG").touch()
    assert read_predictions(_write(tmp_path, _predicted()))[0].file == "a.jpg"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["a.jpg", "r", "\0", "\ud800", "x" * 2000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "rotation", "labels"]), inner),
    max_leaves=5,
)


@st.composite
def _mutated(draw: Any) -> Any:
    """A task in which something is anything."""
    task = _task(_region(), RECTANGLE, _named("labels", "dog"), _named("choices", "x"), KEY_POINT)
    task = copy.deepcopy(task)  # what follows must not change what all tests share
    task["predictions"] = [{"result": [_region(score=0.5)]}]
    for _ in range(draw(st.integers(1, 3))):
        inside: Any = task
        while True:
            keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if not isinstance(inside[key], dict | list) or draw(st.booleans()):
                inside[key] = draw(JSON)
                break
            inside = inside[key]
    return task


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_mutated())
def test_no_task_ends_in_a_traceback(tmp_path: Path, task: Any) -> None:
    told: list[Problem] = []
    path = _write(tmp_path, task)
    for read in (lambda: read_label_studio(path, tmp_path, told.append), lambda: read_predictions(path)):
        with contextlib.suppress(DataError):
            read()
    assert all(len(str(problem)) < 1000 for problem in told)


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (_region(image_rotation=90), "image_rotation is 90: need 0"),
        (_region({"rotation": "left"}), "rotation is 'left'"),
        (_region({"width": -1}), "the box is x1 y1 x2 y2"),
        (_region({"x": None}), "x is None: need a number"),
        (_region({"rectanglelabels": []}), "its rectanglelabels are empty"),
        (_region({"rectanglelabels": [" "]}), "the label is ' '"),
        (_region({"rectanglelabels": ["\ud800"]}), "half a pair of surrogates"),
        (_region({"rectanglelabels": "cat"}), "need rectanglelabels"),
        (_region(value=None) | {"value": 5}, "its value is 5"),
        (_region(original_width=None), "has no original_width"),
        (_region(original_height=1.5), "original_height is 1.5"),
        (_region(type="rectangle"), "is a shape without labels"),
        (_region(original_width="9" * 500), "original_width is"),
        (_region({"x": float("nan")}), "x is nan: need a number"),
        (_region({"points": [[1, 2], 3], "polygonlabels": ["cat"]}, type="polygonlabels"), "its points are"),
        (_region({"points": [], "polygonlabels": ["cat"]}, type="polygonlabels"), "its points are"),
    ],
)
def test_unusable_region_is_told_of_and_left_out(tmp_path: Path, region: dict[str, Any], words: str) -> None:
    path = _write(tmp_path, _task(_region(), region))
    with pytest.raises(DataError, match=rf"tasks\.json: task 3: region r: .*{words}"):
        read_label_studio(path, tmp_path)
    told: list[Problem] = []
    (truth,) = read_label_studio(path, tmp_path, told.append).images
    assert (truth.labels.tolist(), len(told)) == (["cat"], 1)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (_task(image="../a.jpg"), r"its image is '\.\./a.jpg'"),
        (_task(image=7), "its image is 7"),
        (_task(image=""), "its image is ''"),
        (_task(annotations=7), "annotations is 7: need a list"),
        (_task(annotations=[7]), r"annotations is \[7\]: need a list"),
        (_task(annotations=[{"result": ["x"]}]), "result is .*need a list"),
        (_task(_region(), _region(original_width=300)), r"images of \(200, 100\) and \(300, 100\) pixels"),
        (_task(image="b.jpg"), "is of b.jpg, as a task before"),
        (_task(image="http://[host/../../../../b.jpg"), "its image is"),
    ],
)
def test_unusable_task_is_told_of_and_left_out(tmp_path: Path, task: dict[str, Any], words: str) -> None:
    path = _write(tmp_path, _task(image="b.jpg"), task)
    with pytest.raises(DataError, match=rf"tasks\.json: task 3: .*{words}"):
        read_label_studio(path, tmp_path)
    told: list[Problem] = []
    assert [truth.file for truth in read_label_studio(path, tmp_path, told.append).images] == ["b.jpg"]
    assert len(told) == 1


@pytest.mark.parametrize("content", ["{}", "7", '[{"image": "a.jpg", "label": []}]', "[7]", '[{"data": 7}]'])
def test_not_tasks(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DataError, match=r"x\.json: .*export it as JSON"):
        read_label_studio(tmp_path / "x.json", tmp_path)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data_sets())
def test_what_is_written_reads_back(tmp_path: Path, data: Dataset) -> None:
    write_label_studio_truth(data, tmp_path / "x.json")
    back = read_label_studio(tmp_path / "x.json", tmp_path / "photos")
    assert back.classes == data.classes
    check_same(back, data, (), within=1e-9)


@pytest.mark.parametrize("file", ["caf\udce9.jpg", "a+b&d=c%20#?.jpg"])
def test_odd_names_read_back(tmp_path: Path, file: str) -> None:
    found = Detections(np.array([[2.0, 1, 6, 4], [0, 0, 20, 10]]), np.array(["cat", "dog"]), np.array([0.9, 1 / 3]))
    images = [
        ImageDetections(file, 20, 10, found),
        ImageDetections("none.jpg", 5, 5),
        ImageDetections("broken.jpg", error="truncated"),
    ]
    write_label_studio(images, tmp_path / "p.json", model_version="mine")
    first, second = read_predictions(tmp_path / "p.json")
    assert (first.file, first.width, first.height) == (file, 20, 10)
    assert np.allclose(first.detections.boxes, found.boxes)
    assert first.detections.labels.tolist() == ["cat", "dog"]
    assert first.detections.scores.tolist() == [0.9, 1 / 3]
    assert (second.file, second.width, len(second.detections)) == ("none.jpg", 5, 0)
    assert read_categories(tmp_path / "p.json", [first, second]) == ("cat", "dog")
    assert json.loads((tmp_path / "p.json").read_text())[0]["predictions"][0]["model_version"] == "mine"


def _predicted(*regions: Any, **changes: Any) -> dict[str, Any]:
    return {"id": 3, "data": {"image": "a.jpg"}, "predictions": [{"result": list(regions)} | changes]}


def test_predictions_are_the_best_first_and_fall_back_on_their_score(tmp_path: Path) -> None:
    regions = [_region(), _region({"rectanglelabels": ["dog"]}, score=0.75)]
    (image,) = read_predictions(_write(tmp_path, _predicted(*regions, score=0.5)))
    assert image.detections.labels.tolist() == ["dog", "cat"]
    assert image.detections.scores.tolist() == [0.75, 0.5]


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (_predicted(_region()), "score is None: need a number"),
        (_predicted(_region(score="high")), "score is 'high'"),
        (_predicted(_region(image_rotation=90, score=1)), "region r: its image_rotation is 90"),
        (_task(predictions=[{"model_version": "a"}, {"model_version": "b"}]), "has predictions of a, b; keep"),
        (_predicted() | {"data": {}}, "its image is None"),
    ],
)
def test_broken_predictions_are_named(tmp_path: Path, task: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=rf"tasks\.json: task 3: .*{words}"):
        read_predictions(_write(tmp_path, task))


def test_writing_needs_sizes(tmp_path: Path) -> None:
    truth = GroundTruth("a.jpg", 0, 0, np.array([[0.0, 0, 1, 1]]), np.array(["cat"]), np.array([False]))
    with pytest.raises(DataError, match=r"a\.jpg: Label Studio's format needs the image's size"):
        write_label_studio_truth(Dataset("x", ("cat",), (truth,), tmp_path), tmp_path / "x.json")
