import errno
import os
from pathlib import Path

import pytest

from inception_rcnn.data.errors import DataError, SetupError
from inception_rcnn.data.files import atomic as files
from inception_rcnn.data.files.atomic import DiskFullError, write_atomically, writing_atomically


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", b""),
        ("é\n", b"\xc3\xa9\n"),
        ("\udcff", b"\xff"),  # a byte of a file name that is not UTF-8
        (b"\x00\xff", b"\x00\xff"),
    ],
)
def test_content_arrives(tmp_path: Path, content: str | bytes, expected: bytes) -> None:
    write_atomically(tmp_path / "new" / "folder" / "a.txt", content)
    assert (tmp_path / "new" / "folder" / "a.txt").read_bytes() == expected


def test_longest_name_and_usual_permissions(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomically(path, "x")
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def _fail_with(number: int):
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "disk is full"), (errno.EIO, "Input/output error")])
def test_failure_names_the_file_and_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    monkeypatch.setattr(files.os, "fsync", _fail_with(number))
    with pytest.raises(SetupError, match=f"a.json: .*{words}"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_interrupted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.json", "new")
    assert not list(tmp_path.iterdir())


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("file")
    with pytest.raises(SetupError, match="cannot be written"):
        write_atomically(tmp_path / "a" / "b" / "c.txt", "x")


def test_half_a_character_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ud83d"):
        write_atomically(tmp_path / "a.txt", "\ud83d")


def test_a_stream_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    with writing_atomically(tmp_path / "new" / "a.bin") as stream:
        stream.write(b"ab")
        assert not (tmp_path / "new" / "a.bin").exists()
        stream.write(b"c")
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"abc"
    stream = writing_atomically(tmp_path / "new" / "a.bin")
    stream.__enter__().write(b"half")
    assert not stream.__exit__(KeyError, KeyError(), None)
    assert [path.read_bytes() for path in (tmp_path / "new").iterdir()] == [b"abc"]


def test_a_full_disk_is_told_from_a_place_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.os, "fsync", _fail_with(errno.EIO))
    with pytest.raises(SetupError) as caught:
        write_atomically(tmp_path / "a.json", "new")
    assert not isinstance(caught.value, DiskFullError)
    monkeypatch.setattr(files.os, "fsync", _fail_with(errno.ENOSPC))
    with pytest.raises(DiskFullError, match="make room for 3 bytes"):
        write_atomically(tmp_path / "a.json", "new")
