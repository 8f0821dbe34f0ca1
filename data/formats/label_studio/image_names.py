"""What the images of Label Studio's tasks are called: from their addresses back to files."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from ...diagnostics import Unusable
from ...images.image_files import existing_name, image_name, is_image_name, literal_name
from ...values import shown

_LOCAL = "/data/local-files/"  # where Label Studio serves files of its machine: ?d=PATH
_UPLOADS = "/data/upload/"
_UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-(?=.)")  # put before the name of what is uploaded

_DEEPEST = 30  # folders of an address that may be below that of the images


def local_address(file: str) -> str:
    return f"{_LOCAL}?d={quote(file, errors='surrogateescape')}"


def task_file(task: Mapping[str, Any], folder: Path | None, where: str) -> str:
    """The image's path below `folder`, from its address; without a folder as the address has it."""
    stated = _address(task["data"])
    local = _local_name(stated) if stated is not None else None
    file = literal_name(local) if folder is None or (local and os.path.isfile(folder / local)) else None
    if file is None:
        names = _possible_names(stated) if stated is not None else []
        there = [found for name in names if folder is not None and (found := existing_name(name, folder))]
        file = image_name(max(there, key=len) if there else next(iter(names), None), folder)
    if file is None:
        what = f"its image is {shown(task['data'].get('image', stated))}: need the address of an image"
        raise Unusable("image without a usable name", where, what, "correct the task's data")
    return file


def _address(data: Mapping[str, Any]) -> str | None:
    texts = [value for value in data.values() if isinstance(value, str)]
    images = [text for text in texts if is_image_name(text.partition("?")[0])]
    stated = data.get("image", texts[0] if len(texts) == 1 else images[0] if len(images) == 1 else None)
    return stated if isinstance(stated, str) else None


def _possible_names(address: str) -> list[str]:
    """What an image with this address may be called below its folder; the first where none of these is there.

    >>> _possible_names("/data/upload/3/1a2b3c4d-cat.jpg"), _possible_names("https://host/a/cat%201.jpg?size=2")
    (['cat.jpg', '1a2b3c4d-cat.jpg'], ['cat 1.jpg', 'a/cat 1.jpg'])
    >>> _possible_names(r"C:\\a\\cat.jpg")
    ['cat.jpg', 'a/cat.jpg', 'C:/a/cat.jpg']
    """
    if re.match(r"[A-Za-z]:[\\/]|\\\\", address):  # a path of Windows
        return _tails(address)[::-1]
    try:
        parts = urlsplit(address)
    except ValueError:  # a host in brackets that is none
        return [address]
    if (local := _local_name(address)) is not None:
        return _tails(local)
    if not parts.scheme and not address.startswith("/"):
        return [address]
    path = unquote(parts.path, errors="surrogateescape")
    if parts.path.startswith(_UPLOADS):
        name = _tails(path)[-1]
        return list(dict.fromkeys([_UPLOAD_PREFIX.sub("", name, count=1), name]))
    return _tails(path)[::-1]


def _local_name(address: str) -> str | None:
    """What a file on Label Studio's disk is called there; None for an address of another kind."""
    try:
        parts = urlsplit(address)
    except ValueError:  # a host in brackets that is none
        return None
    if parts.path != _LOCAL:
        return None
    return parse_qs(parts.query, errors="surrogateescape").get("d", [""])[0].strip("/")


def _tails(path: str) -> list[str]:
    """A path without its root and what remains of it behind each of its folders, the longest first."""
    parts = path.replace("\\", "/").strip("/").split("/")[-_DEEPEST:]
    return ["/".join(parts[start:]) for start in range(len(parts))]
