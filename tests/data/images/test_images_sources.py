"""What each kind of source lists, in which order, and what the results call the images."""

import contextlib
import errno
import io
import ntpath
import os
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.images import sources
from inception_rcnn.data.images.decoding import IMAGE_EXTENSIONS
from inception_rcnn.data.images.sources import Source, list_sources, passed_over_text


@pytest.fixture(autouse=True)
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of images below the current folder; listing never opens them, so they are empty files."""
    monkeypatch.chdir(tmp_path)
    make(
        "photos/10.jpg", "photos/2.JPG", "photos/b/1.png", "photos/notes.txt", "photos/.hidden.jpg", "photos/.git/x.jpg"
    )
    return tmp_path / "photos"


def make(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def files(sources: Sequence[str | Path], **options: object) -> list[str]:
    return [source.file for source in list_sources(sources, **options)]  # pyright: ignore[reportArgumentType]


def refused(sources: Sequence[str | Path], **options: object) -> str:
    with pytest.raises(DataError) as caught:
        files(sources, **options)
    return str(caught.value)


def _utf_16(text: str) -> bytes:
    return text.encode("utf-16")


def test_no_sources_no_images() -> None:
    assert list_sources([]) == []


@pytest.mark.parametrize("spelling", ["photos", "photos/", "./photos", "photos//", "../{here}/photos"])
def test_folder_is_listed_in_natural_order_without_hidden_names(tmp_path: Path, spelling: str) -> None:
    assert files([spelling.format(here=tmp_path.name)]) == ["2.JPG", "10.jpg", "b/1.png"]


def test_path_is_to_open_and_file_to_report(photos: Path) -> None:
    assert list_sources(["photos"])[2] == Source(Path("photos/b/1.png"), "b/1.png")
    assert list_sources([photos])[2] == Source(photos / "b/1.png", "b/1.png")


def test_single_file_is_called_by_its_name() -> None:
    assert list_sources(["photos/b/1.png"]) == [Source(Path("photos/b/1.png"), "1.png")]


def test_named_file_stays_whatever_its_extension_and_even_if_missing() -> None:
    assert files(["photos/notes.txt", "photos/missing.jpg"]) == ["notes.txt", "missing.jpg"]


def test_mistyped_folder_is_an_error() -> None:
    assert refused(["fotos"]) == "fotos: there is no such file or folder"
    assert "fotos/" in refused(["photos", "fotos/"])


def test_order_of_the_sources_is_kept_and_duplicates_go() -> None:
    listed = list_sources(["photos/b", "photos/10.jpg", "photos", "./photos/2.JPG"])
    assert [source.path for source in listed] == [
        Path("photos/b/1.png"),
        Path("photos/10.jpg"),
        Path("photos/2.JPG"),
    ]


def test_clashing_names_get_more_of_their_path() -> None:
    make("a/x/1.jpg", "b/x/1.jpg", "b/x/2.jpg")
    assert files(["a", "b"]) == ["a/x/1.jpg", "b/x/1.jpg", "x/2.jpg"]
    assert files(["a/x", "b/x"]) == ["a/x/1.jpg", "b/x/1.jpg", "2.jpg"]
    assert files(["a/x/1.jpg", "b/x/1.jpg"]) == ["a/x/1.jpg", "b/x/1.jpg"]


def test_longer_name_that_clashes_again_grows_again() -> None:
    make("p/a/1.jpg", "q/a/1.jpg", "r/a/1.jpg")
    assert files(["p/a/1.jpg", "q/a/1.jpg", "r"]) == ["p/a/1.jpg", "q/a/1.jpg", "r/a/1.jpg"]


def test_same_stem_with_two_extensions_does_not_clash() -> None:
    make("c/1.jpg", "c/1.png")
    assert files(["c"]) == ["1.jpg", "1.png"]


def test_output_folder_is_skipped_but_may_be_asked_for() -> None:
    make("photos/out/drawn/10.jpg", "photos/outer/1.jpg")
    skip = Path("photos/out")
    assert files(["photos"], skip=skip) == ["2.JPG", "10.jpg", "b/1.png", "outer/1.jpg"]
    assert files(["photos/**/1*.*"], skip=skip) == ["10.jpg", "b/1.png", "outer/1.jpg"]
    assert files(["photos/*"], skip=skip) == ["2.JPG", "10.jpg", "b/1.png", "outer/1.jpg"]
    assert files(["photos/out/"], skip=skip) == ["drawn/10.jpg"]
    assert files(["photos/out/drawn/10.jpg"], skip=skip) == ["10.jpg"]


def test_loops_of_links_end(photos: Path) -> None:
    (photos / "again").symlink_to(photos)
    (photos / "a link to b").symlink_to(photos / "b")
    (photos / "itself").symlink_to(photos / "itself")
    (photos / "b" / "up").symlink_to("..")
    assert files(["photos"]) == ["2.JPG", "10.jpg", "b/1.png"]
    assert files(["photos/**"]) == ["2.JPG", "10.jpg", "b/1.png"]


def test_links_to_elsewhere_are_followed_once(photos: Path) -> None:
    make("elsewhere/e.jpg", "elsewhere/f.jpg")
    (photos / "one").symlink_to("../elsewhere")
    (photos / "two").symlink_to("../elsewhere")
    (photos / "file.jpg").symlink_to("../elsewhere/e.jpg")
    (photos / "broken.jpg").symlink_to("nowhere.jpg")
    listed = files(["photos"])
    assert listed == ["2.JPG", "10.jpg", "b/1.png", "broken.jpg", "file.jpg", "one/e.jpg", "one/f.jpg"]


@pytest.fixture
def no_heic(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if pillow-heif were not installed."""
    monkeypatch.setattr("inception_rcnn.data.images.image_files.readable_extensions", lambda: IMAGE_EXTENSIONS)


