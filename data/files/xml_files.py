"""XML of annotations as a tree: no entity is ever expanded, and every encoding that Python knows is read.

Tools for labelling write the encoding of their machine, and declare it, or another: what is certain from the bytes goes
before what is declared. A byte-order mark decides; bytes beyond ASCII that are UTF-8 are UTF-8, as text in a code of
one byte a letter hardly ever is. Short text in a code of two can be, but hardly with UTF-8's sequences of three.
"""

import codecs
import re
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from ..diagnostics import Unusable
from ..errors import DataError
from ..values import shown
from .text_files import decode_text

_DECLARED = re.compile(rb"""\s*<\?xml\b[^>]{0,200}?\bencoding\s*=\s*["']([\w.:-]{1,40})["']""")
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32's begins as UTF-16's
_HIGH = bytes(range(128, 256))
_THREE_BYTES = "\u0800"  # the first character of which UTF-8 has three
_UNMARKED = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
# Windows calls by these names what has more characters.
_LARGER = {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "cp950"}
# Python's codecs for text that is no text of a file, some of which take very long.
_NO_ENCODINGS = ("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf_7", "mbcs", "oem")
_OTHER_ENCODING = "annotation in another encoding than it says"  # a kind of problem


def parse_xml(path: Path) -> ElementTree.Element:
    """The outermost element of a file; `Unusable` where that cannot be read, is not XML, or might declare entities."""
    where = str(path)
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: what no file name can hold
        what = f"cannot be read ({getattr(error, 'strerror', None) or error}); is the annotation missing?"
        raise Unusable("annotation that is missing", where, what) from error

    def refuse_doctype(*_: object) -> None:
        # Only a DOCTYPE can declare entities, and no annotation needs one.
        what = "has a DOCTYPE, which is not read because it can declare entities"
        raise Unusable("annotation with a DOCTYPE", where, what, "remove it")

    try:
        text = _decode(content, where).lstrip("\ufeff \t\r\n")  # a declaration has to be the very first
        guard = expat.ParserCreate()
        guard.StartDoctypeDeclHandler = refuse_doctype
        guard.Parse(text, True)  # as text: what the file declares does not count any more
        return ElementTree.fromstring(text)
    except Unusable:
        raise
    except (expat.ExpatError, ElementTree.ParseError, ValueError) as error:
        what = f"is not well-formed XML ({error})"
        raise Unusable("annotation that is not XML", where, what, "export this annotation again") from error


def _decode(content: bytes, where: str) -> str:
    if content.startswith(_MARKS):
        try:
            return decode_text(content, where)
        except DataError as error:
            what = str(error).removeprefix(f"{where}: ")
            raise Unusable(_OTHER_ENCODING, where, what) from error
    if content[:2] in _UNMARKED:
        return content.decode(_UNMARKED[content[:2]])
    declared = _DECLARED.match(content)
    if declared is None:
        return _decoded(content, "utf-8", "UTF-8, and declares no encoding", where)
    name = declared[1].decode("ascii", "replace")
    codec = _codec(name, where)
    if not content.isascii() and _is_utf8(content, codec):
        codec = "utf-8"
    return _decoded(content, codec, f"{name}, as it declares", where)


def _decoded(content: bytes, codec: str, what: str, where: str) -> str:
    try:
        return content.decode(codec)
    except UnicodeDecodeError as error:
        what = f"is XML that is not {what} ({error.reason} at byte {error.start})"
        raise Unusable(_OTHER_ENCODING, where, what, "save it as UTF-8") from error


def _codec(name: str, where: str) -> str:
    """Python's name for the encoding that a file declares in bytes that are ASCII up to there."""
    try:
        codec = codecs.lookup(name.removeprefix("x-")).name
        # Some tools declare the encoding that the text had in memory, UTF-16, and write another.
        if codec.replace("-", "_") not in _NO_ENCODINGS:
            return _LARGER.get(codec, codec) if "<?xml".encode(codec) == b"<?xml" else "utf-8"
    except (LookupError, ValueError):
        pass
    what = f"is XML in the encoding {shown(name)}, which is not known"
    raise Unusable("annotation in an unknown encoding", where, what, "save it as UTF-8")


def _is_utf8(content: bytes, declared: str) -> bool:
    try:
        highest = max(content.decode("utf-8"))
    except UnicodeDecodeError:
        return False
    return highest >= _THREE_BYTES or len(_HIGH.decode(declared, "replace")) == len(_HIGH)
