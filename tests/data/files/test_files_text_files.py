"""Text with byte-order marks, as Windows' programs write it."""

import gzip
import tracemalloc
from pathlib import Path

import pytest

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.files.text_files import decode_text, read_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_how_the_text_is_encoded(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "list.txt").write_bytes("猫.jpg\n".encode(encoding))
    assert read_text(tmp_path / "list.txt") == "猫.jpg\n"


@pytest.mark.parametrize(("mark", "encoding"), [(b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le")])
def test_both_byte_orders_are_read(mark: bytes, encoding: str) -> None:
    assert decode_text(mark + "cat".encode(encoding), "a") == "cat"


def test_bytes_that_are_not_utf_8_come_back_as_they_were() -> None:
    assert decode_text(b"caf\xe9.jpg", "a").encode("utf-8", "surrogateescape") == b"caf\xe9.jpg"


def test_half_a_character_of_utf_16_is_refused_with_the_file() -> None:
    with pytest.raises(DataError, match=r"list\.txt: begins as UTF-16-LE and is not .*; save it as UTF-8"):
        decode_text(b"\xff\xfec\x00a", "list.txt")


@pytest.mark.parametrize("name", ["no such file", "nul\0", "long" * 200])
def test_a_name_that_no_file_has_is_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_text(tmp_path / name)


def test_a_few_compressed_bytes_that_stand_for_gigabytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(gzip.compress(bytes(2**27)))
    with pytest.raises(DataError, match="bytes unpacked; split it"):
        read_text(tmp_path / "a.txt")


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("cat")
    tracemalloc.start()
    try:
        assert read_text(tmp_path / "a.txt") == "cat"
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()
