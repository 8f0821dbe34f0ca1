"""What is read of YAML files, and that no file ends in a traceback or takes long."""

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.files.yaml_files import YamlValue, parse_yaml


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("---\n# only this\n\n", {}),
        ("a: b", {"a": "b"}),
        ("a:\nb: # nothing\nc: ''", {"a": "", "b": "", "c": ""}),
        ("\ufeffa: b\r\nc: d\r\n", {"a": "b", "c": "d"}),
        ("a: C:/data\nb: http://x/y?z=1 # here\nc: a#b", {"a": "C:/data", "b": "http://x/y?z=1", "c": "a#b"}),
        ("a: 'it''s: # a'\nb: \"\\u00e9\\n\" # x\n'c': -1", {"a": "it's: # a", "b": "é\n", "c": "-1"}),
        ("a: [b, 'c, d', \"e]\" , f g,]", {"a": ["b", "c, d", "e]", "f g"]}),
        ("a: [b, # first\n  'c' # second\n  ]  # end\nd: []", {"a": ["b", "c"], "d": []}),
        ("a: {0: b, 'x': c d}\nb: {}", {"a": {"0": "b", "x": "c d"}, "b": {}}),
        ("a:\n- b # x\n- 'c'\n\nd: e", {"a": ["b", "c"], "d": "e"}),
        ("a:\n  - b\n  # x\n  - c", {"a": ["b", "c"]}),
        ("a:\n  0: b\n\n  1: c # x\nd: e", {"a": {"0": "b", "1": "c"}, "d": "e"}),
        ("a: |\n  import x\n    y: [\n\n  z\nb: >-\n  text", {"a": "import x\n  y: [\n\nz\n", "b": "text"}),
        ("b: no\nc: null\nd: ~\na: {yes: 0x1}", {"a": {"yes": "0x1"}, "b": "no", "c": "null", "d": "~"}),
        # A text may go on in the next line, texts may be tagged and shared.
        ("a: b\n  c", {"a": "b c"}),
        ("a: !!str b\nb: &x c\nd: *x", {"a": "b", "b": "c", "d": "c"}),
        ('a: "\\x41"', {"a": "A"}),
        ("{a: b}", {"a": "b"}),
        (" a: b", {"a": "b"}),
        ("%YAML 1.2\n---\na: b\n...\n", {"a": "b"}),
        ("a: b\n---\n", {"a": "b"}),
        # Tabs where only spaces can be meant.
        ("a:\tb\t\nb:\n  -\tc\t# x\nd: [e,\tf]", {"a": "b", "b": ["c"], "d": ["e", "f"]}),
        # What nobody asks for may be anything.
        ("z: {y: [1, {x: 2}]}\na: b\nz: 3\n? [1, 2]\n: 4", {"a": "b"}),
        ("augment:\n  mosaic:\n    p: [1, [2]]\na: b", {"a": "b"}),
        ("a: caf\udce9.jpg", {"a": "caf\udce9.jpg"}),  # a byte that is not UTF-8
    ],
)
def test_what_is_read(text: str, expected: dict[str, YamlValue]) -> None:
    assert parse_yaml(text, "data.yaml", "abcd") == expected


def test_of_a_flag_only_that_it_is_there_is_told() -> None:
    assert parse_yaml("a: b\nc: {0: [x, {}]}\nc: 1", "data.yaml", ["a"], ["c", "d"]) == {"a": "b", "c": ""}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a", 1),
        ("a:b", 1),
        ("- a", 1),
        ("a: 1\n\nb: 2\na: 3", 4),
        ("a: *x", 1),
        ("a: @b", 1),
        ("a: b: c", 1),
        ("a: 'b", 1),
        ("a: 'b' c", 1),
        ("a: b\n  c: d", 2),
        ("a:\n  b:\n    c: d", 3),
        ("a:\n  b: c\n  b: d", 3),
        ("a:\n  - [b]\n", 2),
        ("a:\n  - b: c", 2),
        ("a:\n\tb: c", 2),
        ("a:\n \tb: c", 2),
        ("a: [b", 1),
        ("a: [b, [c]]", 1),
        ("a: [b, {c: d}]", 1),
        ("a: [b,,c]", 1),
        ("a: ['b' c]", 1),
        ("a: [b] c", 1),
        ("a: {b: c, b: d}", 1),
        ("a: {[b]: c}", 1),
        ("a: b\n---\nc: d", 3),
        ('a: "\\ud800"', 1),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_line(text: str, line: int) -> None:
    with pytest.raises(DataError, match=rf"^data\.yaml: line {line}[ :].*$"):
        parse_yaml(text, "data.yaml", "abcd")


def _bomb() -> str:
    lines = ["x0: &x0 [b, b]"] + [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 30)]
    return "\n".join([*lines, "a: *x29"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("a: " + "{a: " * 100_000, "nested too deeply"),
        ("- " * 50_000, "nested too deeply"),
        (_bomb(), "a has a list or a mapping where a text is needed"),
        ("a: &x [*x]", "a has a list"),
        ("a: &x {b: *x}", "a has a list"),
        ("a: " + "b" * 5_000_000, "has 5,000,003 characters, too many"),
        ("%YAML " + "1" * 5_000 + ".1\n---\na: b", "is not YAML"),
        ('a: "\\UFFFFFFFF"', "is not YAML"),
        ("a: b\0", "is not YAML"),
        ("a: b" + "\t" * 200_000 + "c\n- ", "is not YAML"),
        ("a: *" + "x" * 100_000, "is not YAML"),
        ("a: [" + "'" * 50_001, "is not YAML"),
        ("a: " + "b " * 50_000 + ": c", "is not YAML"),
        (
            "k" * 1000 + ": 1\n" + "k" * 1000 + ": 2\na: {" + "k" * 1000 + ": 1, " + "k" * 1000 + ": 1}",
            "is there twice",
        ),
    ],
)
def test_hostile_files_take_no_time_and_a_sentence(text: str, words: str) -> None:
    start = time.perf_counter()
    with pytest.raises(DataError, match=words) as caught:
        parse_yaml(text, "data.yaml", "abcd")
    assert len(str(caught.value)) < 300
    assert time.perf_counter() - start < 5


YAML = st.lists(
    st.sampled_from([*"abc: -[]{},'\"|>&*!%@#?\n\t\\0x", "\n  ", "a: ", "- ", "---", "&a ", "*a", "\ud800", "\udc80"])
).map("".join)


@settings(deadline=None, max_examples=300)
@given(YAML | st.text())
def test_no_text_ends_in_a_traceback(text: str) -> None:
    with contextlib.suppress(DataError):
        parse_yaml(text, "data.yaml", "abc")
