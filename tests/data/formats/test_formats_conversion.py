import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inception_rcnn.data.datasets.dataset import Dataset, spread
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.formats import conversion
from inception_rcnn.data.formats.conversion import HELD, convert
from inception_rcnn.data.formats.exports import write_coco
from inception_rcnn.data.formats.predictions import read_predictions
from inception_rcnn.data.formats.specs import open_dataset, open_datasets
from inception_rcnn.data.formats.tables import write_jsonl_truth
from inception_rcnn.data.images.pairing import pair_files
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections
from inception_rcnn.data.stores.detections_jsonl import write_ledger

SPECS = {
    "voc": "voc:{}/VOCdevkit:2007:val",
    "ilsvrc": "ilsvrc:{}/ilsvrc2014/DET:val_public",
    "coco": "coco:{0}/coco/instances.json:{0}/coco/images",
}


def _refuse(line: str) -> None:
    raise AssertionError(line)


def _check_same(back: Dataset, data: Dataset) -> None:
    """Equal images, labels and boxes, in whatever order the images are."""
    assert len(back) == len(data)
    pairs = pair_files([truth.file for truth in data.images], [truth.file for truth in back.images])
    assert sorted(pairs) == list(range(len(data)))
    for one, index in zip(data.images, pairs.tolist(), strict=True):
        other = back.images[index]
        assert other.labels.tolist() == one.labels.tolist()
        assert (other.width, other.height) == (one.width, one.height)
        np.testing.assert_allclose(other.boxes, one.boxes, rtol=0, atol=1e-9)


@pytest.mark.shared
@pytest.mark.parametrize("kind", ["voc", "ilsvrc", "coco", "yolo"])
@pytest.mark.parametrize("to", HELD)
def test_real_data_sets_survive_the_way_there_and_back(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch, kind: str, to: str
) -> None:
    def some(specs: Any, report: Any, **options: Any) -> Dataset:
        return spread(open_datasets(specs, report, **options), 30)

    monkeypatch.setattr(conversion, "open_datasets", some)
    said: list[str] = []
    spec = SPECS.get(kind, SPECS["voc"]).format(shared / "data")
    if kind == "yolo":
        spec = convert(spec, "yolo", tmp_path / "yolo", None, said.append, copy_images=True)
    data = some([spec], said.append)
    said.clear()
    written = convert(spec, to, tmp_path / "out", None, said.append, copy_images=True)
    assert written.startswith(f"{to}:{tmp_path}")
    back = open_dataset(written)
    if any("boxes cannot be written" in line for line in said):
        data = conversion._with_valid_boxes(data, to, said.append)
    _check_same(back, data)
    if "classes" in HELD[to]:
        assert [name for name in back.classes if name in data.classes] == [*data.classes]
    for name in {"difficult", "crowd", "truncated"} & HELD[to]:
        expected = {truth.file.rsplit(".", 1)[0].split("/")[-1]: truth for truth in back.images}
        for truth in data.images:
            other = expected[truth.file.rsplit(".", 1)[0].split("/")[-1]]
            if name == "difficult":  # what is to be ignored may have another flag there
                assert other.to_ignore.tolist() == (truth.difficult | truth.crowd | truth.ignore).tolist()
            else:
                assert getattr(other, name).tolist() == getattr(truth, name).tolist()


def _truth(file: str, *labels: str, **columns: Any) -> GroundTruth:
    boxes = np.tile([2.0, 1.0, 6.5, 4.0], (len(labels), 1)) + np.arange(len(labels))[:, None]
    columns = {"difficult": np.zeros(len(labels), np.bool_), **columns}
    return GroundTruth(file, 20, 10, boxes, np.array(labels, dtype=np.str_), **columns)


@pytest.fixture
def spec(tmp_path: Path) -> str:
    """Two images, of which one is there, and an object of every flag."""
    flags = {name: np.eye(4, dtype=np.bool_)[i] for i, name in enumerate(("difficult", "crowd", "ignore", "truncated"))}
    truths = (_truth("s/a b.png", *["cat", "dog", "cat", "dog"], **flags, areas=np.array([1.0, 13.5, 13.5, 13.5])),)
    truths += (_truth("b.png"),)
    (tmp_path / "photos" / "s").mkdir(parents=True)
    Image.new("RGB", (20, 10)).save(tmp_path / "photos" / "s" / "a b.png")
    write_jsonl_truth(Dataset("x", ("cat", "dog"), truths, tmp_path / "photos"), tmp_path / "x.jsonl")
    return f"jsonl:{tmp_path / 'x.jsonl'}:{tmp_path / 'photos'}"


