from dataclasses import replace

import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes, box_iou
from inception_rcnn.data.datasets.labelling import label_candidates
from inception_rcnn.data.records import GroundTruth
from inception_rcnn.detector.training.sampling import sample_regions

CLASSES = ("cat", "dog")


def truth(*objects):
    boxes, labels, difficult = zip(*objects, strict=True) if objects else ((), (), ())
    return GroundTruth("a.jpg", 500, 400, as_boxes(boxes), np.array(labels, dtype=np.str_), np.array(difficult, bool))


@pytest.fixture
def proposals(rng):
    corner = rng.uniform(0, 300, (400, 2))
    return np.concatenate([corner, corner + rng.uniform(10, 150, (400, 2))], axis=1)


def sampled(thing, proposals, classes, num_regions, rng):
    return sample_regions(label_candidates(thing, proposals, classes), num_regions, rng)


def test_no_objects_and_no_proposals_give_no_regions(rng):
    sample = sampled(truth(), as_boxes([]), CLASSES, 64, rng)
    assert len(sample) == 0
    assert sample.boxes.shape == sample.targets.shape == (0, 4)


def test_an_image_without_objects_gives_background_only(rng, proposals):
    sample = sampled(truth(), proposals, CLASSES, 64, rng)
    assert len(sample) == 64
    assert (sample.classes == 0).all()


def test_a_quarter_is_foreground_and_the_rest_background(rng):
    thing = [100, 100, 200, 200]
    near = as_boxes([[100 + i, 100, 200 + i, 200] for i in range(30)])
    far = as_boxes([[300 + i, 10, 360 + i, 70] for i in range(90)])
    sample = sampled(truth((thing, "dog", False)), np.concatenate([near, far]), CLASSES, 64, rng)
    overlaps = box_iou(sample.boxes, as_boxes([thing]))[:, 0]
    assert sample.classes.tolist() == [2] * 16 + [0] * 48
    assert (overlaps[:16] >= 0.5).all()
    assert (overlaps[16:] < 0.5).all()
    assert (sample.targets[:16] == thing).all()
    np.testing.assert_array_equal(sample.targets[16:], sample.boxes[16:])


@pytest.mark.parametrize(("num_partial", "num_clear", "partial"), [(40, 400, 24), (10, 400, 10), (400, 5, 43)])
def test_half_of_the_background_is_parts_of_objects(rng, num_partial, num_clear, partial):
    thing = [100, 100, 200, 200]
    parts = as_boxes([[100, 100, 130, 140 + i / 10] for i in range(num_partial)])
    clear = as_boxes([[300, 10, 360 + i / 10, 70] for i in range(num_clear)])
    near = as_boxes([[100 + i, 100, 200 + i, 200] for i in range(1, 30)])
    sample = sampled(truth((thing, "dog", False)), np.concatenate([near, parts, clear]), CLASSES, 64, rng)
    overlaps = box_iou(sample.boxes[16:], as_boxes([thing]))[:, 0]
    assert len(overlaps) == 48  # where there is too little of one kind the other fills up
    assert (overlaps >= 0.1).sum() == partial


def test_the_object_itself_is_a_candidate(rng):
    sample = sampled(truth(([5, 5, 50, 50], "cat", False)), as_boxes([]), CLASSES, 8, rng)
    assert sample.boxes.tolist() == [[5, 5, 50, 50]]
    assert sample.classes.tolist() == [1]


def test_a_region_belongs_to_the_object_it_overlaps_most(rng):
    left, right = [0, 0, 100, 100], [40, 0, 140, 100]
    sample = sampled(
        truth((left, "cat", False), (right, "dog", False)), as_boxes([[30, 0, 130, 100]]), CLASSES, 12, rng
    )
    assert {tuple(b): c for b, c in zip(sample.boxes.tolist(), sample.classes.tolist(), strict=True)} == {
        (0, 0, 100, 100): 1,
        (40, 0, 140, 100): 2,
        (30, 0, 130, 100): 2,
    }


def test_difficult_objects_are_neither_foreground_nor_background(rng):
    sample = sampled(
        truth(([0, 0, 100, 100], "cat", True)), as_boxes([[0, 0, 100, 90], [200, 200, 300, 300]]), CLASSES, 8, rng
    )
    assert sample.boxes.tolist() == [[200, 200, 300, 300]]


