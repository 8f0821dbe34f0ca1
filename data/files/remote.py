"""Images in a cloud's storage, `s3://bucket/folder` and the like, by fsspec and the package that it needs for each."""

import glob
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from ..errors import DataError, SetupError

# Others than these, such as the web's, are nothing that a run can list and go on with.
_REMOTE = re.compile(r"(s3|s3a|gs|gcs|az|abfs|abfss|adl|oci|r2|memory)://.")


def is_remote(name: str) -> bool:
    """Whether a name is that of a file or folder in a cloud's storage.

    >>> is_remote("s3://bucket/photos"), is_remote("https://example.org/a.jpg"), is_remote("photos")
    (True, False, False)
    """
    return _REMOTE.match(name) is not None


def remote_files(url: str) -> tuple[str, list[str]]:
    """The folder that a name, or the fixed part of a pattern, stands for, and the names of all files, whole."""
    base = re.split(r"[*?[]", url, maxsplit=1)[0].rpartition("/")[0] if glob.has_magic(url) else url.rstrip("/")
    with _naming_failures(url) as fs:
        if glob.has_magic(url):
            found = [path for path in fs.glob(url) if not fs.isdir(path)]
        elif fs.isfile(url):
            base, found = url.rpartition("/")[0], [url]
        else:
            found = fs.find(url)
        base, *found = (fs.unstrip_protocol(fs._strip_protocol(path)) for path in (base, *found))  # spelt alike
        return base, found


def read_remote(url: str) -> bytes:
    with _naming_failures(url) as fs:
        return fs.cat_file(url)


def remote_state(url: str) -> tuple[int, int]:
    """Bytes, and the time of the last change in nanoseconds, of a file."""
    with _naming_failures(url) as fs:
        return int(fs.size(url) or 0), int(fs.modified(url).timestamp() * 1e9)


def open_remote(url: str) -> io.BytesIO:
    return io.BytesIO(read_remote(url))


@contextmanager
def _naming_failures(url: str) -> Iterator[Any]:
    """The file system of a name; its errors become one sentence about that."""
    try:
        yield _file_system(url.partition("://")[0])
    except ImportError as error:
        raise SetupError(f"{url}: another package is needed to read it ({error})") from error
    except FileNotFoundError as error:
        raise DataError(f"{url}: there is no such file or folder") from error
    except Exception as error:  # of the storage, its network, or the keys to it
        raise DataError(f"{url}: cannot be read ({str(error) or type(error).__name__})") from error


@lru_cache
def _file_system(protocol: str) -> Any:
    import fsspec

    return fsspec.filesystem(protocol)
