from pathlib import Path

import pytest

from inception_rcnn.data.images.near_annotations import image_folder_of


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
