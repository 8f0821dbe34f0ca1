from pathlib import Path

import pytest

from inception_rcnn.data.datasets import is_spec, open_dataset
from inception_rcnn.data.errors import DataError, UsageError

XML = "<annotation><size><width>2</width><height>2</height></size></annotation>"


def _make(folder: Path) -> None:
    for below in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / below).mkdir(parents=True)
    (folder / "Annotations" / "a.xml").write_text(XML)
    (folder / "ImageSets" / "Main" / "val.txt").write_text("a\n")


@pytest.mark.parametrize("name", ["own", "with:colon", "with space", "2012", "猫"])
def test_own_folder(tmp_path: Path, name: str) -> None:
    _make(tmp_path / name)
    dataset = open_dataset(f"voc:{tmp_path / name}:val")
    assert dataset.folder == tmp_path / name / "JPEGImages"
    assert [picture.file for picture in dataset.pictures] == ["a.jpg"]


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
