import pytest

from inception_rcnn.data.datasets.renames import read_renames
from inception_rcnn.data.errors import UsageError


def test_pairs_are_read_from_the_option_or_from_a_file(tmp_path):
    expected = {"dining table": "diningtable", "tv": "tvmonitor"}
    assert read_renames("dining table=diningtable, tv = tvmonitor,") == expected
    path = tmp_path / "names.txt"
    path.write_text("dining table=diningtable\r\n\r\ntv=tvmonitor\r\n")
    assert read_renames(str(path)) == expected
    assert read_renames(None) == read_renames("") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tv", "'tv' is no pair"),
        ("tv=", "'tv=' is no pair"),
        ("=tv", "'=tv' is no pair"),
        ("tv=a,tv=b", "two new names for 'tv'"),
    ],
)
def test_what_is_no_pair_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        read_renames(text)
