import json
from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.errors import DataError, SetupError
from inception_rcnn.data.ledger import open_ledger, picture_from_line, picture_to_line, read_ledger, write_ledger
from inception_rcnn.data.records import Detections, Picture


def _picture(file: str = "a.jpg", num: int = 1) -> Picture:
    boxes = np.tile([1.1, 2.2, 1 / 3 + 7, 9.0], (num, 1))
    return Picture(file, 20, 10, Detections(boxes, np.array(["cat"] * num, dtype=str), np.linspace(1, 0.1, num)))


def _same(a: Picture, b: Picture) -> bool:
    columns = ("boxes", "labels", "scores")
    equal = [getattr(a.detections, name).tolist() == getattr(b.detections, name).tolist() for name in columns]
    return all(equal) and (a.file, a.width, a.height, a.error) == (b.file, b.width, b.height, b.error)


PICTURES = [
    _picture(num=0),
    _picture(),
    _picture("sub/猫\u2028\n.jpg", 3),
    _picture("caf\udce9.jpg"),  # not UTF-8
    Picture("broken.jpg", error='truncated "file"\n'),
]


@pytest.mark.parametrize("pictures", [[], PICTURES[:1], PICTURES])
def test_read_gives_what_was_written(tmp_path: Path, pictures: list[Picture]) -> None:
    write_ledger(pictures, tmp_path / "d.jsonl")
    back = read_ledger(tmp_path / "d.jsonl")
    assert len(back) == len(pictures)
    assert all(map(_same, back, pictures))


def test_line_has_exactly_the_stated_fields() -> None:
    line = picture_to_line(Picture("a.jpg", 4, 3, Detections([[0, 0, 2, 1.5]], ["cat"], [0.5])))  # type: ignore
    assert json.loads(line) == {
        "file": "a.jpg",
        "width": 4,
        "height": 3,
        "detections": [{"label": "cat", "score": 0.5, "box": [0, 0, 2, 1.5]}],
    }
    assert json.loads(picture_to_line(PICTURES[-1])).keys() == {"file", "error"}


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_torn_last_line_is_dropped_and_cut_off(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "d.jsonl"
    whole = picture_to_line(PICTURES[1])
    path.write_text(whole + picture_to_line(PICTURES[2])[:-1][:-cut])
    assert [picture.file for picture in read_ledger(path)] == ["a.jpg"]
    with open_ledger(path) as ledger:
        ledger.write(picture_to_line(PICTURES[3]))
    assert [picture.file for picture in read_ledger(path)] == ["a.jpg", "caf\udce9.jpg"]


def test_last_line_that_only_lacks_its_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(picture_to_line(PICTURES[1])[:-1])
    with open_ledger(path) as ledger:
        ledger.write(picture_to_line(PICTURES[0]))
    assert [len(picture.detections) for picture in read_ledger(path)] == [1, 0]


def test_a_line_is_on_disk_when_written(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "new" / "d.jsonl") as ledger:
        ledger.write(picture_to_line(PICTURES[1]))
        assert len(read_ledger(tmp_path / "new" / "d.jsonl")) == 1


def _line(detection: str) -> str:
    return f'{{"file": "a", "width": 1, "height": 1, "detections": [{detection}]}}'


GOOD = '{"label": "cat", "score": 0.5, "box": [0, 0, 1, 1]}'


@pytest.mark.parametrize(
    "line",
    [
        "null",
        "[]",
        "{}",
        "{",
        '{"file": 3, "error": "x"}',
        '{"file": "a"}',
        '{"file": "a", "width": 1, "detections": []}',
        '{"file": "a", "width": 1, "height": 1, "detections": null}',
        '{"file": "a", "width": 1e999, "height": 1, "detections": []}',
        _line(GOOD.replace("0.5", "NaN")),
        _line(GOOD.replace("[0,", "[2,")),
        _line(GOOD.replace("0, 1, 1]", "1]")),
        _line(GOOD.replace("0.5", "1" + "0" * 400)),
        "[" * 100000,
    ],
)
def test_broken_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(picture_to_line(PICTURES[1]) + line + "\n" + picture_to_line(PICTURES[1]))
    with pytest.raises(DataError, match=r"d\.jsonl: line 2"):
        read_ledger(path)


def test_extra_fields_do_no_harm() -> None:
    assert picture_from_line('{"file": "a", "width": 1, "height": 2, "detections": [], "seconds": 3}', "x").height == 2


def test_missing_file_and_folder_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_ledger(tmp_path / "none.jsonl")
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="cannot be written"):
        open_ledger(tmp_path / "file" / "d.jsonl")


@pytest.mark.parametrize("line", ['{"file": "b.jpg", "detections": []}', "no ledger at all", "[1, 2]", "[" * 100_000])
def test_a_last_line_that_is_wrong_is_no_torn_one(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"file": "a.jpg", "error": "broken"}}\n{line}')
    with pytest.raises(DataError, match="line 2"):
        read_ledger(tmp_path / "a.jsonl")
