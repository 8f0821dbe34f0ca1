import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import TypedDict

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.files.json_files import Finite, checked, load_json, parse_json, read_checked

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


class Config(TypedDict):
    classes: list[str]
    score: Finite


class Run(TypedDict):
    settings: dict[str, Config]


@settings(deadline=None)  # the first example imports pydantic
@given(VALUES)
def test_what_was_written_is_read(value: Any) -> None:
    assert parse_json(json.dumps(value), "a", strict=True) == value
    assert checked(value, object, "a") == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("NaN", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 200_000, "nested too deeply"),
        ("1" * 20, "beyond 64 bits"),
        ("1" * 9000, "beyond 64 bits"),
        (b"\xff\xfe\x00", "cannot be read as JSON"),
    ],
)
def test_a_text_that_is_none_is_one_sentence(text: str | bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        parse_json(text, "run.json", strict=True)
    assert str(caught.value).startswith("run.json: ")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([], "r: it is [], need an object"),
        ({}, "r: has no settings"),
        ({"settings": 3}, "r: settings is 3, need an object"),
        ({"settings": {"c": {"classes": "cat", "score": 1}}}, "r: settings.c.classes is 'cat', need a list"),
        ({"settings": {"c": {"classes": [1], "score": 1}}}, "r: settings.c.classes.0 is 1, need a text"),
        ({"settings": {"c": {"classes": [], "score": True}}}, "r: settings.c.score is True, need a number"),
        ({"settings": {"c": {"classes": [], "score": "1"}}}, "r: settings.c.score is '1', need a number"),
        ({"settings": {"c": {"classes": [], "score": 1e999}}}, "r: settings.c.score is inf, need a finite number"),
    ],
)
def test_the_first_fault_of_a_value_is_named(value: Any, sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        checked(value, Run, "r")
    assert str(caught.value) == sentence


def test_a_fault_of_any_length_is_short() -> None:
    with pytest.raises(DataError) as caught:
        checked({"settings": {"x" * 10**6: {"classes": ["y" * 10**6, 3], "score": 1}}}, Run, "r")
    assert len(str(caught.value)) < 300


def test_further_keys_are_left_out_and_names_need_not_be_unicode() -> None:
    value = {"settings": {"a\udcff": {"classes": ["b\udcff"], "score": 1, "more": 2}}, "finished": True}
    assert checked(value, Run, "r") == {"settings": {"a\udcff": {"classes": ["b\udcff"], "score": 1.0}}}


def test_a_file_says_what_it_should_be(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"a": 1}')
    assert read_checked(path, dict[str, int]) == {"a": 1}
    with pytest.raises(DataError, match=r"run\.json is no record of a run: a is 1, need a text"):
        read_checked(path, dict[str, str], "record of a run")


def test_pydantic_is_imported_where_it_is_needed() -> None:
    module = "inception_rcnn.data.files.json_files"
    code = f"import sys, {module} as m; assert 'pydantic' not in sys.modules; m.checked(1, int, '')"
    subprocess.run([sys.executable, "-c", code], check=True)


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
