import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.errors import LimitError
from inception_rcnn.data.formats.check_report import CheckReport, ClassCount
from inception_rcnn.data.formats.checks import check_dataset, check_images
from inception_rcnn.data.images import image_files as image_files
from inception_rcnn.data.records import GroundTruth
from inception_rcnn.detector.cli import app as cli

_Objects = Sequence[tuple[str, str]]  # class, and xmin ymin xmax ymax

TOO_MANY = [("cat", "1 1 5 5")] * 10  # of a class, for a remark that there are few


def _make(root: Path, images: dict[str, _Objects], size: tuple[int, int] = (20, 10), split: str = "val") -> str:
    """A VOC folder with image files; gives its SPEC."""
    for below in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / below).mkdir(parents=True, exist_ok=True)
    for name, objects in images.items():
        parts = []
        for label, corners in objects:
            tags = zip(("xmin", "ymin", "xmax", "ymax"), corners.split(), strict=True)
            box = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
            parts.append(f"<object><name>{label}</name><bndbox>{box}</bndbox></object>")
        stated = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
        (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{stated}{''.join(parts)}</annotation>")
        Image.new("RGB", (20, 10)).save(root / "JPEGImages" / f"{name}.jpg")
    (root / "ImageSets" / "Main" / f"{split}.txt").write_bytes(os.fsencode("".join(f"{name}\n" for name in images)))
    return f"voc:{root}:{split}"


def _truth(
    boxes: Any, labels: Sequence[str] = (), size: tuple[int, int] = (20, 10), file: str = "a.jpg"
) -> GroundTruth:
    count = len(boxes)
    names = np.array(labels or ["cat"] * count, dtype=np.str_)
    return GroundTruth(file, *size, np.array(boxes, dtype=float).reshape(-1, 4), names, np.zeros(count, np.bool_))


NO_IMAGES = Path(__file__).parent  # a folder without images: of a copy for evaluation


def _data(*truths: GroundTruth, folder: Path = NO_IMAGES) -> Dataset:
    names = tuple(sorted({name for truth in truths for name in truth.labels.tolist()}))
    return Dataset("some", names, truths, folder)


def _kinds(report: CheckReport) -> dict[str, int]:
    return dict(Counter(problem.kind for problem in (*report.unusable, *report.doubtful)))


def test_nothing_is_a_data_set_too(tmp_path: Path) -> None:
    report = check_dataset(_make(tmp_path, {}))
    assert (report.images, report.objects, report.classes) == (0, 0, ())
    assert (report.unusable, report.doubtful, report.normal) == ((), (), ())
    assert list(report.lines()) == [
        f"{tmp_path.name} val: 0 images, 0 objects, 0 of them difficult",
        *("", "Nothing wrong was found."),
    ]


def test_counts(tmp_path: Path) -> None:
    spec = _make(tmp_path, {"a": [("zebu", "1 1 4 4"), ("yak", "1 1 9 1"), ("zebu", "2 2 2 2")], "b": [], "c": []})
    (tmp_path / "Annotations" / "c.xml").write_text(
        (tmp_path / "Annotations" / "a.xml").read_text().replace("</name>", "</name><difficult>1</difficult>", 1)
    )
    report = check_dataset(spec)
    assert (report.images, report.objects, report.difficult) == (3, 6, 1)
    assert report.classes == (
        ClassCount("yak", objects=2, images=2, difficult=0, median_size=3, smallest=3),
        ClassCount("zebu", objects=4, images=2, difficult=1, median_size=2.5, smallest=1),
    )
    assert {(problem.kind, problem.where, problem.what) for problem in report.normal} == {
        ("image without objects", "b.jpg", "has no objects"),
        ("class with fewer than 10 objects", "yak", "has 2 objects"),
        ("class with fewer than 10 objects", "zebu", "has 4 objects"),
    }


def test_class_that_is_never_seen_has_a_row_without_sizes() -> None:
    data = Dataset("some", ("cat", "dog"), (_truth([[0, 0, 4, 4]]),), Path("nowhere"))
    report = check_images(data)
    assert report.classes[1] == ClassCount("dog", 0, 0, 0, None, None)
    assert next(line for line in report.lines() if line.startswith("dog")).split() == ["dog", "0", "0", "0", "-", "-"]
    assert {problem.what for problem in report.normal} >= {"has 1 object", "has no objects"}


@pytest.mark.parametrize(
    ("corners", "kind"),
    [
        ("1 1 20 10", None),  # the whole image
        ("0 1 20 10", "box that starts at 0 in a file that counts from 1"),
        ("3 0 9 9", "box that starts at 0 in a file that counts from 1"),
        ("0 0 21 10", "box that reaches outside its image"),
        ("1 1 20 11", "box that reaches outside its image"),
        ("-1 1 20 10", "box that reaches outside its image"),
        ("21 1 25 9", "box that is wholly outside its image"),
        ("1 -9 20 0", "box that is wholly outside its image"),
        ("5 5 5 9", "box no wider or no higher than a pixel"),
        ("5 5 9 5", "box no wider or no higher than a pixel"),
        ("5 5 6 6", None),
    ],
)
def test_box_of_a_file_that_counts_from_1(tmp_path: Path, corners: str, kind: str | None) -> None:
    report = check_dataset(_make(tmp_path, {"a": [("cat", corners)]}))
    assert report.unusable == ()
    assert [problem.kind for problem in report.doubtful] == ([kind] if kind else [])
    if kind:
        assert str(report.doubtful[0]).startswith(
            f"a.jpg (cat): the box is xmin ymin xmax ymax = {corners} in an image"
        )


@pytest.mark.parametrize(
    ("box", "kind"),
    [
        ([0, 0, 20, 10], None),
        ([0, 0, 20.005, 10], None),  # a file's decimal places
        ([-1, 0, 20, 10], "box that reaches outside its image"),
        ([0, 0, 20, 10.5], "box that reaches outside its image"),
        ([5, 5, 5, 9], "box without area"),
        ([5, 5, 5.5, 9], "box no wider or no higher than a pixel"),
        ([20, 0, 22, 5], "box that is wholly outside its image"),
    ],
)
def test_box_that_counts_from_0(box: list[float], kind: str | None) -> None:
    doubtful = check_images(_data(_truth([box]))).doubtful
    assert [problem.kind for problem in doubtful] == ([kind] if kind else [])
    if kind:
        assert f"x1 y1 x2 y2 = {' '.join(f'{value:g}' for value in box)} in" in doubtful[0].what


def _kinds_of_box(box: Sequence[float], one_based: bool) -> set[str]:
    """One box in an image of 20 x 10, pixel by pixel: boxes here have whole numbers."""
    x1, y1, x2, y2 = map(int, box)
    pixels = {(x, y) for x in range(x1, x2) for y in range(y1, y2)}
    inside = {(x, y) for x, y in pixels if 0 <= x < 20 and 0 <= y < 10}
    at_zero = {(x, y) for x, y in pixels if -one_based <= x < 20 and -one_based <= y < 10}
    if not pixels:
        return {"box without area"}
    kinds = {"box no wider or no higher than a pixel"} if x2 - x1 == 1 or y2 - y1 == 1 else set()
    if not inside:
        return {*kinds, "box that is wholly outside its image"}
    if at_zero != pixels:
        return {*kinds, "box that reaches outside its image"}
    return {*kinds, "box that starts at 0 in a file that counts from 1"} if inside != pixels else kinds


@pytest.mark.slow
@pytest.mark.parametrize("one_based", [False, True])
def test_boxes_are_sorted_as_their_pixels_say(rng: np.random.Generator, one_based: bool) -> None:
    corners = np.sort(rng.integers((-3, -3), (24, 14), (3000, 2, 2)), axis=1).reshape(3000, 4)
    corners = corners[(corners[:, 2:] > corners[:, :2]).all(axis=1)]
    seen: set[str] = set()
    for box in corners.tolist():
        found = {problem.kind for problem in check_images(_data(_truth([box])), one_based=one_based).doubtful}
        assert found == _kinds_of_box(box, one_based), box
        seen |= found
    assert len(seen) == 3 + one_based


def test_object_that_is_there_twice() -> None:
    boxes = [[0, 0, 5, 5], [0, 0, 5, 5], [0, 0, 5, 5], [0, 0, 5, 6], [0, 0, 5, 5]]
    report = check_images(_data(_truth(boxes, ["cat", "dog", "cat", "cat", "cat"]), _truth(boxes[:1], file="b.jpg")))
    assert [problem.where for problem in report.doubtful] == ["a.jpg (cat)"] * 2
    assert _kinds(report) == {"object that is there twice": 2}


def test_image_that_is_listed_twice(tmp_path: Path) -> None:
    spec = _make(tmp_path, {"a": [("cat", "0 1 9 9")], "b": []})
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("a\nb\na\na\n")
    report = check_dataset(spec)
    assert report.objects == 3  # as the other commands count them
    assert _kinds(report) == {
        "image that is listed twice": 1,
        "box that starts at 0 in a file that counts from 1": 1,  # told once
    }
    assert report.doubtful[0].what == "is listed 3 times"


def test_a_size_that_is_not_stated_is_no_doubt(tmp_path: Path) -> None:
    report = check_dataset(_make(tmp_path, {"a": [("cat", "1 1 20 11")]}, (0, 0)))
    assert _kinds(report) == {"box that reaches outside its image": 1}


@pytest.mark.parametrize("stated", [(10, 20), (20, 11)])
def test_size_that_is_not_the_file_s(tmp_path: Path, stated: tuple[int, int]) -> None:
    report = check_dataset(_make(tmp_path, {"a": [("cat", "1 1 20 10")]}, stated))
    assert _kinds(report) == {"size that differs from the image file's": 1}  # the box lies on the file's pixels
    what = f"its annotation says {stated[0]} x {stated[1]}, the image file is 20 x 10"
    assert report.doubtful[0].what == what


def test_size_is_that_of_the_pixels_as_stored(tmp_path: Path) -> None:
    """Annotators of VOC and ILSVRC drew on them, and other commands read them so."""
    spec = _make(tmp_path, {"a": [("cat", "1 1 20 10")]})
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (20, 10)).save(tmp_path / "JPEGImages" / "a.jpg", exif=exif)
    assert _kinds(check_dataset(spec)) == {}