def test_objects_of_other_classes_are_background(rng):
    sample = sampled(truth(([0, 0, 100, 100], "tree", False)), as_boxes([[0, 0, 100, 95]]), CLASSES, 8, rng)
    assert sample.classes.tolist() == [0]


def test_boxes_without_area_are_no_candidates(rng):
    sample = sampled(truth(([7, 7, 7, 30], "cat", False)), as_boxes([[3, 3, 3, 9]]), CLASSES, 8, rng)
    assert len(sample) == 0


def test_no_region_comes_twice_and_the_seed_decides(proposals):
    thing = truth(([50, 50, 150, 150], "cat", False))
    first, again, other = (
        sampled(thing, proposals, CLASSES, 64, np.random.default_rng(seed)).boxes for seed in (3, 3, 4)
    )
    assert len({tuple(box) for box in first.tolist()}) == len(first)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_image_that_is_not_exhaustive_gives_no_background(rng, proposals):
    thing = truth(([50, 50, 150, 150], "cat", False), ([200, 200, 300, 300], "tree", False))
    sample = sampled(replace(thing, exhaustive=False), proposals, CLASSES, 64, rng)
    assert set(sample.classes.tolist()) == {1}
    assert (box_iou(sample.boxes, thing.boxes[:1]) >= 0.5).all()
    assert len(sampled(replace(truth(), exhaustive=False), proposals, CLASSES, 64, rng)) == 0


@pytest.mark.parametrize(
    ("ignored_classes", "expected", "unannotated"),
    [((), {0, 1, 2}, []), (("tree",), {0, 1, 2}, []), (("cat",), {0, 2}, [1]), (("cat", "dog"), {0}, [1, 2])],
)
def test_classes_that_are_not_evaluated_are_not_learned_from(rng, proposals, ignored_classes, expected, unannotated):
    """What is background there may be one more of them; a class that is not learned does not matter."""
    thing = truth(([50, 50, 150, 150], "cat", False), ([160, 160, 260, 260], "dog", False))
    sample = sampled(replace(thing, ignored_classes=ignored_classes), proposals, CLASSES, 64, rng)
    assert set(sample.classes.tolist()) == expected
    assert sample.unannotated.tolist() == unannotated


def test_candidates_of_an_image_keep_to_the_same_rule(proposals):
    thing = truth(([50, 50, 150, 150], "cat", False), ([160, 160, 260, 260], "dog", True))
    plain = label_candidates(thing, proposals, CLASSES)
    assert set(plain.classes.tolist()) == {-1, 0, 1}
    incomplete = label_candidates(replace(thing, exhaustive=False), proposals, CLASSES)
    assert (incomplete.classes == np.where(plain.classes == 0, -1, plain.classes)).all()
    merged = label_candidates(replace(thing, ignored_classes=("dog",)), proposals, CLASSES)
    assert (merged.classes == plain.classes).all()
    assert merged.unannotated.tolist() == [2]


@pytest.mark.parametrize("changes", [{"crowd": [True]}, {"ignore": [True]}, {"difficult": [True]}])
def test_objects_to_ignore_are_neither_foreground_nor_background(rng, changes):
    thing = replace(truth(([0, 0, 100, 100], "cat", False)), **changes)
    small = [10, 10, 30, 30]  # in it, with an IoU of .04
    proposals = as_boxes([[0, 0, 100, 90], small, [200, 200, 300, 300]])
    found = sampled(thing, proposals, CLASSES, 8, rng)
    expected = [[200, 200, 300, 300]] if "crowd" in changes else [small, [200, 200, 300, 300]]
    assert sorted(found.boxes.tolist()) == expected
    assert set(found.classes.tolist()) == {0}
    candidates = label_candidates(thing, proposals, CLASSES)
    assert sorted(candidates.boxes[candidates.classes != -1].tolist()) == expected


def test_background_of_merged_data_sets_may_be_what_one_of_them_does_not_annotate(rng, proposals):
    """An image of a data set without dogs may show one."""
    thing = replace(truth(([50, 50, 150, 150], "cat", False)), ignored_classes=("dog",))
    for classes, unannotated in ((CLASSES, [2]), (("cat",), [])):
        sample = sampled(thing, proposals, classes, 64, rng)
        assert set(sample.classes.tolist()) == {0, 1}
        assert sample.unannotated.tolist() == unannotated
