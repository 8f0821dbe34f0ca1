"""The part of YAML that descriptions of data sets use: keys with a text, a list of texts, or texts by key.

Read are `key: value`; lists in brackets, over several lines too, or with dashes; mappings in braces or indented;
quotes; comments; blocks of text after `|` or `>`. Values stay text: `yes`, `0` and `null` are what is written. All else
(deeper nesting, anchors, tags, several documents) is refused: to guess would be to read something else than was meant.
https://yaml.org/spec/1.2.2/
"""

import json
import re

from .errors import DataError

YamlValue = str | list[str] | dict[str, str]

_QUOTED = r"'(?:[^']|'')*'|\"(?:[^\"\\]|\\.)*\""
# Text without quotes cannot start with a sign that YAML gives a meaning, nor go on behind " #" or ": ".
_PLAIN = r"(?:[^\s'\"\[\]{}#&*!|>%@`,:?-]|[:?-](?=\S))(?:[^#:]|(?<=\S)#|:(?=\S))*"
# In brackets and braces these end at the signs that structure them.
_FLOW_PLAIN = r"(?:[^\s'\"\[\]{}#&*!|>%@`,:?-]|[:?-](?=[^\s,\[\]{}]))(?:[^#:,\[\]{}]|(?<=\S)#|:(?=[^\s,\[\]{}]))*"
_COMMENT = re.compile(r"\s*(?:#.*)?")
_KEY = re.compile(rf"(?P<key>{_QUOTED}|{_PLAIN}?)\s*:(?=\s|$)")
_SCALAR = re.compile(rf"(?P<text>{_QUOTED}|{_PLAIN})(?:\s+#.*|\s*)")
_FLOW_TOKEN = re.compile(rf"\s*(?:(?<=\s)#[^\n]*\n\s*)*(?P<token>[\[\]{{}},]|:(?=\s)|{_QUOTED}|{_FLOW_PLAIN})")
_BLOCK = re.compile(r"[|>][+-]?\d?(?:\s+#.*|\s*)")


class _Lines:
    """The lines of a file with something on them, and which is next."""

    def __init__(self, text: str, where: str) -> None:
        numbered = enumerate(text.removeprefix("\ufeff").split("\n"), 1)
        self.all = [(number, line.rstrip("\r")) for number, line in numbered]
        self.next = 0
        self.where = where

    def skip_blank(self) -> bool:
        """Go to the next line that is neither empty nor a comment; whether there is one."""
        while self.next < len(self.all) and _COMMENT.fullmatch(self.all[self.next][1]):
            self.next += 1
        if self.next < len(self.all) and self.line[: -len(self.line.lstrip())].count("\t"):
            raise self.refusal("is indented with a tab")
        return self.next < len(self.all)

    @property
    def line(self) -> str:
        return self.all[self.next][1]

    @property
    def indent(self) -> int:
        return len(self.line) - len(self.line.lstrip(" "))

    def refusal(self, what: str) -> DataError:
        number, line = self.all[min(self.next, len(self.all) - 1)]
        return DataError(f"{self.where}: line {number} is {line[:80]!r}: {what}; write it in a simpler form of YAML")


def parse_yaml(text: str, where: str) -> dict[str, YamlValue]:
    """The keys of a document with their values; `where` says in an error which file it is.

    >>> parse_yaml("path: data # here\\nnames:\\n  0: cat\\n  1: 'big dog'", "data.yaml")
    {'path': 'data', 'names': {'0': 'cat', '1': 'big dog'}}
    """
    lines = _Lines(text, where)
    if lines.skip_blank() and lines.line.rstrip() == "---":
        lines.next += 1
    found: dict[str, YamlValue] = {}
    while lines.skip_blank():
        if lines.indent:
            raise lines.refusal("is indented where no list or mapping is expected")
        key, rest = _split_key(lines)
        if key in found:
            raise lines.refusal(f"the key {key!r} is there twice")
        found[key] = _value(lines, rest)
    return found


def _split_key(lines: _Lines) -> tuple[str, str]:
    line = lines.line.strip()
    match = _KEY.match(line)
    if match is None:
        raise lines.refusal("need a key, a colon and a space")
    return _unquoted(match["key"], lines), line[match.end() :].strip()


