"""Images in a cloud's storage, by fsspec's file system in memory."""

from collections.abc import Iterator

import fsspec
import numpy as np
import pytest

from inception_rcnn.data.errors import DataError, SetupError
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.images.file_identity import is_gone, origin_of, roots_of
from inception_rcnn.data.images.sources import list_sources


@pytest.fixture
def bucket() -> Iterator[str]:
    storage = fsspec.filesystem("memory")
    for name, value in (("10.png", 10), ("9.png", 9), ("sub/a.png", 1), (".hidden.png", 2)):
        pixels = np.full((4, 6, 3), value, np.uint8)
        storage.pipe_file(f"/bucket/photos/{name}", encode_image(pixels, ".png"))
    storage.pipe_file("/bucket/photos/notes.txt", b"none")
    yield "memory://bucket"
    storage.rm("/bucket", recursive=True)


def test_a_folder_of_a_bucket_is_listed_and_read(bucket: str) -> None:
    passed: list[dict[str, int]] = []
    sources = list_sources([f"{bucket}/photos"], on_passed_over=passed.append)
    assert [source.file for source in sources] == ["9.png", "10.png", "sub/a.png"]
    assert [int(source.read()[0, 0, 0]) for source in sources] == [9, 10, 1]
    assert sum(passed[0].values()) == 2
    assert roots_of(sources) == ["memory:///bucket/photos/"]


@pytest.mark.parametrize(
    ("pattern", "files"),
    [("photos/*.png", ["9.png", "10.png"]), ("photos/9.png", ["9.png"]), ("*/sub/*", ["photos/sub/a.png"])],
)
def test_patterns_and_single_files(bucket: str, pattern: str, files: list[str]) -> None:
    assert [source.file for source in list_sources([f"{bucket}/{pattern}"])] == files


def test_a_list_may_name_files_of_a_bucket(bucket: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    names = tmp_path_factory.mktemp("lists") / "list.txt"
    names.write_text(f"{bucket}/photos/9.png\n{bucket}/photos/sub/a.png\n")
    assert [source.file for source in list_sources([f"@{names}"])] == ["9.png", "sub/a.png"]


def test_what_a_file_was_is_known_and_nothing_is_gone(bucket: str) -> None:
    source = list_sources([f"{bucket}/photos"])[0]
    origin = origin_of(source)
    assert origin is not None
    assert origin.bytes == len(fsspec.filesystem("memory").cat_file("/bucket/photos/9.png"))
    assert origin == origin_of(source)
    assert not is_gone("8.png", roots_of([source]))
    fsspec.filesystem("memory").rm("/bucket/photos/9.png")
    assert origin_of(source) is None
    with pytest.raises(DataError, match=r"memory:///bucket/photos/9.png: there is no such file or folder"):
        source.read()


def test_what_is_not_there_and_a_package_that_lacks_are_a_sentence(bucket: str) -> None:
    with pytest.raises(DataError, match=r"no images in memory://bucket/none \(looked for"):
        list_sources([f"{bucket}/none"])
    with pytest.raises(SetupError, match=r"s3://bucket/a.jpg: another package is needed to read it \(Install s3fs"):
        list_sources(["s3://bucket/a.jpg"])