@pytest.mark.usefixtures("no_heic")
def test_folder_without_images_says_what_is_there() -> None:
    make("phone/1.heic", "phone/x/2.HEIC", "phone/readme", "empty/.keep")
    message = refused(["phone"])
    assert "no images in phone (looked for .jpg" in message
    assert message.endswith("found 2 .heic, 1 without extension")
    assert refused(["empty"]).endswith("found no files")
    assert refused(["-"], stdin=io.BytesIO(b"empty\nphone\n")).endswith("found 2 .heic, 1 without extension")


def passed_over(sources: Sequence[str | Path], **options: Any) -> list[Counter[str]]:
    told: list[Counter[str]] = []
    list_sources(sources, on_passed_over=told.append, **options)
    return told


@pytest.mark.usefixtures("no_heic")
def test_every_file_that_is_passed_over_is_counted_by_its_kind() -> None:
    make("photos/b/1.HEIC", "photos/2.heic", "photos/b/c/x.mp4", "photos/README", "photos/a.b c", "photos/out/y.mp4")
    (Path("photos") / "link.pdf").symlink_to("2.JPG")
    kinds = Counter({".txt": 1, ".heic": 2, ".mp4": 1, "without extension": 2, ".pdf": 1})
    skip = Path("photos/out")
    assert passed_over(["photos"], skip=skip) == [kinds]
    assert passed_over(["photos", "photos/b", "photos/**"], skip=skip) == [kinds]  # each once
    assert passed_over(["-"], skip=skip, stdin=io.BytesIO(b"photos\nphotos/10.jpg\n")) == [kinds]
    assert passed_over(["photos/b/*"]) == [Counter({".heic": 1, ".mp4": 1})]
    assert passed_over(["photos/b", "photos/b/1.HEIC"]) == [Counter({".mp4": 1})]  # the other is named
    assert passed_over(["photos/10.jpg", "photos/*.JPG"]) == []


