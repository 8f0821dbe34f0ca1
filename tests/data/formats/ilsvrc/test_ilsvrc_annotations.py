import csv
import gzip
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from inception_rcnn.data.boxes import inclusive_to_half_open
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.diagnostics import Notices, Problem
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.formats.ilsvrc.annotations import ILSVRC_CLASSES, read_ilsvrc, with_blacklist
from inception_rcnn.data.formats.ilsvrc.results import read_ilsvrc_results, write_ilsvrc_results
from inception_rcnn.data.formats.specs import open_dataset
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections
from inception_rcnn.eval.metrics.protocols import evaluate_ilsvrc
from inception_rcnn.eval.metrics.table import tabulate

DOG, CAT, PERSON = "n02084071", "n02121808", "n00007846"

_Objects = Sequence[tuple[str, Sequence[int]]]  # wnid, and xmin ymin xmax ymax


def _annotate(root: Path, name: str, objects: _Objects = (), folder: str = "val") -> Path:
    parts = [
        f"<object><name>{wnid}</name><bndbox><xmin>{box[0]}</xmin><xmax>{box[2]}</xmax>"
        f"<ymin>{box[1]}</ymin><ymax>{box[3]}</ymax></bndbox></object>"
        for wnid, box in objects
    ]
    path = root / "Annotations" / "DET" / folder / f"{name}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    size = "<size><width>500</width><height>368</height></size>"
    path.write_text(f"<annotation><filename>{name}</filename>{size}{''.join(parts)}</annotation>")
    return path


