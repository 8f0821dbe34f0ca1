import pytest

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.yaml_subset import YamlValue, parse_yaml


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("---\n# only this\n\n", {}),
        ("a: b", {"a": "b"}),
        ("a:\nb: # nothing\nc: ''", {"a": "", "b": "", "c": ""}),
        ("\ufeffa: b\r\nc: d\r\n", {"a": "b", "c": "d"}),
        ("a: C:/data\nb: http://x/y?z=1 # here\nc: a#b", {"a": "C:/data", "b": "http://x/y?z=1", "c": "a#b"}),
        ("a: 'it''s: # a'\nb: \"\\u00e9\\n\" # x\n'c d': -1", {"a": "it's: # a", "b": "é\n", "c d": "-1"}),
        ("a: [b, 'c, d', \"e]\" , f g,]", {"a": ["b", "c, d", "e]", "f g"]}),
        ("a: [b, # first\n  'c' # second\n  ]  # end\nd: []", {"a": ["b", "c"], "d": []}),
        ("a: {0: b, 'x': c d}\ne: {}", {"a": {"0": "b", "x": "c d"}, "e": {}}),
        ("a:\n- b # x\n- 'c'\n\nd: e", {"a": ["b", "c"], "d": "e"}),
        ("a:\n  - b\n  # x\n  - c", {"a": ["b", "c"]}),
        ("a:\n  0: b\n\n  1: c # x\nd: e", {"a": {"0": "b", "1": "c"}, "d": "e"}),
        ("a: |\n  import x\n    y: [\n\n  z\nb: >-\n  text", {"a": "import x\ny: [\n\nz", "b": "text"}),
        ("yes: no\nn: null", {"yes": "no", "n": "null"}),  # text stays text
    ],
)
def test_what_is_read(text: str, expected: dict[str, YamlValue]) -> None:
    assert parse_yaml(text, "data.yaml") == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a", 1),
        ("a:b", 1),
        ("- a", 1),
        ("{a: b}", 1),
        (" a: b", 1),
        ("a: 1\n\nb: 2\na: 3", 4),
        ("a: &x b", 1),
        ("a: *x", 1),
        ("a: !!str b", 1),
        ("a: @b", 1),
        ("a: b: c", 1),
        ("a: 'b", 1),
        ("a: 'b' c", 1),
        ('a: "\\x41"', 1),
        ("a: b\n  c", 2),
        ("a: b\n  c: d", 2),
        ("a:\n  b:\n    c: d", 3),
        ("a:\n  b: c\n  b: d", 3),
        ("a:\n  - b\n    - c", 3),
        ("a:\n  - b: c", 2),
        ("a:\n\tb: c", 2),
        ("a: [b", 1),
        ("a: [b, [c]]", 1),
        ("a: [b, {c: d}]", 1),
        ("a: [b,,c]", 1),
        ("a: ['b' c]", 1),
        ("a: [b] c", 1),
        ("a: {b}", 1),
        ("a: {b: c, b: d}", 1),
        ("a: b\n---\nc: d", 2),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_line(text: str, line: int) -> None:
    with pytest.raises(DataError, match=rf"^data\.yaml: line {line} is .*simpler form of YAML$"):
        parse_yaml(text, "data.yaml")


def test_long_hostile_lines_take_no_time() -> None:
    for text in ("a: " + "b " * 50_000 + ": c", "a: [" + "'" * 50_001, "a: [" + "b, " * 50_000, " " * 50_000 + "a"):
        with pytest.raises(DataError, match="line 1"):
            parse_yaml(text, "data.yaml")
