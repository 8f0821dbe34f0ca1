import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from random_truths import check_same, data_sets

from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.diagnostics import Notices, Problem
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.formats.coco.annotations import read_coco, write_coco_truth
from inception_rcnn.data.formats.coco.results import coco_list_predictions
from inception_rcnn.data.formats.voc.annotations import read_voc
from inception_rcnn.data.records import GroundTruth
from inception_rcnn.eval.metrics.coco import evaluate_coco
from inception_rcnn.eval.metrics.table import tabulate

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


def test_no_images_and_no_classes(tmp_path: Path) -> None:
    data = read_coco(_write(tmp_path, images=[], categories=[]), tmp_path)
    assert (data.name, data.classes, data.images, data.image_ids) == ("val", (), (), ())


def test_images_and_classes_are_in_the_order_of_their_ids(tmp_path: Path) -> None:
    data = read_coco(_write(tmp_path, _row(), _row(image_id=0, category_id=2), _row(bbox=[0.5, 0, 0, 1])), tmp_path)
    assert data.image_ids == ("0", "9", "10")
    assert data.class_ids == ("0", "2")
    assert data.classes == ("cat", "dog")
    none, a, b = data.images
    assert [truth.file for truth in data.images] == ["none.jpg", "sub/a.jpg", "b.jpg"]
    assert (none.labels.tolist(), a.boxes.shape, (b.width, b.height)) == (["dog"], (0, 4), (20, 10))
    assert b.boxes.tolist() == [[1, 2, 4, 6], [0.5, 0, 0.5, 1]]  # in the file's order
    assert b.areas.tolist() == [12, 0]
    assert data.folder == tmp_path


def test_ids_that_are_text_come_after_numbers_and_both_refer(tmp_path: Path) -> None:
    images = [{"id": "b", "file_name": "1"}, {"id": "a", "file_name": "2"}, {"id": 3, "file_name": "3"}]
    data = read_coco(_write(tmp_path, _row(image_id="a"), _row(image_id="3"), images=images), tmp_path)
    assert data.image_ids == ("3", "a", "b")
    assert [len(truth) for truth in data.images] == [1, 1, 0]


