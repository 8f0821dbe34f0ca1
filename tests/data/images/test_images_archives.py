"""Images in archives: listed as those of a folder, read in place, and no harm from hostile members."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.images import archives
from inception_rcnn.data.images.archives import members_of, read_member
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.images.file_identity import is_gone, origin_of, roots_of
from inception_rcnn.data.images.image_files import is_animation, pixels_stated
from inception_rcnn.data.images.sources import list_sources


def png(value: int, width: int = 6) -> bytes:
    return encode_image(np.full((4, width, 3), value, np.uint8), ".png")


FILES = {"b/10.png": png(10), "b/9.png": png(9, 8), "a.png": png(1), "notes.txt": b"none", ".hidden.png": png(3)}


def archive(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as stream:
            for name, content in files.items():
                stream.writestr(name, content)
    else:
        with tarfile.open(path, "w") as stream:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                stream.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture(params=[".zip", ".tar", ".ZIP"])
def photos(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == ".ZIP":
        return archive(tmp_path / "photos.zip", FILES).rename(tmp_path / "photos.ZIP")
    return archive(tmp_path / f"photos{request.param}", FILES)


def test_an_archive_is_listed_and_read_as_a_folder(photos: Path) -> None:
    passed: list[dict[str, int]] = []
    sources = list_sources([photos], on_passed_over=passed.append)
    assert [source.file for source in sources] == ["a.png", "b/9.png", "b/10.png"]
    assert [int(source.read()[0, 0, 0]) for source in sources] == [1, 9, 10]
    assert [pixels_stated(source.content()) for source in sources] == [24, 32, 24]
    assert not any(is_animation(source.content()) for source in sources)
    assert passed == [{".txt": 1}]


def test_what_a_member_was_is_known_and_whether_it_is_gone(photos: Path) -> None:
    source = list_sources([photos])[0]
    origin = origin_of(source)
    assert origin is not None
    assert origin.bytes == len(FILES["a.png"])
    roots = roots_of([source])
    assert roots == [f"{photos.resolve().as_posix()}/"]
    assert not is_gone("b/9.png", roots)
    assert is_gone("b/8.png", roots)
    photos.unlink()
    assert not is_gone("b/8.png", roots)  # the archive may only be away
    assert origin_of(source) is None


def test_archives_of_one_content_and_lists_of_archives(tmp_path: Path) -> None:
    paths = [archive(tmp_path / name, {"1.png": png(value)}) for name, value in (("a.zip", 1), ("b.tar", 2))]
    sources = list_sources(paths)
    assert [source.file for source in sources] == ["a.zip/1.png", "b.tar/1.png"]
    assert roots_of(sources) == [f"{tmp_path.resolve().as_posix()}/"]
    assert not is_gone("b.tar/1.png", roots_of(sources))
    assert is_gone("b.tar/2.png", roots_of(sources))
    (tmp_path / "c.png").write_bytes(png(3))
    (tmp_path / "list.txt").write_text("\n".join(map(str, [*paths, tmp_path / "c.png"])))
    listed = list_sources([f"@{tmp_path / 'list.txt'}"])
    assert [source.file for source in listed] == ["a.zip/1.png", "b.tar/1.png", "c.png"]
    assert [int(source.read()[0, 0, 0]) for source in listed] == [1, 2, 3]


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar"])
def test_names_that_lead_out_are_left_out(tmp_path: Path, name: str) -> None:
    names = ["../out.png", "/etc/x.png", "in/../../out.png", "__MACOSX/._a.png", "a.png"]
    assert list(members_of(archive(tmp_path / name, dict.fromkeys(names, png(1))))) == ["a.png"]


def test_links_in_archives_are_left_out(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as stream:
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        stream.addfile(link)
    info = zipfile.ZipInfo("link.png")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as stream:
        stream.writestr(info, "/etc/passwd")
    assert not members_of(tmp_path / "a.tar")
    assert not members_of(tmp_path / "a.zip")


def test_a_damaged_archive_is_one_sentence(tmp_path: Path) -> None:
    for name in ("a.zip", "a.tar"):
        (tmp_path / name).write_bytes(b"no archive at all" * 100)
        with pytest.raises(DataError, match=rf"a{Path(name).suffix}: is no {Path(name).suffix} archive"):
            list_sources([tmp_path / name])


def test_a_damaged_member_costs_one_image(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"1.png": png(1), "2.png": png(2)})
    content = bytearray(path.read_bytes())
    content[60:70] = bytes(10)  # of the first member's pixels
    path.write_bytes(content)
    first, second = list_sources([path])
    with pytest.raises(DataError, match=r"a.zip/1.png: cannot be read from the archive \("):
        first.read()
    assert int(second.read()[0, 0, 0]) == 2


def test_an_archive_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", FILES)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"no .tar archive that can be read \(unexpected end of data\); unpack it"):
        list_sources([path])


def test_a_member_that_claims_to_be_huge_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "a.zip", {"a.png": png(1)})
    monkeypatch.setattr(archives, "MOST_BYTES", 10)
    with pytest.raises(DataError, match=r"has \d+ bytes, and 10 are the most"):
        read_member(path, "a.png")


def test_an_archive_that_changed_is_read_anew(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"a.png": png(1)})
    (before,) = list_sources([path])
    was = origin_of(before)
    path.unlink()
    archive(path, {"a.png": png(7), "b.png": png(8)})
    assert [int(source.read()[0, 0, 0]) for source in list_sources([path])] == [7, 8]
    assert origin_of(before) != was


def test_an_archive_without_images_says_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no images in .*a.zip \(looked for .*\); found 1 .txt"):
        list_sources([archive(tmp_path / "a.zip", {"notes.txt": b"x"})])
