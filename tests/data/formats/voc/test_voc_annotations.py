import os
import re
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from inception_rcnn.data.diagnostics import Problem
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.formats.voc.annotations import VOC_CLASSES, read_voc, read_voc_annotation, write_voc_annotation
from inception_rcnn.data.records import GroundTruth

SIZE = "<size><width>20</width><height>10</height><depth>3</depth></size>"


def _object(name: str = "cat", corners: str = "1 1 20 10", extra: str = "") -> str:
    tags = zip(("xmin", "ymin", "xmax", "ymax"), corners.split(), strict=True)
    bndbox = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
    return f"<object><name>{name}</name>{extra}<bndbox>{bndbox}</bndbox></object>"


def _write(path: Path, *parts: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation>{''.join(parts)}</annotation>", encoding="utf-8", errors="surrogateescape")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of two images: `a`, named otherwise in its XML, and `b` without objects."""
    root = tmp_path / "own"
    _write(root / "Annotations" / "a.xml", "<filename>An image.png</filename>", SIZE, _object("dog"), _object("cat"))
    _write(root / "Annotations" / "b.xml", SIZE)
    for name in ("An image.png", "b.jpg"):
        (root / "JPEGImages").mkdir(exist_ok=True)
        (root / "JPEGImages" / name).touch()
    (root / "ImageSets" / "Main").mkdir(parents=True)
    (root / "ImageSets" / "Main" / "val.txt").write_text("b\na\n\n")
    return root


@pytest.mark.parametrize(
    ("parts", "boxes", "difficult"),
    [
        ([], [], []),
        ([_object()], [[0, 0, 20, 10]], [False]),  # the whole image
        ([_object(corners="5 5 5 5")], [[4, 4, 5, 5]], [False]),  # one pixel
        ([_object(corners="0 0 25 12")], [[-1, -1, 25, 12]], [False]),  # neither refused nor clipped
        ([_object(corners="1.5 2.25 3 4")], [[0.5, 1.25, 3, 4]], [False]),
        ([_object(corners="1,5 2,25 3e0 +4")], [[0.5, 1.25, 3, 4]], [False]),  # decimal commas of some countries
        ([_object().replace("<xmin>1<", "<xmin>\n 1.0 <")], [[0, 0, 20, 10]], [False]),
        ([_object(extra="<difficult>1</difficult>"), _object()], [[0, 0, 20, 10]] * 2, [True, False]),
        ([_object(extra="<difficult> </difficult>")], [[0, 0, 20, 10]], [False]),
        # A person's head has a name and a box of its own; neither is the person's.
        ([_object(extra="<part>" + _object("head", "2 2 3 3")[8:-9] + "</part>")], [[0, 0, 20, 10]], [False]),
    ],
)
def test_objects(tmp_path: Path, parts: list[str], boxes: list[list[float]], difficult: list[bool]) -> None:
    truth = read_voc_annotation(_write(tmp_path / "x.xml", SIZE, *parts))
    assert truth.boxes.shape == (len(boxes), 4)
    assert truth.boxes.tolist() == boxes
    assert truth.labels.tolist() == ["cat"] * len(boxes)
    assert truth.difficult.tolist() == difficult
    assert (truth.file, truth.width, truth.height) == ("x.jpg", 20, 10)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([SIZE, _object(), _object(corners="9 1 8 5")], r"object 2 \(cat\): .*9.0, 1.0, 8.0, 5.0.*xmin <= xmax"),
        ([SIZE, _object(corners="1 9 8 5")], r"object 1 \(cat\): .*ymin <= ymax"),
        ([SIZE, _object().replace("xmax", "right")], r"object 1 \(cat\): has no <bndbox/xmax>"),
        ([SIZE, "<object><name>cat</name></object>"], r"object 1 \(cat\): has no <bndbox/xmin>"),
        ([SIZE, _object(name=" ")], "object 1: has no <name>"),
        ([SIZE, _object(corners="one 1 2 2")], "object 1 .*'one': need a number"),
        ([SIZE, _object(corners="nan 1 2 2")], "object 1 .*'nan': need a number"),
        ([SIZE, _object(corners="1 1 1e300 2")], "object 1 .*'1e300': need a number of pixels"),
        ([SIZE, _object(corners="1_0 1 2 2")], "object 1 .*'1_0': need a number"),
        ([SIZE, _object(corners="1,0,0 1 2 2")], "object 1 .*'1,0,0': need a number"),
        ([SIZE, _object(corners=f"{'9' * 5000} 1 2 2")], "object 1 .*999…: need a number"),
        (["<unclosed>"], "not well-formed"),
    ],
)
def test_broken_annotation_names_file_and_object(tmp_path: Path, parts: list[str], words: str) -> None:
    with pytest.raises(DataError, match=f"x.xml: .*{words}"):
        read_voc_annotation(_write(tmp_path / "x.xml", *parts))


