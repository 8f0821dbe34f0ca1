import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from random_truths import check_same, data_sets

from inception_rcnn.data.coco import read_coco, write_coco_truth
from inception_rcnn.data.dataset import Dataset
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.problems import Problem
from inception_rcnn.data.records import GroundTruth
from inception_rcnn.data.voc import read_voc

IMAGES = [
    {"id": 10, "file_name": "b.jpg", "width": 20, "height": 10},
    {"id": 9, "file_name": "sub/a.jpg", "width": 30, "height": 40},
    {"id": 0, "file_name": "none.jpg", "width": 5, "height": 5},
]
CATEGORIES = [{"id": 2, "name": "dog"}, {"id": 0, "name": "cat", "supercategory": "animal"}]


def _row(**changes: Any) -> dict[str, Any]:
    return {"id": 5, "image_id": 10, "category_id": 0, "bbox": [1, 2, 3, 4]} | changes


def _write(folder: Path, *rows: Any, images: Any = IMAGES, categories: Any = CATEGORIES) -> Path:
    content = {"images": images, "categories": categories, "annotations": list(rows)}
    (folder / "val.json").write_text(json.dumps(content))
    return folder / "val.json"


def test_no_pictures_and_no_classes(tmp_path: Path) -> None:
    data = read_coco(_write(tmp_path, images=[], categories=[]), tmp_path)
    assert (data.name, data.classes, data.pictures, data.picture_ids) == ("val", (), (), ())


def test_pictures_and_classes_are_in_the_order_of_their_ids(tmp_path: Path) -> None:
    data = read_coco(_write(tmp_path, _row(), _row(image_id=0, category_id=2), _row(bbox=[0.5, 0, 0, 1])), tmp_path)
    assert data.picture_ids == ("0", "9", "10")
    assert data.class_ids == ("0", "2")
    assert data.classes == ("cat", "dog")
    none, a, b = data.pictures
    assert [truth.file for truth in data.pictures] == ["none.jpg", "sub/a.jpg", "b.jpg"]
    assert (none.labels.tolist(), a.boxes.shape, (b.width, b.height)) == (["dog"], (0, 4), (20, 10))
    assert b.boxes.tolist() == [[1, 2, 4, 6], [0.5, 0, 0.5, 1]]  # in the file's order
    assert b.areas.tolist() == [12, 0]
    assert data.folder == tmp_path


def test_ids_that_are_text_come_after_numbers_and_both_refer(tmp_path: Path) -> None:
    images = [{"id": "b", "file_name": "1"}, {"id": "a", "file_name": "2"}, {"id": 3, "file_name": "3"}]
    data = read_coco(_write(tmp_path, _row(image_id="a"), _row(image_id="3"), images=images), tmp_path)
    assert data.picture_ids == ("3", "a", "b")
    assert [len(truth) for truth in data.pictures] == [1, 1, 0]


