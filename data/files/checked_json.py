"""The program's own JSON: what another program, or a hand, has made of it is told in one sentence.

A file says it is ours and may still hold anything. `parse_json` gives what a text holds, `checked` that value if it is
of the kind that its reader needs: any type that pydantic knows, strictly (no text for a number, no truth value, no
fraction for a whole number), such as `dict[str, list[int]]` or a `typing_extensions.TypedDict`, whose further keys are
left out. `Finite` is a float that is neither NaN nor infinite.

>>> checked(parse_json('{"a": [1, 2]}', "run.json"), dict[str, list[int]], "run.json")
{'a': [1, 2]}
"""

import json
import math
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar, cast

import annotated_types

from ..errors import DataError
from ..values import shortened, shown
from .json_files import guarded
from .text_files import read_text

T = TypeVar("T")

# Pydantic itself is imported where it is used: it takes a tenth of a second.
Finite = Annotated[float, annotated_types.Predicate(math.isfinite)]

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


def read_checked(path: str | Path, kind: type[T], what: str = "") -> T:
    """What a JSON file of ours holds, if it is of a kind; `what` names in an error what the file should be."""
    owner = f"{path}{what and f' is no {what}'}"
    return checked(parse_json(read_text(path), owner), kind, owner)


def parse_json(text: str | bytes, owner: str) -> Any:
    """What a JSON text of ours holds: no NaN, no infinity, no number beyond 64 bits; `owner` begins an error."""
    return guarded(partial(json.loads, parse_int=_whole_number, parse_constant=_refuse_constant), text, owner)


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
    place = shortened(".".join(map(str, fault["loc"])))
    if fault["type"] == "missing":
        return f"has no {place}"
    need = _NEEDS.get(fault["type"]) or shortened(fault["msg"].removeprefix("Input should be "))
    return f"{place or 'it'} is {shown(fault['input'])}, need {need}"


def _whole_number(digits: str) -> int:
    if len(digits.lstrip("-")) > _MOST_DIGITS:
        raise ValueError(f"{digits[:_MOST_DIGITS]}… is beyond 64 bits")
    return int(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
