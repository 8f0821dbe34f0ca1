import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.diagnostics import Problem
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.formats.coco.annotations import write_coco_truth
from inception_rcnn.data.formats.label_studio.tasks import write_label_studio_truth
from inception_rcnn.data.formats.specs import image_folder_of, is_spec, open_dataset, open_datasets, resolve_sources
from inception_rcnn.data.formats.tables import write_csv_truth, write_jsonl_truth
from inception_rcnn.data.formats.yolo.annotations import write_yolo_truth
from inception_rcnn.data.images.sources import Source
from inception_rcnn.data.records import GroundTruth

BOX = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>"


def _make(folder: Path, *labels: str, name: str = "a") -> None:
    """A data set whose split `val` is one image with an object of each of the labels."""
    for below in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / below).mkdir(parents=True)
    objects = "".join(f"<object><name>{label}</name>{BOX}</object>" for label in labels)
    xml = f"<annotation><size><width>2</width><height>2</height></size>{objects}</annotation>"
    (folder / "Annotations" / f"{name}.xml").write_text(xml)
    (folder / "ImageSets" / "Main" / "val.txt").write_text(f"{name}\n")


@pytest.mark.parametrize("name", ["own", "with:colon", "with space", "2012", "猫"])
def test_own_folder(tmp_path: Path, name: str) -> None:
    _make(tmp_path / name)
    dataset = open_dataset(f"voc:{tmp_path / name}:val")
    assert dataset.folder == tmp_path / name / "JPEGImages"
    assert [image.file for image in dataset.images] == ["a.jpg"]


def test_year(tmp_path: Path) -> None:
    _make(tmp_path / "VOCdevkit" / "VOC2007")
    assert len(open_dataset(f"voc:{tmp_path}:2007:val")) == 1
    assert len(open_dataset(f"voc:{tmp_path / 'VOCdevkit'}:2007:val")) == 1
    with pytest.raises(DataError, match="VOC2012"):
        open_dataset(f"voc:{tmp_path}:2012:val")


def test_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _make(tmp_path / "own")
    monkeypatch.setenv("HOME", str(tmp_path))  # no shell expands a ~ behind a colon
    assert len(open_dataset("voc:~/own:val")) == 1


@pytest.mark.parametrize("spec", ["", "voc", "photos", "vox:photos:val", "photos:val"])
def test_unknown_kind_says_what_is_known(spec: str) -> None:
    with pytest.raises(UsageError, match="voc:ROOT:YEAR:SPLIT or voc:FOLDER:SPLIT"):
        open_dataset(spec if spec != "voc" else "voc:")


@pytest.mark.parametrize("spec", ["voc:photos", "voc::val", "voc:photos:"])
def test_incomplete(spec: str) -> None:
    with pytest.raises(UsageError, match="need voc:"):
        open_dataset(spec)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        ("voc", False),
        ("voc:a:val", True),
        ("photos", False),
        ("C:/photos", False),
        ("vocabulary:a", False),
    ],
)
def test_is_spec(text: str, expected: bool) -> None:
    assert is_spec(text) is expected


def test_one_of_several_is_as_if_alone(tmp_path: Path) -> None:
    _make(tmp_path / "one", "door")
    together, alone = open_datasets([f"voc:{tmp_path}/one:val"]), open_dataset(f"voc:{tmp_path}/one:val")
    assert (together.name, together.classes, together.folder) == (alone.name, alone.classes, alone.folder)
    assert [truth.file for truth in together.images] == ["a.jpg"]


def test_no_data_set_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one SPEC"):
        open_datasets([])


def test_several_share_a_folder_that_names_their_images(tmp_path: Path) -> None:
    _make(tmp_path / "two", "wheel", "door")
    _make(tmp_path / "one", "door", "bell")
    both = open_datasets([f"voc:{tmp_path}/two:val", f"voc:{tmp_path}/one:val"])
    assert both.name == "two val + one val"
    assert both.folder == tmp_path
    assert [truth.file for truth in both.images] == ["two/JPEGImages/a.jpg", "one/JPEGImages/a.jpg"]
    assert both.path(both.images[1]) == tmp_path / "one" / "JPEGImages" / "a.jpg"
    assert [truth.labels.tolist() for truth in both.images] == [["wheel", "door"], ["door", "bell"]]
    assert both.classes == ("door", "wheel", "bell")  # those of the first, then what the second adds


