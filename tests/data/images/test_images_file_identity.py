"""Which file an image is, and where it lies."""

import os

import pytest
from PIL import Image

from inception_rcnn.data.images.file_identity import is_gone, origin_of, roots_of
from inception_rcnn.data.images.image_files import is_animation, pixels_stated
from inception_rcnn.data.images.sources import Source, list_sources


def test_a_file_that_takes_another_s_place_is_told_from_it(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"one")
    first = origin_of(Source(path, "a.jpg"))
    assert first == origin_of(Source(path, "a.jpg"))
    assert first != origin_of(Source(path, "a.jpg", as_stored=True))
    assert first != origin_of(Source(path, "a.jpg", size=(4, 3)))
    os.utime(path, ns=(first.modified_ns, first.modified_ns + 1))
    assert first != origin_of(Source(path, "a.jpg"))
    path.write_bytes(b"other")
    os.utime(path, ns=(first.modified_ns, first.modified_ns))
    assert first != origin_of(Source(path, "a.jpg"))
    assert origin_of(Source(tmp_path / "none.jpg", "none.jpg")) is None
    assert origin_of(Source(tmp_path / "nul\0.jpg", "nul\0.jpg")) is None


@pytest.fixture
def photos(tmp_path):
    for name in ("photos/a.jpg", "photos/sub/b.jpg", "more/a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("sources", "roots"),
    [
        ([], []),
        (["photos"], ["photos"]),
        (["photos/../photos/a.jpg"], ["photos"]),
        (["link"], ["photos"]),
        (["photos/sub"], ["photos/sub"]),
        (["photos", "more"], [".", "photos"]),  # two are called a.jpg, and get more of their paths
    ],
)
def test_names_count_from_folders_however_these_are_named(photos, sources, roots, monkeypatch):
    (photos / "link").symlink_to("photos")
    monkeypatch.chdir(photos)
    expected = sorted(f"{os.path.realpath(root)}/" for root in roots)
    assert roots_of(list_sources(sources) if sources else []) == expected


def test_what_is_gone_is_seen_to_be(photos):
    roots = [f"{photos}/photos/", f"{photos}/more/"]
    assert not is_gone("sub/b.jpg", roots)
    assert is_gone("c.jpg", roots)
    assert not is_gone("c.jpg", [])  # nobody knows where it was
    assert not is_gone("c.jpg", [*roots, f"{photos}/away/"])


def test_headers_tell_pixels_and_frames(tmp_path):
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "blue")]
    for name in ("a.gif", "a.webp", "a.png", "a.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert (pixels_stated(tmp_path / name), is_animation(tmp_path / name)) == (600, True)
    frames[0].save(tmp_path / "a.mpo", save_all=True, append_images=frames[1:])  # as phones save a photo and its depth
    frames[0].save(tmp_path / "a.jpg")
    for name in ("a.mpo", "a.jpg"):
        assert (pixels_stated(tmp_path / name), is_animation(tmp_path / name)) == (600, False)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("broken.png", "pipe.png", "none.png", "."):
        assert (pixels_stated(tmp_path / name), is_animation(tmp_path / name)) == (0, False)