@pytest.mark.parametrize("left", ["run.json", "detections.jsonl"])
def test_what_an_earlier_run_drew_is_passed_over(left: str) -> None:
    make(f"photos/found/{left}", "photos/found/drawn/2.JPG", "photos/found/drawn/b/1.png", "photos/drawn/3.jpg")
    kinds = Counter({"drawn by an earlier run": 2, Path(left).suffix: 1})
    listed = ["2.JPG", "10.jpg", "b/1.png", "drawn/3.jpg"]  # the last is of somebody who draws
    for source in ("photos", "photos/", "./photos", "photos/**", "photos/*"):
        assert {*files([source])} == {*listed}
        assert passed_over([source]) == [kinds + Counter({".txt": 1})]
    assert files(["photos/found/drawn"]) == files(["photos/found/drawn/**"]) == ["2.JPG", "b/1.png"]  # is asked for
    assert files(["photos/*/drawn/*.JPG", "photos/found/drawn/b/1.png"]) == ["found/drawn/2.JPG", "1.png"]
    message = refused(["photos", "photos/found"])
    assert message.endswith(f"found 2 drawn by an earlier run, 1 {Path(left).suffix}")
    assert passed_over_text(kinds).startswith("passed over: 2 drawn by an earlier run, ")


def test_where_its_decoder_is_installed_heic_is_an_image() -> None:
    make("phone/1.heic", "phone/2.HIF", "phone/3.jpg")
    expected = ["1.heic", "2.HIF", "3.jpg"] if find_spec("pillow_heif") else ["3.jpg"]
    assert files(["phone"]) == files(["phone/*"]) == expected


def test_the_line_about_what_was_passed_over_stays_short() -> None:
    kinds = Counter({f".{number}": number for number in range(1, 2001)})
    assert passed_over_text(kinds).startswith("passed over: 2,000 .2000, 1,999 .1999, ")
    assert passed_over_text(kinds).endswith(f", {sum(range(1, 1993)):,} others")


def test_unreadable_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def denied(path: str) -> object:
        if path == "photos/b":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)  # chmod would not stop a test that runs as root
    assert "photos/b: cannot be listed (Permission denied)" in refused(["photos"])


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("photos/*.jpg", ["10.jpg"]),
        ("photos/*.[jJ][pP][gG]", ["2.JPG", "10.jpg"]),
        ("photos/**/*.png", ["b/1.png"]),
        ("photos/*", ["2.JPG", "10.jpg", "b/1.png"]),  # b is a folder: its images, as the shell's b would give
        ("pho*s/?.JPG", ["photos/2.JPG"]),
        ("*/b/../*.jpg", ["photos/10.jpg"]),
        ("photos//*.jpg", ["10.jpg"]),
        ("photos/b/*/../../*.jpg", None),
    ],
)
def test_glob(pattern: str, expected: list[str] | None) -> None:
    if expected is None:
        assert "nothing matches" in refused([pattern])
    else:
        assert files([pattern]) == expected


def test_glob_that_leads_out_of_its_folder_gives_plain_names() -> None:
    make("photos/b/c/x.jpg")
    assert files(["photos/b/*/../../*.jpg"]) == ["10.jpg"]


def test_glob_without_images() -> None:
    assert "no images match photos/*.txt" in refused(["photos/*.txt"])
    assert "nothing matches this pattern" in refused(["photos/*.gif"])


def test_existing_name_with_brackets_is_no_glob() -> None:
    make("photos/set[1]/a*.jpg")
    assert files(["photos/set[1]/a*.jpg"]) == ["a*.jpg"]
    assert files(["photos/set[1]"]) == ["a*.jpg"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("photos\\*.jpg", ["10.jpg"]),
        (r"photos\**\*.png", ["b/1.png"]),
        (r".\photos\b", ["1.png"]),
        ("photos\\", ["2.JPG", "10.jpg", "b/1.png"]),
        (r"photos\b\1.png", ["1.png"]),
        (r"photos\missing.jpg", [r"photos\missing.jpg"]),
    ],
)
def test_backslashes_separate_folders_where_no_file_has_one(pattern: str, expected: list[str]) -> None:
    assert files([pattern]) == expected


def test_a_backslash_in_a_files_name_stays() -> None:
    make(r"photos\1.jpg", r"photos\b/1.png", r"photos/b\1.png")
    assert files(["photos\\*.jpg"]) == [r"photos\1.jpg"]
    assert files([r"photos\b"]) == ["1.png"]
    assert files([r"photos/b\1.png"]) == [r"b\1.png"]


