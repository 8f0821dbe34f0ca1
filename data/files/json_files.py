"""JSON from anywhere: each way in which a text or its value cannot be used is one sentence.

`checked` takes any type that pydantic knows, strictly (no text or truth value for a number), such as `dict[str,
list[int]]` or a `typing_extensions.TypedDict`, whose further keys are left out.

>>> checked(parse_json('{"a": [1, 2]}', "run.json"), dict[str, list[int]], "run.json")
{'a': [1, 2]}
"""

import json
import math
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar, cast

import annotated_types

from ..diagnostics import cut
from ..errors import DataError
from ..values import shown
from .text_files import read_bytes, read_text

T = TypeVar("T")

# Pydantic itself is imported where it is used: it takes a tenth of a second.
Finite = Annotated[float, annotated_types.Predicate(math.isfinite)]

_LONGEST = 80  # characters of a reason or of a key
_MOST_DIGITS = 19  # of a whole number: 64 bits
# Pydantic's words, where a person would use others.
_NEEDS = {
    "predicate_failed": "a finite number",
    "dict_type": "an object",
    "model_attributes_type": "an object",
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
}


def load_json(path: str | Path) -> Any:
    """What a JSON file holds, plain or compressed by gzip, in whichever of Unicode's encodings it is written."""
    return parse_json(read_bytes(path), str(path))


def read_checked(path: str | Path, kind: type[T], what: str = "") -> T:
    """What a JSON file of this program holds, if it is of a kind; `what` names in an error what the file should be."""
    owner = f"{path}{what and f' is no {what}'}"
    return checked(parse_json(read_text(path), owner, strict=True), kind, owner)


def parse_json(text: str | bytes, owner: str, *, strict: bool = False) -> Any:
    """What a JSON text holds; `owner` begins an error. `strict` refuses NaN, infinity and whole numbers beyond 64 bits.

    >>> parse_json("\\ufeff[1]".encode(), "a.json")
    [1]
    """
    limits: Any = {"parse_int": _whole_number, "parse_constant": _refuse_constant} if strict else {}
    try:
        return json.loads(text, **limits)
    except RecursionError as error:
        raise DataError(f"{owner}: cannot be read as JSON (it is nested too deeply)") from error
    except ValueError as error:  # Python's own word on long numbers advises to raise its limit
        reason = "a number has thousands of digits" if "digits" in str(error) else cut(str(error), _LONGEST)
        raise DataError(f"{owner}: cannot be read as JSON ({reason})") from error


def checked(value: Any, kind: type[T], owner: str) -> T:
    """The value itself if it is of a kind, else a DataError of its first fault."""
    from pydantic import ValidationError

    try:
        return cast(T, _adapter(kind).validate_python(value, strict=True))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise DataError(f"{owner}: {_sentence(first)}") from error
    except RecursionError as error:
        raise DataError(f"{owner}: is nested too deeply") from error


@cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _sentence(fault: Any) -> str:
    key = cut(".".join(map(str, fault["loc"])), _LONGEST)
    if fault["type"] == "missing":
        return f"has no {key}"
    need = _NEEDS.get(fault["type"]) or cut(fault["msg"].removeprefix("Input should be "), _LONGEST)
    return f"{key or 'it'} is {shown(fault['input'])}, need {need}"


def _whole_number(digits: str) -> int:
    if len(digits.lstrip("-")) > _MOST_DIGITS:
        raise ValueError(f"{digits[:_MOST_DIGITS]}… is beyond 64 bits")
    return int(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
