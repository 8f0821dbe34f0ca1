"""YAML files that describe data sets: the keys that are read, with a text, a list of texts or texts by key.

Values stay text: `yes`, `0` and `null` are what is written. Keys that nobody reads may hold anything.
"""

import re
from collections.abc import Collection, Iterator

import yaml

from ..errors import DataError
from ..values import shown

YamlValue = str | list[str] | dict[str, str]

_LARGEST = 2_000_000  # characters: twice ImageNet's 21,841 classes; a hostile file is read for seconds, not for hours

# Bytes that are not UTF-8 travel as surrogates, which YAML forbids: until it is read, as characters nobody uses.
_HIDDEN = {0xDC80 + byte: 0x10FE80 + byte for byte in range(128)}
_SHOWN_AGAIN = {hidden: byte for byte, hidden in _HIDDEN.items()}

# YAML forbids tabs where it wants spaces; behind a sign or at a line's end they cannot mean anything else.
_TAB = re.compile(r"(?<=[:,\-\[{])[ \t]*\t[ \t]*|(?<!\t)\t++(?=[ ]*(?:#|$))", re.MULTILINE)

_DEEPEST = 50  # brackets in brackets: looking ahead through more takes PyYAML the square of their number


class _Loader(yaml.BaseLoader):
    """PyYAML's loader that makes nothing but text, for files that strangers wrote."""

    def fetch_flow_collection_start(self, TokenClass: type[yaml.Token]) -> None:
        if self.flow_level >= _DEEPEST:
            raise RecursionError
        super().fetch_flow_collection_start(TokenClass)


def parse_yaml(text: str, owner: str, keys: Collection[str], flags: Collection[str] = ()) -> dict[str, YamlValue]:
    """Those of the `keys` that a document has at its top; of `flags`, which may hold anything, an empty text.

    >>> parse_yaml("path: data # here\\nnames:\\n  0: cat\\n  1: 'big dog'", "data.yaml", ["path", "names"])
    {'path': 'data', 'names': {'0': 'cat', '1': 'big dog'}}
    """
    if len(text) > _LARGEST:
        raise DataError(f"{owner}: has {len(text):,} characters, too many for a description of a data set")
    found: dict[str, YamlValue] = {}
    for key, node in _entries(_document(text, owner), owner):
        if key in found and key in keys:
            raise _refusal(node, owner, f"the key {shown(key)} is there twice; remove one of them")
        if key in keys:
            found[key] = _value(node, key, owner)
        elif key in flags:
            found[key] = ""
    return found


def _document(text: str, owner: str) -> yaml.Node | None:
    try:
        read = yaml.compose_all(_TAB.sub(" ", text.translate(_HIDDEN)), Loader=_Loader)
        documents = [node for node in read if not (isinstance(node, yaml.ScalarNode) and not node.value)]
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f" line {error.problem_mark.line + 1}"
        raise DataError(f"{owner}:{line} is not YAML ({str(error.problem)[:80]}); correct it") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # a character, a number or an escape that is none
        raise DataError(f"{owner}: is not YAML ({str(error).splitlines()[0][:80]}); correct it") from None
    except RecursionError:
        raise DataError(f"{owner}: is nested too deeply for a description of a data set") from None
    if len(documents) > 1:
        raise _refusal(documents[1], owner, "a second document begins here; give each a file of its own")
    return documents[0] if documents else None


def _entries(node: yaml.Node | None, owner: str) -> Iterator[tuple[str, yaml.Node]]:
    if node is not None and not isinstance(node, yaml.MappingNode):
        raise _refusal(node, owner, "need keys with their values, as in names: [first, second]")
    for key, value in node.value if node is not None else []:
        if isinstance(key, yaml.ScalarNode):
            yield _text(key, "a key", owner), value


def _value(node: yaml.Node, key: str, owner: str) -> YamlValue:
    if isinstance(node, yaml.SequenceNode):
        return [_text(item, key, owner) for item in node.value]
    if not isinstance(node, yaml.MappingNode):
        return _text(node, key, owner)
    texts: dict[str, str] = {}
    for inner, value in node.value:
        name = _text(inner, key, owner)
        if name in texts:
            raise _refusal(inner, owner, f"the key {shown(name)} is there twice in {key}; remove one of them")
        texts[name] = _text(value, key, owner)
    return texts


def _text(node: yaml.Node, key: str, owner: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _refusal(node, owner, f"{key} has a list or a mapping where a text is needed; write a text there")
    text: str = node.value.translate(_SHOWN_AGAIN)
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise _refusal(node, owner, f"{key} has half a pair of surrogates; write the character itself") from None
    return text


def _refusal(node: yaml.Node, owner: str, what: str) -> DataError:
    return DataError(f"{owner}: line {node.start_mark.line + 1}: {what}")
