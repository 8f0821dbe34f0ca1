import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.classification.webdataset_shards import read_shards, shards_of
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.images.decoding import encode_image


def image(value: int, kind: str = ".png") -> bytes:
    return encode_image(np.full((5, 4, 3), value, dtype=np.uint8), kind)


def write_shard(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # pyright: ignore[reportCallIssue, reportArgumentType]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def sample(key: str, value: int, label: str, ending: str = "cls") -> dict[str, bytes]:
    return {f"{key}.png": image(value), f"{key}.{ending}": label.encode()}


def test_samples_of_several_shards_are_read_in_any_order(tmp_path: Path) -> None:
    write_shard(tmp_path / "t-10.tar", sample("x", 30, "0"))
    write_shard(tmp_path / "t-9.tar", sample("a/1", 10, "2") | sample("b/1", 20, "0\n"))
    (tmp_path / "classes.txt").write_text("cat\ndog\n\ncow\n")
    for source in (tmp_path, tmp_path / "*.tar"):
        images = read_shards(source)
        assert images.classes == ("cat", "dog", "cow")
        assert images.files == ("t-9.tar/a/1.png", "t-9.tar/b/1.png", "t-10.tar/x.png")
        assert images.targets.tolist() == [2, 0, 0]
        for place in (2, 0, 1, 0):
            assert (images.read(place) == [10, 20, 30][place]).all()
            assert images.read(place).shape == (5, 4, 3)


def test_numbers_without_a_list_are_the_names_in_numeric_order(tmp_path: Path) -> None:
    write_shard(tmp_path / "t.tar", sample("a", 1, "10") | sample("b", 2, "9") | sample("c", 3, "10"))
    images = read_shards(tmp_path / "t.tar")
    assert images.classes == ("9", "10")
    assert images.targets.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("ending", "labels", "classes"),
    [
        ("txt", ["dog", "cat"], ("cat", "dog")),
        ("json", ['{"label": 1}', '{"cls": 0}'], ("0", "1")),
        ("json", ['{"class": "dog", "width": 4}', '"cat"'], ("cat", "dog")),
        ("json", ["1", "0"], ("0", "1")),
        ("cls", ["dog", "cat"], ("cat", "dog")),
        ("txt", ["1", "0"], ("0", "1")),  # text is a name, even of digits
    ],
)
def test_labels_of_every_kind(tmp_path: Path, ending: str, labels: list[str], classes: tuple[str, ...]) -> None:
    first, second = labels
    write_shard(tmp_path / "t.tar", sample("a", 1, first, ending) | sample("b", 2, second, ending))
    images = read_shards(tmp_path)
    assert images.classes == classes
    assert images.targets.tolist() == [1, 0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize(("ending", "label"), [("cls", "1"), ("txt", "dog"), ("json", '{"label": 1}')])
def test_labels_may_begin_with_a_byte_order_mark(tmp_path: Path, encoding: str, ending: str, label: str) -> None:
    members = {"a.png": image(1), f"a.{ending}": label.encode(encoding)}
    (tmp_path / "classes.txt").write_bytes("cat\ndog\n".encode(encoding))
    images = read_shards(write_shard(tmp_path / "t.tar", members))
    assert [images.classes[target] for target in images.targets] == ["dog"]


def test_headers_that_lead_to_each_other_without_end_are_refused(tmp_path: Path) -> None:
    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 1
    (tmp_path / "t.tar").write_bytes((long_name.tobuf(tarfile.GNU_FORMAT) + b"x".ljust(512, b"\0")) * 3_000)
    with pytest.raises(DataError, match=r"t\.tar: is not an uncompressed tar archive"):
        read_shards(tmp_path / "t.tar")


def test_a_range_of_too_many_shards_is_refused() -> None:
    for text in ("t-{0..999999999}.tar", "{0..99999}-{0..99999}.tar"):
        with pytest.raises(DataError, match="shards; write the range anew"):
            shards_of(text)


def test_other_files_of_a_sample_and_hidden_ones_do_no_harm(tmp_path: Path) -> None:
    members = {"._a.png": b"mac", "a.png": image(7), "a.box.json": b"[]", "a.cls": b"0", "a.seg.npy": b"x"}
    images = read_shards(write_shard(tmp_path / "t.tar", members))
    assert images.files == ("t.tar/a.png",)
    assert (images.read(0) == 7).all()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "hold no samples"),
        ({"a.png": image(1)}, r"one image and a label .*a\.png"),
        ({"a.cls": b"0"}, "one image and a label"),
        ({"a.png": image(1), "a.jpg": image(1, ".jpg"), "a.cls": b"0"}, "one image and a label"),
        ({"a.png": image(1), "a.cls": b""}, "need a class number or a name"),
        ({"a.png": image(1), "a.cls": b"\xff\xff"}, "is not a label"),
        ({"a.png": image(1), "a.cls": b"\xff\xfex"}, "begins as UTF-16"),
        ({"a.png": image(1), "a.json": b'"\\ud800"'}, "is not a label"),
        ({"a.png": image(1), "a.cls": b"1" * 5_000}, "is not a label"),
        ({"a.png": image(1), "a.json": b"1" * 5_000}, "is not a label"),
        ({"a.png": image(1), "a.json": b"1000000000000"}, "got 1000000000000"),
        ({"a.png": image(1), "a.json": b"1e400"}, "got inf"),
        ({f"a.{number}.png": b"" for number in range(5_000)}, "one image and a label"),
        ({"a.png": image(1), "a.json": b"{"}, "is not a label"),
        ({"a.png": image(1), "a.json": b"{}"}, "need a class number or a name, got None"),
        ({"a.png": image(1), "a.json": b'{"label": -1}'}, "got -1"),
        ({"a.png": image(1), "a.json": b'{"label": true}'}, "got True"),
        ({"a.png": image(1), "a.json": b'{"label": 1.5}'}, "got 1.5"),
        ({"a.png": image(1), "a.json": b"[" * 200_000}, "is not a label"),
        ({"a.png": image(1), "a.txt": b"x" * (1 << 21)}, "too many for a label"),
        (sample("a", 1, "0") | sample("b", 1, "cat"), "some labels are numbers and others names"),
    ],
)
def test_samples_that_cannot_be_used_are_named(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_shards(write_shard(tmp_path / "t.tar", members))
    assert len(str(caught.value)) < 500


def test_a_list_of_classes_must_know_the_labels(tmp_path: Path) -> None:
    write_shard(tmp_path / "t.tar", sample("a", 1, "1"))
    (tmp_path / "classes.txt").write_text("cat\n")
    with pytest.raises(DataError, match="1 names, and there is a label 1"):
        read_shards(tmp_path)
    (tmp_path / "classes.txt").write_text("cat\ncat\n")
    with pytest.raises(DataError, match="'cat' twice"):
        read_shards(tmp_path)
    write_shard(tmp_path / "t.tar", sample("a", 1, "cow", "txt"))
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(DataError, match="'cow', which is not in this list"):
        read_shards(tmp_path)


def test_what_is_no_plain_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.tar file"):
        read_shards(tmp_path)
    packed = write_shard(tmp_path / "packed.tar", sample("a", 1, "0"), "w:gz")
    (tmp_path / "text.tar").write_text("hello")
    for path in (packed, tmp_path / "text.tar", tmp_path / "missing.tar"):
        with pytest.raises(DataError, match=path.name):
            read_shards(path)


def test_a_shard_that_is_cut_short_is_refused_at_once(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "t.tar", sample("a", 1, "0") | {"b.cls": b"0", "b.png": image(2)})
    with tarfile.open(path) as archive:
        last = archive.getmember("b.png")
    content = path.read_bytes()
    path.write_bytes(content[: last.offset_data + 10])
    with pytest.raises(DataError, match=r"t\.tar: b\.png goes beyond the shard's end"):
        read_shards(path)


def test_a_shard_that_shrinks_after_it_was_looked_through_is_refused_when_read(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "t.tar", sample("a", 1, "0"))
    images = read_shards(path)
    path.write_bytes(path.read_bytes()[:520])
    with pytest.raises(DataError, match=r"t\.tar: a\.png: is cut short"):
        images.read(0)
    path.unlink()
    with pytest.raises(DataError, match=r"t\.tar: a\.png: cannot be read"):
        images.read(0)


def test_damaged_bytes_anywhere_are_a_data_error_or_no_matter(tmp_path: Path, rng: np.random.Generator) -> None:
    content = write_shard(tmp_path / "t.tar", sample("a", 1, "0") | sample("b" * 120, 2, "1", "json")).read_bytes()
    refused = 0
    for _ in range(300):
        damaged = np.frombuffer(content, dtype=np.uint8).copy()
        start = 512 * rng.integers(0, 8) + rng.integers(0, 512)
        damaged[start : start + 12] = rng.integers(0, 256, len(damaged[start : start + 12]))
        (tmp_path / "d.tar").write_bytes(damaged.tobytes())
        try:
            images = read_shards(tmp_path / "d.tar")
            for place in range(len(images)):
                images.read(place)
        except DataError:
            refused += 1
    assert refused > 100


def test_links_and_folders_in_an_archive_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.tar"
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("a.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        folder = tarfile.TarInfo("a.cls")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    with pytest.raises(DataError, match="no samples"):
        read_shards(path)


def test_shards_are_told_from_class_folders(tmp_path: Path) -> None:
    assert shards_of(tmp_path) == []
    (tmp_path / "cat").mkdir()
    assert shards_of(tmp_path) == []
    write_shard(tmp_path / "2.tar", {})
    write_shard(tmp_path / "10.tar", {})
    assert shards_of(tmp_path) == [str(tmp_path / "2.tar"), str(tmp_path / "10.tar")]
    odd = tmp_path / "[x]"
    odd.mkdir()
    assert shards_of(write_shard(odd / "a.tar", {}).parent) == [str(odd / "a.tar")]
    assert shards_of(odd / "a.tar") == [str(odd / "a.tar")]


def test_a_range_names_its_shards_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    for number in (8, 9, 10):
        write_shard(tmp_path / f"t-{number:02}.tar", sample("a", number, "0"))
    assert shards_of(tmp_path / "t-{08..10}.tar") == [str(tmp_path / f"t-{number:02}.tar") for number in (8, 9, 10)]
    assert len(read_shards(tmp_path / "t-{09..10}.tar")) == 2
    with pytest.raises(DataError, match=r"t-11\.tar"):
        read_shards(tmp_path / "t-{08..11}.tar")
    assert shards_of(tmp_path / "t-{08..08}.tar") == [str(tmp_path / "t-08.tar")]
    assert shards_of(tmp_path / "t-{10..08}.tar") == []


def test_a_damaged_image_is_named_by_shard_and_member(tmp_path: Path) -> None:
    members = {"a.jpg": image(1, ".jpg")[:40], "a.json": json.dumps({"label": 0}).encode()}
    images = read_shards(write_shard(tmp_path / "t.tar", members))
    with pytest.raises(DataError, match=r"t\.tar: a\.jpg"):
        images.read(0)