@pytest.mark.parametrize(
    ("to", "lost"),
    [
        ("jsonl", []),
        ("coco", ["1 objects are flagged truncated"]),
        ("csv", ["flagged ignore, which csv has no flag for: written as difficult"]),
        ("voc", ["flagged crowd.*difficult", "flagged ignore.*difficult", "1 objects have areas"]),
        ("yolo", [*(f"1 objects are flagged {n}.*like others" for n in ("difficult", "crowd", "ignore", "truncated"))]),
        ("label-studio", ["difficult", "crowd", "ignore", "truncated", "areas"]),
    ],
)
def test_what_a_format_cannot_hold_is_reported_once(tmp_path: Path, spec: str, to: str, lost: list[str]) -> None:
    said: list[str] = []
    convert(spec, to, tmp_path / "out", None, said.append, copy_images=True)
    assert said[-1] == "1 images are not there and were not copied, as b.png"
    rest = said[:-1]
    for words in lost:
        (line,) = (line for line in rest if re.search(words, line))
        rest.remove(line)
    assert [line for line in rest if "areas" not in line or to != "yolo"] == []


def test_order_of_classes_sizes_and_what_is_not_annotated_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = GroundTruth(
        "a.jpg", 0, 0, np.array([[0.0, 0, 30, 8]]), np.array(["dog"]), np.array([False]), ignored_classes=("cat",)
    )
    data = Dataset("x", ("dog", "cat"), (odd,), tmp_path)
    monkeypatch.setattr(conversion, "open_datasets", lambda *_, **__: data)
    said: list[str] = []
    convert("voc:x:val", "csv", tmp_path / "out", None, said.append)
    assert [line.split(":")[0] for line in said] == [
        "csv has no list of the classes",
        "1 images have classes that are not annotated or evaluated there, which csv cannot say",
        "1 images have no size, neither stated nor of a file",
    ]
    with pytest.raises(DataError, match=r"a\.jpg: YOLO's format needs the image's size"):
        convert("voc:x:val", "yolo", tmp_path / "yolo", None, said.append)
    assert not (tmp_path / "yolo").exists()


def test_boxes_beyond_an_image_are_cut_for_yolo_and_turned_images_are_named(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "x.csv").write_text("file,label,x1,y1,x2,y2,width,height\na.jpg,cat,-1,0,25,8,20,10\n")
    said: list[str] = []
    spec = convert(
        f"csv:{tmp_path / 'x.csv'}:{tmp_path}", "yolo", tmp_path / "out", None, said.append, copy_images=True
    )
    assert [line.partition(" ")[2][:20] for line in said] == ["images have EXIF dat", "boxes cannot be writ"]
    assert (tmp_path / "out" / "labels" / "val" / "a.txt").read_text() == "0 0.5 0.4 1.0 0.8\n"
    assert spec == f"yolo:{tmp_path / 'out' / 'data.yaml'}:val"


def test_a_split_keeps_its_name_and_ultralytics_finds_train_and_val(tmp_path: Path, spec: str) -> None:
    said: list[str] = []
    voc = convert(spec, "voc", tmp_path / "voc", None, said.append, copy_images=True)
    (tmp_path / "voc" / "ImageSets" / "Main" / "val.txt").rename(tmp_path / "voc" / "ImageSets" / "Main" / "test.txt")
    yolo = convert(voc.replace(":val", ":test"), "yolo", tmp_path / "yolo", None, said.append, copy_images=True)
    assert yolo.endswith(":test")
    assert (tmp_path / "yolo" / "data.yaml").read_text() == (
        'path: .\ntest: images/test\ntrain: images/test\nval: images/test\nnames: ["cat", "dog"]\n'
    )
    assert len(open_dataset(yolo)) == len(open_dataset(yolo.replace(":test", ":train"))) == 1
    said.clear()
    convert(spec, "voc", tmp_path / "again", None, said.append)
    assert (
        said[-1] == f"voc has its images in {tmp_path / 'again' / 'JPEGImages'}: copy them there, or give --copy-images"
    )