def test_what_cannot_be_used_is_told_and_left_out(tmp_path: Path) -> None:
    objects = [
        _object("dog", "2 2 3 3"),
        _object("cat", "9 1 8 5"),
        _object(""),
        _object("cow", "1 1 inf 2"),
        _object("cow").replace("ymax", "bottom"),
        _object("sheep"),
    ]
    path = _write(tmp_path / "x.xml", SIZE, *objects)
    problems: list[Problem] = []
    truth = read_voc_annotation(path, on_problem=problems.append)
    assert truth is not None
    assert truth.labels.tolist() == ["dog", "sheep"]
    assert truth.boxes.tolist() == [[1, 1, 3, 3], [0, 0, 20, 10]]
    assert [(problem.kind, problem.where.removeprefix(f"{path}: ")) for problem in problems] == [
        ("box with xmin > xmax or ymin > ymax", "object 2 (cat)"),
        ("object without a name", "object 3"),
        ("number that is none", "object 4 (cow)"),
        ("number that is missing", "object 5 (cow)"),
    ]
    with pytest.raises(DataError) as refused:
        read_voc_annotation(path)
    assert str(refused.value) == str(problems[0])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (None, "annotation that is missing"),
        ("<annotation><size>", "annotation that is not XML"),
        ("<!DOCTYPE a><annotation/>", "annotation with a DOCTYPE"),
        ("<svg/>", "file that is no annotation"),
    ],
)
def test_image_whose_file_cannot_be_used_is_left_out(folder: Path, content: str | None, kind: str) -> None:
    path = folder / "Annotations" / "b.xml"
    path.unlink() if content is None else path.write_text(content)
    problems: list[Problem] = []
    dataset = read_voc(folder, "val", on_problem=problems.append)
    assert [image.file for image in dataset.images] == ["An image.png"]
    assert [(problem.kind, problem.where) for problem in problems] == [(kind, str(path))]


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("", False),
        ("<truncated>0</truncated>", False),
        ("<truncated> 1 </truncated>", True),
        ("<truncated>True</truncated>", True),
        ("<truncated/>", False),
        ("<truncated>Unspecified</truncated>", False),
        ("<truncated>0.0597</truncated>", True),  # the part that is hidden, as some tools have it
        ("<truncated>0.0</truncated>", False),
        ("<truncated>2</truncated>", True),
    ],
)
def test_truncated(tmp_path: Path, extra: str, expected: bool) -> None:
    truth = read_voc_annotation(_write(tmp_path / "x.xml", SIZE, _object(extra=extra)))
    assert truth is not None
    assert truth.truncated.tolist() == [expected]


@pytest.mark.parametrize(
    "extra",
    [
        "<difficult>maybe</difficult>",
        "<truncated>-1</truncated>",
        "<difficult>nan</difficult>",
        f"<truncated>{'9' * 5000}</truncated>",
    ],
)
def test_a_flag_that_says_nothing_costs_no_box(tmp_path: Path, extra: str) -> None:
    path = _write(tmp_path / "x.xml", SIZE, _object(extra=extra))
    told: list[Problem] = []
    truth = read_voc_annotation(path, on_problem=told.append)
    assert truth is not None
    assert (len(truth), truth.difficult.tolist(), truth.truncated.tolist()) == (1, [False], [False])
    assert [(problem.minor, problem.where) for problem in told] == [(True, f"{path}: object 1 (cat)")]
    assert len(str(told[0])) < 500
    assert len(read_voc_annotation(path) or ()) == 1  # nothing is refused


