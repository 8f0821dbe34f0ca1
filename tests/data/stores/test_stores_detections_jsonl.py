import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.diagnostics import Notices
from inception_rcnn.data.errors import DataError, SetupError
from inception_rcnn.data.records import Detections, ImageDetections, Origin
from inception_rcnn.data.stores.detections_jsonl import (
    image_from_line,
    image_to_line,
    open_ledger,
    read_ledger,
    write_ledger,
)


def _image(file: str = "a.jpg", num: int = 1) -> ImageDetections:
    boxes = np.tile([1.1, 2.2, 1 / 3 + 7, 9.0], (num, 1))
    return ImageDetections(
        file, 20, 10, Detections(boxes, np.array(["cat"] * num, dtype=str), np.linspace(1, 0.1, num))
    )


def _same(a: ImageDetections, b: ImageDetections) -> bool:
    columns = ("boxes", "labels", "scores")
    equal = [getattr(a.detections, name).tolist() == getattr(b.detections, name).tolist() for name in columns]
    return all(equal) and (a.file, a.width, a.height, a.error) == (b.file, b.width, b.height, b.error)


IMAGES = [
    _image(num=0),
    _image(),
    _image("sub/猫\u2028\n.jpg", 3),
    _image("caf\udce9.jpg"),  # not UTF-8
    ImageDetections("broken.jpg", error='truncated "file"\n'),
]


@pytest.mark.parametrize("images", [[], IMAGES[:1], IMAGES])
def test_read_gives_what_was_written(tmp_path: Path, images: list[ImageDetections]) -> None:
    write_ledger(images, tmp_path / "d.jsonl")
    back = read_ledger(tmp_path / "d.jsonl")
    assert len(back) == len(images)
    assert all(map(_same, back, images))


def test_line_has_exactly_the_stated_fields() -> None:
    line = image_to_line(ImageDetections("a.jpg", 4, 3, Detections([[0, 0, 2, 1.5]], ["cat"], [0.5])))  # type: ignore
    assert json.loads(line) == {
        "file": "a.jpg",
        "width": 4,
        "height": 3,
        "detections": [{"label": "cat", "score": 0.5, "box": [0, 0, 2, 1.5]}],
    }
    assert json.loads(image_to_line(IMAGES[-1])).keys() == {"file", "error"}


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_torn_last_line_is_dropped_and_cut_off(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "d.jsonl"
    whole = image_to_line(IMAGES[1])
    path.write_text(whole + image_to_line(IMAGES[2])[:-1][:-cut])
    assert [image.file for image in read_ledger(path)] == ["a.jpg"]
    with open_ledger(path) as ledger:
        ledger.write(image_to_line(IMAGES[3]))
    assert [image.file for image in read_ledger(path)] == ["a.jpg", "caf\udce9.jpg"]


def test_last_line_that_only_lacks_its_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(image_to_line(IMAGES[1])[:-1])
    with open_ledger(path) as ledger:
        ledger.write(image_to_line(IMAGES[0]))
    assert [len(image.detections) for image in read_ledger(path)] == [1, 0]


def test_a_line_is_on_disk_when_written(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "new" / "d.jsonl") as ledger:
        ledger.write(image_to_line(IMAGES[1]))
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
        _line(GOOD.replace("0.5", "true")),
        _line(GOOD.replace("0.5", '"half"')),
        _line(GOOD.replace("[0,", '["zero",')),
        _line(GOOD.replace("[0,", "[Infinity,")),
        _line(GOOD.replace('"cat"', "null")),
        _line(GOOD.replace('"cat"', '["cat"]')),
        _line("7"),
        '{"file": "a", "width": true, "height": 1, "detections": []}',
        '{"file": "a", "width": "1", "height": 1, "detections": []}',
        '{"file": "a", "width": -1, "height": 1, "detections": []}',
        '{"file": "a", "width": 1.5, "height": 1, "detections": []}',
        f'{{"file": "a", "width": {"9" * 30}, "height": 1, "detections": []}}',
        f'{{"file": "a", "width": {"9" * 5000}, "height": 1, "detections": []}}',
        '{"file": "a", "width": 1, "height": 1, "detections": {}}',
        f'{{"file": [{"1," * 10**5} 1], "width": 1, "height": 1, "detections": []}}',
        _line(GOOD.replace("0, 1, 1]", "1]")),
        _line(GOOD.replace("0.5", "1" + "0" * 400)),
        "[" * 100000,
    ],
)
def test_broken_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(image_to_line(IMAGES[1]) + line + "\n" + image_to_line(IMAGES[1]))
    with pytest.raises(DataError, match=r"d\.jsonl: line 2") as caught:
        read_ledger(path)
    assert len(str(caught.value)) < 1000
    assert "\n" not in str(caught.value)


