from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from random_truths import data_sets

from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.diagnostics import Notices, Problem
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.formats.exports import write_yolo
from inception_rcnn.data.formats.predictions import read_categories, read_predictions
from inception_rcnn.data.formats.specs import open_dataset, resolve_sources
from inception_rcnn.data.formats.voc.annotations import read_voc
from inception_rcnn.data.formats.yolo.annotations import read_yolo, write_yolo_truth
from inception_rcnn.data.images.decoding import read_image
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections


def _image(path: Path, width: int = 20, height: int = 10, orientation: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (width, height)).save(path, exif=exif)


def _labels(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data set whose split `val` is `a.jpg` with two objects and `b.jpg` without a file of boxes."""
    _image(tmp_path / "images" / "val" / "b.jpg")
    _image(tmp_path / "images" / "val" / "a.jpg")
    _labels(tmp_path / "labels" / "val" / "a.txt", "1 .5 .5 1 1", "", "0 .25 .2 .1 .2 .9", "")
    (tmp_path / "data.yaml").write_text("path: .\nval: images/val\nnames: [cat, dog]\nnc: 2\n")
    return tmp_path


def test_a_split(root: Path) -> None:
    data = read_yolo(root / "data.yaml", "val")
    assert (data.name, data.classes, data.class_ids) == ("data val", ("cat", "dog"), ("0", "1"))
    assert data.folder == root / "images" / "val"
    a, b = data.images
    assert (a.file, a.width, a.height, a.labels.tolist()) == ("a.jpg", 20, 10, ["dog", "cat"])
    assert np.allclose(a.boxes, [[0, 0, 20, 10], [4, 1, 6, 3]])
    assert (b.file, b.boxes.shape) == ("b.jpg", (0, 4))


@pytest.mark.parametrize(
    ("line", "box"),
    [
        ("0 0 0 0 0", [0, 0, 0, 0]),
        ("0.0 .5 .5 .5 .5", [5, 2.5, 15, 7.5]),
        ("0\t0.1  0.5 0.4 1", [-2, 0, 6, 10]),  # reaches out of the image; kept as it is
        ("0 .1 .2 .5 .2 .3 .6", [2, 2, 10, 6]),  # a triangle
        ("0 .1 .2 .5 .2 .3 .6 .3 1", [2, 2, 10, 10]),
        ("\ufeff0 5e-1 .5 5E-1 +.5", [5, 2.5, 15, 7.5]),
        ("0, .5,.5, .5,.5", [5, 2.5, 15, 7.5]),
        ("0 .5 .5 1.0004 1.01", [0, 0, 20, 10]),  # rounding
        ("0 -1e-7 .5 .5 -.01", [-5, 5, 5, 5]),
        ("0 -.01 0 1.005 0 1.01 1", [0, 0, 20, 10]),
        ("0 .1 .1 .9 .1 .9 .9 .1 .9", [2, 1, 18, 9]),  # a turned box
    ],
)
def test_lines(root: Path, line: str, box: list[float]) -> None:
    _labels(root / "labels" / "val" / "a.txt", line)
    truth = read_yolo(root / "data.yaml", "val").images[0]
    assert np.allclose(truth.boxes, [box])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 .5 .5 .5", "has 4 numbers"),
        ("0", "has 1 numbers"),
        ("0 .1 .2 .3 .4 .5 .6 .7", "has 8 numbers"),
        ("2 .5 .5 .5 .5", "the class is 2: need a whole number from 0 to 1"),
        ("-1 .5 .5 .5 .5", "the class is -1"),
        ("0.5 .5 .5 .5 .5", "the class is 0.5"),
        ("cat .5 .5 .5 .5", "is 'cat .5 .5 .5 .5': need numbers"),
        ("0 nan .5 .5 .5", "need numbers"),
        ("0 1e999 .5 .5 .5", "need numbers"),
        ("0 0,5 0,5 0,5 0,5", "need numbers"),  # not the corners of a polygon
        ("0 1,1 1,1 1,1", "need numbers"),
        ("0 .5 .5 -.011 .5", r"\(cat\): has -0.011"),
        ("0 .5 .5 .5 .5 .5 .5 2", "has 8 numbers: .*; add kpt_shape"),  # a key point and its visibility
        ("0 .5 .5 .5 .5 .5 .5 2 .6 .6 1", r"has a 2, as the visibility .*; add kpt_shape"),
        ("0 .5 1.011 .5 .5", r"\(cat\): has 1.011: need fractions of the image's size"),
        ("0 .5 .5 -.5 .5", r"\(cat\): has -0.5"),
        ("0 .1 .2 .5 .2 .3 20", r"\(cat\): has 20.0"),
    ],
)
def test_unusable_line_is_told_of_and_left_out(root: Path, line: str, words: str) -> None:
    _labels(root / "labels" / "val" / "a.txt", "0 .5 .5 1 1", line, "1 .5 .5 1 1")
    with pytest.raises(DataError, match=rf"a\.txt: line 2 ?.*{words}"):
        read_yolo(root / "data.yaml", "val")
    told: list[Problem] = []
    truth = read_yolo(root / "data.yaml", "val", told.append).images[0]
    assert truth.labels.tolist() == ["cat", "dog"]
    assert len(told) == 1


@pytest.mark.parametrize(
    "form", ["kpt_shape: [2, 2]", "kpt_shape: [2,3]", "kpt_names: {0: [a, b]}", "flip_idx: [1, 0]"]
)
def test_of_poses_the_box_comes_first(root: Path, form: str) -> None:
    numbers = ".1 .2 2 .3 .4 0" if "3" in form else ".1 .2 .3 .4"
    _labels(root / "labels" / "val" / "a.txt", f"0 .5 .5 .8 .8 {numbers}", "1 .5 .5 .5 .5")
    (root / "data.yaml").write_text(f"val: images/val\nnames: [cat, dog]\n{form}\n")
    truth = read_yolo(root / "data.yaml", "val").images[0]
    assert np.allclose(truth.boxes, [[2, 1, 18, 9], [5, 2.5, 15, 7.5]])


def test_poses_with_other_key_points_than_stated_are_told_of(root: Path) -> None:
    _labels(root / "labels" / "val" / "a.txt", "0 .5 .5 .8 .8 .1 .2 .3 .4 .5 .6")
    (root / "data.yaml").write_text("val: images/val\nnames: [cat]\nkpt_shape: [2, 2]\n")
    with pytest.raises(DataError, match=r"line 1: has 11 numbers: need class cx cy w h and 4 numbers of key points"):
        read_yolo(root / "data.yaml", "val")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_end_as_on_any_system(root: Path, end: str, encoding: str) -> None:
    lines = end.join(["0 .5 .5 .5 .5", "1 .5 .5 .5 .5", "0 .5 .5 .5 .5", ""])
    (root / "labels" / "val" / "a.txt").write_bytes(lines.encode(encoding))
    yaml = "val: images/val\nnames: [cat, dog]\n".replace("\n", end)
    (root / "data.yaml").write_bytes(yaml.encode(encoding))
    assert read_yolo(root / "data.yaml", "val").images[0].labels.tolist() == ["cat", "dog", "cat"]


def test_image_that_is_none_is_left_out(root: Path) -> None:
    (root / "images" / "val" / "a.jpg").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"a\.jpg: looks like text, not an image"):
        read_yolo(root / "data.yaml", "val")
    told: list[Problem] = []
    assert [truth.file for truth in read_yolo(root / "data.yaml", "val", told.append).images] == ["b.jpg"]
    assert [problem.kind for problem in told] == ["image that cannot be read"]


def test_labels_that_are_nowhere_are_not_a_split_of_empty_images(root: Path) -> None:
    (root / "labels").rename(root / "label")
    with pytest.raises(DataError, match=r"none of its 2 images has a file of boxes; the first would be .*labels/val/a"):
        read_yolo(root / "data.yaml", "val")


def test_a_test_split_may_have_no_labels(root: Path) -> None:
    (root / "labels").rename(root / "label")
    (root / "data.yaml").write_text("test: images/val\nnames: [cat, dog]\n")
    told: list[Problem] = []
    data = read_yolo(root / "data.yaml", "test", told.append)
    assert (data.annotated, len(data), [problem.minor for problem in told]) == (False, 2, [True])
    assert [source.file for source in resolve_sources([f"yolo:{root}/data.yaml:test"])] == ["a.jpg", "b.jpg"]
    with pytest.raises(DataError, match="has no annotations"):
        open_dataset(f"yolo:{root}/data.yaml:test")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("val: images/val", "has no list of names"),
        ("val: images/val\nnames: cat", "has no list of names"),
        ("val: images/val\nnames: {0: cat, 2: dog}", "numbers its names 0, 2; need 0 to 1"),
        ("val: images/val\nnames: [cat, cat]", "class name 'cat' twice"),
        ("val: images/val\nnames: [cat, '']", "class name '' twice or without text"),
        ("train: images/val\nnames: [cat]", "describes no split 'val'; the splits here are: train"),
        ("train:\nval:\nnames: [cat]", "the splits here are: none"),
        ("val: images/vall\nnames: [cat]", "there is no .*images/vall; correct the path"),
        ("val: labels\nnames: [cat]", "the split 'val' has no images"),
        ("val: [images/val\n", "line 2 is not YAML"),
    ],
)
def test_unusable_description_says_why(root: Path, text: str, words: str) -> None:
    (root / "data.yaml").write_text(text)
    with pytest.raises(DataError, match=rf"data\.yaml: .*{words}"):
        read_yolo(root / "data.yaml", "val")


def test_lists_of_folders_and_list_files(root: Path) -> None:
    _image(root / "more" / "images" / "c.png", 8, 8)
    _labels(root / "more" / "labels" / "c.txt", "0 .5 .5 .5 .5")
    (root / "some.txt").write_text("./more/images/c.png\nimages/val/a.jpg\n\n")
    (root / "data.yaml").write_text("val: [images/val, some.txt]\nnames:\n  1: dog\n  0: cat\n")
    data = read_yolo(root / "data.yaml", "val")
    assert data.folder == root
    assert [truth.file for truth in data.images] == ["images/val/a.jpg", "images/val/b.jpg", "more/images/c.png"]
    assert data.classes == ("cat", "dog")
    assert data.images[2].boxes.tolist() == [[2, 2, 6, 6]]


def test_roboflow_writes_paths_from_elsewhere(tmp_path: Path) -> None:
    _image(tmp_path / "valid" / "images" / "a.jpg")
    _labels(tmp_path / "valid" / "labels" / "a.txt", "0 .5 .5 1 1")
    (tmp_path / "data.yaml").write_text("val: ../valid/images\nnames: ['cat']\nroboflow:\n  version: 1\n")
    assert len(read_yolo(tmp_path / "data.yaml", "val").images[0]) == 1


@pytest.mark.parametrize(
    "described",
    [
        r"val: ..\images\val",
        r"val: images\val",
        r"path: D:\data\mine" + "\nval: images/val",
        r"val: 'C:\data\mine\images\val'",
        "val: /kaggle/working/mine/images/val",
        "path: ../datasets/mine\nval: images/val",
        "val: [Images/VAL]",
        "path: ~\nval: images/val\ntest: null",
        r"val: lists\val.txt",
    ],
)
def test_paths_of_another_machine_mean_what_is_below_the_folder(root: Path, described: str) -> None:
    names = ["D:\\data\\mine\\images\\val\\a.jpg", "images\\val\\b.jpg"]
    _labels(root / "lists" / "val.txt", *names)
    (root / "data.yaml").write_text(described + "\nnames: [cat, dog]\n")
    data = read_yolo(root / "data.yaml", "val")
    assert [(truth.file, len(truth)) for truth in data.images] == [("a.jpg", 2), ("b.jpg", 0)]
    assert data.folder == root / "images" / "val"


def test_the_whole_disk_is_no_folder_of_images(root: Path) -> None:
    (root / "data.yaml").write_text(f"val: {'../' * 30}\nnames: [cat]\n")
    with pytest.raises(DataError, match="is the whole disk; name the folder of the images"):
        read_yolo(root / "data.yaml", "val")


def test_lists_of_darknet_have_a_folder_that_is_not_there(root: Path) -> None:
    _labels(root / "val.txt", "data/images/val/a.jpg", "data/images/val/b.jpg")
    (root / "data.yaml").write_text("val: val.txt\nnames: [cat, dog]\n")
    data = read_yolo(root / "data.yaml", "val")
    assert [(truth.file, len(truth)) for truth in data.images] == [("a.jpg", 2), ("b.jpg", 0)]


def test_lists_with_absolute_and_relative_names(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    _labels(root / "val.txt", str(root / "images" / "val" / "a.jpg"), "./images/val/b.jpg")
    (root / "data.yaml").write_text("val: val.txt\nnames: [cat, dog]\n")
    data = read_yolo("data.yaml", "val")
    assert [(truth.file, len(truth)) for truth in data.images] == [("a.jpg", 2), ("b.jpg", 0)]


def test_images_beside_the_current_folder_have_plain_names(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "here").mkdir()
    monkeypatch.chdir(root / "here")
    _image(root / "here" / "c.jpg")
    _labels(root / "here" / "val.txt", "../images/val/a.jpg", "c.jpg")
    (root / "here" / "data.yaml").write_text("val: val.txt\nnames: [cat, dog]\n")
    data = read_yolo("data.yaml", "val")
    assert (data.folder, [truth.file for truth in data.images]) == (root, ["images/val/a.jpg", "here/c.jpg"])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (".", "is a folder, not an image"),
        ("/", "is a folder, not an image"),
        ("a" * 300 + ".jpg", "cannot be decoded|File name too long"),
        ("a\0.jpg", "cannot be decoded|null"),
        ("a" * 100_000, "has a line of 100,000 characters; is it a list of names"),
    ],
)
def test_hostile_names_in_a_list_take_a_sentence(
    root: Path, monkeypatch: pytest.MonkeyPatch, names: str, words: str
) -> None:
    monkeypatch.chdir(root)
    Path("val.txt").write_text(names + "\n./images/val/a.jpg")
    Path("data.yaml").write_text("val: val.txt\nnames: [cat, dog]\n")
    with pytest.raises(DataError, match=words) as caught:
        read_yolo("data.yaml", "val")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("entry", ["a" * 100_000, "a" * 300, r"a\0b", "[" + "a, " * 5_000 + "]", "{a: b}", '"\\0"'])
def test_hostile_paths_in_a_description_take_a_sentence(root: Path, entry: str) -> None:
    for text in (f"val: {entry}", f"path: {entry}\nval: {entry}"):
        (root / "data.yaml").write_text(f"{text}\nnames: [cat, dog]\n")
        with pytest.raises(DataError) as caught:
            read_yolo(root / "data.yaml", "val")
        assert len(str(caught.value)) < 1000


def test_number_of_classes(root: Path) -> None:
    told: list[Problem] = []
    (root / "data.yaml").write_text("val: images/val\nnames: [cat, dog]\nnc: 3\n")
    assert read_yolo(root / "data.yaml", "val", told.append).classes == ("cat", "dog")
    assert [(problem.minor, problem.what) for problem in told] == [
        (True, "nc is '3' and there are 2 names: the names count")
    ]
    (root / "data.yaml").write_text("val: images/val\nnc: 2\n")
    assert read_yolo(root / "data.yaml", "val").classes == ("class_0", "class_1")
    for number in ("1" * 5_000, "many", "-1"):
        (root / "data.yaml").write_text(f"val: images/val\nnc: {number}\n")
        with pytest.raises(DataError, match="has no list of names"):
            read_yolo(root / "data.yaml", "val")


def test_a_thousand_names_are_not_all_in_a_message(root: Path) -> None:
    for names in ("{" + ", ".join(f"{number}: a" for number in range(1, 9999)) + "}", f"[{'a' * 9999}, {'a' * 9999}]"):
        (root / "data.yaml").write_text(f"val: images/val\nnames: {names}\n")
        with pytest.raises(DataError) as caught:
            read_yolo(root / "data.yaml", "val")
        assert len(str(caught.value)) < 400


NUMBERS = st.sampled_from(
    ["0", "1", ".5", "2", "-1e-7", "1.0004", "nan", "1e999", "x", "1_0", "9" * 400, ",", "\t", "\n", "\ufeff"]
)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NUMBERS, max_size=30).map(" ".join) | st.text(max_size=30), st.sampled_from(["", "kpt_shape: [1, 3]"]))
def test_no_labels_end_in_a_traceback(root: Path, text: str, form: str) -> None:
    (root / "labels" / "val" / "a.txt").write_text(text, errors="surrogatepass")
    (root / "data.yaml").write_text(f"val: images/val\nnames: [cat, dog]\n{form}")
    told: list[Problem] = []
    for truth in read_yolo(root / "data.yaml", "val", told.append).images:
        assert np.isfinite(truth.boxes).all()
    assert all(len(str(problem)) < 500 for problem in told)


def test_only_the_last_folder_called_images_is_exchanged(tmp_path: Path) -> None:
    _image(tmp_path / "images" / "x" / "images" / "images.v1" / "a.b.jpg")
    _labels(tmp_path / "images" / "x" / "labels" / "images.v1" / "a.b.txt", "0 .5 .5 1 1")
    (tmp_path / "data.yaml").write_text("path: images/x\nval: images\nnames: [cat]")
    assert len(read_yolo(tmp_path / "data.yaml", "val").images[0]) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_sizes_are_those_of_upright_images(root: Path, orientation: int, name: str) -> None:
    (root / "images" / "val" / "a.jpg").unlink()
    _image(root / "images" / "val" / name, orientation=orientation)
    data = read_yolo(root / "data.yaml", "val")
    truth = data.images[0]
    assert data.read(truth).shape[:2] == (truth.height, truth.width)
    assert truth.upright
    assert np.array_equal(data.read(truth), read_image(root / "images" / "val" / name))


SIMPLE_NAMES = st.from_regex(r"([a-c]/)?[a-d]\.jpg", fullmatch=True)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data_sets(SIMPLE_NAMES))
def test_what_is_written_reads_back(tmp_path_factory: pytest.TempPathFactory, data: Dataset) -> None:
    folder = tmp_path_factory.mktemp("yolo")
    write_yolo_truth(data, folder)
    for truth in data.images:
        _image(folder / "images" / "val" / truth.file, truth.width, truth.height)
    if not data.images:
        return
    back = read_yolo(folder / "data.yaml", "val")
    assert back.classes == data.classes
    prefix = back.folder.relative_to(folder / "images" / "val").as_posix()
    files = {(f"{prefix}/{truth.file}" if prefix != "." else truth.file): truth for truth in back.images}
    ordered = Dataset("back", back.classes, tuple(files[truth.file] for truth in data.images), back.folder)
    for one, other in zip(ordered.images, data.images, strict=True):
        assert (one.width, one.height, one.labels.tolist()) == (other.width, other.height, other.labels.tolist())
        assert np.allclose(one.boxes, other.boxes, atol=1e-9)


def _truth(file: str, width: int = 20, height: int = 10) -> GroundTruth:
    return GroundTruth(file, width, height, np.zeros((0, 4)), np.zeros(0, np.str_), np.zeros(0, np.bool_))


def test_writing_needs_sizes_and_a_file_each(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.png and a\.jpg: would share one file"):
        write_yolo_truth(Dataset("x", (), (_truth("a.jpg"), _truth("a.png")), tmp_path), tmp_path)
    truth = GroundTruth("a.jpg", 0, 0, np.array([[0.0, 0, 1, 1]]), np.array(["cat"]), np.array([False]))
    with pytest.raises(DataError, match=r"a\.jpg: YOLO's format needs the image's size"):
        write_yolo_truth(Dataset("x", ("cat",), (truth,), tmp_path), tmp_path)


def _found(file: str, *labels: str) -> ImageDetections:
    boxes = np.tile([2.0, 1.0, 6.0, 4.0], (len(labels), 1)) + np.arange(len(labels))[:, None]
    return ImageDetections(
        file, 20, 10, Detections(boxes, np.array(labels, dtype=str), np.linspace(0.75, 0.5, len(labels)))
    )


def _data(*files: str) -> Dataset:
    return Dataset("mine", ("dog", "cat"), tuple(map(_truth, files)), Path("photos"))


def test_predictions_read_back_with_the_data_sets_sizes(tmp_path: Path) -> None:
    images = [_found("s/a.jpg", "cat", "dog"), _found("b.png"), _found("s/c.jpg", "dog"), _found("s/c.png", "cat")]
    write_yolo(images, tmp_path, ["dog", "cat"])
    back = read_predictions(tmp_path, _data("b.png", "s/a.jpg", "s/c.jpg", "s/c.png"))
    assert {each.file: (each.width, each.height) for each in back} == {each.file: (20, 10) for each in images}
    for one in images:
        (other,) = (each for each in back if each.file == one.file)
        assert np.allclose(one.detections.boxes, other.detections.boxes)
        assert one.detections.labels.tolist() == other.detections.labels.tolist()
        assert one.detections.scores.tolist() == other.detections.scores.tolist()


def test_the_folder_of_labels_itself_is_read_as_the_one_above_it(tmp_path: Path) -> None:
    write_yolo([_found("a.jpg", "cat", "dog")], tmp_path, ["dog", "cat"])
    (found,) = read_predictions(tmp_path / "labels", _data("a.jpg"))
    assert found.detections.labels.tolist() == ["cat", "dog"]
    assert read_categories(tmp_path / "labels", [found], _data("a.jpg")) == ("dog", "cat")


def test_predictions_are_paired_by_name_where_folders_differ(tmp_path: Path) -> None:
    write_yolo([_found("a.jpg", "cat"), _found("other.jpg", "cat"), _found("b.jpg", "cat")], tmp_path, ["dog", "cat"])
    back = {each.file: each.width for each in read_predictions(tmp_path, _data("x/a.jpg", "x/b.jpg", "y/b.jpg"))}
    assert back == {"x/a.jpg": 20, "b": 0, "other": 0}  # two are called b


def test_predictions_without_a_list_of_classes_use_those_of_a_yolo_data_set(root: Path, tmp_path: Path) -> None:
    write_yolo([_found("a.jpg", "dog")], tmp_path / "out", ["cat", "dog"])
    (tmp_path / "out" / "classes.txt").unlink()
    back = read_predictions(tmp_path / "out", read_yolo(root / "data.yaml", "val"))
    assert back[0].detections.labels.tolist() == ["dog"]
    with pytest.raises(DataError, match=r"has no classes\.txt"):
        read_predictions(tmp_path / "out", _data("a.jpg"))


@pytest.mark.parametrize(
    "line", ["0 .5 .5 1 1", "0 .5 .5 1 1 .5 .5", "x .5 .5 1 1 .5", "0.5 .5 .5 1 1 .5", "0 .5 .5 1 1 nan"]
)
def test_broken_prediction_is_named(tmp_path: Path, line: str) -> None:
    write_yolo([_found("a.jpg", "dog")], tmp_path, ["dog", "cat"])
    _labels(tmp_path / "labels" / "a.txt", "0 .5 .5 1 1 .5", line)
    with pytest.raises(DataError, match=r"a\.txt: line 2 ?.*need"):
        read_predictions(tmp_path, _data("a.jpg"))


def test_predictions_of_a_tracker_and_of_unknown_classes(tmp_path: Path) -> None:
    write_yolo([_found("a.jpg", "dog")], tmp_path, ["dog", "cat"])
    _labels(tmp_path / "labels" / "a.txt", "1 .5 .5 1 1 .5 7", "2 .5 .5 1 1 .5", "-1 .5 .5 1 1 .5")
    notices = Notices()
    (found,) = read_predictions(tmp_path, _data("a.jpg"), notices)
    assert (found.detections.labels.tolist(), found.detections.scores.tolist()) == (["cat"], [0.5])
    assert [notice.kind for notice in notices] == ["unknown class number"] * 2


def test_the_list_of_classes_may_lie_among_the_predictions(tmp_path: Path) -> None:
    write_yolo([_found("a.jpg", "dog")], tmp_path, ["dog", "cat"])
    (tmp_path / "classes.txt").rename(tmp_path / "labels" / "classes.txt")
    (found,) = read_predictions(tmp_path, _data("a.jpg"))
    assert (found.file, found.detections.labels.tolist()) == ("a.jpg", ["dog"])


def test_predictions_need_a_data_set_with_sizes(tmp_path: Path) -> None:
    write_yolo([_found("a.jpg", "dog")], tmp_path, ["dog", "cat"])
    with pytest.raises(DataError, match="give the data set"):
        read_predictions(tmp_path)
    with pytest.raises(DataError, match=r"mine has none of a\.jpg"):
        read_predictions(tmp_path, Dataset("mine", ("dog",), (_truth("a.jpg", 0, 0),), Path()))


def test_negative_sides_in_predictions_make_an_empty_box(tmp_path: Path) -> None:
    write_yolo([_found("a.jpg", "dog")], tmp_path, ["dog"])
    _labels(tmp_path / "labels" / "a.txt", "0 .5 .5 -1 1 .5")
    notices = Notices()
    (found,) = read_predictions(tmp_path, _data("a.jpg"), notices)
    assert (found.detections.boxes[:, 0] == found.detections.boxes[:, 2]).tolist() == [True]
    assert notices.lines()[0].startswith("1 x predicted box that is inside out")


def test_predictions_take_a_size_that_is_not_stated_from_the_file(tmp_path: Path) -> None:
    write_yolo([_found("a.jpg", "dog")], tmp_path, ["dog", "cat"])
    Image.new("RGB", (20, 10)).save(tmp_path / "a.jpg")
    (found,) = read_predictions(tmp_path, Dataset("mine", ("dog",), (_truth("a.jpg", 0, 0),), tmp_path))
    assert (found.width, found.height) == (20, 10)


def test_lines_of_predictions_are_read_as_those_of_labels(tmp_path: Path) -> None:
    write_yolo([_found("a.jpg", "dog")], tmp_path, ["dog"])
    (tmp_path / "labels" / "a.txt").write_bytes("\ufeff0, .5, .5, 1, 1, .5\r0\t.5 .5 1 1 .25\r".encode("utf-16-le"))
    assert read_predictions(tmp_path, _data("a.jpg"))[0].detections.scores.tolist() == [0.5, 0.25]


def test_no_predictions_at_all(tmp_path: Path) -> None:
    write_yolo([], tmp_path, ["dog"])
    (tmp_path / "labels").mkdir()
    assert read_predictions(tmp_path, _data("a.jpg")) == []


@pytest.mark.shared
def test_real_annotations_survive_the_way_there_and_back(tmp_path: Path, shared: Path) -> None:
    data = read_voc(shared / "data" / "VOCdevkit", "val", 2012)
    write_yolo_truth(data, tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "val").symlink_to(data.folder)  # which holds the images of other splits as well
    back = {truth.file: truth for truth in read_yolo(tmp_path / "data.yaml", "val").images}
    for truth in data.images:
        found = back[truth.file]
        assert (found.width, found.height, found.labels.tolist()) == (truth.width, truth.height, truth.labels.tolist())
        assert np.allclose(found.boxes, truth.boxes, atol=1e-9)