def _list(root: Path, split: str, *lines: str) -> None:
    path = root / "ImageSets" / "DET" / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three validation images: a dog and a person, nothing, a cat; not listed by their names."""
    root = tmp_path / "ILSVRC2014"
    _annotate(root, "a", [(DOG, (105, 204, 358, 279)), (PERSON, (0, 1, 500, 368))])
    _annotate(root, "b")
    _annotate(root, "c", [(CAT, (7, 7, 7, 9))])
    _list(root, "val", "b 20", "a 3", "c 7")
    return root


@pytest.fixture
def data(root: Path) -> Dataset:
    return read_ilsvrc(root, "val")


def test_split(data: Dataset, root: Path) -> None:
    assert data.name == "ILSVRC2014 val"
    assert data.folder == root / "Data" / "DET"
    assert [truth.file for truth in data.images] == ["val/b.JPEG", "val/a.JPEG", "val/c.JPEG"]
    assert data.image_ids == ("20", "3", "7")
    assert data.images[0].boxes.shape == (0, 4)
    a = data.images[1]
    assert (a.width, a.height) == (500, 368)
    assert a.labels.tolist() == ["dog", "person"]
    assert a.boxes.tolist() == [[104, 203, 358, 279], [-1, 0, 500, 368]]  # a 0 is read as it is
    assert not a.difficult.any()
    assert a.exhaustive
    assert data.images[2].boxes.tolist() == [[6, 6, 7, 9]]  # one pixel wide


def test_classes_are_all_two_hundred_whatever_is_seen(data: Dataset) -> None:
    assert data.classes == ILSVRC_CLASSES
    assert len(set(data.classes)) == 200
    assert (data.classes[0], data.classes[199]) == ("accordion", "zebra")
    assert data.class_ids == tuple(map(str, range(1, 201)))


def test_spec(root: Path) -> None:
    assert open_dataset(f"ilsvrc:{root}:val").image_ids == ("20", "3", "7")
    for spec in ("ilsvrc:val", f"ilsvrc:{root}:", "ilsvrc::val"):
        with pytest.raises(UsageError, match="need ilsvrc:ROOT:SPLIT"):
            open_dataset(spec)


def test_root_may_be_what_the_archive_unpacks_to(root: Path) -> None:
    root.rename(root.with_name("ILSVRC"))
    assert len(read_ilsvrc(root.parent, "val")) == 3


def test_halves_of_the_validation_set_are_in_its_folder(root: Path) -> None:
    _list(root, "val1", "c 1", "b 2")
    half = read_ilsvrc(root, "val1")
    assert [truth.file for truth in half.images] == ["val/c.JPEG", "val/b.JPEG"]
    assert half.image_ids == ("1", "2")


def test_training_lists_of_one_class(root: Path) -> None:
    """Negatives have no annotation in the official data; one that has counts like any other image."""
    for name in ("ILSVRC2014_train_0000/one", "n02084071/two", "n02084071/three"):
        _annotate(root, name, [(DOG, (1, 1, 2, 2))], "train")
    lines = ("n02084071/two 1", "extra/nothing -1", "ILSVRC2014_train_0000/one 0", "n02084071/three -1")
    _list(root, "train_63", *lines)
    train = read_ilsvrc(root, "train_63")
    files = ["train/n02084071/two.JPEG", "train/ILSVRC2014_train_0000/one.JPEG", "train/n02084071/three.JPEG"]
    assert [truth.file for truth in train.images] == files
    assert train.image_ids == ("1", "3", "4")  # the places in the list
    assert not any(truth.exhaustive for truth in train.images)


def test_list_without_numbers(root: Path) -> None:
    _list(root, "val", "b", "a")
    assert read_ilsvrc(root, "val").image_ids == ("1", "2")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["a 5", "b 5"], "val.txt: a and b both have the index 5"),
        (["a 5", "b"], "val.txt: b has no index"),
    ],
)
def test_bad_list(root: Path, lines: list[str], words: str) -> None:
    _list(root, "val", *lines)
    with pytest.raises(DataError, match=words):
        read_ilsvrc(root, "val")


@pytest.mark.parametrize("ending", [".JPEG", ".jpg", ".png"])
def test_image_files(root: Path, ending: str) -> None:
    path = root / "Data" / "DET" / "val" / f"a{ending}"
    path.parent.mkdir(parents=True)
    path.touch()
    data = read_ilsvrc(root, "val")
    assert data.path(data.images[1]) == path


def test_missing_things_are_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist\): looked for .*Annotations/DET and .*ILSVRC/"):
        read_ilsvrc(tmp_path / "nowhere", "val")
    _list(root, "val2", "a 1")
    with pytest.raises(DataError, match=r"tset\.txt: no such split; the splits here are: val, val2$"):
        read_ilsvrc(root, "tset")
    _list(root, "test", "x 1", "y 2")
    with pytest.raises(DataError, match="no folder for the split 'test'; the folders here are: val"):
        read_ilsvrc(root, "test")
    (root / "Annotations" / "DET" / "val" / "a.xml").unlink()
    with pytest.raises(DataError, match=r"a\.xml: cannot be read"):
        read_ilsvrc(root, "val")


def test_the_official_test_set_has_images_and_numbers_alone(root: Path, tmp_path: Path) -> None:
    (root / "Data" / "DET" / "test").mkdir(parents=True)
    for name in ("x", "y"):
        (root / "Data" / "DET" / "test" / f"{name}.JPEG").touch()
    _list(root, "test", "y 8", "x.JPEG 2")
    data = read_ilsvrc(root, "test")
    assert not data.annotated
    assert [truth.file for truth in data.images] == ["test/y.JPEG", "test/x.JPEG"]
    assert data.image_ids == ("8", "2")
    with pytest.raises(DataError, match="has no annotations"):
        open_dataset(f"ilsvrc:{root}:test")
    found = Detections(np.array([[1.0, 2, 3, 4]]), np.array(["dog"]), np.array([0.5]))
    write_ilsvrc_results([ImageDetections("test/x.JPEG", 9, 9, found)], tmp_path / "r.txt", data)
    assert (tmp_path / "r.txt").read_text() == "2 58 0.5 2.0 3.0 3.0 4.0\n"


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffb 20\na 3\n".encode(),
        "b 20\r\na 3\r\n".encode("utf-16"),
        b"# validation\nb 20\n\na 3",
        b"b.JPEG 20\nval\\a.JPEG 3\n",
        b'"b" 20\n/data/ILSVRC/Data/DET/val/a.JPEG 3\n',
    ],
)
def test_lists_as_people_write_them(root: Path, content: bytes) -> None:
    (root / "ImageSets" / "DET" / "val.txt").write_bytes(content)
    data = read_ilsvrc(root, "val")
    assert [truth.file for truth in data.images] == ["val/b.JPEG", "val/a.JPEG"]
    assert data.image_ids == ("20", "3")


@pytest.mark.parametrize("line", ["n" * 5000 + " 4", "a\0b 4", "a " + "9" * 5000, "../../z 4"])
def test_a_line_that_names_nothing_is_one_short_sentence(root: Path, line: str) -> None:
    _list(root, "val", "b 20", line)
    with pytest.raises(DataError) as refused:
        read_ilsvrc(root, "val")
    assert len(str(refused.value)) < 1000


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=40), st.text('abn .0123-\n\\/\0#"', max_size=30).map(str.encode)))
def test_whatever_a_list_holds_one_sentence_or_a_data_set(root: Path, content: bytes) -> None:
    (root / "ImageSets" / "DET" / "val.txt").write_bytes(content)
    told: list[Problem] = []
    with suppress(DataError):  # a list with indices for some of its lines alone
        data = read_ilsvrc(root, "val", told.append)
        assert len(data) == len(data.image_ids)
    assert all(len(str(problem)) < 1500 for problem in told)


def test_a_size_that_is_not_stated_is_the_files(root: Path) -> None:
    path = root / "Annotations" / "DET" / "val" / "a.xml"
    path.write_text(path.read_text().replace("<width>500</width>", ""))
    (root / "Data" / "DET" / "val").mkdir(parents=True)
    Image.new("RGB", (30, 20)).save(root / "Data" / "DET" / "val" / "a.JPEG")
    _, a, c = read_ilsvrc(root, "val").images
    assert (a.width, a.height) == (30, 20)
    assert (c.width, c.height) == (500, 368)


def test_a_blacklist_may_begin_with_a_mark(root: Path, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text(f"\ufeff3 {DOG}\n", "utf-8")
    assert with_blacklist(read_ilsvrc(root, "val"), tmp_path / "b.txt").images[1].ignored_classes == ("dog",)


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("n0208407", f"{DOG} .dog."),
        ("dog", f"{DOG} .dog."),
        ("acordion", "n02672831 .accordion."),
        ("?", "wnid of one"),
    ],
)
def test_class_that_is_none_of_the_two_hundred(root: Path, name: str, suggested: str) -> None:
    path = _annotate(root, "a", [(name, (1, 1, 2, 2)), (CAT, (3, 3, 4, 4))])
    with pytest.raises(
        DataError, match=rf"a\.xml: object .*{'[?]' if name == '?' else name}.*200 classes.*{suggested}"
    ):
        read_ilsvrc(root, "val")
    problems: list[Problem] = []
    data = read_ilsvrc(root, "val", problems.append)
    assert data.images[1].labels.tolist() == ["domestic cat"]
    assert data.images[1].boxes.tolist() == [[2, 2, 4, 4]]
    assert [problem.where for problem in problems] == [f"{path}: object ({name})"]


def test_image_that_cannot_be_used_takes_its_number_along(root: Path) -> None:
    (root / "Annotations" / "DET" / "val" / "a.xml").write_text("<annotation>")
    problems: list[Problem] = []
    data = read_ilsvrc(root, "val", problems.append)
    assert [truth.file for truth in data.images] == ["val/b.JPEG", "val/c.JPEG"]
    assert data.image_ids == ("20", "7")
    assert len(problems) == 1


def test_official_blacklist_goes_by_the_image_s_name(root: Path) -> None:
    name = "ILSVRC2012_val_00000720"
    _annotate(root, name, [(DOG, (1, 1, 2, 2))])
    for split, line in (("val", f"{name} 211"), ("val2", f"{name} 5")):
        _list(root, split, line, "a 900")
        named, other = read_ilsvrc(root, split).images
        assert named.ignored_classes == ("person", "traffic light")
        assert other.ignored_classes == ()


def test_own_blacklist_replaces_the_official_one(root: Path, tmp_path: Path) -> None:
    _annotate(root, "ILSVRC2012_val_00000720")
    _list(root, "val", "ILSVRC2012_val_00000720 2", "a 3", "c 7")
    own = tmp_path / "own.txt"
    own.write_text(f"7 {CAT}\n\n3\t{DOG}\n3 {PERSON} \n99 {DOG}\n")
    images = with_blacklist(read_ilsvrc(root, "val"), own).images
    assert [truth.ignored_classes for truth in images] == [(), ("dog", "person"), ("domestic cat",)]


@pytest.mark.parametrize("line", ["3", "three n02084071", "3 dog", "-3 n02084071", "3 n02084071 n02121808"])
def test_bad_blacklist(root: Path, tmp_path: Path, line: str) -> None:
    (tmp_path / "own.txt").write_text(f"3 {DOG}\n{line}\n")
    with pytest.raises(DataError, match=r"own\.txt: line 2 is "):
        with_blacklist(read_ilsvrc(root, "val"), tmp_path / "own.txt")
    with pytest.raises(DataError, match=r"none\.txt: cannot be read"):
        with_blacklist(read_ilsvrc(root, "val"), tmp_path / "none.txt")


RESULTS = """\
3 58 0.5 1 1 10 10
7 59 0.25 2.5 3 4 5