@pytest.mark.parametrize(
    ("changes", "crowd", "difficult", "area"),
    [
        ({}, False, False, 12),
        ({"iscrowd": 1, "segmentation": {"counts": [1, 2], "size": [10, 20]}}, True, False, 12),
        ({"iscrowd": False, "ignore": 1}, False, True, 12),
        ({"difficult": True, "ignore": None}, False, True, 12),
        ({"area": 7.5, "iscrowd": 0}, False, False, 7.5),
        ({"area": None}, False, False, 12),
        ({"area": 0}, False, False, 0),
    ],
)
def test_flags_and_areas(tmp_path: Path, changes: dict[str, Any], crowd: bool, difficult: bool, area: float) -> None:
    truth = read_coco(_write(tmp_path, _row(**changes)), tmp_path).pictures[2]
    assert truth.crowd.tolist() == [crowd]
    assert truth.difficult.tolist() == [difficult]
    assert truth.areas.tolist() == [area]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (_row(image_id=7), "annotation 5: image_id is 7, which no image has; known are 0, 9, 10"),
        (_row(image_id=None), "annotation 5: image_id is None, which no image has"),
        (_row(category_id=[2]), r"annotation 5: category_id is \[2\], which no category has; known are 0, 2"),
        (_row(category_id=True), "annotation 5: category_id is True"),
        ({"id": 5, "category_id": 0}, "annotation 5: lacks image_id"),
        (_row(bbox=[1, 2, -3, 4]), "annotation 5: bbox is .*must not be negative"),
        (_row(bbox=[1, 2, 3]), "annotation 5: bbox is .*need four numbers"),
        (_row(bbox=[1, 2, 3, "4"]), "annotation 5: bbox is .*need four numbers"),
        (_row(bbox=[1, 2, 3, float("nan")]), "annotation 5: bbox is .*need four numbers"),
        (_row(bbox=[1, 2, 3, 10**400]), "annotation 5: bbox is .*need four numbers"),
        (_row(bbox=[]), "annotation 5: bbox is .*need four numbers"),
        (_row(bbox={"x": 1}), "annotation 5: bbox is .*need four numbers"),
        (_row(bbox=None), "annotation 5: bbox is None: need four numbers"),
        (_row(iscrowd=2), "annotation 5: iscrowd is 2: need 0 or 1"),
        (_row(ignore="no"), "annotation 5: ignore is 'no': need 0 or 1"),
        (_row(area=-1), "annotation 5: area is -1: need a number that is not negative"),
        (_row(area="large"), "annotation 5: area is 'large': need a number"),
        (_row(id=None, image_id=7), "entry 2: image_id is 7"),
        ("text", "entry 2: lacks image_id"),
        (None, "entry 2: lacks image_id"),
    ],
)
def test_unusable_annotation_is_told_of_and_left_out(tmp_path: Path, row: Any, words: str) -> None:
    path = _write(tmp_path, _row(id=4), row, _row(id=6, bbox=[0, 0, 1, 1]))
    with pytest.raises(DataError, match=f"val.json: {words}"):
        read_coco(path, tmp_path)
    told: list[Problem] = []
    data = read_coco(path, tmp_path, told.append)
    assert data.pictures[2].boxes.tolist() == [[1, 2, 4, 6], [0, 0, 1, 1]]
    assert len(told) == 1
    assert told[0].where.startswith(str(path))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ({"id": 9, "file_name": "c.jpg"}, "image 9: two of the file's entries have the id 9"),
        ({"id": "9", "file_name": "c.jpg"}, "image 9: two of"),
        ({"file_name": "c.jpg"}, "image 4: has the id None"),
        ({"id": 1.5, "file_name": "c.jpg"}, "image 4: has the id 1.5"),
        ({"id": 1, "file_name": "b.jpg"}, "image 1: the file 'b.jpg' is another image's already"),
        ({"id": 1, "file_name": "./b.jpg"}, "image 1: the file 'b.jpg' is another image's already"),
        ({"id": 1}, "image 1: file_name is None"),
        ({"id": 1, "file_name": "../c.jpg"}, r"image 1: file_name is '\.\./c.jpg': need a path below"),
        ({"id": 1, "file_name": "/etc/passwd"}, "image 1: file_name is '/etc/passwd': need a path below"),
        ({"id": 1, "file_name": "c.jpg", "width": -1, "height": 1}, "image 1: width and height are -1 and 1"),
        ({"id": 1, "file_name": "c.jpg", "width": 1.5, "height": 1}, "image 1: width and height are 1.5 and 1"),
        ({"id": 1, "file_name": "c.jpg", "width": "1", "height": 1}, "image 1: width and height are '1' and 1"),
        (7, "image 4: has the id None"),
    ],
)
def test_unusable_image_is_told_of_once_and_left_out(tmp_path: Path, image: Any, words: str) -> None:
    rows = [_row(), *([_row(image_id=1)] if isinstance(image, dict) and image.get("id") == 1 else [])]
    path = _write(tmp_path, *rows, images=[*IMAGES, image])
    with pytest.raises(DataError, match=f"val.json: {words}"):
        read_coco(path, tmp_path)
    told: list[Problem] = []
    data = read_coco(path, tmp_path, told.append)
    assert data.picture_ids == ("0", "9", "10")
    assert len(told) == 1  # not once more for each of its annotations


@pytest.mark.parametrize(
    ("category", "words"),
    [
        ({"id": 2, "name": "cow"}, "category 2: two of the file's entries"),
        ({"id": 3, "name": "dog"}, "category 3: the name 'dog' is another category's already"),
        ({"id": 3, "name": ""}, "category 3: has the name ''"),
        ({"id": 3, "name": ["cow"]}, "category 3: has the name"),
    ],
)
def test_unusable_category(tmp_path: Path, category: Any, words: str) -> None:
    path = _write(tmp_path, categories=[*CATEGORIES, category])
    with pytest.raises(DataError, match=words):
        read_coco(path, tmp_path)
    assert read_coco(path, tmp_path, lambda problem: None).classes == ("cat", "dog")