@pytest.mark.parametrize(
    ("changes", "crowd", "ignore", "area"),
    [
        ({}, False, False, 12),
        ({"iscrowd": 1, "segmentation": {"counts": [1, 2], "size": [10, 20]}}, True, False, 12),
        ({"iscrowd": False, "ignore": 1}, False, True, 12),
        ({"difficult": True, "ignore": None}, False, True, 12),
        ({"area": 7.5, "iscrowd": 0}, False, False, 7.5),
        ({"area": None}, False, False, 12),
        ({"area": 0}, False, False, 0),
        ({"area": "7.5", "iscrowd": "0", "ignore": "0"}, False, False, 7.5),
        ({"area": " 7 ", "iscrowd": "1", "ignore": "true"}, True, True, 7),
        ({"area": 7, "iscrowd": 1.0, "ignore": 0.0}, True, False, 7),
        ({"area": "", "iscrowd": "", "ignore": None}, False, False, 12),
    ],
)
def test_flags_and_areas(tmp_path: Path, changes: dict[str, Any], crowd: bool, ignore: bool, area: float) -> None:
    truth = read_coco(_write(tmp_path, _row(**changes)), tmp_path).images[2]
    assert truth.crowd.tolist() == [crowd]
    assert truth.ignore.tolist() == [ignore]
    assert truth.difficult.tolist() == [False]  # COCO's own code takes no notice of it
    assert truth.areas.tolist() == [area]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"iscrowd": "maybe"}, "iscrowd is 'maybe': need 0 or 1"),
        ({"iscrowd": -1}, "iscrowd is -1: need 0 or 1"),
        ({"ignore": [1]}, "ignore is [1]: need 0 or 1"),
        ({"difficult": {"a": 1}}, "difficult is {'a': 1}: need 0 or 1"),
        ({"area": -1}, "area is -1: need a number from 0 on"),
        ({"area": "large"}, "area is 'large': need a number from 0 on"),
        ({"area": float("nan")}, "area is nan: need"),
        ({"area": 10**400}, "area is 1000"),
        ({"area": [12]}, "area is [12]: need"),
        ({"area": True}, "area is True: need"),
    ],
)
def test_a_field_that_makes_no_sense_costs_no_box(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    told: list[Problem] = []
    path = _write(tmp_path, _row(**changes))
    truth = read_coco(path, tmp_path, told.append).images[2]
    assert (truth.crowd.tolist(), truth.ignore.tolist(), truth.areas.tolist()) == ([False], [False], [12])
    assert [problem.minor for problem in told] == [True]
    assert told[0].what.startswith(what)
    assert len(read_coco(path, tmp_path).images[2]) == 1  # nothing is refused


def test_the_files_own_numbers_are_kept(tmp_path: Path) -> None:
    """Corners lose bits: .1 + .2 - .1 is another number than .2."""
    truth = read_coco(_write(tmp_path, _row(bbox=[0.1, 0.3, 0.2, 0.6])), tmp_path).images[2]
    assert truth.xywh.tolist() == [[0.1, 0.3, 0.2, 0.6]]
    assert truth.boxes[0, 2] - truth.boxes[0, 0] != 0.2
    data = read_coco(tmp_path / "val.json", tmp_path)
    write_coco_truth(data, tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text())["annotations"][0]["bbox"] == [0.1, 0.3, 0.2, 0.6]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"image_id": 7}, "image"),
        ({"image_id": None}, "image"),
        ({"image_id": 7, "bbox": None}, "image"),
        ({"category_id": [2]}, "category"),
        ({"category_id": True}, "category"),
        ({"category_id": 99, "area": "x"}, "category"),
    ],
)
def test_annotations_of_what_is_not_listed_are_left_out_and_counted(
    tmp_path: Path, changes: dict[str, Any], kind: str
) -> None:
    """As COCO's own code does: of a list cut to some images people seldom cut the annotations."""
    path = _write(tmp_path, _row(), *[_row(id=number, **changes) for number in range(6, 9)])
    told: list[Problem] = []
    assert [len(truth) for truth in read_coco(path, tmp_path, told.append).images] == [0, 0, 1]
    assert [(problem.kind, problem.minor, problem.count) for problem in told] == [
        (f"annotation of an unknown {kind}", True, 3)
    ]
    assert told[0].where == f"{path}: annotation 6"
    assert len(read_coco(path, tmp_path).images[2]) == 1  # nothing is refused


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"id": 5, "category_id": 0}, "annotation 5: lacks image_id"),
        (_row(bbox=[1, 2, -3, 4]), "annotation 5: bbox is .*must not be negative"),
        (_row(bbox=[1, 2, 3]), "annotation 5: bbox is .*need four numbers"),
        (_row(bbox=[1, 2, 3, "4x"]), "annotation 5: bbox is .*need four numbers"),
        (_row(bbox=[1, 2, 3, float("nan")]), "annotation 5: bbox is .*need four numbers"),
        (_row(bbox=[1, 2, 3, 10**400]), "annotation 5: bbox is .*need four numbers"),
        (_row(bbox=[]), "annotation 5: bbox is .*need four numbers"),
        (_row(bbox={"x": 1}), "annotation 5: bbox is .*need four numbers"),
        (_row(bbox=None), "annotation 5: bbox is None: need four numbers"),
        (_row(bbox=[1, 2, 1e10, 4]), "annotation 5: bbox is .*need four numbers"),
        (_row(id=None, bbox=7), "entry 2: bbox is 7"),
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
    assert data.images[2].boxes.tolist() == [[1, 2, 4, 6], [0, 0, 1, 1]]
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
    assert data.image_ids == ("0", "9", "10")
    assert len(told) == 1  # not once more for each of its annotations


