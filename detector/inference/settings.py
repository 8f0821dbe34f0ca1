"""The settings of a run in `run.json`, and how those of two runs differ."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from ...data.diagnostics import cut
from ...data.files.json_files import read_checked
from ...data.values import shown

_SHOWN = 4  # differences in a message
_SHOWN_OF_A_LIST = 2
_SHOWN_OF_A_HASH = 8
_HASH_LENGTH = 64


class _Run(TypedDict):
    """What is read of a `run.json`."""

    settings: dict[str, Any]


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a `run.json`; DataError where it has none."""
    settings = read_checked(path, _Run)["settings"]
    if (folders := settings.pop("pictures_from", None)) is not None:  # as 0.1.0 called them
        settings["images_from"] = folders
    return settings


def image_roots(settings: dict[str, Any]) -> list[str]:
    """The folders that a run's names count from."""
    folders = settings.get("images_from")
    return [each for each in folders if isinstance(each, str)] if isinstance(folders, list) else []


def differences(earlier: dict[str, Any], now: dict[str, Any]) -> str:
    """The settings that differ, each by its name, the first few of many; nothing where none does.

    >>> differences({"config": {"score": 0.3, "regions": 9}}, {"config": {"score": 0.5, "regions": 9}})
    'config.score 0.3 -> 0.5'
    """
    found = list(_differing(earlier, now, ""))
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + more


def _differing(earlier: Any, now: Any, name: str) -> Iterator[str]:
    if isinstance(earlier, dict) and isinstance(now, dict):
        for key in {**now, **earlier}:
            yield from _differing(earlier.get(key), now.get(key), f"{name}.{key}" if name else str(key))
    elif isinstance(earlier, list) and isinstance(now, list) and earlier != now:
        gone, new = ([each for each in one if each not in other] for one, other in ((earlier, now), (now, earlier)))
        yield f"{name} {_some(gone or earlier)} -> {_some(new or now)}"
    elif earlier != now:
        yield f"{cut(name)} {_value(earlier)} -> {_value(now)}"


def _some(values: list[Any]) -> str:
    more = f" and {len(values) - _SHOWN_OF_A_LIST} more" if len(values) > _SHOWN_OF_A_LIST else ""
    return ", ".join(map(_value, values[:_SHOWN_OF_A_LIST])) + more if values else "none"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str) and len(value) >= _HASH_LENGTH and set(value) <= {*"0123456789abcdef "}:
        return f"{value[:_SHOWN_OF_A_HASH]}…"
    return cut(value) if isinstance(value, str) else shown(value)