@pytest.mark.parametrize("extra", ["<pose/><occluded>x</occluded>", "<pose>9</pose><attributes>?</attributes>"])
def test_what_the_task_does_not_need_is_not_read(tmp_path: Path, extra: str) -> None:
    told: list[Problem] = []
    truth = read_voc_annotation(_write(tmp_path / "x.xml", SIZE, _object(extra=extra)), on_problem=told.append)
    assert len(truth or ()) == 1
    assert told == []


@pytest.mark.parametrize(
    ("size", "minor"),
    [
        ("", []),
        ("<size/>", []),
        ("<size><width>0</width><height>0</height></size>", []),
        ("<size><width>7</width></size>", []),
        ("<size><width>7</width><height> </height></size>", ["size that is none"]),
        ("<size><width>7</width><height>?</height></size>", ["size that is none"]),
        ("<size><width>-7</width><height>5</height></size>", ["size that is none"]),
        ("<size><width>7</width><height>5.5</height></size>", ["size that is none"]),
        (f"<size><width>{'9' * 5000}</width><height>5</height></size>", ["size that is none"]),
    ],
)
def test_without_a_size_it_is_the_image_file_s(folder: Path, size: str, minor: list[str]) -> None:
    Image.new("RGB", (9, 4)).save(folder / "JPEGImages" / "b.jpg")
    (folder / "JPEGImages" / "An image.png").unlink()
    for name in "ab":
        _write(folder / "Annotations" / f"{name}.xml", size, _object())
    told: list[Problem] = []
    b, a = read_voc(folder, "val", on_problem=told.append).images
    assert (b.width, b.height, len(b)) == (9, 4, 1)
    assert (a.width, a.height, len(a)) == (0, 0, 1)  # there is no file, and evaluation needs none
    assert [problem.kind for problem in told] == minor * 2
    assert all(problem.minor for problem in told)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding[:6].rstrip("-")}"?><annotation>{SIZE}{_object("猫")}</annotation>'
    (tmp_path / "x.xml").write_bytes(text.encode(encoding))
    truth = read_voc_annotation(tmp_path / "x.xml")
    assert truth is not None
    assert truth.labels.tolist() == ["猫"]


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "x.xml", SIZE, _object())
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="not well-formed"):
            read_voc_annotation(path)


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE annotation [<!ENTITY secret SYSTEM "{secret}">]>',
        '<!DOCTYPE annotation [<!ENTITY % secret SYSTEM "{secret}"> %secret;]>',
        '<!DOCTYPE annotation SYSTEM "{secret}">',
    ],
)
def test_no_other_file_is_fetched(tmp_path: Path, doctype: str) -> None:
    secret = tmp_path / "secret.dtd"
    os.mkfifo(secret)  # whoever opened it would wait for ever
    text = f"{doctype.format(secret=secret.as_uri())}<annotation>&secret;</annotation>"
    (tmp_path / "x.xml").write_text(text)
    with pytest.raises(DataError, match="DOCTYPE"):
        read_voc_annotation(tmp_path / "x.xml")


def test_an_entity_that_nobody_declares_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not well-formed"):
        read_voc_annotation(_write(tmp_path / "x.xml", SIZE, _object("&cat;")))


def test_deep_nesting_does_no_harm(tmp_path: Path) -> None:
    deep = "<part>" * 100_000 + "</part>" * 100_000
    truth = read_voc_annotation(_write(tmp_path / "x.xml", SIZE, _object(extra=deep)))
    assert truth is not None
    assert len(truth) == 1


def test_the_image_is_that_of_the_annotation_s_name(folder: Path) -> None:
    """As the devkit, torchvision, mmdetection and detectron2 have it: copied annotations state the first one's name."""
    _write(folder / "Annotations" / "b.xml", "<filename>An image.png</filename>", SIZE)
    assert [truth.file for truth in read_voc(folder, "val").images] == ["b.jpg", "An image.png"]