@pytest.mark.parametrize(
    "content",
    [
        b"photos/10.jpg\nphotos/b/1.png\n",
        "\ufeffphotos/10.jpg\r\nphotos/b/1.png\r\n".encode("utf-16-le"),  # Windows' PowerShell
        "\ufeffphotos/10.jpg\r\nphotos/b/1.png\r\n".encode("utf-16-be"),
        b"# a comment\nphotos/10.jpg\n  # more\nphotos\\b\\1.png\n",
        b"\"photos\\10.jpg\"\r\n'photos/b/1.png'\r\n",  # as paths are copied
        b"photos/10.jpg\r\n\r\nphotos/b/1.png",
        b"photos/10.jpg\rphotos/b/1.png\r",
        b"\xef\xbb\xbfphotos/10.jpg\nphotos/b/1.png\nphotos/10.jpg\n",
        b"photos/10.jpg\0photos/b/1.png\0",
    ],
)
def test_names_from_standard_input_and_from_a_list(content: bytes) -> None:
    expected = [Source(Path("photos/10.jpg"), "10.jpg"), Source(Path("photos/b/1.png"), "b/1.png")]
    assert list_sources(["-"], stdin=io.BytesIO(content)) == expected
    assert list_sources(["-"], stdin=io.TextIOWrapper(io.BytesIO(content), encoding="ascii")) == expected
    Path("list.txt").write_bytes(content)
    assert list_sources(["@list.txt"]) == expected


def test_names_from_a_text_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    assert files(["-"], stdin=io.StringIO("photos/10.jpg\n")) == ["10.jpg"]
    monkeypatch.setattr("sys.stdin", io.StringIO("photos/2.JPG\n"))
    assert files(["-"]) == ["2.JPG"]


def test_list_keeps_its_order_missing_files_and_odd_names() -> None:
    odd = b"photos/\xff caf\xc3\xa9.jpg"
    names = b"photos/zzz missing\n" + odd + b"\n photos/10.jpg\n@x.jpg\n"
    listed = list_sources(["-"], stdin=io.BytesIO(names))
    assert [os.fsencode(source.path) for source in listed] == names.splitlines()
    assert [source.file for source in listed][:2] == ["photos/zzz missing", os.fsdecode(odd)]


def test_newlines_in_names_survive_a_nul_separated_list() -> None:
    make("photos/two\nlines.jpg")
    assert files(["-"], stdin=io.BytesIO(b"photos/two\nlines.jpg\0")) == ["two\nlines.jpg"]


def test_folder_in_a_list_gives_its_images() -> None:
    make("empty/.keep")
    assert files(["-"], stdin=io.BytesIO(b"empty\nphotos\nphotos/b\nphotos/b/1.png\n")) == [
        "2.JPG",
        "10.jpg",
        "b/1.png",
    ]
    assert "no images" in refused(["-"], stdin=io.BytesIO(b"empty\n"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "names no file"), (b"\n \n", "names no file"), ("a.jpg".encode("utf-16")[:-1], "UTF-8")],
)
def test_unusable_lists(content: bytes, reason: str) -> None:
    assert reason in refused(["-"], stdin=io.BytesIO(content))


def test_a_line_in_signs_that_files_have_in_their_names_is_such_a_file() -> None:
    make("#1.jpg", '"quoted".jpg', "'a'")
    names = b"#1.jpg\n\"quoted\".jpg\n'a'\n"
    assert files(["-"], stdin=io.BytesIO(names)) == ["#1.jpg", '"quoted".jpg', "'a'"]
    assert files(["-"], stdin=io.BytesIO(b"#2.jpg\0#1.jpg\0")) == ["#2.jpg", "#1.jpg"]  # no comments between NULs


def test_a_backslash_alone_is_not_the_root_of_all_files() -> None:
    assert files(["-"], stdin=io.BytesIO(b"\\\n")) == ["\\"]


