"""Proposals on disk as they are made: whatever is cut off, whole images stay."""

import numpy as np
import pytest

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.records import Origin, Proposals
from inception_rcnn.data.stores.unfinished_proposals import ProposalSpool

MADE = {
    "a.jpg": Proposals(np.zeros((0, 4)), []),
    "sub/猫\n.jpg": Proposals([[0.1, 0, 1 / 3, 4]], [0.7]),
    "caf\udce9.jpg": Proposals([[1, 2, 3, 4], [5, 6, 7, 8]], [1, -np.inf]),
}
ORIGIN = Origin(7, 1_700_000_000_123_456_789, "upright")


def spool(path, *parameters):
    return ProposalSpool(path, "m", parameters)


def fill(path):
    with spool(path, 1) as made:
        for file, found in MADE.items():
            made.add(file, found, ORIGIN)
    return path.read_bytes()


def check(made, files):
    assert list(made) == files
    for file in files:
        np.testing.assert_array_equal(made[file].boxes, MADE[file].boxes)
        np.testing.assert_array_equal(made[file].scores, MADE[file].scores)
    assert made.counts() == [len(MADE[file]) for file in files]
    assert made.origins() == dict.fromkeys(files, ORIGIN)


def test_what_was_made_is_there_again(tmp_path):
    fill(tmp_path / "new" / "s")
    with spool(tmp_path / "new" / "s", 1) as made:
        check(made, [*MADE])
        made.keep(["caf\udce9.jpg", "none.jpg", "a.jpg"])
        check(made, ["caf\udce9.jpg", "a.jpg"])


def test_wherever_it_was_cut_off_whole_images_stay_and_more_can_be_added(tmp_path):
    whole = fill(tmp_path / "whole")
    for cut in range(len(whole)):
        path = tmp_path / "s"
        path.write_bytes(whole[:cut])
        with spool(path, 1) as made:
            left = list(made)
            check(made, left)
            assert left == [*MADE][: len(left)]
            for file in [*MADE][len(left) :]:
                made.add(file, MADE[file], ORIGIN)
            check(made, [*MADE])
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "garbage", [b"\0" * 99, b"[]\n", b"[" * 99999, b'["a", 99, 1, 1, ""]\n', b'["a", -1, 1, 1, ""]\n']
)
def test_what_is_no_image_is_cut_off(tmp_path, garbage):
    fill(tmp_path / "s")
    with (tmp_path / "s").open("ab") as file:
        file.write(garbage)
    with spool(tmp_path / "s", 1) as made:
        check(made, [*MADE])


@pytest.mark.parametrize("content", [None, b"{}\n", b"anything\nelse", b"\xff\xfe\n"])
def test_what_was_begun_in_another_way_is_refused_and_stays(tmp_path, content):
    path = tmp_path / "s"
    content = content or fill(path)
    path.write_bytes(content)
    with pytest.raises(DataError, match="delete it, or choose another --out"):
        spool(path, 2)
    assert path.read_bytes() == content
