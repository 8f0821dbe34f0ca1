import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.errors import DataError, SetupError, UsageError
from inception_rcnn.data.formats.coco.annotations import write_coco_truth
from inception_rcnn.data.formats.exports import (
    write_coco,
    write_coco_results,
    write_csv,
    write_label_studio,
    write_voc_results,
    write_yolo,
)
from inception_rcnn.data.formats.predictions import read_predictions
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections


def _image(file: str, *labels: str, width: int = 20, height: int = 10) -> ImageDetections:
    boxes = np.tile([2.0, 1.0, 6.0, 4.0], (len(labels), 1))
    scores = np.linspace(0.75, 0.5, len(labels))
    return ImageDetections(file, width, height, Detections(boxes, np.array(labels, dtype=str), scores))


HOSTILE = [
    _image("none.jpg"),
    _image("a b/img.png", "cat"),
    _image("a b/img.jpg", "dog", "cat"),  # beside img.png
    _image('猫,"=1".jpg', "cat"),
    _image("caf\udce9.jpg", "cat"),  # not UTF-8
    ImageDetections("broken.jpg", error="truncated"),
]
CLASSES = ["dog", "cat", "<b>"]


def test_coco_is_complete_and_reads_back(tmp_path: Path) -> None:
    write_coco(HOSTILE, tmp_path / "p.json", CLASSES)
    content = json.loads((tmp_path / "p.json").read_text())
    assert content["info"]
    assert content["categories"] == [{"id": i, "name": name} for i, name in enumerate(CLASSES, 1)]
    assert [image["id"] for image in content["images"]] == [1, 2, 3, 4, 5]
    assert content["annotations"][0] == {
        **{"id": 1, "image_id": 2, "category_id": 2, "bbox": [2, 1, 4, 3], "area": 12, "iscrowd": 0, "score": 0.75},
    }
    back = read_predictions(tmp_path / "p.json")
    assert [image.file for image in back] == [image.file for image in HOSTILE[:-1]]
    for one, other in zip(back, HOSTILE, strict=False):
        assert one.detections.boxes.tolist() == other.detections.boxes.tolist()
        assert one.detections.labels.tolist() == other.detections.labels.tolist()


def test_pycocotools_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    write_coco([_image("a.jpg", "cat", "dog")], tmp_path / "p.json", CLASSES)
    assert len(coco.COCO(str(tmp_path / "p.json")).getAnnIds(imgIds=[1])) == 2


@pytest.mark.parametrize("images", [[], HOSTILE[:1], HOSTILE])
def test_voc_has_a_file_for_every_class_and_reads_back(tmp_path: Path, images: list[ImageDetections]) -> None:
    write_voc_results(images, tmp_path, CLASSES, split="val")
    assert {path.name for path in tmp_path.iterdir()} == {f"comp4_det_val_{name}.txt" for name in CLASSES}
    expected = {
        "a b/img.png": ["cat"],  # two of one name keep their extensions
        "a b/img.jpg": ["dog", "cat"],
        '猫,"=1"': ["cat"],
        "caf\udce9": ["cat"],
    }
    back = {image.file: image.detections.labels.tolist() for image in read_predictions(tmp_path)}
    assert back == (expected if len(images) > 1 else {})


def test_voc_lines_are_one_based_and_exact(tmp_path: Path) -> None:
    found = Detections(np.array([[0.0, 0.0, 20.0, 10.0]]), np.array(["cat"]), np.array([1 / 3]))
    write_voc_results([ImageDetections("a.jpg", 20, 10, found)], tmp_path, ["cat"])
    assert (tmp_path / "comp4_det_test_cat.txt").read_text() == "a 0.3333333333333333 1.0 1.0 20.0 10.0\n"


