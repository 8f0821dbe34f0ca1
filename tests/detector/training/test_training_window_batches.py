from dataclasses import replace

import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes, box_area, box_intersection, box_iou
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.datasets.labelling import label_candidates
from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.records import GroundTruth, Proposals
from inception_rcnn.detector.training import window_batches
from inception_rcnn.detector.training.window_batches import WindowBatches, find_windows

CLASSES = ("cat", "dog")


def truth(file, *objects):
    boxes, labels, difficult = zip(*objects, strict=True) if objects else ((), (), ())
    return GroundTruth(file, 100, 60, as_boxes(boxes), np.array(labels, dtype=np.str_), np.array(difficult, bool))


def random_boxes(rng, count):
    corner = rng.uniform(0, [60, 30], (count, 2))
    return np.concatenate([corner, corner + rng.uniform(0, [40, 30], (count, 2))], axis=1)


def overlap_to_ignore(box, other, crowd):
    """With a crowd, the part of the box itself that lies in it."""
    if not crowd:
        return box_iou(box[None], other[None])[0, 0]
    area = box_area(box[None])[0]
    return box_intersection(box[None], other[None])[0, 0] / area if area else 0.0


@pytest.mark.parametrize("seed", range(20))
def test_labels_are_the_definition_with_loops(seed):
    rng = np.random.default_rng(seed)
    objects = [
        (box, rng.choice(["cat", "dog", "tree"]), bool(rng.random() < 0.3)) for box in random_boxes(rng, seed % 5)
    ]
    image, proposals = truth("a.png", *objects), random_boxes(rng, 30)
    crowds = rng.random(len(objects)) < 0.3
    image = replace(image, crowd=crowds)
    objects = [(box, label, difficult, crowd) for (box, label, difficult), crowd in zip(objects, crowds, strict=True)]
    found = label_candidates(image, proposals, CLASSES)
    wanted = [(box, label) for box, label, *ignored in objects if label in CLASSES and not any(ignored)]
    unfair = [(box, crowd) for box, label, *ignored, crowd in objects if label in CLASSES and (crowd or any(ignored))]
    expected = []
    for box in [*(box for box, _ in wanted), *proposals]:
        overlaps = [box_iou(box[None], other[None])[0, 0] for other, _ in wanted]
        if overlaps and max(overlaps) >= 0.5:
            best = int(np.argmax(overlaps))
            expected.append((*box, CLASSES.index(wanted[best][1]) + 1, *wanted[best][0]))
        else:
            fair = all(overlap_to_ignore(box, *other) < 0.5 for other in unfair)
            expected.append((*box, 0 if fair else -1, *box))
    rows = zip(found.boxes, found.classes, found.targets, strict=True)
    assert [(*box, label, *target) for box, label, target in rows] == expected


@pytest.mark.parametrize("objects", [(), (([5, 5, 30, 30], "cat", True),)])
def test_no_proposals_and_no_objects_to_find_are_no_candidates(objects):
    found = label_candidates(truth("a.png", *objects), as_boxes([[3, 3, 3, 9]]), CLASSES)
    assert found.boxes.shape == found.targets.shape == (0, 4)


def test_images_that_lack_annotations_give_no_background():
    image = replace(truth("a.png", ([5, 5, 30, 30], "cat", False)), exhaustive=False)
    found = label_candidates(image, as_boxes([[5, 5, 30, 29], [50, 5, 70, 30]]), CLASSES)
    assert found.classes.tolist() == [1, 1, -1]


@pytest.fixture
def data(tmp_path):
    """An image with one object, one with three, one with none; a bright pixel marks each object's corner."""
    truths, proposals = [], {}
    places = ([[5, 10, 35, 40]], [[0, 0, 20, 20], [30, 0, 50, 20], [70, 30, 100, 60]], [])
    for i, objects in enumerate(places):
        image = np.zeros((60, 100, 3), dtype=np.uint8)
        for x1, y1, x2, y2 in objects:
            image[y1:y2, x1:x2] = 250
        (tmp_path / f"{i}.png").write_bytes(encode_image(image, ".png"))
        truths.append(truth(f"{i}.png", *((box, "dog", False) for box in objects)))
        proposals[f"{i}.png"] = Proposals(
            as_boxes([[60, 10, 68, 50], [6, 40, 34, 58], [40, 30, 60, 50]]), [0.9, 0.8, 0.7]
        )
    return Dataset("three", CLASSES, tuple(truths), tmp_path), proposals


SIDES = (200, 400, 800)  # of the image pyramid


def batches(data, mode="crops", foreground=32, background=96):
    return WindowBatches(*data, CLASSES, mode, SIDES, find_windows(*data, CLASSES), foreground, background, 0)


def test_a_step_is_32_and_96_regions_of_any_images(data):
    for step in range(5):
        classes = np.concatenate([each.sample.classes for each in batches(data)(step)])
        assert (np.count_nonzero(classes == 2), np.count_nonzero(classes == 0)) == (32, 96)


def test_every_window_is_as_likely_as_any_other_of_its_kind(data):
    made = batches(data)
    foreground, background = {}, {}
    for step in range(60):
        for each in made(step):
            for box, label in zip(each.sample.boxes, each.sample.classes, strict=True):
                key = each.file, tuple(np.sort([box[0], 100 - box[2]])), box[1]  # as it was or turned
                counts = foreground if label else background
                counts[key] = counts.get(key, 0) + 1
    assert len(foreground) == 4
    assert len(background) == 9
    for counts, drawn in ((foreground, 60 * 32), (background, 60 * 96)):
        expected = drawn / len(counts)
        assert all(abs(count - expected) < 4 * expected**0.5 for count in counts.values()), counts


@pytest.mark.parametrize("mode", ["crops", "shared"])
def test_objects_are_where_the_image_is_bright_turned_or_not(data, mode):
    turned = set()
    for each in batches(data, mode)(0):
        for box, label in zip(each.sample.targets.astype(int), each.sample.classes, strict=True):
            x1, y1, x2, y2 = box
            if label:
                assert (each.image[y1:y2, x1:x2] == 250).all()
                turned.add((each.file, x1))
    assert {("0.png", 5), ("0.png", 65)} <= turned


def test_a_step_is_the_same_whenever_it_is_made_and_each_example_has_its_own_chance(data):
    made = batches(data, "shared")
    first, again = made(3), made(3)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.sample.boxes, b.sample.boxes)
        np.testing.assert_array_equal(a.image, b.image)
        assert a.seed == b.seed
    assert len({each.seed for step in (3, 4) for each in made(step)}) == len(first) + len(made(4))


def test_processes_share_a_step(data, monkeypatch):
    made = batches(data, "shared")
    whole = {each.seed: each.sample.boxes.tolist() for each in made(0)}
    shares = []
    for rank in range(2):
        monkeypatch.setattr(window_batches, "own_shard", lambda items, rank=rank: items[rank::2])
        shares.append({each.seed: each.sample.boxes.tolist() for each in made(0)})
    assert shares[0].keys() & shares[1].keys() == set()
    assert shares[0] | shares[1] == whole


def test_nothing_to_learn_is_refused(data):
    with pytest.raises(UsageError, match="no proposal or object of three is foreground"):
        find_windows(*data, ("cow",))