def test_two_splits_of_one_folder_keep_their_names(tmp_path: Path) -> None:
    _make(tmp_path / "own", "door")
    (tmp_path / "own" / "ImageSets" / "Main" / "train.txt").write_text("a\n")
    both = open_datasets([f"voc:{tmp_path}/own:val", f"voc:{tmp_path}/own:train"])
    assert [truth.file for truth in both.images] == ["a.jpg", "a.jpg"]
    assert both.folder == tmp_path / "own" / "JPEGImages"


def test_an_image_that_is_a_link_to_elsewhere_keeps_its_name(tmp_path: Path) -> None:
    for name in ("one", "two"):
        _make(tmp_path / "sets" / name)
        (tmp_path / f"{name}.jpg").touch()
        (tmp_path / "sets" / name / "JPEGImages" / "a.jpg").symlink_to(tmp_path / f"{name}.jpg")
    both = open_datasets([f"voc:{tmp_path}/sets/one:val", f"voc:{tmp_path}/sets/two:val"])
    assert both.folder == tmp_path / "sets"
    assert [truth.file for truth in both.images] == ["one/JPEGImages/a.jpg", "two/JPEGImages/a.jpg"]


def test_a_folder_reached_by_a_link_is_the_folder_itself(tmp_path: Path) -> None:
    _make(tmp_path / "sets" / "one")
    _make(tmp_path / "sets" / "two")
    (tmp_path / "link").symlink_to("sets/two")
    both = open_datasets([f"voc:{tmp_path}/sets/one:val", f"voc:{tmp_path}/link:val"])
    assert both.folder == tmp_path / "sets"


def test_sets_of_upright_and_of_stored_images_are_read_each_by_its_habit(tmp_path: Path) -> None:
    _make(tmp_path / "voc")
    (tmp_path / "yolo" / "images" / "val").mkdir(parents=True)
    write_yolo_truth(_one_object(tmp_path / "yolo" / "images" / "val"), tmp_path / "yolo")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3  # upside down: the stated size fits both ways
    half = Image.fromarray(np.repeat([[[0] * 3], [[255] * 3]], 2, axis=1).astype(np.uint8))
    half.save(tmp_path / "voc" / "JPEGImages" / "a.jpg", exif=exif, quality=100)
    half.resize((20, 10), Image.Resampling.NEAREST).save(tmp_path / "yolo" / "images" / "val" / "a.png", exif=exif)
    specs = [f"voc:{tmp_path / 'voc'}:val", f"yolo:{tmp_path / 'yolo' / 'data.yaml'}:val"]
    both = open_datasets(specs)
    assert [both.read(truth)[0, 0, 0] > 99 for truth in both.images] == [False, True]
    assert [source.as_stored for source in resolve_sources(specs)] == [True, False]