def test_what_is_no_list_of_names_is_refused_in_a_sentence() -> None:
    message = refused(["-"], stdin=io.BytesIO(b"photos/10.jpg\n" + b"x" * 1_000_000))
    assert message == "standard input: has a line of 1,000,000 characters; is it a list of names?"
    assert len(refused(["@a\0.txt"])) < 200
    assert "there is no such file" in refused(["photos\0/x.jpg"])


def _encoded(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_an_image_is_no_list_of_names(kind: str) -> None:
    for content in (_encoded(kind), _encoded(kind) * 100):  # the latter with lines of any length
        Path("a.jpg").write_bytes(content)
        sentence = "is an image or another binary file, not a list of names; name the image itself"
        assert refused(["-"], stdin=io.BytesIO(content)) == f"standard input: {sentence}"
        assert refused(["@a.jpg"]) == f"a.jpg: {sentence}"


def test_names_with_control_characters_are_those_of_files_that_are_there() -> None:
    make("photos/\x01.jpg")
    assert files(["-"], stdin=io.BytesIO(b"photos/\x01.jpg\0photos/\x02.jpg\0")) == ["\x01.jpg", "\x02.jpg"]
    assert "not a list" in refused(["-"], stdin=io.BytesIO(b"photos/10.jpg\0photos/\x02.jpg\0"))


class _Broken(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise IsADirectoryError(errno.EISDIR, "Is a directory")


def test_a_standard_input_that_cannot_be_read_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    how = "pipe the names in, or give @list.txt"
    assert refused(["-"], stdin=_Broken()) == f"standard input: cannot be read (Is a directory); {how}"
    monkeypatch.setattr("sys.stdin", None)  # as Python has it where it is closed
    assert refused(["-"]) == f"standard input: is closed; {how}"


@pytest.mark.parametrize(
    "url", ["https://example.com/a.jpg", "ftp://host/a.jpg", "file://host/a.jpg", "file:///%00", "http://[x/"]
)
def test_a_url_is_to_be_downloaded_first(url: str) -> None:
    for arguments in ({"sources": ["photos", url]}, {"sources": ["-"], "stdin": io.BytesIO(f"{url}\n".encode())}):
        with pytest.raises(UsageError) as caught:
            list_sources(**arguments)  # pyright: ignore[reportArgumentType]
        assert str(caught.value) == f"{url}: is a URL: download it first"


def test_a_url_of_this_machine_is_a_path(photos: Path) -> None:
    make("photos/a b.jpg")
    for url in (f"file://{photos}/a%20b.jpg", f"file://localhost{photos}/a%20b.jpg"):
        assert list_sources([url]) == [Source(photos / "a b.jpg", "a b.jpg")]
    assert files([f"file://{photos}"]) == ["2.JPG", "10.jpg", "a b.jpg", "b/1.png"]
    make("http://x.jpg")  # a file of this name
    assert files(["http://x.jpg"]) == ["x.jpg"]


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200) | st.text(max_size=50).map(str.encode) | st.text(max_size=50).map(_utf_16))
def test_no_list_ends_in_a_traceback(content: bytes) -> None:
    assume(b"/" not in content)  # which lists the whole disk
    with contextlib.suppress(DataError):
        list_sources(["-"], stdin=io.BytesIO(content))


def test_drives_of_windows_tell_files_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.os, "path", ntpath)
    monkeypatch.setattr(sources.os, "sep", "\\")
    found = [(path, sources._Found(path, *ntpath.split(path))) for path in ("C:\\a.jpg", "D:\\a.jpg")]
    assert sources._unique_names(found) == ["C/a.jpg", "D/a.jpg"]


def test_missing_list_is_named() -> None:
    assert "list.txt: the list of images cannot be read" in refused(["@list.txt"])


def test_no_name_leaves_the_output_folder() -> None:
    sources = ["photos/../photos/10.jpg", "photos/b/..", "photos/b/../2.JPG", str(Path("photos/b/1.png").resolve())]
    assert files(sources) == ["10.jpg", "2.JPG", "b/1.png"]
    assert files(["missing/../../..x/y.jpg"]) == ["y.jpg"]
