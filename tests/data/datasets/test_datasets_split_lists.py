import pytest

from inception_rcnn.data.datasets.split_lists import listed_name

FOLDERS = {"jpegimages", "annotations"}


@pytest.mark.parametrize(
    ("line", "there", "expected"),
    [
        ("a", [], "a"),
        ("a", ["a"], "a"),
        ("a.jpg", ["a"], "a"),
        ("a.jpg", ["a", "a.jpg"], "a.jpg"),  # the most literal reading
        ("a.b", [], "a.b"),  # not an ending of images
        ("a.b.JPEG", [], "a.b"),
        ("holiday 1", ["holiday 1", "holiday"], "holiday 1"),
        ("holiday 1", ["holiday"], "holiday"),
        ("holiday -1", [], "holiday"),
        ("'a b' 0", ["a b"], "a b"),
        (r"sub\a.png", [], "sub/a"),
        ("./sub/../a", [], "a"),
        ("Annotations/sub/a.xml", [], "sub/a"),
        ("/data/JPEGImages/sub/a.jpg", [], "sub/a"),
        ("/data/sub/a.jpg", [], "a"),
        ("C:/data/a.jpg", [], "a"),
        ("JPEGImages/my photo.jpg Annotations/my photo.xml", ["my photo"], "my photo"),
        ("a.xml\ta.jpg", ["a"], "a"),
        ("a.jpg,a.xml", ["a"], "a"),
        ("a.jpg  # blurry", ["a"], "a"),
        ("../../etc/passwd", [], "passwd"),
        ("..", [], ".."),
        ("a" * 5000 + ".jpg", [], "a" * 5000 + ".jpg"),
    ],
)
def test_what_a_line_means(line: str, there: list[str], expected: str) -> None:
    assert listed_name(line, there.__contains__, FOLDERS) == expected


def test_a_long_line_takes_no_time() -> None:
    for part in (" ", "a ", ".aaa ", ".aaa, ", "#", " #", "\\", "../"):
        assert listed_name(part * 100_000, lambda name: False, FOLDERS) is not None