@pytest.mark.parametrize(
    ("orientation", "other", "refused"),
    [
        (1, "coco 20 10", False),
        (1, "label-studio", False),  # nothing to turn
        (3, "coco 20 10", False),
        (3, "label-studio", True),  # upside down both have the size: what is the habit of the format differs
        (6, "coco 20 10", False),
        (6, "coco 10 20", True),
        (6, "label-studio", True),
    ],
)
def test_a_file_that_two_sets_read_in_different_orientations_is_refused(
    tmp_path: Path, orientation: int, other: str, refused: bool
) -> None:
    _make(tmp_path / "voc", "door")
    xml, images = tmp_path / "voc" / "Annotations" / "a.xml", tmp_path / "voc" / "JPEGImages"
    xml.write_text(xml.read_text().replace("<width>2</width><height>2<", "<width>20</width><height>10<"))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", (20, 10)).save(images / "a.jpg", exif=exif)
    kind, *size = other.split()
    if kind == "coco":
        entry = {"id": 1, "file_name": "a.jpg", "width": int(size[0]), "height": int(size[1])}
        content: Any = {"images": [entry], "annotations": [], "categories": [{"id": 1, "name": "door"}]}
    else:
        content = [{"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"result": []}]}]
    (tmp_path / "a.json").write_text(json.dumps(content))
    specs = [f"voc:{tmp_path / 'voc'}:val", f"{kind}:{tmp_path / 'a.json'}:{images}"]
    if refused:
        with pytest.raises(DataError, match=r"a\.jpg: has boxes of the image turned as its EXIF data say, and others"):
            open_datasets(specs)
    else:
        assert [truth.file for truth in open_datasets(specs).images] == ["a.jpg", "a.jpg"]


def test_what_one_set_does_not_annotate_is_not_evaluated_in_its_images(tmp_path: Path) -> None:
    _make(tmp_path / "one", "door", "bell")
    _make(tmp_path / "two", "wheel", "door")
    told: list[str] = []
    one, two = open_datasets([f"voc:{tmp_path}/one:val", f"voc:{tmp_path}/two:val"], told.append).images
    assert told == [
        "one val does not annotate wheel: what is background in its images may be one",
        "two val does not annotate bell: what is background in its images may be one",
    ]
    assert (one.ignored_classes, two.ignored_classes) == (("wheel",), ("bell",))
    assert one.annotates(["door", "bell"])
    assert not one.annotates(["door", "wheel"])
    assert two.to_find.tolist() == [True, True]


def test_a_set_in_voc_s_layout_does_not_annotate_all_of_voc_s_classes(tmp_path: Path) -> None:
    _make(tmp_path / "VOC2007", "person")
    _make(tmp_path / "pets", "cat")
    voc, pets = open_datasets([f"voc:{tmp_path}:2007:val", f"voc:{tmp_path}/pets:val"]).images
    assert voc.ignored_classes == ()
    assert "person" in pets.ignored_classes
    assert "cat" not in pets.ignored_classes


def test_no_sources_are_no_images() -> None:
    assert resolve_sources([]) == []


def test_files_and_folders_are_listed_without_the_output_folder(tmp_path: Path) -> None:
    for name in ("b.jpg", "out/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert resolve_sources([tmp_path], skip=tmp_path / "out") == [Source(tmp_path / "b.jpg", "b.jpg", as_stored=False)]


def test_images_of_a_spec_are_read_as_stored(tmp_path: Path) -> None:
    _make(tmp_path / "one")
    expected = Source(tmp_path / "one" / "JPEGImages" / "a.jpg", "a.jpg", True, (2, 2))  # there is no such file yet
    assert resolve_sources([f"voc:{tmp_path}/one:val"]) == [expected]


def test_images_of_several_specs_have_names_of_their_own(tmp_path: Path) -> None:
    _make(tmp_path / "one")
    _make(tmp_path / "two")
    sources = resolve_sources([f"voc:{tmp_path}/two:val", f"voc:{tmp_path}/one:val"])
    assert [source.file for source in sources] == ["two/JPEGImages/a.jpg", "one/JPEGImages/a.jpg"]
    assert [source.path.relative_to(tmp_path).as_posix() for source in sources] == [source.file for source in sources]
    assert all(source.as_stored for source in sources)


def test_an_image_of_two_splits_is_looked_at_once(tmp_path: Path) -> None:
    _make(tmp_path / "own")
    (tmp_path / "own" / "ImageSets" / "Main" / "all.txt").write_text("b\na\n")
    (tmp_path / "own" / "Annotations" / "b.xml").write_bytes((tmp_path / "own/Annotations/a.xml").read_bytes())
    sources = resolve_sources([f"voc:{tmp_path}/own:val", f"voc:{tmp_path}/own:all"])
    assert [source.file for source in sources] == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("order", [1, -1])
def test_data_sets_and_files_do_not_mix(tmp_path: Path, order: int) -> None:
    _make(tmp_path / "one")
    with pytest.raises(UsageError, match="not both in one run"):
        resolve_sources([f"voc:{tmp_path}/one:val", str(tmp_path / "one" / "JPEGImages")][::order])


def _one_object(folder: Path) -> Dataset:
    box, label = np.array([[1.0, 2, 5, 8]]), np.array(["cat"])
    Image.new("RGB", (20, 10)).save(folder / "a.png")
    return Dataset("one", ("cat",), (GroundTruth("a.png", 20, 10, box, label, np.array([False])),), folder)


@pytest.mark.parametrize(
    ("kind", "name", "write"),
    [
        ("coco", "val.json", write_coco_truth),
        ("csv", "val.csv", write_csv_truth),
        ("jsonl", "val.jsonl", write_jsonl_truth),
        ("label-studio", "val.json", write_label_studio_truth),
    ],
)
@pytest.mark.parametrize("place", [".", "with:colon"])
def test_a_file_of_annotations_and_a_folder(tmp_path: Path, kind: str, name: str, write: Any, place: str) -> None:
    (tmp_path / place).mkdir(exist_ok=True)
    write(_one_object(tmp_path), tmp_path / place / name)
    dataset = open_dataset(f"{kind}:{tmp_path / place / name}:{tmp_path}")
    assert [truth.file for truth in dataset.images] == ["a.png"]
    assert np.allclose(dataset.images[0].boxes, [[1, 2, 5, 8]])
    assert (dataset.classes, dataset.folder, dataset.name) == (("cat",), tmp_path, "val")
    assert resolve_sources([f"{kind}:{tmp_path / place / name}:{tmp_path}"])[0].path == tmp_path / "a.png"
    for spec in (f"{kind}:", f"{kind}::x", f"{kind}:x:"):
        with pytest.raises(UsageError, match=f"need {kind}:FILE"):
            open_dataset(spec)
    for spec in (f"{kind}:{tmp_path / 'none'}:{tmp_path}", f"{kind}:{tmp_path / 'none'}"):
        with pytest.raises(DataError, match="none: cannot be read"):
            open_dataset(spec)


@pytest.mark.parametrize(
    ("kind", "name", "write"),
    [
        ("coco", "a.json", write_coco_truth),
        ("csv", "a.csv", write_csv_truth),
        ("jsonl", "a.jsonl", write_jsonl_truth),
        ("label-studio", "a.json", write_label_studio_truth),
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_a_file_of_annotations_alone(tmp_path: Path, kind: str, name: str, write: Any, there: bool) -> None:
    (tmp_path / "a:b" / "images").mkdir(parents=True)
    data = _one_object(tmp_path / "a:b" / "images")
    write(data, tmp_path / "a:b" / name)
    if not there:
        data.path(data.images[0]).unlink()
    alone = open_dataset(f"{kind}:{tmp_path / 'a:b' / name}")
    assert np.allclose(alone.images[0].boxes, [[1, 2, 5, 8]])
    assert alone.folder == tmp_path / "a:b" / "images"
    assert resolve_sources([f"{kind}:{tmp_path / 'a:b' / name}"])[0].file == "a.png"
    if there:
        assert alone.read(alone.images[0]).shape == (10, 20, 3)
    else:
        with pytest.raises(DataError, match=r"a\.png: there is no such file"):
            alone.read(alone.images[0])


def test_drives_have_a_colon_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here folders called C: and D: stand for the drives."""
    monkeypatch.chdir(tmp_path)
    Path("D:/im").mkdir(parents=True)
    Path("C:").mkdir()
    data = _one_object(Path("D:/im"))
    for kind, name, write in (
        ("coco", "a.json", write_coco_truth),
        ("csv", "a.csv", write_csv_truth),
        ("jsonl", "a.jsonl", write_jsonl_truth),
        ("label-studio", "b.json", write_label_studio_truth),
    ):
        write(data, Path("C:") / name)
        assert open_dataset(f"{kind}:C:/{name}:D:/im").folder == Path("D:/im")
        assert open_dataset(f"{kind}:C:/{name}").folder == Path("C:")
    for folder in (Path("C:/voc"), Path("C:/VOC2007")):
        _make(folder)
    assert len(open_dataset("voc:C:/voc:val")) == 1
    assert len(open_dataset("voc:C:/:2007:val")) == 1
    Path("D:/images").mkdir()
    write_yolo_truth(data, "D:/")
    Path("D:/im").rename("D:/images/val")
    assert len(open_dataset("yolo:D:/data.yaml:val")) == 1
    for spec in ("voc:C:/voc", "yolo:C:/voc", r"ilsvrc:C:\voc"):
        with pytest.raises(UsageError, match="need"):
            open_dataset(spec)
    with pytest.raises(DataError, match=r"^C:\\nowhere\\a\.json: cannot be read"):
        open_dataset(r"coco:C:\nowhere\a.json:D:\im")


def test_a_message_is_short_whatever_the_spec() -> None:
    for spec in (
        f"{'x' * 9000}:y",
        f"voc:{'x' * 9000}",
        f"coco:{'x' * 9000}",
        "coco:\0:x",
        "voc:\0:val",
        "csv:\0",
        "ilsvrc:\0:x",
        f"ilsvrc:{'x' * 9000}:y",
        f"voc:x:{'y' * 9000}",
        f"voc:{'x' * 9000}:2007:y",
        f"coco:{'x' * 9000}:y",
    ):
        with pytest.raises((UsageError, DataError)) as refused:
            open_dataset(spec)
        assert "\n" not in str(refused.value)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["voc", "ilsvrc", "coco", "yolo", "csv", "jsonl", "label-studio", ""]),
    st.text(st.sampled_from("ab:C\\0 .~2/"), max_size=8).filter(lambda text: not text.lstrip(": ").startswith("/")),
)
def test_any_spec_that_names_nothing_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, rest: str
) -> None:
    (tmp_path / "empty").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises((UsageError, DataError)) as refused:
        open_dataset(f"{kind}:{rest}")
    assert "\n" not in str(refused.value)


def test_a_test_set_is_for_detection(tmp_path: Path) -> None:
    _make(tmp_path / "own")
    Image.new("RGB", (2, 2)).save(tmp_path / "own" / "JPEGImages" / "a.jpg")
    (tmp_path / "own" / "Annotations" / "a.xml").unlink()
    spec = f"voc:{tmp_path / 'own'}:val"
    assert [source.file for source in resolve_sources([spec])] == ["a.jpg"]
    assert not open_dataset(spec, allow_unannotated=True).annotated
    for opened in (lambda: open_dataset(spec), lambda: open_datasets([spec])):
        with pytest.raises(DataError, match="own val: has no annotations, as a test set: detect in it"):
            opened()


def test_yolo(tmp_path: Path) -> None:
    (tmp_path / "images" / "val").mkdir(parents=True)
    write_yolo_truth(_one_object(tmp_path / "images" / "val"), tmp_path)
    dataset = open_dataset(f"yolo:{tmp_path / 'data.yaml'}:val")
    assert np.allclose(dataset.images[0].boxes, [[1, 2, 5, 8]])
    for spec in ("yolo:", "yolo:x", "yolo::x", "yolo:x:"):
        with pytest.raises(UsageError, match=r"need yolo:DATA\.yaml:SPLIT"):
            open_dataset(spec)


@pytest.mark.parametrize("kind", ["coco", "csv", "jsonl", "label-studio"])
def test_readers_tell_of_problems(tmp_path: Path, kind: str) -> None:
    """The same wrong thing in each form: a box that ends before it starts."""
    value = {"x": 50, "y": 50, "width": -10, "height": 10, "rectanglelabels": ["cat"]}
    region = {"type": "rectanglelabels", "original_width": 20, "original_height": 10, "value": value}
    contents = {
        "coco": json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.png", "width": 20, "height": 10}],
                "categories": [{"id": 1, "name": "cat"}],
                "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, -1, 1]}],
            }
        ),
        "csv": "file,label,x1,y1,x2,y2\na.png,cat,5,5,4,6\n",
        "jsonl": '{"file": "a.png", "objects": [{"label": "cat", "box": [5, 5, 4, 6]}]}\n',
        "label-studio": json.dumps([{"data": {"image": "a.png"}, "annotations": [{"result": [region]}]}]),
    }
    (tmp_path / "x").write_text(contents[kind])
    told: list[Problem] = []
    dataset = open_dataset(f"{kind}:{tmp_path / 'x'}:{tmp_path}", told.append)
    assert [len(truth) for truth in dataset.images] == [0]
    assert len(told) == 1
    assert told[0].where.startswith(f"{tmp_path / 'x'}: ")


@pytest.mark.parametrize(
    ("file", "there", "expected"),
    [
        ("a.json", [], "."),
        ("sub/a.json", ["sub/1.jpg", "sub/images/1.jpg"], "sub"),  # Roboflow
        ("annotations/instances_val2017.json", ["val2017/1.jpg", "train2017/1.jpg"], "val2017"),  # COCO
        ("annotations/instances_val2017.json", ["images/val2017/1.jpg", "images/1.txt"], "images/val2017"),
        ("annotations/train.json", ["images/1.jpg"], "images"),
        ("train.json", ["train/1.jpg", "images/1.jpg"], "train"),
        ("labels.json", ["data/1.jpg"], "data"),  # FiftyOne
        ("annotations/instances_default.json", ["images/default/1.jpg"], "images/default"),  # CVAT
        ("sub/a.json", ["other/1.jpg"], "sub"),
    ],
)
@pytest.mark.parametrize("absolute", [True, False])
def test_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, there: list[str], expected: str, absolute: bool
) -> None:
    for name in (file, *there):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    folder = image_folder_of(tmp_path / file if absolute else Path(file))
    assert folder.resolve() == (tmp_path / expected).resolve()


def test_sets_that_call_one_thing_by_several_names_agree_after_renaming(tmp_path: Path) -> None:
    _make(tmp_path / "one", "tvmonitor", "door")
    _make(tmp_path / "two", "tv", "bell")
    specs, reported = [f"voc:{tmp_path}/one:val", f"voc:{tmp_path}/two:val"], []
    both = open_datasets(specs, reported.append, renames={"tv": "tvmonitor"})
    assert both.classes == ("door", "tvmonitor", "bell")
    assert [truth.labels.tolist() for truth in both.images] == [["tvmonitor", "door"], ["tvmonitor", "bell"]]
    assert [truth.ignored_classes for truth in both.images] == [("bell",), ("door",)]
    with pytest.raises(UsageError, match=r"--rename tvv: no data set has that class; did you mean 'tv'"):
        open_datasets(specs, renames={"tvv": "tvmonitor"})


def test_only_the_classes_that_are_wanted_are_read_and_missed(tmp_path: Path) -> None:
    _make(tmp_path / "one", "wheel", "door")
    _make(tmp_path / "two", "door", "bell", "knob")
    specs, reported = [f"voc:{tmp_path}/one:val", f"voc:{tmp_path}/two:val"], []
    both = open_datasets(specs, reported.append, classes=("bell", "door"))
    assert set(both.classes) == {"bell", "door"}
    assert [truth.labels.tolist() for truth in both.images] == [["door"], ["door", "bell"]]
    assert [truth.ignored_classes for truth in both.images] == [("bell",), ()]
    assert [line for line in reported if "annotate" in line] == [
        "one val does not annotate bell: what is background in its images may be one"
    ]
    with pytest.raises(UsageError, match=r"class 'knop' is not in one val \+ two val; did you mean 'knob'"):
        open_datasets(specs, classes=("door", "knop"))


def test_incomplete_sets_have_no_background(tmp_path: Path) -> None:
    _make(tmp_path / "one", "door")
    _make(tmp_path / "two", "door")
    both = open_datasets([f"voc:{tmp_path}/one:val"], incomplete=[f"voc:{tmp_path}/two:val"])
    assert [truth.exhaustive for truth in both.images] == [True, False]
    assert [truth.annotates(("door",)) for truth in both.images] == [True, False]


def test_a_set_that_is_named_twice_is_there_twice(tmp_path: Path) -> None:
    _make(tmp_path / "one", "door")
    twice = open_datasets([f"voc:{tmp_path}/one:val"] * 2)
    assert [truth.file for truth in twice.images] == ["a.jpg", "a.jpg"]