def _turned(path: Path) -> None:
    """20 x 10 as stored, 10 x 20 as it is seen."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (20, 10)).save(path, exif=exif)


@pytest.mark.parametrize(
    ("stated", "corners", "kinds"),
    [
        ((20, 10), "1 1 20 10", []),
        ((10, 20), "1 1 10 20", []),  # of the upright image, as labelImg has it since 2020
        ((10, 20), "1 1 9 9", []),
        ((0, 0), "1 1 20 10", []),
        ((30, 40), "1 1 9 9", ["size that differs from the image file's"]),
        ((20, 10), "1 1 10 20", ["image whose boxes fit it turned the other way"]),
        ((10, 20), "1 1 20 10", ["image whose boxes fit it turned the other way"]),
        ((20, 10), "1 1 25 25", ["box that reaches outside its image"]),
    ],
)
def test_both_ways_round_are_fine_where_size_and_boxes_agree(
    tmp_path: Path, stated: tuple[int, int], corners: str, kinds: list[str]
) -> None:
    spec = _make(tmp_path, {"a": [("cat", corners)]}, stated)
    _turned(tmp_path / "JPEGImages" / "a.jpg")
    report = check_dataset(spec)
    assert [problem.kind for problem in report.doubtful] == kinds
    if "turned" in "".join(kinds):
        one, other = (" x ".join(map(str, size)) for size in (stated, stated[::-1]))
        what = f"the boxes do not fit {one}; they fit it turned by its EXIF data, {other}"
        assert report.doubtful[0].what == what
        assert "state the size that the boxes fit" in report.doubtful[0].fix
    if stated == (30, 40):
        assert report.doubtful[0].what.endswith("the image file is 20 x 10, turned the other way 10 x 20")


def _coco(folder: Path, *files: str, **changes: Any) -> Path:
    """A COCO file of these images, 20 x 10 each, with an object in the first."""
    row = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]} | changes
    images = [{"id": number, "file_name": file, "width": 20, "height": 10} for number, file in enumerate(files, 1)]
    path = folder / "a.json"
    content = {"images": images, "categories": [{"id": 1, "name": "cat"}], "annotations": [row, row, row]}
    path.write_text(json.dumps(content))
    return path


def test_what_is_left_out_as_elsewhere_is_counted_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (20, 10)).save(tmp_path / "a.jpg")
    path = _coco(tmp_path, "a.jpg", image_id=9)
    monkeypatch.setattr(sys, "argv", ["inception-rcnn", "check", "--data", f"coco:{path}:{tmp_path}"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Left out, or read without: 3" in lines
    assert "  annotation of an unknown image: 3 (known are 1)" in lines
    assert f"    {path}: annotation 1: image_id is 9, which no image has" in lines
    assert "    and 2 more" in lines
    assert "Nothing wrong was found." not in lines


def test_objects_to_ignore_are_counted_as_difficult(tmp_path: Path) -> None:
    report = check_dataset(f"coco:{_coco(tmp_path, 'a.jpg', ignore=1)}:{tmp_path}")
    assert (report.objects, report.difficult, report.classes[0].difficult) == (3, 3, 3)


@pytest.mark.parametrize("below", ["", "train"])
def test_a_folder_of_other_images_is_the_wrong_one(tmp_path: Path, below: str) -> None:
    (tmp_path / "photos" / below).mkdir(parents=True)
    Image.new("RGB", (20, 10)).save(tmp_path / "photos" / below / "b.JPG")
    path = _coco(tmp_path, "x.jpg", "y.jpg")
    report = check_dataset(f"coco:{path}:{tmp_path / 'photos'}")
    (problem,) = report.unusable
    assert str(problem) == (
        f"{tmp_path / 'photos'}: has images, as {Path(below, 'b.JPG')}, but none of the 2 of the data set, as x.jpg; "
        "correct the folder or the names"
    )
    with pytest.raises(LimitError):
        report.require_usable()


def test_a_folder_that_does_not_exist_is_told_of(tmp_path: Path) -> None:
    report = check_dataset(f"coco:{_coco(tmp_path, 'x.jpg')}:/nonexistent")
    (problem,) = report.unusable
    assert str(problem) == (
        "/nonexistent: the folder /nonexistent does not exist; correct it; for an evaluation, which needs no images, "
        "leave it out"
    )
    with pytest.raises(LimitError):
        report.require_usable()
    spec = _make(tmp_path / "own", {"a": []})
    for path in (tmp_path / "own" / "JPEGImages").iterdir():
        path.unlink()
    (tmp_path / "own" / "JPEGImages").rmdir()
    report = check_dataset(spec)  # nobody has named that folder
    assert report.unusable == report.doubtful == ()
    assert "JPEGImages does not exist" in report.normal[0].what


def test_a_test_set_is_normal(tmp_path: Path) -> None:
    spec = _make(tmp_path, {"a": [], "b": []})
    for path in (tmp_path / "Annotations").iterdir():
        path.unlink()
    report = check_dataset(spec)
    assert (report.images, report.unusable, report.doubtful) == (2, (), ())
    assert [problem.kind for problem in report.normal] == ["data set without annotations"]
    for path in (tmp_path / "JPEGImages").iterdir():
        path.unlink()
    assert _kinds(check_dataset(spec)) == {"annotation that is missing": 2}  # a list of nothing


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000", "JPEG"])
def test_size_comes_from_the_header_whatever_the_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    spec = _make(tmp_path, {"a": TOO_MANY[:1]})
    path = tmp_path / "JPEGImages" / "a.jpg"
    Image.new("RGB", (21, 10)).save(path, kind)
    monkeypatch.setattr(image_files, "read_image", lambda *_, **__: pytest.fail("decodes the image"))
    assert _kinds(check_dataset(spec)) == {"size that differs from the image file's": 1}


def test_files_that_are_no_images_are_named_with_the_reason(tmp_path: Path) -> None:
    spec = _make(tmp_path, {name: [] for name in ("empty", "text", "cut", "folder", "gone", "fine", "pipe")})
    images = tmp_path / "JPEGImages"
    (images / "empty.jpg").write_bytes(b"")
    (images / "text.jpg").write_text("hello")
    (images / "cut.jpg").write_bytes((images / "fine.jpg").read_bytes()[:12])
    for name in ("folder", "gone", "pipe"):
        (images / f"{name}.jpg").unlink()
    (images / "folder.jpg").mkdir()
    os.mkfifo(images / "pipe.jpg")
    found = {problem.where: (problem.kind, problem.what) for problem in check_dataset(spec).unusable}
    kind, what = found.pop("cut.jpg")
    assert kind == "image file that cannot be opened"
    assert what.startswith("cannot be decoded (")
    assert found == {
        "empty.jpg": ("image file that cannot be opened", "is empty (0 bytes); fetch it again"),
        "text.jpg": ("image file that cannot be opened", "looks like text, not an image"),
        "folder.jpg": ("image file that cannot be opened", "is a folder, not an image"),
        "pipe.jpg": (
            "image file that cannot be opened",
            "is a pipe or a device; save the image to a file first",
        ),
        "gone.jpg": ("image file that is missing", f"there is no {images / 'gone.jpg'}"),
    }


def test_data_set_without_any_image_file_is_for_evaluation(tmp_path: Path) -> None:
    spec = _make(tmp_path, {"a": [("cat", "1 1 30 10")], "b": []})
    for path in (tmp_path / "JPEGImages").iterdir():
        path.unlink()
    report = check_dataset(spec)
    assert report.unusable == ()
    assert _kinds(report) == {"box that reaches outside its image": 1}  # by the annotated size
    assert [problem.where for problem in report.normal if "image files" in problem.kind] == [
        str(tmp_path / "JPEGImages")
    ]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"cat": 40, "dog": 30}, {}),
        ({"cat": 40, "Cat": 2}, {"Cat": "cat"}),
        ({"traffic light": 3, "traffic_light": 9, "Traffic-Light": 1}, {"traffic light": "traffic_light",
                                                                      "Traffic-Light": "traffic_light"}),
        ({"aeroplane": 40, "airoplane": 2, "boat": 1}, {"airoplane": "aeroplane"}),
        ({"aeroplane": 39, "airoplane": 2}, {}),  # less than twenty times as many: both may be meant
        ({"cat": 1000, "cow": 1, "car": 1}, {}),
        ({"red panda": 1000, "giant panda": 2}, {}),
    ],
)  # fmt: skip
def test_names_that_may_be_one(counts: dict[str, int], expected: dict[str, str]) -> None:
    labels = [name for name, times in counts.items() for _ in range(times)]
    boxes = [[i, 0, i + 5, 5] for i in range(len(labels))]
    report = check_images(_data(_truth(boxes, labels, (2000, 10))))
    assert {problem.where: problem.fix.split("'")[1] for problem in report.doubtful} == expected


def test_examples_of_each_kind_the_most_frequent_first(tmp_path: Path) -> None:
    objects = [("cat", f"0 {i} 9 9") for i in range(1, 8)] + [("cat", "1 1 30 10"), ("gnu", "3 1 2 2")]
    lines = list(check_dataset(_make(tmp_path, {"a": objects})).lines())
    path = tmp_path / "Annotations" / "a.xml"
    start = lines.index("Cannot be used: 1")
    assert lines[start + 2] == (
        f"    {path}: object 9 (gnu): the box is xmin ymin xmax ymax = [3.0, 1.0, 2.0, 2.0]: "
        "need xmin <= xmax and ymin <= ymax"
    )
    start = lines.index("Doubtful, but read as it is: 8")
    assert lines[start + 1].startswith("  box that starts at 0 in a file that counts from 1: 7 (nothing to do")
    assert [line[:15] for line in lines[start + 2 : start + 7]] == ["    a.jpg (cat)"] * 5
    assert lines[start + 7] == "    and 2 more"
    assert lines[start + 8].startswith("  box that reaches outside its image: 1 (")
    assert "Nothing wrong was found." not in lines


def test_a_fix_of_its_own_stands_with_each_problem() -> None:
    labels = [*["aeroplane"] * 40, "airoplane", *["motorbike"] * 40, "motorbikes"]
    boxes = [[i, 0, i + 5, 5] for i in range(len(labels))]
    lines = list(check_images(_data(_truth(boxes, labels, (2000, 10)))).lines())
    assert "  rare class with nearly the name of another: 2" in lines
    assert any(line.endswith("; did you mean 'motorbike'?") for line in lines)


def test_ilsvrc(tmp_path: Path) -> None:
    folder = tmp_path / "Annotations" / "DET" / "val"
    folder.mkdir(parents=True)
    (tmp_path / "ImageSets" / "DET").mkdir(parents=True)
    (tmp_path / "ImageSets" / "DET" / "val.txt").write_text("a 1\nb 2\nc 3\n")
    size = "<size><width>20</width><height>10</height></size>"
    box = "<bndbox><xmin>0</xmin><xmax>5</xmax><ymin>1</ymin><ymax>5</ymax></bndbox>"
    for name, wnid in (("a", "n02084071"), ("b", "n02084072")):
        (folder / f"{name}.xml").write_text(f"<annotation>{size}<object><name>{wnid}</name>{box}</object></annotation>")
    report = check_dataset(f"ilsvrc:{tmp_path}:val")
    assert _kinds(report) == {
        "class that ILSVRC does not have": 1,
        "annotation that is missing": 1,
        "box that starts at 0 in a file that counts from 1": 1,
    }
    assert len(report.classes) == 200
    assert (report.images, report.objects) == (2, 1)


def _run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "inception_rcnn", "check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command(tmp_path: Path) -> None:
    spec = _make(tmp_path / "own", {"a": [("cat", "0 1 20 10"), ("do\x7fg", "1 1 5 5")]})
    done = _run("--data", spec, "--json", str(tmp_path / "found.json"))
    assert (done.returncode, done.stderr) == (0, "")  # what is odd alone is no failure
    assert done.stdout.startswith("own val: 1 images, 2 objects")
    assert "do\\x7fg" in done.stdout
    assert "\x7f" not in done.stdout
    content = json.loads((tmp_path / "found.json").read_text())
    assert content["classes"][1]["name"] == "do\x7fg"
    assert content["doubtful"][0]["where"] == "a.jpg (cat)"
    assert set(content) == {
        "data",
        "images",
        "objects",
        "difficult",
        "classes",
        "unusable",
        "minor",
        "doubtful",
        "normal",
    }


def test_command_fails_where_something_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = _make(tmp_path / "own", {"a": [("cat", "9 1 2 10"), ("cat", "1 9 2 1")]})
    arguments = ["inception-rcnn", "check", "--data", spec, "--json", str(tmp_path / "found.json")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    out, err = capsys.readouterr()
    assert stopped.value.code == 1
    assert "box with xmin > xmax or ymin > ymax: 2" in out
    assert err == "error: own val: what cannot be used: 2; mend or remove the objects and files listed\n"
    assert len(json.loads((tmp_path / "found.json").read_text())["unusable"]) == 2


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    spec = _make(tmp_path, {os.fsdecode(b"caf\xe9"): [("cat", "0 1 9 9")]})
    done = _run("--data", spec, "--json", str(tmp_path / "found.json"))
    assert done.returncode == 0
    assert "caf\\udce9.jpg (cat)" in done.stdout
    assert json.loads((tmp_path / "found.json").read_text())["doubtful"][0]["where"] == "caf\udce9.jpg (cat)"


@pytest.mark.shared
def test_real_sets(shared: Path) -> None:
    assert _kinds(check_dataset(f"voc:{shared / 'data' / 'VOCdevkit'}:2012:val")) == {}
    report = check_dataset(f"voc:{shared / 'data' / 'BCCD'}:trainval")
    assert [problem.where for problem in report.doubtful] == [
        "BloodImage_00338.jpg (RBC)",
        "BloodImage_00343.jpg (RBC)",
    ]
    assert _kinds(report) == {"box no wider or no higher than a pixel": 2}
