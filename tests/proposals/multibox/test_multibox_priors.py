from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes, box_area
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.errors import DataError
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.records import GroundTruth
from inception_rcnn.proposals.multibox.priors import priors_of, read_priors


def dataset(*images, difficult=False):
    """Images 100 wide and 200 high, each given by its objects in percent of these."""
    truths = []
    for i, objects in enumerate(images):
        boxes = as_boxes(objects) * [1, 2, 1, 2]
        truths.append(GroundTruth(f"{i}.jpg", 100, 200, boxes, ["cat"] * len(boxes), [difficult] * len(boxes)))
    return Dataset("photos", ("cat",), tuple(truths), Path("/nowhere"))


@pytest.mark.parametrize(
    ("data", "count", "found"),
    [
        (dataset(), 1, 0),
        (dataset([], []), 1, 0),
        (dataset([[0, 0, 25, 25]]), 3, 2),  # itself and its mirror image
        (dataset([[25, 0, 75, 25]]), 2, 1),  # which are the same
        (dataset([[0, 0, 25, 25]], [[0, 0, 25, 25]]), 3, 2),  # twice the same is no other
        (dataset([[0, 0, 25, 25]], difficult=True), 1, 0),
    ],
)
def test_fewer_different_objects_than_priors_are_refused(data, count, found):
    with pytest.raises(DataError, match=f"photos has {found} different objects.* too few for {count} priors"):
        priors_of(data, count)


def test_one_object_gives_itself_and_its_mirror_image_as_fractions():
    priors = priors_of(dataset([[0, 50, 25, 75]]), 2)
    assert sorted(priors.tolist()) == [[0, 0.5, 0.25, 0.75], [0.75, 0.5, 1, 0.75]]


def test_clusters_give_their_middles_the_large_one_first():
    large = [[10, 8, 90, 88], [10, 10, 90, 90], [10, 12, 90, 92]]
    left = [[0, 38, 20, 58], [0, 40, 20, 60], [0, 42, 20, 62]]
    priors = priors_of(dataset(large, [*left, large[0]]), 3)
    np.testing.assert_allclose(priors[0], [0.1, 0.1, 0.9, 0.9])
    np.testing.assert_allclose(sorted(priors[1:].tolist()), [[0, 0.4, 0.2, 0.6], [0.8, 0.4, 1, 0.6]], atol=1e-12)


def test_the_seed_decides_alone(rng):
    corner, sides = rng.uniform(0, 50, (30, 2)), rng.uniform(5, 50, (30, 2))
    data = dataset(np.concatenate([corner, corner + sides], axis=1))
    priors = priors_of(data, 10, seed=1)
    np.testing.assert_array_equal(priors_of(data, 10, seed=1), priors)
    assert not np.array_equal(priors_of(data, 10, seed=2), priors)
    assert (np.diff(box_area(priors)) <= 0).all()


def test_a_file_of_priors_has_a_coordinate_a_line_behind_its_deviation(tmp_path):
    path = tmp_path / "priors.txt"
    path.write_text("0.1 0.5\n0.2 0.25\n0.3 0.75\n0.4 0.5\n9 0\n9 0.25\n9 0.5\n9 1\n")
    assert read_priors(path).tolist() == [[0, 0.25, 0.5, 1], [0.5, 0.25, 0.75, 0.5]]  # the larger first


@pytest.mark.filterwarnings("ignore:loadtxt. input contained no data")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "four lines a prior"),
        ("1 0.1\n1 0.1\n1 0.5\n", "four lines a prior"),  # a line is missing
        ("0.1\n0.1\n0.5\n0.5\n", "a deviation and a mean a line"),
        ("1 0.1\n1 0.1\n1 0.5\n1 high\n", "not a file of priors"),
        ("1 0.1\n1 0.1\n1 0.5\n1\n", "not a file of priors"),
        ("1 0.5\n1 0.1\n1 0.1\n1 0.5\n", "no area"),  # xmax before xmin
        ("1 0.1\n1 0.1\n1 0.5\n1 nan\n", "no area"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path, text, words):
    path = tmp_path / "priors.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"priors\.txt.*{words}"):
        read_priors(path)


def test_no_file_is_said_to_be_none(tmp_path):
    with pytest.raises(DataError, match="no such file of priors"):
        read_priors(tmp_path / "priors.txt")
    with pytest.raises(DataError, match="not a file of priors"):
        read_priors(tmp_path)


@pytest.mark.shared
def test_googles_own_file_can_be_read(shared):
    priors = read_priors(shared / "data" / "multibox" / "priors800.txt")
    assert priors.shape == (800, 4)
    assert (box_area(priors) > 0).all()
    assert (np.diff(box_area(priors)) <= 0).all()
    assert [0.12499, 0.496964, 0.521644] in priors[:, :3].tolist()  # the first lines of the file
    assert ((priors > -0.5) & (priors < 1.5)).all()


@pytest.mark.parametrize("changes", [{"crowd": [True]}, {"ignore": [True]}, {"ignored_classes": ("cat",)}])
def test_objects_to_ignore_make_no_prior(changes):
    data = dataset([[0, 0, 25, 25]], [[50, 50, 100, 100]])
    data = replace(data, images=(data.images[0], replace(data.images[1], **changes)))
    assert sorted(priors_of(data, 2).tolist()) == [[0, 0, 0.25, 0.25], [0.75, 0, 1, 0.25]]


def test_a_size_that_is_not_stated_is_that_of_the_file(tmp_path):
    (tmp_path / "a.png").write_bytes(encode_image(np.zeros((200, 100, 3), np.uint8), ".png"))
    unknown = GroundTruth("a.png", 0, 0, as_boxes([[0, 100, 25, 150]]), ["cat"], [False])
    nothing = GroundTruth("missing.png", 0, 0, as_boxes([]), [], [])
    priors = priors_of(Dataset("photos", ("cat",), (unknown, nothing), tmp_path), 2)
    assert sorted(priors.tolist()) == [[0, 0.5, 0.25, 0.75], [0.75, 0.5, 1, 0.75]]