@pytest.mark.parametrize("reverse", [False, True])
def test_no_two_images_share_a_name(tmp_path: Path, reverse: bool) -> None:
    files = ["same.jpg", "same.jpeg", "same.jpg.jpg", "same.jpg.jpg.png", "other.jpg"]
    expected = dict(zip(files, [*files[:3], "same.jpg.jpg.png", "other"], strict=True))
    images = [_image(file, "cat") for file in (files[::-1] if reverse else files)]
    write_voc_results(images, tmp_path / "voc", ["cat"])
    lines = (tmp_path / "voc" / "comp4_det_test_cat.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == [expected[image.file] for image in images]
    write_yolo(images, tmp_path / "yolo", ["cat"])
    labels = (tmp_path / "yolo" / "labels").iterdir()
    assert sorted(path.name for path in labels) == sorted(f"{name}.txt" for name in expected.values())


def test_csv(tmp_path: Path) -> None:
    write_csv(HOSTILE, tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["file"] for row in rows] == [
        *("a b/img.png", "a b/img.jpg", "a b/img.jpg", '猫,"=1".jpg', "caf\udce9.jpg")
    ]
    assert [rows[0][name] for name in ("label", "score", "x1", "y1", "x2", "y2")] == [
        "cat",
        "0.75",
        "2.0",
        "1.0",
        "6.0",
        "4.0",
    ]


def test_empty_csv_has_its_header(tmp_path: Path) -> None:
    write_csv([], tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text() == "file,label,score,x1,y1,x2,y2\n"


def test_yolo(tmp_path: Path) -> None:
    write_yolo(HOSTILE, tmp_path, CLASSES)
    labels = tmp_path / "labels"
    assert (tmp_path / "classes.txt").read_text().split() == CLASSES
    assert (labels / "none.txt").read_text() == ""
    # centre 4 of 20 and 2.5 of 10, size 4 of 20 and 3 of 10
    assert (labels / "a b" / "img.png.txt").read_text() == "1 0.2 0.25 0.2 0.3 0.75\n"
    assert (labels / "a b" / "img.jpg.txt").read_text().split()[0] == "0"
    assert (labels / os.fsdecode(b"caf\xe9.txt")).is_file()
    assert len(list(labels.rglob("*.txt"))) == 5


def test_yolo_never_writes_one_image_over_another(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.\./a\.jpg and a\.jpg: would have one file of labels, a\.txt"):
        write_yolo([_image("../a.jpg", "cat"), _image("a.jpg", "cat")], tmp_path, ["cat"])


@pytest.mark.parametrize("file", ["", "/", "..", "../.."])
def test_yolo_needs_a_name(tmp_path: Path, file: str) -> None:
    with pytest.raises(DataError, match="is no name of an image's file"):
        write_yolo([_image(file, "cat")], tmp_path, ["cat"])


@pytest.mark.parametrize("write", [write_voc_results, write_yolo])
def test_names_that_no_file_can_have(tmp_path: Path, write) -> None:
    with pytest.raises(DataError, match="cannot hold a line break or a zero"):
        write([_image("a\0b.jpg", "cat")], tmp_path / "x", ["cat"])
    with pytest.raises(UsageError, match="has a line break or a zero"):
        write([], tmp_path / "x", ["c\0t"])


def test_names_that_are_too_long_are_told_in_short(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="too long a name") as voc:
        write_voc_results([], tmp_path, ["x" * 5000])
    with pytest.raises(SetupError, match="too long a name") as yolo:
        write_yolo([_image(f"{'x' * 5000}.jpg", "cat")], tmp_path, ["cat"])
    assert max(len(str(error.value)) for error in (voc, yolo)) < 600


@pytest.mark.parametrize("file", ["../../out.jpg", "/out.jpg"])
def test_yolo_stays_in_its_folder(tmp_path: Path, file: str) -> None:
    write_yolo([_image(file, "cat")], tmp_path / "a" / "b", ["cat"])
    assert (tmp_path / "a" / "b" / "labels" / "out.txt").is_file()


def test_yolo_needs_sizes(tmp_path: Path) -> None:
    write_yolo([_image("a", width=0, height=0)], tmp_path, ["cat"])
    with pytest.raises(DataError, match="needs the image's size"):
        write_yolo([_image("a", "cat", width=0, height=0)], tmp_path, ["cat"])


@pytest.mark.parametrize("write", [write_coco, write_voc_results, write_yolo])
def test_unknown_class_and_unwritable_names(tmp_path: Path, write) -> None:
    with pytest.raises(DataError, match=r"a\.jpg: has the class 'cow', which is not among dog, cat"):
        write([_image("a.jpg", "cow")], tmp_path / "x", ["dog", "cat"])
    with pytest.raises(UsageError, match="line break"):
        write([], tmp_path / "x", ["a\nb"])


def test_line_formats_refuse_a_line_break_in_a_file_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="rename the file"):
        write_voc_results([_image("a\nb.jpg", "cat")], tmp_path, ["cat"])


@pytest.mark.parametrize(("classes", "split"), [(["a/b"], "test"), (["cat"], "cat_val"), (["cat"], "../x")])
def test_names_that_cannot_be_a_file(tmp_path: Path, classes: list[str], split: str) -> None:
    with pytest.raises(UsageError):
        write_voc_results([], tmp_path, classes, split)


def test_unknown_class_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has the class 'dogg', which is not among dog, cat; did you mean 'dog'\?"):
        write_coco([_image("a.jpg", "dogg")], tmp_path / "x", ["dog", "cat"])


def _data(*files: str, **ids: tuple[str, ...]) -> Dataset:
    truths = [
        GroundTruth(file, 20, 10, np.zeros((0, 4)), np.zeros(0, np.str_), np.zeros(0, np.bool_)) for file in files
    ]
    return Dataset("mine", ("dog", "cat"), tuple(truths), Path("photos"), **ids)


def test_coco_results_have_the_data_sets_ids_and_read_back(tmp_path: Path) -> None:
    data = _data("a.jpg", "b.jpg", "c.jpg", image_ids=("0", "x7", "12"), class_ids=("3", "0"))
    images = [_image("c.jpg", "cat", "dog"), _image("b.jpg", "dog"), ImageDetections("a.jpg", error="truncated")]
    write_coco_results(images, tmp_path / "p.json", data)
    rows = json.loads((tmp_path / "p.json").read_text())
    assert [(row["image_id"], row["category_id"], row["score"]) for row in rows] == [
        *((12, 0, 0.75), (12, 3, 0.5), ("x7", 3, 0.75)),
    ]
    assert rows[0]["bbox"] == [2, 1, 4, 3]
    back = read_predictions(tmp_path / "p.json", data)
    assert [(each.file, each.detections.labels.tolist()) for each in back] == [
        *(("b.jpg", ["dog"]), ("c.jpg", ["cat", "dog"])),
    ]


def test_pycocotools_takes_coco_results(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    data = _data("a.jpg", image_ids=("7",), class_ids=("1", "2"))
    write_coco_truth(data, tmp_path / "truth.json")
    write_coco_results([_image("a.jpg", "cat", "dog")], tmp_path / "p.json", data)
    peer = coco.COCO(str(tmp_path / "truth.json")).loadRes(str(tmp_path / "p.json"))
    assert len(peer.getAnnIds(imgIds=[7])) == 2


def test_coco_results_need_ids_and_images_of_the_data_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mine: has no ids"):
        write_coco_results([], tmp_path / "p.json", _data("a.jpg"))
    data = _data("a.jpg", image_ids=("7",), class_ids=("1", "2"))
    with pytest.raises(DataError, match=r"b\.jpg: is not in the data set mine"):
        write_coco_results([_image("b.jpg", "cat")], tmp_path / "p.json", data)
    with pytest.raises(DataError, match="'cow', which is not among"):
        write_coco_results([_image("a.jpg", "cow")], tmp_path / "p.json", data)


def test_label_studio_tasks_are_in_percent(tmp_path: Path) -> None:
    write_label_studio(HOSTILE, tmp_path / "p.json")
    none, png, *_ = tasks = json.loads((tmp_path / "p.json").read_text())
    assert len(tasks) == 5  # without the one that failed
    assert none["predictions"] == [{"model_version": "inception-rcnn", "result": []}]
    assert png["data"] == {"image": "/data/local-files/?d=a%20b/img.png", "width": 20, "height": 10}
    (region,) = png["predictions"][0]["result"]
    assert region["value"] == {"x": 10, "y": 10, "width": 20, "height": 30, "rotation": 0, "rectanglelabels": ["cat"]}
    assert (region["score"], region["original_width"], region["type"]) == (0.75, 20, "rectanglelabels")
    assert [image.file for image in read_predictions(tmp_path / "p.json")] == [each.file for each in HOSTILE[:-1]]


def test_a_carriage_return_in_a_table_is_quoted(tmp_path: Path) -> None:
    write_csv([_image("a\r.jpg", "cat"), _image("b.jpg", "cat")], tmp_path / "p.csv")
    assert [image.file for image in read_predictions(tmp_path / "p.csv")] == ["a\r.jpg", "b.jpg"]
    assert (tmp_path / "p.csv").read_bytes().endswith(b"\nb.jpg,cat,0.75,2.0,1.0,6.0,4.0\n")