@pytest.mark.parametrize(
    ("category", "words"),
    [
        ({"id": 2, "name": "cow"}, "category 2: two of the file's entries"),
        ({"id": 3, "name": " "}, "category 3: has the name ' '"),
        ({"id": 3, "name": "c\0w"}, r"category 3: has the name 'c\\x00w'"),
        ({"id": 3, "name": ""}, "category 3: has the name ''"),
        ({"id": 3, "name": ["cow"]}, "category 3: has the name"),
    ],
)
def test_unusable_category(tmp_path: Path, category: Any, words: str) -> None:
    path = _write(tmp_path, categories=[*CATEGORIES, category])
    with pytest.raises(DataError, match=words):
        read_coco(path, tmp_path)
    assert read_coco(path, tmp_path, lambda problem: None).classes == ("cat", "dog")


FISH = {"id": 0, "name": "fish", "supercategory": "none"}
CRAB = {"id": 2, "name": "crab", "supercategory": "fish"}


@pytest.mark.parametrize(
    ("categories", "used", "classes", "told"),
    [
        # Roboflow's root: the name of the project, maybe that of the only class.
        ([FISH, {"id": 1, "name": "fish", "supercategory": "fish"}], [1], {"fish": "1"}, ["with the name of another"]),
        ([FISH, {"id": 1, "name": "fish", "supercategory": "fish"}], [], {"fish": "1"}, ["with the name of another"]),
        ([FISH, CRAB], [2], {"crab": "2"}, ["that is only a group of others"]),
        ([FISH | {"supercategory": None}, CRAB], [2], {"crab": "2"}, ["that is only a group of others"]),
        ([FISH, CRAB], [0, 2], {"fish": "0", "crab": "2"}, []),  # an object is of it
        ([FISH, CRAB | {"supercategory": "none"}], [2], {"fish": "0", "crab": "2"}, []),  # nobody's group: a class
        ([FISH | {"supercategory": "fish"}, CRAB], [], {"fish": "0", "crab": "2"}, []),  # COCO's person is so
        ([FISH, FISH | {"id": 7}], [7, 7, 0], {"fish": "7"}, ["with the name of another"]),
    ],
)
def test_categories_that_are_no_classes(
    tmp_path: Path, categories: Any, used: list[int], classes: dict[str, str], told: list[str]
) -> None:
    path = _write(tmp_path, *(_row(category_id=number) for number in used), categories=categories)
    problems: list[Problem] = []
    data = read_coco(path, tmp_path, problems.append)
    assert dict(zip(data.classes, data.class_ids, strict=True)) == classes
    assert [problem.kind for problem in problems] == [f"category {kind}" for kind in told]
    assert all(problem.minor for problem in problems)
    assert len(data.images[2]) == len(used)
    assert {*data.images[2].labels.tolist()} <= {*classes}


def test_a_class_in_two_categories_scores_as_pycocotools_has_it(tmp_path: Path) -> None:
    """Results of the category without objects change no number there: here they are left out, and counted."""
    coco, evaluation = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    categories = [FISH, {"id": 1, "name": "fish", "supercategory": "fish"}]
    path = _write(tmp_path, _row(category_id=1, area=12, iscrowd=0), categories=categories)
    boxes = {0: [1, 2, 3, 4], 1: [1, 2, 3, 3]}
    rows = [{"image_id": 10, "category_id": number, "bbox": box, "score": 0.5} for number, box in boxes.items()]
    peer = coco.COCO()
    peer.dataset = json.loads(path.read_text()) | {"info": {}}
    peer.createIndex()
    judge = evaluation.COCOeval(peer, peer.loadRes(rows), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    (tmp_path / "p.json").write_text(json.dumps(rows))
    data, notices = read_coco(path, tmp_path), Notices()
    assert (data.classes, data.class_ids) == (("fish",), ("1",))
    found = coco_list_predictions(rows, tmp_path / "p.json", data, notices)
    numbers = evaluate_coco(tabulate(found, data.images, data.classes), "pycocotools").numbers
    assert numbers["AP"] == judge.stats[0] < 1
    assert [problem.kind for problem in notices] == ["result of an unknown category"]


def test_a_file_without_annotations_is_a_test_set(tmp_path: Path) -> None:
    for content in ({"categories": CATEGORIES}, {"categories": CATEGORIES, "annotations": None}, {}):
        (tmp_path / "image_info.json").write_text(json.dumps({"images": IMAGES} | content))
        data = read_coco(tmp_path / "image_info.json", tmp_path)
        assert not data.annotated
        assert data.image_ids == ("0", "9", "10")
        assert data.classes == (("cat", "dog") if content else ())
        assert [len(truth) for truth in data.images] == [0, 0, 0]
    assert read_coco(_write(tmp_path), tmp_path).annotated  # an empty list says that there is nothing to see


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("images/b.jpg", "b.jpg"),
        (r"images\\b.jpg", "b.jpg"),
        ("../train/b.jpg", "b.jpg"),
        ("/content/export/train/b.jpg", "b.jpg"),
        (r"C:\\export\\b.jpg", "b.jpg"),
        ("B.JPG", "b.jpg"),
        ("sub/b.jpg", "sub/b.jpg"),  # it is there
        ("images/gone.jpg", "images/gone.jpg"),
    ],
)
def test_a_name_below_another_folder_is_the_file_of_that_name(tmp_path: Path, stated: str, expected: str) -> None:
    folder = tmp_path / "train"
    (folder / "sub").mkdir(parents=True)
    for name in ("b.jpg", "sub/b.jpg"):
        (folder / name).touch()
    data = read_coco(_write(tmp_path, images=[{"id": 1, "file_name": stated, "width": 5, "height": 5}]), folder)
    assert data.images[0].file == expected


