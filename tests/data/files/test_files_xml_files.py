import re
from pathlib import Path

import pytest

from inception_rcnn.data.diagnostics import Unusable
from inception_rcnn.data.files.xml_files import parse_xml


def _name(folder: Path, content: bytes) -> str | None:
    (folder / "x.xml").write_bytes(content)
    return parse_xml(folder / "x.xml").findtext("name")


def _text(encoding: str, name: str = "猫") -> str:
    return f'<?xml version="1.0" encoding="{encoding}"?>\n<annotation><name>{name}</name></annotation>'


@pytest.mark.parametrize(
    ("declared", "written", "name"),
    [
        ("UTF-8", "utf-8", "猫"),
        ("GB2312", "gb2312", "猫"),
        ("gb2312", "gbk", "鎔"),  # what GB2312 lacks, as Windows writes it all the same
        ("GBK", "gbk", "猫"),
        ("GB18030", "gb18030", "㐀"),
        ("Big5", "big5", "貓"),
        ("Shift_JIS", "shift_jis", "猫"),
        ("x-sjis", "cp932", "①"),
        ("EUC-JP", "euc_jp", "猫"),
        ("ISO-2022-JP", "iso2022_jp", "猫"),
        ("EUC-KR", "euc_kr", "고양이"),
        ("ISO-8859-1", "latin-1", "dömé"),
        ("windows-1252", "cp1252", "“dö€”"),
        ("windows-1251", "cp1251", "кот"),
        ("KOI8-R", "koi8-r", "кот"),
        ("UTF-16", "utf-16", "猫"),
        ("UTF-16", "utf-16-le", "猫"),  # without a mark
        ("UTF-16", "utf-16-be", "猫"),
        ("UTF-32", "utf-32", "猫"),
        ("utf-8", "utf-8-sig", "猫"),
        # Declared is one thing, and written another.
        ("GB2312", "utf-8", "猫"),
        ("GB2312", "utf-8", "猫狗"),  # six bytes are three characters of GB2312's too
        ("ISO-8859-1", "utf-8", "dömé"),
        ("UTF-16", "utf-8", "猫"),
        ("UTF-16", "utf-8", "cat"),
        ("utf-8", "utf-16", "猫"),
        ("GBK", "utf-8-sig", "猫"),
        ("no-such-thing", "utf-8-sig", "猫"),
    ],
)
def test_encodings(tmp_path: Path, declared: str, written: str, name: str) -> None:
    assert _name(tmp_path, _text(declared, name).encode(written)) == name


def test_space_before_the_declaration_does_no_harm(tmp_path: Path) -> None:
    assert _name(tmp_path, f"\n {_text('UTF-8')}".encode()) == "猫"
    assert _name(tmp_path, f"\n {_text('GBK')}".encode("gbk")) == "猫"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_text("klingon").encode(), "is XML in the encoding 'klingon', which is not known; save it as UTF-8"),
        (_text("rot13", "cat").encode(), "'rot13', which is not known"),
        (_text("idna", "cat").encode(), "'idna', which is not known"),
        (_text("unicode_escape", "cat").encode(), "'unicode_escape', which is not known"),
        (_text("GBK").encode("gbk")[:-40] + b"\xff\xff", "is XML that is not GBK, as it declares .*; save it as UTF-8"),
        ("<annotation>中文</annotation>".encode("gbk"), "is XML that is not UTF-8, and declares no encoding"),
        (_text("UTF-16").encode("utf-16")[:-1], "begins as UTF-16-LE and is not"),
        (_text("UTF-8").encode("utf-8-sig") + b"\xff", "is not well-formed XML"),
        (b"<\0a", "is not well-formed XML"),
        (b"", "is not well-formed XML"),
    ],
)
def test_what_is_not_in_its_encoding_is_one_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(Unusable) as unusable:
        _name(tmp_path, content)
    assert unusable.value.problem.where == str(tmp_path / "x.xml")
    assert len(str(unusable.value.problem)) < 500
    assert re.search(words, str(unusable.value.problem))


@pytest.mark.parametrize("encoding", ["UTF-8", "GBK", "UTF-16", "latin-1"])
def test_a_doctype_is_refused_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    text = _text(encoding, "&e;").replace("<annotation>", '<!DOCTYPE a [<!ENTITY e "x">]><annotation>', 1)
    with pytest.raises(Unusable) as unusable:
        _name(tmp_path, text.encode(encoding))
    assert "DOCTYPE" in str(unusable.value.problem)