3 1 0.75 11 1 20 10
3 200 0.5 21 1 30 10
"""


@pytest.mark.parametrize("ending", [".txt", ".txt.gz"])
def test_results(data: Dataset, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"results{ending}"
    path.write_bytes(gzip.compress(RESULTS.encode()) if ending.endswith("gz") else RESULTS.encode())
    b, a, c = read_ilsvrc_results(path, data)
    assert [b.file, a.file, c.file] == ["val/b.JPEG", "val/a.JPEG", "val/c.JPEG"]
    assert (a.width, a.height) == (500, 368)
    assert len(b.detections) == 0
    assert a.detections.labels.tolist() == ["accordion", "dog", "zebra"]  # equal scores as in the file
    assert a.detections.scores.tolist() == [0.75, 0.5, 0.5]
    assert a.detections.boxes.tolist() == [[10, 0, 20, 10], [0, 0, 10, 10], [20, 0, 30, 10]]
    assert c.detections.labels.tolist() == ["domestic cat"]
    assert c.detections.boxes.tolist() == [[1.5, 2, 4, 5]]


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_no_results_are_images_without_detections(data: Dataset, tmp_path: Path, content: str) -> None:
    (tmp_path / "r.txt").write_text(content)
    assert [len(image.detections) for image in read_ilsvrc_results(tmp_path / "r.txt", data)] == [0, 0, 0]


@pytest.mark.parametrize("content", ["3 63 .5 1 1 9 9", "3\t63\t.5\t1 1 9 9\r\n", " 3.0  6.3e1 +.5 1 1 9 9 \n"])
def test_ways_to_write_a_line(data: Dataset, tmp_path: Path, content: str) -> None:
    (tmp_path / "r.txt").write_bytes(content.encode())
    assert read_ilsvrc_results(tmp_path / "r.txt", data)[1].detections.boxes.tolist() == [[0, 0, 9, 9]]


def test_images_that_the_data_set_lacks_are_kept_apart(data: Dataset, tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("99 63 .5 1 1 2 2\n3 63 .5 1 1 9 9\n8 1 .1 1 1 2 2\n99 63 .75 3 3 4 4\n")
    images = read_ilsvrc_results(tmp_path / "r.txt", data)
    assert [image.file for image in images[3:]] == ["image 8", "image 99"]
    assert [len(image.detections) for image in images] == [0, 1, 0, 1, 2]
    assert images[4].detections.scores.tolist() == [0.75, 0.5]


def test_box_that_is_inside_out_becomes_empty(data: Dataset, tmp_path: Path) -> None:
    """The devkit's own demo results have such boxes; they overlap nothing and count as false."""
    (tmp_path / "r.txt").write_text("3 63 .5 11 20 30 5\n")
    assert read_ilsvrc_results(tmp_path / "r.txt", data)[1].detections.boxes.tolist() == [[10, 19, 30, 19]]