@pytest.mark.parametrize("stated", [r"C:\own\JPEGImages\photo.png", "train/photo.png", "/own/photo.png", "photo.png"])
def test_a_stated_name_counts_where_the_annotation_s_own_is_nowhere(folder: Path, stated: str) -> None:
    (folder / "JPEGImages" / "photo.png").touch()
    (folder / "JPEGImages" / "b.jpg").unlink()
    _write(folder / "Annotations" / "b.xml", f"<filename>{stated}</filename>", SIZE)
    assert read_voc(folder, "val").images[0].file == "photo.png"


def test_a_stated_name_that_has_an_annotation_of_its_own_is_another_image(folder: Path) -> None:
    (folder / "JPEGImages" / "a.jpg").touch()
    (folder / "JPEGImages" / "b.jpg").unlink()
    _write(folder / "Annotations" / "b.xml", "<filename>a.jpg</filename>", SIZE)
    assert [truth.file for truth in read_voc(folder, "val").images] == ["b.jpg", "a.jpg"]


@pytest.mark.parametrize(("width", "height"), [(20, 10), (10, 20), (7, 7), (0, 0)])
def test_pixels_are_those_of_the_stated_size(folder: Path, width: int, height: int) -> None:
    """A phone's photo: old tools drew on the pixels as stored, labelImg since 2020 on the upright image."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (20, 10)).save(folder / "JPEGImages" / "b.jpg", exif=exif)
    _write(folder / "Annotations" / "b.xml", f"<size><width>{width}</width><height>{height}</height></size>", _object())
    data = read_voc(folder, "val")
    truth = data.images[0]
    upright = (width, height) == (10, 20)
    assert data.read(truth).shape == ((20, 10, 3) if upright else (10, 20, 3))
    if width != 7:
        assert data.read(truth).shape == (truth.height, truth.width, 3)


def test_the_ending_may_be_of_other_letters(folder: Path) -> None:
    (folder / "JPEGImages" / "b.jpg").rename(folder / "JPEGImages" / "b.Jpg")
    assert read_voc(folder, "val").images[0].file == "b.Jpg"


@pytest.mark.parametrize(
    "content",
    [
        b"b.jpg\na.xml\n",
        "b\r\na\r\n".encode("utf-16"),
        "\ufeffb\na".encode(),
        b"b\ra\r",
        b"# of May\nb  # blurry\n a \n",
        b"\"b\"\n'a'\n",
        b"JPEGImages/b.jpg Annotations/b.xml\nJPEGImages/a.png Annotations/a.xml",
        b"./Annotations/b.xml\t./JPEGImages/b.jpg\n./Annotations/a.xml,./JPEGImages/a.jpg",
        b".\\JPEGImages\\b.jpg\n/data/VOC2007/JPEGImages/a.jpg",
        b"C:\\photos\\b.jpg\n/photos/a.jpg",
        b"b.jpg 1\na.jpg -1\n",
    ],
)
def test_lists_as_people_write_them(folder: Path, content: bytes) -> None:
    (folder / "ImageSets" / "Main" / "val.txt").write_bytes(content)
    assert [truth.file for truth in read_voc(folder, "val").images] == ["b.jpg", "An image.png"]


@pytest.mark.parametrize("line", ["n" * 5000, "a\0b", "../../secret", "/etc/passwd", "a b.jpg " * 900, "\udcff" * 900])
def test_a_line_that_names_nothing_is_one_short_sentence(folder: Path, line: str) -> None:
    path = folder / "ImageSets" / "Main" / "val.txt"
    path.write_bytes(os.fsencode(f"b\n{line}\n"))
    with pytest.raises(DataError, match="cannot be read") as refused:
        read_voc(folder, "val")
    assert len(str(refused.value)) < 1000
    told: list[Problem] = []
    assert len(read_voc(folder, "val", on_problem=told.append)) == 1
    assert [problem.kind for problem in told] == ["annotation that is missing"]


@pytest.mark.parametrize("where", ["ImageSets", "."])
def test_lists_may_lie_higher(folder: Path, where: str) -> None:
    (folder / "ImageSets" / "Main" / "val.txt").rename(folder / where / "val.txt")
    assert len(read_voc(folder, "val")) == 2


def _beside(folder: Path, annotations: str = "", images: str = "") -> None:
    """Two images and their annotations without lists, below folders of these names."""
    for name in ("10", "9"):
        _write(folder / annotations / f"{name}.xml", "<filename>x.jpg</filename>", SIZE, _object())
        (folder / images).mkdir(exist_ok=True, parents=True)
        Image.new("RGB", (20, 10)).save(folder / images / f"{name}.jpg")
    (folder / images / "classes.txt").touch()


@pytest.mark.parametrize(
    ("annotations", "images", "root", "split"),
    [
        ("train", "train", ".", "train"),  # Roboflow
        ("train", "train", "train", "train"),
        ("train", "train", "train", "all"),
        ("annotations", "images", ".", "all"),  # Kaggle
        ("annots", "images", ".", "own"),
        ("train/annotations", "train/images", ".", "train"),
        ("train/annotations", "train/images", "train", "train"),
        ("annotations/train", "images/train", ".", "train"),
        ("Annotations", "JPEGImages", ".", "all"),
    ],
)
def test_folders_without_lists(tmp_path: Path, annotations: str, images: str, root: str, split: str) -> None:
    _beside(tmp_path / "own", annotations, images)
    data = read_voc(tmp_path / "own" / root, split)
    assert [truth.file for truth in data.images] == ["9.jpg", "10.jpg"]
    assert all(data.read(truth).shape == (10, 20, 3) for truth in data.images)
    assert data.annotated


def test_all_of_a_folder_has_that_of_its_parts(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        _beside(tmp_path / part)
    (tmp_path / "train" / "._9.xml").touch()  # what a Mac leaves on other disks
    files = [truth.file for truth in read_voc(tmp_path, "all").images]
    assert files == ["train/9.jpg", "train/10.jpg", "valid/9.jpg", "valid/10.jpg"]


def test_layouts_are_named_where_none_is_found(tmp_path: Path) -> None:
    _beside(tmp_path / "train")
    with pytest.raises(
        DataError, match=r"looked for .*ImageSets/Main/test\.txt, and for a folder test/ .*: train, all$"
    ):
        read_voc(tmp_path, "test")


def test_a_list_without_any_annotation_is_a_test_set(folder: Path) -> None:
    for name in "ab":
        (folder / "Annotations" / f"{name}.xml").unlink()
    (folder / "JPEGImages" / "a.PNG").touch()
    (folder / "ImageSets" / "Main" / "val.txt").write_text("b.jpg\na\n")
    data = read_voc(folder, "val")
    assert not data.annotated
    assert [truth.file for truth in data.images] == ["b.jpg", "a.PNG"]
    assert [len(truth) for truth in data.images] == [0, 0]
    (folder / "Annotations").rmdir()
    assert not read_voc(folder, "val").annotated
    for path in (folder / "JPEGImages").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"b\.xml: cannot be read"):
        read_voc(folder, "val")


def test_of_hundreds_of_splits_some_are_named(folder: Path) -> None:
    for i in range(100):
        (folder / "ImageSets" / "Main" / f"class_{i}_val.txt").touch()
    with pytest.raises(DataError, match=r"the splits here are: val, class_0_val, .* and 81 more$"):
        read_voc(folder, "tset")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_not_expanded(tmp_path: Path, encoding: str) -> None:
    laughs = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    text = f'<!DOCTYPE annotation [<!ENTITY e0 "lol">{laughs}]><annotation>&e11;</annotation>'
    path = tmp_path / "x.xml"
    path.write_bytes(text.encode(encoding))
    start = time.perf_counter()
    with pytest.raises(DataError, match="DOCTYPE"):
        read_voc_annotation(path)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe", b'<?xml version="1.0" encoding="bogus"?><annotation/>', b"<x/>"]
)
def test_not_an_annotation(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.xml").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.xml: .*(XML|<annotation>)"):
        read_voc_annotation(tmp_path / "x.xml")


def test_split_keeps_its_order_and_finds_the_images(folder: Path) -> None:
    dataset = read_voc(folder, "val")
    assert dataset.name == "own val"
    assert [image.file for image in dataset.images] == ["b.jpg", "An image.png"]
    assert all(dataset.path(image).is_file() for image in dataset.images)
    assert len(dataset.images[0]) == 0


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ()),
        (["dog", "aeroplane", "dog"], ("aeroplane", "dog")),  # in VOC's order
        (["pottedplant", "person"], ("person", "pottedplant")),
        (["dog", "RBC"], ("RBC", "dog")),
    ],
)
def test_classes(folder: Path, names: list[str], expected: tuple[str, ...]) -> None:
    _write(folder / "Annotations" / "a.xml", SIZE, *map(_object, names))
    assert read_voc(folder, "val").classes == expected
    folder.rename(folder.with_name("VOC2012"))  # VOC's own data: all of its classes are annotated
    all_of_voc = names and {*names} <= {*VOC_CLASSES}
    assert read_voc(folder.parent, "val", 2012).classes == (VOC_CLASSES if all_of_voc else expected)


@pytest.mark.parametrize("below", ["VOCdevkit/VOC2012", "VOC2012"])
def test_year_is_looked_for_in_and_below_the_root(folder: Path, tmp_path: Path, below: str) -> None:
    (tmp_path / below).parent.mkdir(exist_ok=True)
    folder.rename(tmp_path / below)
    assert len(read_voc(tmp_path, "val", 2012)) == 2
    with pytest.raises(DataError, match=r"VOC2007/Annotations; there are VOC2012: .*:2012:val"):
        read_voc(tmp_path, "val", "2007")


def test_missing_things_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tset\.txt: no such split; the splits here are: val$"):
        read_voc(folder, "tset")
    with pytest.raises(DataError, match="nowhere does not exist"):
        read_voc(tmp_path / "nowhere", "val")
    (folder / "Annotations" / "a.xml").unlink()
    with pytest.raises(DataError, match=r"a\.xml: cannot be read"):
        read_voc(folder, "val")


def test_list_of_one_class_has_a_second_column(folder: Path) -> None:
    _write(folder / "Annotations" / "holiday 1.xml", SIZE)
    (folder / "ImageSets" / "Main" / "cat_val.txt").write_text("\ufeffa  1\nb -1\nholiday 1\nholiday 1  0\n", "utf-8")
    assert [p.file for p in read_voc(folder, "cat_val").images] == [
        *("An image.png", "b.jpg", "holiday 1.jpg", "holiday 1.jpg")
    ]


@pytest.mark.parametrize("stated", ["../../secret.jpg", "/etc/passwd", "n" * 5000 + ".jpg", "a&#10;b.jpg", ""])
def test_stated_name_cannot_lead_elsewhere(folder: Path, stated: str) -> None:
    (folder.parent / "secret.jpg").touch()
    _write(folder / "Annotations" / "b.xml", f"<filename>{stated}</filename>", SIZE)
    assert read_voc(folder, "val").images[0].file == "b.jpg"


def test_image_without_the_usual_extension(folder: Path) -> None:
    (folder / "JPEGImages" / "b.jpg").rename(folder / "JPEGImages" / "b.png")
    assert read_voc(folder, "val").images[0].file == "b.png"
    (folder / "JPEGImages" / "b.png").unlink()  # evaluation needs no image files
    assert read_voc(folder, "val").images[0].file == "b.jpg"


def test_names_that_are_not_utf8(folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xe2\x82\xac")
    _write(folder / "Annotations" / f"{name}.xml", SIZE)
    (folder / "ImageSets" / "Main" / "odd.txt").write_bytes(os.fsencode(name) + b"\r\n")
    assert read_voc(folder, "odd").images[0].file == f"{name}.jpg"


_VALUES = st.one_of(
    st.sampled_from(["", " ", "0", "1", "-1", "0.5", "1e400", "nan", "9" * 5000, "1,5", "maybe", "猫"]),
    st.text(max_size=5),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["width", "height", "name", "difficult", "truncated", "xmin", "ymax"]), _VALUES))
def test_whatever_the_fields_hold_one_sentence_or_a_truth(tmp_path: Path, values: dict[str, str]) -> None:
    text = f"{SIZE}{_object(extra='<difficult>0</difficult><truncated>0</truncated>')}"
    for tag, value in values.items():
        shown = escape(value).translate(dict.fromkeys(range(32)))
        text = re.sub(f"<{tag}>[^<]*<", lambda _, tag=tag, shown=shown: f"<{tag}>{shown}<", text)
    path, told = _write(tmp_path / "x.xml", text), list[Problem]()
    truth = read_voc_annotation(path, on_problem=told.append)
    assert all(len(str(problem)) < 1000 and "\n" not in str(problem).strip() for problem in told)
    if not {*values} & {"name", "xmin", "ymax"}:
        assert truth is None or len(truth) == 1


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.integers(0, 200))
def test_overwritten_bytes_are_told_of_or_read(tmp_path: Path, junk: bytes, place: int) -> None:
    path = tmp_path / "x.xml"
    whole = f'<?xml version="1.0" encoding="GBK"?><annotation>{SIZE}{_object()}</annotation>'.encode()
    path.write_bytes(whole[:place] + junk + whole[place + len(junk) :])
    told: list[Problem] = []
    truth = read_voc_annotation(path, on_problem=told.append)
    assert truth is not None or told
    assert all(len(str(problem)) < 1500 for problem in told)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=40), st.text(max_size=40).map(lambda text: text.encode("utf-16", "surrogatepass"))))
def test_whatever_a_list_holds_each_line_is_told_of(tmp_path: Path, content: bytes) -> None:
    if not (tmp_path / "Annotations").is_dir():
        _write(tmp_path / "Annotations" / "a.xml", SIZE)
        (tmp_path / "val.txt").touch()
    (tmp_path / "val.txt").write_bytes(content)
    told: list[Problem] = []
    with suppress(DataError):  # UTF-16 that is none
        data = read_voc(tmp_path, "val", on_problem=told.append)
        assert all(truth.file for truth in data.images)
        assert all(len(str(problem)) < 1500 for problem in told)


def test_written_annotation_reads_back(tmp_path: Path, rng: np.random.Generator) -> None:
    corners = np.sort(rng.integers(0, 4000, (9, 2, 2)) / 8, axis=1).reshape(9, 4)
    labels = ["a<b>&\"'", "猫", *["cat"] * 7]
    truth = GroundTruth("sub/\udcff\x01.jpg", 500, 400, corners, np.array(labels), rng.random(9) < 0.5)
    truth = replace(truth, truncated=rng.random(9) < 0.5)
    write_voc_annotation(truth, tmp_path / "x.xml")
    back = read_voc_annotation(tmp_path / "x.xml", file=truth.file)
    assert back.boxes.tolist() == truth.boxes.tolist()
    assert back.labels.tolist() == labels
    assert back.difficult.tolist() == truth.difficult.tolist()
    assert back.truncated.tolist() == truth.truncated.tolist()
    assert (back.file, back.width, back.height) == (truth.file, 500, 400)


@pytest.mark.parametrize("flag", ["difficult", "crowd", "ignore"])
def test_what_is_to_be_ignored_is_written_as_difficult(tmp_path: Path, flag: str) -> None:
    truth = GroundTruth("a.jpg", 5, 5, np.array([[0.0, 0, 5, 5]]), np.array(["cat"]), np.array([False]))
    write_voc_annotation(replace(truth, **{flag: np.array([True])}), tmp_path / "x.xml")
    back = read_voc_annotation(tmp_path / "x.xml")
    assert back is not None
    assert back.difficult.tolist() == [True]


@pytest.mark.parametrize("label", ["", " cat", "c\x00t", "\udcff"])
def test_class_name_that_xml_cannot_hold(tmp_path: Path, label: str) -> None:
    truth = GroundTruth("a.jpg", 5, 5, np.array([[0.0, 0, 5, 5]]), np.array([label]), np.array([False]))
    with pytest.raises(DataError, match="rename the class"):
        write_voc_annotation(truth, tmp_path / "x.xml")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("root", "split", "year", "images", "objects"),
    [("VOCdevkit", "val", 2012, 397, 801), ("", "val", 2012, 397, 801), ("BCCD", "test", None, 72, 945)],
)
def test_real_sets(shared: Path, root: str, split: str, year: int | None, images: int, objects: int) -> None:
    dataset = read_voc(shared / "data" / root, split, year)
    assert len(dataset) == images
    assert sum(map(len, dataset.images)) == objects
    assert all(dataset.path(image).is_file() for image in dataset.images)