ORIGIN = Origin(1234, 1_700_000_000_123_456_789, "upright")


def test_the_file_that_was_read_is_in_its_line(tmp_path: Path) -> None:
    image = replace(_image(), origin=ORIGIN)
    record = json.loads(image_to_line(image))
    assert (record["bytes"], record["modified_ns"], record["read_as"]) == (1234, 1_700_000_000_123_456_789, "upright")
    assert next(iter(record)) == "file"
    write_ledger([image, _image("b.jpg")], tmp_path / "d.jsonl")
    assert [each.origin for each in read_ledger(tmp_path / "d.jsonl")] == [ORIGIN, None]


@pytest.mark.parametrize("changed", ['"bytes": "7"', '"bytes": true', '"bytes": 1.5', '"bytes": null', '"other": 1'])
def test_what_makes_no_sense_says_nothing_of_a_file(changed: str) -> None:
    line = image_to_line(replace(_image(), origin=ORIGIN))
    assert image_from_line(line.replace('"bytes": 1234', changed), "x").origin is None


def test_of_lines_that_say_which_file_was_read_the_last_counts_and_others_are_parts(tmp_path: Path) -> None:
    whole = [replace(_image(num=num), origin=ORIGIN) for num in (3, 1)]
    write_ledger([whole[0], _image("b.jpg"), whole[1]], tmp_path / "d.jsonl")
    assert [(each.file, len(each.detections)) for each in read_ledger(tmp_path / "d.jsonl")] == [
        ("b.jpg", 1),
        ("a.jpg", 1),
    ]
    write_ledger([_image(num=3), _image("b.jpg"), _image()], tmp_path / "d.jsonl")
    assert [len(each.detections) for each in read_ledger(tmp_path / "d.jsonl")] == [3, 1, 1]


def test_an_inside_out_box_is_an_empty_one_and_told(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text(_line(f"{GOOD}, {GOOD.replace('[0,', '[2,')}") + "\n")
    notices = Notices()
    [image] = read_ledger(tmp_path / "d.jsonl", notices)
    assert image.detections.boxes.tolist() == [[0, 0, 1, 1], [2, 0, 2, 1]]
    assert len(notices.lines()) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_ledger_that_an_editor_saved_with_a_mark_is_read_and_gone_on_with(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text("".join(map(image_to_line, IMAGES[:3:2])), encoding=encoding, newline="\r\n")
    assert [each.file for each in read_ledger(path)] == ["a.jpg", IMAGES[2].file]
    with open_ledger(path) as ledger:
        ledger.write(image_to_line(IMAGES[3]))
    assert [each.file for each in read_ledger(path)] == ["a.jpg", IMAGES[2].file, IMAGES[3].file]


def test_no_error_is_no_failure() -> None:
    line = '{"file": "a", "error": null, "width": 640.0, "height": 2, "detections": []}'
    assert (image_from_line(line, "x").error, image_from_line(line, "x").width) == (None, 640)


def test_extra_fields_do_no_harm() -> None:
    assert image_from_line('{"file": "a", "width": 1, "height": 2, "detections": [], "seconds": 3}', "x").height == 2


def test_missing_file_and_folder_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_ledger(tmp_path / "none.jsonl")
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="cannot be written"):
        open_ledger(tmp_path / "file" / "d.jsonl")


@pytest.mark.parametrize(
    "line", ['{"file": "b.jpg", "width": 9, "detections": []}', "no ledger at all", "[1, 2]", "[" * 100_000]
)
def test_a_last_line_that_is_wrong_is_no_torn_one(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"file": "a.jpg", "error": "broken"}}\n{line}')
    with pytest.raises(DataError, match="line 2"):
        read_ledger(tmp_path / "a.jsonl")


def test_a_size_that_is_not_stated_is_not_known() -> None:
    found = image_from_line('{"file": "a", "detections": [{"label": "cat", "score": 1, "box": [0, 0, 9, 9]}]}', "x")
    assert (found.width, found.height, found.detections.labels.tolist()) == (0, 0, ["cat"])


def test_only_a_line_without_its_end_is_torn(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"file": "a.jpg", "err')
    assert read_ledger(tmp_path / "a.jsonl") == []
    (tmp_path / "a.jsonl").write_text('{"file": "a.jpg", "err\n')
    with pytest.raises(DataError, match=r"a\.jsonl: line 1"):
        read_ledger(tmp_path / "a.jsonl")
