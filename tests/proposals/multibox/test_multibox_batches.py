from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from inception_rcnn.backbone.features.image_pyramid import nearest_short_sides
from inception_rcnn.data.boxes import as_boxes, box_iou
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.datasets.image_order import ImageOrder
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.records import GroundTruth, Proposals
from inception_rcnn.proposals.common.box_coding import encode
from inception_rcnn.proposals.multibox import batches as multibox_batches
from inception_rcnn.proposals.multibox.batches import (
    JITTER,
    OTHERS,
    SLOTS,
    VISIBLE,
    MultiBoxBatches,
    _pick_size,
    assign,
    jittered,
    pick_window,
)

SIDES = (200, 400, 800)  # of the image pyramid


def random_boxes(rng, count):
    corner, sides = rng.uniform(0, 50, (count, 2)), rng.uniform(5, 50, (count, 2))
    return np.concatenate([corner, corner + sides], axis=1)


def cost(prior, target):
    return float((encode(torch.tensor(prior), torch.tensor(target)) ** 2).sum()) / 2


def cheapest(priors, objects, slots):
    """The cheapest of all ways to give every prior an object or none, so that as many as can be have one."""
    costs = [[cost(prior, target) for target in objects] for prior in priors]
    wanted = min(len(priors), slots * len(objects))
    ways = [
        way
        for way in product(range(-1, len(objects)), repeat=len(priors))
        if sum(i >= 0 for i in way) == wanted and all(way.count(i) <= slots for i in range(len(objects)))
    ]
    return list(min(ways, key=lambda way: sum(costs[k][i] for k, i in enumerate(way) if i >= 0)))


@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize(
    ("num_priors", "num_objects"), [(0, 0), (0, 2), (3, 0), (1, 1), (1, 3), (4, 2), (5, 2), (5, 3)]
)
def test_the_assignment_is_the_cheapest_of_all(rng, num_priors, num_objects, slots):
    priors, objects = random_boxes(rng, num_priors), random_boxes(rng, num_objects)
    found = assign(priors, objects, slots)
    assert found.shape == (num_priors,)
    assert found.tolist() == cheapest(priors, objects, slots)


@pytest.mark.parametrize(
    ("priors", "objects", "slots", "found"),
    [
        ([[0, 0, 9, 9], [20, 0, 29, 9]], [[0, 0, 9, 9]], 1, [0, -1]),
        ([[0, 0, 9, 9], [20, 0, 29, 9]], [[0, 0, 9, 9]], 2, [0, 0]),  # a far one too, while there is room
        ([[20, 0, 29, 9], [0, 0, 9, 9]], [[0, 0, 9, 9], [20, 0, 29, 9]], 1, [1, 0]),
        ([[0, 0, 10, 10], [0, 0, 12, 10]], [[0, 0, 10, 10], [0, 0, 9, 10]], 1, [1, 0]),  # cheapest together
    ],
)
def test_assignments_to_see_by_eye(priors, objects, slots, found):
    assert assign(as_boxes(priors), as_boxes(objects), slots).tolist() == found


def test_an_object_has_eight_priors_unless_told():
    assert (assign(as_boxes([[0, 0, 9, 9]] * 20), as_boxes([[0, 0, 9, 9]])) == 0).sum() == SLOTS


OBJECT, IGNORED, OTHER = [5, 10, 35, 40], [40, 10, 50, 20], [60, 10, 90, 50]  # in images 100 x 60
GREY = {250: OBJECT, 150: IGNORED, 80: OTHER}


@pytest.fixture
def batches(tmp_path):
    """Five images with an object on the left, a difficult one, and a proposal on the right: each in its own grey."""
    truths, others = [], {}
    for i in range(5):
        image = np.zeros((60, 100, 3), dtype=np.uint8)
        for grey, (x1, y1, x2, y2) in GREY.items():
            image[y1:y2, x1:x2] = grey
        (tmp_path / f"{i}.png").write_bytes(encode_image(image, ".png"))
        truths.append(GroundTruth(f"{i}.png", 100, 60, as_boxes([OBJECT, IGNORED]), ["cat", "cat"], [False, True]))
        others[f"{i}.png"] = Proposals(as_boxes([OTHER]), [1])
    priors = as_boxes([[x, y, x + side, y + side] for side in (0.3, 0.5) for x in (0, 0.25, 0.5) for y in (0, 0.5)])
    data = Dataset("five", ("cat",), tuple(truths), tmp_path)
    return MultiBoxBatches(data, others, priors, SIDES, ImageOrder(np.ones(5), seed=0), 2)