BOXES = np.array([[1.0, 2, 5.5, 8], [0, 0, 20, 10]])
FOUND = [
    ImageDetections("s/a.jpg", 20, 10, Detections(BOXES, np.array(["dog", "cat"]), np.array([0.9, 0.3]))),
    ImageDetections("b.jpg", 20, 10),
    ImageDetections("c.jpg", error="c.jpg: is empty"),
]


@pytest.mark.parametrize("to", HELD)
@pytest.mark.parametrize("kind", ["coco", "jsonl"])
def test_predictions_survive_the_way_there_and_back(tmp_path: Path, kind: str, to: str) -> None:
    source = tmp_path / "p"
    if kind == "coco":
        write_coco(FOUND, source, ["dog", "cat"])
    else:
        write_ledger(FOUND, source)
    said: list[str] = []
    written = convert(str(source), to, tmp_path / "out", None, said.append)
    data = Dataset("x", ("dog", "cat"), tuple(_truth(each.file) for each in FOUND), tmp_path)
    back = {Path(each.file).stem: each for each in read_predictions(written, data)}
    one, other = FOUND[0].detections, back["a"].detections
    assert other.labels.tolist() == one.labels.tolist()
    assert other.scores.tolist() == one.scores.tolist()
    np.testing.assert_allclose(other.boxes, one.boxes, rtol=0, atol=1e-9)
    assert ("b" in back) is (to not in ("csv", "voc"))
    assert any("failed" in line for line in said) is (kind == "jsonl" and to != "jsonl")
    assert any("images without detections are left out" in line for line in said) is (to in ("csv", "voc"))


def test_predictions_take_names_and_sizes_of_the_data_set(tmp_path: Path, spec: str) -> None:
    (tmp_path / "p.csv").write_text("file,label,score,x1,y1,x2,y2\na b,cat,.5,1,2,3,4\nzzz,cow,.5,1,2,3,4\n")
    with pytest.raises(UsageError, match="yolo needs the sizes of images, as of a b: give the data set"):
        convert(str(tmp_path / "p.csv"), "yolo", tmp_path / "out", None, _refuse)
    with pytest.raises(UsageError, match="as of zzz"):
        convert(str(tmp_path / "p.csv"), "yolo", tmp_path / "out", spec, _refuse)
    said: list[str] = []
    written = convert(str(tmp_path / "p.csv"), "coco", tmp_path / "out", spec, said.append)
    assert said == ["1 images have no size: give the data set (--data SPEC)"]
    assert [(each.file, each.width) for each in read_predictions(written)] == [("s/a b.png", 20), ("zzz", 0)]


def test_an_image_that_is_there_twice_has_no_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "JPEGImages").mkdir()
    for folder, files in (("Annotations", ["a.xml"]), ("ImageSets/Main", ["val.txt"])):
        for file in files:
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / file).write_text("<annotation/>" if file == "a.xml" else "a\na\n")
    with pytest.raises(DataError, match=r"a\.jpg and a\.jpg: would share one file"):
        convert(f"voc:{tmp_path}:val", "voc", tmp_path / "out", None, lambda line: None)


def test_arguments_that_do_not_go_together_are_refused(tmp_path: Path, spec: str) -> None:
    write_ledger(FOUND, tmp_path / "p.jsonl")
    out, predictions = tmp_path / "out", str(tmp_path / "p.jsonl")
    for arguments, words in (
        ((spec, "pascal", out, None), "--to 'pascal': is no format to write; known: coco, yolo"),
        ((spec, "coco", out, spec), "goes with predictions"),
        ((spec, "coco", tmp_path, None), "is not empty; choose another folder"),
        ((spec, "coco", tmp_path / "x.jsonl", None), "is not empty; choose another folder"),
    ):
        with pytest.raises(UsageError, match=words):
            convert(*arguments, lambda line: None)
    with pytest.raises(UsageError, match="--copy-images: goes with a data set"):
        convert(predictions, "coco", out, None, _refuse, copy_images=True)
    with pytest.raises(DataError, match="nowhere: does not exist"):
        convert(str(tmp_path / "nowhere"), "coco", out, None, _refuse)
    assert not out.exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    out.mkdir()
    convert(spec, "jsonl", out, None, _refuse)  # into an empty folder
    assert [path.name for path in out.iterdir()] == ["annotations.jsonl"]