def test_of_two_images_of_a_name_only_one_can_be_the_file(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").touch()
    images = [{"id": number, "file_name": f"{number}/b.jpg", "width": 5, "height": 5} for number in (1, 2)]
    assert [truth.file for truth in read_coco(_write(tmp_path, images=images), tmp_path).images] == [
        "b.jpg",
        "2/b.jpg",
    ]


@pytest.mark.parametrize(
    ("sides", "expected", "told"),
    [
        (("7", "3.0"), (7, 3), 0),
        ((7.0, " 3 "), (7, 3), 0),
        ((None, 3), (9, 4), 0),
        ((0, 0), (9, 4), 0),
        (("", ""), (9, 4), 0),
        ((-1, 1), (9, 4), 1),
        ((1.5, 1), (9, 4), 1),
        (("wide", 1), (9, 4), 1),
        (([7], {}), (9, 4), 1),
        ((10**400, 1), (9, 4), 1),
        ((float("inf"), 1), (9, 4), 1),
        ((True, True), (9, 4), 1),
    ],
)
def test_sizes(tmp_path: Path, sides: tuple[Any, Any], expected: tuple[int, int], told: int) -> None:
    Image.new("RGB", (9, 4)).save(tmp_path / "b.jpg")
    images = [{"id": 10, "file_name": "b.jpg", "width": sides[0], "height": sides[1]}]
    problems: list[Problem] = []
    (truth,) = read_coco(_write(tmp_path, _row(), images=images), tmp_path, problems.append).images
    assert (truth.width, truth.height, len(truth)) == (*expected, 1)
    assert [problem.minor for problem in problems] == [True] * told


@pytest.mark.parametrize(("width", "height"), [(20, 10), (10, 20), (7, 7), (0, 0)])
def test_pixels_are_those_of_the_stated_size(tmp_path: Path, width: int, height: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (20, 10)).save(tmp_path / "b.jpg", exif=exif)
    images = [{"id": 1, "file_name": "b.jpg", "width": width, "height": height}]
    data = read_coco(_write(tmp_path, images=images), tmp_path)
    upright = (width, height) == (10, 20)
    assert data.read(data.images[0]).shape == ((20, 10, 3) if upright else (10, 20, 3))


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.just(10**400)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=5,
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["images", "categories", "annotations"]),
    st.sampled_from([None, 0, 1]),
    st.sampled_from(
        ["id", "file_name", "width", "name", "supercategory", "image_id", "category_id", "bbox", "area", "iscrowd"]
    ),
    _JSON,
)
def test_whatever_json_holds_one_sentence_or_a_data_set(
    tmp_path: Path, key: str, place: int | None, field: str, value: Any
) -> None:
    content: Any = {"images": IMAGES, "categories": CATEGORIES, "annotations": [_row(), _row(id=6)]}
    content = json.loads(json.dumps(content))
    if place is None:
        content[key] = value
    else:
        content[key][place][field] = value
    (tmp_path / "x.json").write_text(json.dumps(content))
    told: list[Problem] = []
    with suppress(DataError):  # no list where one has to be
        data = read_coco(tmp_path / "x.json", tmp_path, told.append)
        assert len(data.classes) == len(data.class_ids)
        assert {label for truth in data.images for label in truth.labels.tolist()} <= {*data.classes}
    assert all(len(str(problem)) < 1500 for problem in told)