@pytest.mark.parametrize(
    "line",
    [
        *("3 63 .5 1 1 2", "3 63 .5 1 1 2 2 2", "3 63 .5 1 1 2 two", "# 3 63 .5 1 1 2 2", "3,63,.5,1,1,2,2"),
        *("3 -1 .5 1 1 2 2", "3 1.5 .5 1 1 2 2", "3 nan .5 1 1 2 2", "3 inf .5 1 1 2 2"),
        *("-1 63 .5 1 1 2 2", "2.5 63 .5 1 1 2 2", "nan 63 .5 1 1 2 2", "inf 63 .5 1 1 2 2"),
        *("3 63 nan 1 1 2 2", "3 63 .5 1 1 1_0 2", "3 63 .5 inf 1 2 2", "dog", "\xff", "3 63 .5 1 1 2 \x00"),
    ],
)
@pytest.mark.parametrize("before", [0, 3])
def test_bad_line_is_named(data: Dataset, tmp_path: Path, line: str, before: int) -> None:
    path = tmp_path / "r.txt"
    path.write_bytes(("3 63 .5 1 1 2 2\n\n" * before + f"{line}\n3 63 .5 1 1 2 2\n").encode("latin-1"))
    with pytest.raises(DataError, match=rf"r\.txt: line {2 * before + 1} is .*need image_index class_id score xmin"):
        read_ilsvrc_results(path, data)