@pytest.mark.parametrize("content", [[], 7, {}, {"images": []}, {"images": {}, "categories": [], "annotations": []}])
def test_not_a_coco_file(tmp_path: Path, content: Any) -> None:
    (tmp_path / "x.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"x\.json: is not a COCO file: it has no list of"):
        read_coco(tmp_path / "x.json", tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{", b"[" * 100_000])
def test_not_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.json: cannot be read as JSON"):
        read_coco(tmp_path / "x.json", tmp_path)


def test_a_size_that_is_not_stated_is_the_files(tmp_path: Path) -> None:
    Image.new("RGB", (7, 3)).save(tmp_path / "b.jpg")
    images = [{"id": 1, "file_name": "b.jpg"}, {"id": 2, "file_name": "gone.jpg"}]
    there, gone = read_coco(_write(tmp_path, images=images), tmp_path).pictures
    assert (there.width, there.height) == (7, 3)
    assert (gone.width, gone.height) == (0, 0)  # evaluation needs no picture files


def test_an_absolute_name_below_the_folder_is_the_name_there(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": str(tmp_path / "sub" / "a.jpg")}]
    assert read_coco(_write(tmp_path, images=images), tmp_path).pictures[0].file == "sub/a.jpg"


def test_written_ids_are_the_data_sets_own(tmp_path: Path) -> None:
    data = read_coco(_write(tmp_path, _row(iscrowd=1), _row(category_id=2, area=3, ignore=1)), tmp_path)
    write_coco_truth(data, tmp_path / "again.json")
    content = json.loads((tmp_path / "again.json").read_text())
    assert [image["id"] for image in content["images"]] == [0, 9, 10]
    assert content["categories"] == [{"id": 0, "name": "cat"}, {"id": 2, "name": "dog"}]
    assert content["annotations"][1] == {
        **{"id": 2, "image_id": 10, "category_id": 2, "bbox": [1, 2, 3, 4], "area": 3, "iscrowd": 0, "difficult": 1},
    }
    again = read_coco(tmp_path / "again.json", tmp_path)
    assert (again.picture_ids, again.class_ids) == (data.picture_ids, data.class_ids)
    check_same(again, data, ("difficult", "crowd", "areas"))


def test_a_class_that_the_data_set_lacks_names_the_nearest(tmp_path: Path) -> None:
    truth = GroundTruth("a.jpg", 5, 5, np.array([[0.0, 0, 5, 5]]), np.array(["aeroplan"]), np.array([False]))
    with pytest.raises(DataError, match=r"a\.jpg: has the class 'aeroplan', .*did you mean 'aeroplane'\?"):
        write_coco_truth(Dataset("x", ("cat", "aeroplane"), (truth,), tmp_path), tmp_path / "x.json")


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data_sets())
def test_what_is_written_reads_back(tmp_path: Path, data: Dataset) -> None:
    write_coco_truth(data, tmp_path / "x.json")
    back = read_coco(tmp_path / "x.json", data.folder)
    assert back.classes == data.classes
    check_same(back, data, ("difficult", "crowd", "areas"), within=1e-12)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from([0, 9, 10, 11]), st.sampled_from([0, 2, 3]), st.integers(-2, 9)), max_size=12)
)
def test_columns_are_what_a_loop_over_annotations_gives(tmp_path: Path, rows: list[tuple[int, int, int]]) -> None:
    """The obvious reader: one annotation after another, appended to its picture."""
    expected: dict[int, list[tuple[str, list[float]]]] = {0: [], 9: [], 10: []}
    names = {0: "cat", 2: "dog"}
    for image, category, width in rows:
        if image in expected and category in names and width >= 0:
            expected[image].append((names[category], [1, 2, 1 + width, 6]))
    path = _write(tmp_path, *(_row(image_id=i, category_id=c, bbox=[1, 2, w, 4]) for i, c, w in rows))
    told: list[Problem] = []
    data = read_coco(path, tmp_path, told.append)
    found = [list(zip(truth.labels.tolist(), truth.boxes.tolist(), strict=True)) for truth in data.pictures]
    assert found == list(expected.values())
    assert len(told) == len(rows) - sum(map(len, found))


def test_pycocotools_reads_what_is_written(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    data = read_coco(_write(tmp_path, _row(), _row(iscrowd=1)), tmp_path)
    write_coco_truth(data, tmp_path / "again.json")
    peer = coco.COCO(str(tmp_path / "again.json"))
    assert sorted(peer.getImgIds()) == [0, 9, 10]
    assert len(peer.getAnnIds(imgIds=[10], iscrowd=True)) == 1


@pytest.mark.shared
def test_real_annotations_survive_the_way_there_and_back(tmp_path: Path, shared: Path) -> None:
    data = read_voc(shared / "data" / "VOCdevkit", "val", 2012)
    write_coco_truth(data, tmp_path / "val.json")
    back = read_coco(tmp_path / "val.json", data.folder)
    assert back.classes == data.classes
    check_same(back, data, ("difficult", "areas"), within=1e-9)