def _value(lines: _Lines, rest: str) -> YamlValue:
    """What stands behind a key; leaves `lines` at the line after it."""
    if rest.startswith(("[", "{")):
        return _flow(lines)
    if _BLOCK.fullmatch(rest):
        return _block(lines)
    if not _COMMENT.fullmatch(rest):
        text = _scalar(rest, lines)
        lines.next += 1
        return text
    lines.next += 1
    if not lines.skip_blank():
        return ""
    if lines.line.lstrip(" ").startswith("- "):
        return _dashes(lines)
    return _indented(lines) if lines.indent else ""


def _scalar(text: str, lines: _Lines) -> str:
    match = _SCALAR.fullmatch(text)
    if match is None:
        raise lines.refusal(f"{text[:40]!r} cannot be read as a text")
    return _unquoted(match["text"], lines)


def _dashes(lines: _Lines) -> list[str]:
    items, indent = [], lines.indent
    while lines.skip_blank() and lines.indent == indent and lines.line.startswith("- ", indent):
        items.append(_scalar(lines.line[indent + 2 :].strip(), lines))
        lines.next += 1
    _check_end(lines, indent - 1)
    return items


def _indented(lines: _Lines) -> dict[str, str]:
    items: dict[str, str] = {}
    indent = lines.indent
    while lines.skip_blank() and lines.indent == indent:
        key, rest = _split_key(lines)
        if key in items:
            raise lines.refusal(f"the key {key!r} is there twice")
        items[key] = "" if _COMMENT.fullmatch(rest) else _scalar(rest, lines)
        lines.next += 1
    _check_end(lines, 0)
    return items


def _check_end(lines: _Lines, at_most: int) -> None:
    if lines.skip_blank() and lines.indent > max(at_most, 0):
        raise lines.refusal("is indented deeper than a list of texts or texts by key")


def _block(lines: _Lines) -> str:
    """A block of text: every line that is empty or indented. What indents it is dropped."""
    lines.next += 1
    taken = []
    while lines.next < len(lines.all) and (not lines.line.strip() or lines.indent):
        taken.append(lines.line.strip())
        lines.next += 1
    return "\n".join(taken).strip("\n")


def _flow(lines: _Lines) -> list[str] | dict[str, str]:
    """A list in brackets or a mapping in braces, which may go on over several lines."""
    start = lines.next
    _, first = _split_key(lines)
    text = "\n".join([first, *(line for _, line in lines.all[start + 1 :])]) + "\n"
    tokens, end, position = [], "]" if text[0] == "[" else "}", 0
    while not tokens or tokens[-1] != end:
        match = _FLOW_TOKEN.match(text, position)
        if match is None or (tokens and match["token"] in "[{"):
            raise lines.refusal("the list or mapping cannot be read, or does not end")
        tokens.append(match["token"].strip())
        position = match.end()
    lines.next = start + text.count("\n", 0, position)
    if not _COMMENT.fullmatch(text[position : text.index("\n", position)]):
        raise lines.refusal("goes on behind the end of the list or mapping")
    items = _items(tokens[1:-1], 1 if end == "]" else 3, lines)
    lines.next += 1
    if end == "]":
        return [_unquoted(item[0], lines) for item in items]
    found = {_unquoted(key, lines): _unquoted(value, lines) for key, _, value in items}
    if len(found) < len(items) or any(colon != ":" for _, colon, _ in items):
        raise lines.refusal("need keys, each once, and their values with a colon between")
    return found


def _items(tokens: list[str], length: int, lines: _Lines) -> list[list[str]]:
    """The tokens between commas; a comma behind the last is allowed."""
    items: list[list[str]] = [[]]
    for token in tokens:
        if token == ",":
            items.append([])
        else:
            items[-1].append(token)
    if not items[-1]:
        items.pop()
    if any(len(item) != length for item in items):
        raise lines.refusal("need items with commas between")
    return items


def _unquoted(text: str, lines: _Lines) -> str:
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if not text.startswith('"'):
        return text.strip()
    try:
        return json.loads(text)  # the escapes that YAML shares with JSON
    except ValueError:
        raise lines.refusal(f"the escapes in {text[:40]!r} cannot be read") from None