def examples(batches, steps=20):
    return [example for step in range(steps) for example in batches(step)]


def test_an_epoch_shows_every_image_once_in_a_new_order(batches):
    files = [example.file for example in examples(batches, 5)]
    assert sorted(files[:5]) == sorted(files[5:]) == [f"{i}.png" for i in range(5)]
    assert files[:5] != files[5:]
    assert [repr(example) for example in batches(0)] == files[:2]  # what an error names


def test_a_step_is_made_from_its_number_and_the_seed_alone(batches):
    batches(0)
    for a, b in zip(batches(3), replace(batches)(3), strict=True):
        assert (a.file, a.short_sides, a.num_priors) == (b.file, b.short_sides, b.num_priors)
        for name in ("image", "boxes", "matched", "objects", "ignored"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    sides = [
        example.short_sides
        for example in (*batches(3), *batches(4), *replace(batches, order=ImageOrder(np.ones(5), seed=1))(3))
    ]
    assert len(set(sides)) == 6


def test_boxes_stay_where_they_are_seen_when_the_image_is_mirrored(batches):
    places, others = set(), 0
    for example in examples(batches):
        for grey, (box,) in ((250, example.objects), (150, example.ignored)):
            x1, y1, x2, y2 = box.astype(int)
            assert (example.image[y1:y2, x1:x2] == grey).all()
            assert (example.image == grey).sum() == 3 * (x2 - x1) * (y2 - y1)
        mirrored = bool(example.objects[0, 0] != OBJECT[0])
        places.add((mirrored, example.objects[0, 0]))
        brought = example.boxes[example.num_priors :].tolist()
        assert [[10, 10, 40, 50], OTHER][mirrored] not in brought
        others += [OTHER, [10, 10, 40, 50]][mirrored] in brought
    assert places == {(False, 5), (True, 65)}
    assert others > 10


def test_all_boxes_suit_the_one_size_of_their_image(batches):
    seen = set()
    for example in examples(batches):
        index = int(np.abs(np.log(np.array(SIDES) / example.short_sides[0])).argmin())
        assert abs(np.log2(example.short_sides[0] / SIDES[index])) <= JITTER
        assert len(example.boxes) == len(example.matched) >= example.num_priors > 0
        assert (nearest_short_sides(example.boxes, example.image.shape, SIDES) == index).all()
        assert (example.matched[example.num_priors :] == -1).all()
        seen.add(SIDES[index])
    assert len(seen) > 1


def test_images_without_objects_are_all_background(batches):
    data = replace(batches.dataset, images=tuple(truth[:0] for truth in batches.dataset.images))
    nothing = {file: Proposals(as_boxes([]), []) for file in batches.others}
    for example in examples(replace(batches, dataset=data, others=nothing)):
        assert example.objects.shape == example.ignored.shape == (0, 4)
        assert len(example.boxes) == example.num_priors > 0
        assert (example.matched == -1).all()


@pytest.mark.parametrize(
    ("changes", "crowd"),
    [({"crowd": [True]}, [True]), ({"ignore": [True]}, [False]), ({"ignored_classes": ("cat",)}, [False])],
)
def test_whatever_is_to_be_ignored_is_unfair_and_has_no_prior(batches, changes, crowd):
    images = tuple(replace(truth[[0]], difficult=[False], **changes) for truth in batches.dataset.images)
    for example in examples(replace(batches, dataset=replace(batches.dataset, images=images)), 5):
        assert example.objects.shape == (0, 4)
        assert example.ignored.tolist() in ([OBJECT], [[65, 10, 95, 40]])
        assert example.crowd.tolist() == crowd
        assert (example.matched == -1).all()


@pytest.mark.parametrize("changes", [{"exhaustive": False}, {"ignored_classes": ("dog",)}])
def test_images_that_lack_annotations_say_so(batches, changes):
    images = tuple(replace(truth, **changes) for truth in batches.dataset.images)
    data = replace(batches.dataset, images=images, classes=("cat", "dog"))
    found = examples(replace(batches, dataset=data))
    assert not any(example.complete for example in found)
    assert all(example.complete for example in examples(batches, 3))


def test_an_image_that_gives_no_background_is_seen_in_the_size_of_an_object(rng):
    sizes, matched = np.array([0, 1, 2, 0, 1, 2]), np.array([-1, 0, -1, -1, -1, -1])
    seen = {share: {_pick_size(sizes, matched, 6, share, rng) for _ in range(200)} for share in (0.7, 1.0)}
    assert seen == {0.7: {0, 1, 2}, 1.0: {1}}


def test_difficult_objects_are_unfair_and_have_no_prior(batches):
    data = replace(batches.dataset, images=tuple(truth[[1]] for truth in batches.dataset.images))
    for example in examples(replace(batches, dataset=data)):
        assert example.objects.shape == (0, 4)
        assert example.ignored.tolist() in ([IGNORED], [[50, 10, 60, 20]])
        assert (example.matched == -1).all()


def test_an_object_without_area_has_no_prior(batches):
    """The logarithm of its sides is not finite: no delta leads there."""
    flat = [[20, 10, 20, 40], [20, 10, 50, 10]]
    images = tuple(replace(truth, boxes=as_boxes(flat), difficult=[False] * 2) for truth in batches.dataset.images)
    for example in examples(replace(batches, dataset=replace(batches.dataset, images=images)), 5):
        assert example.objects.shape == (0, 4)
        assert (example.matched == -1).all()


def test_objects_that_the_window_does_not_show_have_no_prior(batches, monkeypatch):
    """Every prior is the whole window, so the boxes say where that was; others have eight priors each."""
    monkeypatch.setattr(multibox_batches, "WHOLE_FRACTION", 0.0)
    small = [0, 0, 10, 10], [45, 25, 55, 35], [90, 50, 100, 60]
    truths = [
        GroundTruth(each.file, each.width, each.height, as_boxes(small), ["cat"] * 3, [False] * 3)
        for each in batches.dataset.images
    ]
    hidden = replace(
        batches, dataset=replace(batches.dataset, images=tuple(truths)), priors=as_boxes([[0, 0, 1, 1]] * 30)
    )
    counts = set()
    for example in examples(hidden, 30):
        x1, y1, x2, y2 = example.boxes[0]
        assert (example.boxes[:30] == example.boxes[0]).all()
        for i, (left, top, right, bottom) in enumerate(example.objects):
            visible = max(min(x2, right) - max(x1, left), 0) * max(min(y2, bottom) - max(y1, top), 0)
            expected = SLOTS if visible >= VISIBLE * 100 else 0
            assert (example.matched == i).sum() == expected
            counts.add((i, expected))
    assert {(i, count) for i in (0, 1) for count in (0, SLOTS)} <= counts


def test_an_image_brings_no_more_others_than_there_is_room_for(batches):
    many = {file: Proposals(as_boxes([OTHER] * 1000), np.ones(1000)) for file in batches.others}
    numbers = [len(example.boxes) - example.num_priors for example in examples(replace(batches, others=many))]
    assert max(numbers) == OTHERS


def test_no_objects_have_no_boxes_near_them(rng):
    assert jittered(as_boxes([]), rng).shape == (0, 4)


def test_boxes_near_the_objects_have_area_and_lie_around_them(rng):
    objects = as_boxes([[100, 100, 300, 200], [0, 0, 2, 2]])
    boxes = jittered(objects, rng, copies=500)
    assert len(boxes) < 1000  # of the tiny one some had no area
    assert (boxes[:, 2:] - boxes[:, :2] >= 1).all()
    large = boxes[box_iou(boxes, objects[1:])[:, 0] == 0]
    large = large[large[:, 2] > 50]
    np.testing.assert_allclose(large.mean(axis=0), objects[0], atol=6)
    np.testing.assert_allclose(large.std(axis=0), [40, 20, 40, 20], rtol=0.15)


def test_windows_lie_in_the_image_and_half_of_them_are_all_of_it(rng):
    windows = np.concatenate([pick_window((60, 100, 3), rng) for _ in range(400)])
    assert windows.shape == (400, 4)
    assert ((windows >= 0) & (windows <= [100, 60, 100, 60])).all()
    whole = (windows == [0, 0, 100, 60]).all(axis=1)
    assert 0.4 < whole.mean() < 0.6
    shares = (windows[:, 2:] - windows[:, :2]) / [100, 60]
    assert shares.min() >= 0.35 * np.exp(-0.2)
    assert (shares.min(axis=0) < 0.5).all()
    assert windows[:, :2].min() == 0
    assert windows[~whole][:, 0].max() > 30  # corners are anywhere