def test_every_line_short_of_a_field(data: Dataset, tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("3 63 .5 1 1 2\n" * 4)
    with pytest.raises(DataError, match="line 1 is"):
        read_ilsvrc_results(tmp_path / "r.txt", data)


def test_classes_that_the_data_set_lacks_are_left_out_and_counted(data: Dataset, tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("3 63 .5 1 1 9 9\n3 0 .5 1 1 2 2\n3 201 .5 1 1 2 2\n")
    notices = Notices()
    images = read_ilsvrc_results(tmp_path / "r.txt", data, notices)
    assert sum(len(image.detections) for image in images) == 1
    (line,) = notices.lines()
    assert line.startswith("2 x result of an unknown class, as ")
    assert "line 2: is '3 0 .5 1 1 2 2'" in line


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_costs_no_line(data: Dataset, tmp_path: Path, mark: str) -> None:
    (tmp_path / "r.txt").write_bytes("3 63 .5 1 1 9 9\n".encode(mark))
    assert len(read_ilsvrc_results(tmp_path / "r.txt", data)[1].detections) == 1


def test_a_plain_file_may_be_called_gz(data: Dataset, tmp_path: Path) -> None:
    (tmp_path / "r.gz").write_text(RESULTS)
    (tmp_path / "r.txt").write_text(RESULTS)
    plain, named = (read_ilsvrc_results(tmp_path / name, data) for name in ("r.txt", "r.gz"))
    assert [each.detections.scores.tolist() for each in plain] == [each.detections.scores.tolist() for each in named]


@pytest.mark.parametrize("name", ["absent.txt", "absent.txt.gz", "cut.txt.gz", "http://localhost/r.txt"])
def test_results_that_cannot_be_read(data: Dataset, tmp_path: Path, name: str) -> None:
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(RESULTS.encode())[:-12])
    with pytest.raises(DataError, match="cannot be read"):
        read_ilsvrc_results(name if name.startswith("http") else tmp_path / name, data)


def test_data_set_without_numbers(data: Dataset, tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text(RESULTS)
    for without in (replace(data, image_ids=()), replace(data, image_ids=("a", "b", "c"))):
        with pytest.raises(UsageError, match="ilsvrc:ROOT:SPLIT"):
            read_ilsvrc_results(tmp_path / "r.txt", without)
        with pytest.raises(UsageError, match="ilsvrc:ROOT:SPLIT"):
            write_ilsvrc_results([], tmp_path / "w.txt", without)


def _slowly(text: str, data: Dataset) -> dict[str, list[tuple[Any, ...]]]:
    """What the results say of each image of the data set, line by line."""
    found: dict[str, list[tuple[Any, ...]]] = {truth.file: [] for truth in data.images}
    for line in text.splitlines():
        index, number, score, *box = line.split()
        xmin, ymin, xmax, ymax = map(float, box)
        file = data.images[data.image_ids.index(index)].file
        found[file].append((data.classes[int(number) - 1], float(score), [xmin - 1, ymin - 1, xmax, ymax]))
    return {file: sorted(rows, key=lambda row: -row[1]) for file, rows in found.items()}


def _rows(image: ImageDetections) -> list[tuple[Any, ...]]:
    found = image.detections
    return list(zip(found.labels.tolist(), found.scores.tolist(), found.boxes.tolist(), strict=True))


def test_results_are_those_of_a_slow_reading(data: Dataset, tmp_path: Path, rng: np.random.Generator) -> None:
    ids = rng.choice(["20", "3", "7"], 500)
    corners = np.sort(rng.integers(1, 2000, (500, 2, 2)) / 4, axis=1).reshape(500, 4)
    scores = rng.integers(0, 9, 500) / 8  # many are equal
    lines = zip(ids, rng.integers(1, 201, 500), scores, corners, strict=True)
    text = "".join(f"{i} {number} {score} {' '.join(map(str, box))}\n" for i, number, score, box in lines)
    (tmp_path / "r.txt").write_text(text)
    images = read_ilsvrc_results(tmp_path / "r.txt", data)
    assert {image.file: _rows(image) for image in images} == _slowly(text, data)


@pytest.mark.parametrize("ending", [".txt", ".txt.gz"])
def test_written_results_read_back(data: Dataset, tmp_path: Path, rng: np.random.Generator, ending: str) -> None:
    images = []
    for file, count in (("c.png", 4), ("val/b.JPEG", 0), ("val/a.JPEG", 7)):
        boxes = np.sort(rng.integers(0, 2000, (count, 2, 2)) / 8, axis=1).reshape(count, 4)
        scores = np.sort(rng.random(count))[::-1]
        images.append(ImageDetections(file, 500, 368, Detections(boxes, rng.choice(ILSVRC_CLASSES, count), scores)))
    write_ilsvrc_results([*images, ImageDetections("val/broken.JPEG", error="empty")], tmp_path / f"w{ending}", data)
    b, a, c = read_ilsvrc_results(tmp_path / f"w{ending}", data)
    assert [_rows(a), _rows(b), _rows(c)] == [_rows(images[2]), [], _rows(images[0])]
    assert (tmp_path / f"w{ending}").read_bytes()[:2] == (b"\x1f\x8b" if ending == ".txt.gz" else b"7 ")


@pytest.mark.parametrize(
    ("file", "label", "words"),
    [("val/z.JPEG", "dog", "z.JPEG: is no image"), ("a.jpg", "hound", "the class 'hound'")],
)
def test_results_that_cannot_be_written(data: Dataset, tmp_path: Path, file: str, label: str, words: str) -> None:
    image = ImageDetections(file, 5, 5, Detections(np.zeros((1, 4)), np.array([label]), np.ones(1)))
    with pytest.raises(DataError, match=words):
        write_ilsvrc_results([image], tmp_path / "w.txt", data)
    assert not (tmp_path / "w.txt").exists()


def _official(shared: Path) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The truth of the validation set, and wnid and name of each class, from the published files."""
    folder = shared / "data" / "ilsvrc2014"
    with gzip.open(folder / "val_ground_truth.json.gz") as file, (folder / "det_synsets.csv").open() as table:
        return json.load(file), [(row["wnid"], row["name"]) for row in csv.DictReader(table)]


@pytest.mark.shared
def test_original_annotations(shared: Path, tmp_path: Path) -> None:
    official, classes = _official(shared)
    samples = sorted((shared / "data" / "ilsvrc2014" / "sample_annotations").glob("*.xml"))
    folder = tmp_path / "Annotations" / "DET" / "val"
    folder.mkdir(parents=True)
    for sample in samples:
        (folder / sample.name).write_bytes(sample.read_bytes())
    _list(tmp_path, "val", *(f"{sample.stem} {official[sample.stem]['index']}" for sample in samples))
    data = read_ilsvrc(tmp_path, "val")
    assert data.classes == tuple(name for _, name in classes)
    assert len(data) == 31
    for truth, index in zip(data.images, data.image_ids, strict=True):
        _is_as_published(truth, index, official[PurePosixPath(truth.file).stem], classes)


@pytest.mark.slow
@pytest.mark.shared
def test_slice_of_the_validation_set(shared: Path, tmp_path: Path) -> None:
    """One image in forty, and those of the blacklist, written as XML from the published table."""
    official, classes = _official(shared)
    lines = (shared / "data" / "ilsvrc2014" / "val_blacklist.txt").read_text().split("\n")
    black = [(int(line.split()[0]), line.split()[1]) for line in lines if line.strip()]
    listed = {index for index, _ in black}
    part = {name: truth for name, truth in official.items() if truth["index"] % 40 == 0 or truth["index"] in listed}
    for name, truth in part.items():
        wnids = [classes[number - 1][0] for number in truth["labels"]]
        _annotate(tmp_path, name, list(zip(wnids, truth["bboxes"], strict=True)))
    _list(tmp_path, "val", *(f"{name} {truth['index']}" for name, truth in part.items()))
    data = read_ilsvrc(tmp_path, "val")
    assert len(data) == len(part) > 700
    for truth, index in zip(data.images, data.image_ids, strict=True):
        _is_as_published(truth, index, part[PurePosixPath(truth.file).stem], classes)
    names = dict(classes)
    read = [
        (int(i), name) for i, truth in zip(data.image_ids, data.images, strict=True) for name in truth.ignored_classes
    ]
    assert Counter(read) == Counter((index, names[wnid]) for index, wnid in black)
    again = with_blacklist(read_ilsvrc(tmp_path, "val"), shared / "data" / "ilsvrc2014" / "val_blacklist.txt")
    assert [truth.ignored_classes for truth in again.images] == [truth.ignored_classes for truth in data.images]


def _is_as_published(truth: GroundTruth, index: str, published: Any, classes: list[tuple[str, str]]) -> None:
    """The same objects, whatever their order, which the published table changes in places."""
    boxes = [[xmin - 1, ymin - 1, xmax, ymax] for xmin, ymin, xmax, ymax in published["bboxes"]]
    expected = zip((classes[number - 1][1] for number in published["labels"]), boxes, strict=True)
    assert index == str(published["index"])
    assert sorted(zip(truth.labels.tolist(), truth.boxes.tolist(), strict=True)) == sorted(expected)


@pytest.mark.slow
@pytest.mark.shared
def test_official_results_are_judged_as_the_devkit_does(shared: Path) -> None:
    official, classes = _official(shared)
    names = np.array([name for _, name in classes])
    folder = shared / "data" / "ilsvrc2014"
    ignored_classes: dict[str, list[str]] = {}
    for line in filter(None, (folder / "val_blacklist.txt").read_text().split("\n")):
        ignored_classes.setdefault(line.split()[0], []).append(dict(classes)[line.split()[1]])
    images = tuple(
        GroundTruth(
            file=f"val/{name}.JPEG",
            width=0,
            height=0,
            boxes=inclusive_to_half_open(truth["bboxes"]),
            labels=names[np.array(truth["labels"], dtype=int) - 1],
            difficult=np.zeros(len(truth["labels"]), np.bool_),
            ignored_classes=tuple(ignored_classes.get(str(truth["index"]), ())),
        )
        for name, truth in official.items()
    )
    ids = tuple(str(truth["index"]) for truth in official.values())
    data = Dataset("val", ILSVRC_CLASSES, images, folder, ids, tuple(map(str, range(1, 201))))
    found = read_ilsvrc_results(folder / "demo_predictions.txt.gz", data)
    assert sum(len(image.detections) for image in found) == 49_013
    aps = [one.ap for one in evaluate_ilsvrc(tabulate(found, data.images, data.classes)).classes]
    with (folder / "demo_expected_ap.csv").open() as table:
        expected = [float(row[3]) for row in csv.reader(table)]
    assert aps == pytest.approx(expected, abs=1e-6)  # given with six decimal places
    assert round(sum(aps) / 200, 4) == 0.5901