def test_deep_nesting_is_one_sentence(tmp_path: Path) -> None:
    for depth in (100, 900, 990, 100_000):
        deep = "[" * depth + "]" * depth
        text = json.dumps({"images": IMAGES, "categories": CATEGORIES, "annotations": [_row(bbox=0), _row(area=0)]})
        (tmp_path / "x.json").write_text(
            text.replace('"bbox": 0', f'"bbox": {deep}').replace('"area": 0', f'"area": {deep}')
        )
        with pytest.raises(DataError):
            read_coco(tmp_path / "x.json", tmp_path)


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
    there, gone = read_coco(_write(tmp_path, images=images), tmp_path).images
    assert (there.width, there.height) == (7, 3)
    assert (gone.width, gone.height) == (0, 0)  # evaluation needs no image files


def test_an_absolute_name_below_the_folder_is_the_name_there(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": str(tmp_path / "sub" / "a.jpg")}]
    assert read_coco(_write(tmp_path, images=images), tmp_path).images[0].file == "sub/a.jpg"


def test_written_ids_are_the_data_sets_own(tmp_path: Path) -> None:
    data = read_coco(_write(tmp_path, _row(iscrowd=1), _row(category_id=2, area=3, ignore=1)), tmp_path)
    write_coco_truth(data, tmp_path / "again.json")
    content = json.loads((tmp_path / "again.json").read_text())
    assert [image["id"] for image in content["images"]] == [0, 9, 10]
    assert content["categories"] == [{"id": 0, "name": "cat"}, {"id": 2, "name": "dog"}]
    assert content["annotations"][1] == {
        **{"id": 2, "image_id": 10, "category_id": 2, "bbox": [1, 2, 3, 4], "area": 3, "iscrowd": 0, "ignore": 1},
    }
    again = read_coco(tmp_path / "again.json", tmp_path)
    assert (again.image_ids, again.class_ids) == (data.image_ids, data.class_ids)
    check_same(again, data, ("difficult", "ignore", "crowd", "areas", "xywh"))


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
    check_same(back, data, ("crowd", "areas", "xywh"), within=1e-12)
    for one, other in zip(back.images, data.images, strict=True):
        assert one.ignore.tolist() == (other.difficult | other.ignore).tolist()  # neither flag is lost


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from([0, 9, 10, 11]), st.sampled_from([0, 2, 3]), st.integers(-2, 9)), max_size=12)
)
def test_columns_are_what_a_loop_over_annotations_gives(tmp_path: Path, rows: list[tuple[int, int, int]]) -> None:
    """The obvious reader: one annotation after another, appended to its image."""
    expected: dict[int, list[tuple[str, list[float]]]] = {0: [], 9: [], 10: []}
    names = {0: "cat", 2: "dog"}
    for image, category, width in rows:
        if image in expected and category in names and width >= 0:
            expected[image].append((names[category], [1, 2, 1 + width, 6]))
    path = _write(tmp_path, *(_row(image_id=i, category_id=c, bbox=[1, 2, w, 4]) for i, c, w in rows))
    told: list[Problem] = []
    data = read_coco(path, tmp_path, told.append)
    found = [list(zip(truth.labels.tolist(), truth.boxes.tolist(), strict=True)) for truth in data.images]
    assert found == list(expected.values())
    assert sum(problem.count for problem in told) == len(rows) - sum(map(len, found))


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
    check_same(back, data, ("areas", "to_ignore", "to_find"), within=1e-9)
