from pathlib import Path

import pytest

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.files.json_files import load_json


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_is_read_in_any_of_unicodes_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes('{"é": [1]}'.encode(encoding))
    assert load_json(path) == {"é": [1]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[" * 10**6, "it is nested too deeply"),
        (b"1" * 5000, "a number has thousands of digits"),
        (b"\xff", "can't decode byte 0xff"),
        (b'{"a": 1', "Expecting ',' delimiter"),
    ],
)
def test_what_is_no_json_is_one_short_sentence(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        load_json(path)
    assert len(str(caught.value).removeprefix(str(path))) < 150


def test_a_name_that_no_file_can_have_is_no_json() -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_json("a\0b.json")
