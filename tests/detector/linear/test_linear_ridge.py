"""Ridge by normal equations against scikit-learn's and numpy's plain ones, and R-CNN's whitened box targets."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.records import GroundTruth
from inception_rcnn.data.stores.feature_store import RegionFeatures
from inception_rcnn.detector.linear import ridge
from inception_rcnn.detector.linear.classifiers import LabelledFeatures
from inception_rcnn.detector.linear.ridge import (
    CLASSIFIER_PENALTY,
    Moments,
    box_pairs,
    passes,
    ridge_boxes,
    ridge_classifiers,
    solve_ridge,
    whitening,
)

CLASSES = ("cat", "dog")
WIDTH = 5


def plain_ridge(rows, targets, penalty, weights=None):
    """scikit-learn's, the ones being a feature like the others, so that the bias is penalised as theirs is."""
    machine = Ridge(alpha=penalty, fit_intercept=False, solver="svd" if weights is None else "cholesky")
    machine.fit(np.concatenate([rows, np.ones((len(rows), 1))], axis=1), targets, sample_weight=weights)
    return machine.coef_.T


@pytest.mark.parametrize("at_once", [1, 7, 1000])
@pytest.mark.parametrize("penalty", [0.1, 10.0, 1000.0])
def test_parts_give_scikit_learns_ridge(at_once, penalty, monkeypatch, rng):
    monkeypatch.setattr(ridge, "ROWS_AT_ONCE", at_once)
    rows, targets = rng.normal(size=(60, WIDTH)).astype(np.float32), rng.normal(size=(60, 3))
    moments = Moments(WIDTH, 3)
    for start in (0, 13, 13, 40):  # rows 13 to 39 twice, which a negative weight takes out again
        stop = {0: 13, 13: 40, 40: 60}[start]
        moments.add(rows[start:stop], targets[start:stop])
    moments.add(rows[13:40], targets[13:40], weight=-1)
    np.testing.assert_allclose(solve_ridge(*moments.sums(), penalty), plain_ridge(rows, targets, penalty), rtol=1e-3)


def test_no_rows_give_nothing():
    moments = Moments(WIDTH, 2)
    moments.add(np.zeros((0, WIDTH), np.float32), np.zeros((0, 2)))
    assert not solve_ridge(*moments.sums(), 1.0).any()


def toy_examples(rng, images=6, regions=20):
    made = []
    for _ in range(images):
        positives = np.zeros((regions, 2), bool)
        positives[0, 0] = positives[1, 1] = True
        negatives = ~positives & (rng.random((regions, 2)) < 0.7)
        features = rng.normal(size=(regions, WIDTH)) + positives @ np.eye(2, WIDTH)
        made.append(LabelledFeatures((8 * features).astype(np.float32), positives, negatives))
    return made


@pytest.mark.parametrize("at_a_time", [1, 2])
def test_the_fast_classifiers_are_weighted_ridges_on_plus_and_minus_one(at_a_time, rng):
    """One class or both in a pass: rows that are neither are not there, positives weigh as much as negatives."""
    examples, read = toy_examples(rng), []
    memory = at_a_time * 8 * (WIDTH + 1) ** 2
    found = ridge_classifiers(lambda: read.append(1) or examples, CLASSES, WIDTH, memory)
    assert len(read) == 2 // at_a_time
    for number in range(2):
        positives = np.concatenate([each.features[each.positives[:, number]] for each in examples])
        negatives = np.concatenate([each.features[each.negatives[:, number]] for each in examples])
        targets = np.repeat([1.0, -1.0], [len(positives), len(negatives)])
        weights = np.where(targets > 0, len(negatives) / len(positives), 1.0)
        expected = plain_ridge(np.concatenate([positives, negatives]), targets, CLASSIFIER_PENALTY, weights)
        np.testing.assert_allclose(found.weights[number], expected[:-1], rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(found.biases[number], expected[-1], rtol=1e-3, atol=1e-6)


def test_a_class_without_objects_cannot_be_learnt(rng):
    examples = [
        LabelledFeatures(each.features, each.positives & [True, False], each.negatives) for each in toy_examples(rng)
    ]
    with pytest.raises(UsageError, match="no object of class 'dog'"):
        ridge_classifiers(lambda: examples, CLASSES, WIDTH)


@pytest.mark.parametrize(
    ("classes", "memory", "expected"),
    [(0, 10**6, []), (5, 10**6, [5]), (5, 2 * 8 * 36, [2, 2, 1]), (3, 1, [1, 1, 1])],
)
def test_as_many_classes_at_a_time_as_have_room(classes, memory, expected):
    found = list(passes(classes, WIDTH, memory))
    assert [len(each) for each in found] == expected
    assert [number for each in found for number in each] == list(range(classes))


def test_whitened_targets_are_independent_and_of_unit_size(rng):
    targets = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4))
    whiten, unwhiten = whitening(np.cov(targets.T, bias=True))
    np.testing.assert_allclose(whiten, whiten.T, atol=1e-12)  # ZCA: the whitening that changes targets the least
    np.testing.assert_allclose(whiten @ unwhiten, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(np.cov((targets @ whiten).T, bias=True), np.eye(4), atol=0.05)


def test_targets_that_never_vary_are_no_trouble():
    whiten, unwhiten = whitening(np.zeros((4, 4)))
    np.testing.assert_allclose(whiten @ unwhiten, np.eye(4), atol=1e-9)
    assert np.isfinite(whiten).all()


def scene(rng, file, objects=3, proposals=120):
    """An image whose proposals are objects moved a little, and others; features know something of the deltas."""
    corners = rng.uniform(0, 60, (objects, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(20, 40, (objects, 2))], axis=1)
    labels = np.array(CLASSES)[rng.integers(0, 2, objects)]
    truth = GroundTruth(file, 100, 100, boxes, labels, np.zeros(objects, bool))
    moved = boxes[rng.integers(0, objects, proposals)] + rng.uniform(-6, 6, (proposals, 4))
    every = np.concatenate([boxes, moved])
    features = rng.normal(size=(len(every), WIDTH + 2)).astype(np.float16)
    features[:, 2:6] += (every / 10).astype(np.float16)
    return truth, RegionFeatures(file, objects, every, features)


def plain_regressor(scenes, name, scale, penalty):
    """`rcnn_train_bbox_regressor.m`, a region at a time: predictions are (features @ weights + bias) @ T^-1 + mean."""
    rows, targets = [], []
    for truth, regions in scenes:
        for box, feature in zip(regions.boxes[len(truth) :], regions.features[len(truth) :], strict=True):
            overlaps = []
            for other in truth.boxes:
                wide = max(min(box[2], other[2]) - max(box[0], other[0]), 0)
                high = max(min(box[3], other[3]) - max(box[1], other[1]), 0)
                areas = (box[2] - box[0]) * (box[3] - box[1]) + (other[2] - other[0]) * (other[3] - other[1])
                overlaps.append(wide * high / (areas - wide * high))
            best = int(np.argmax(overlaps))
            if overlaps[best] > 0.6 and truth.labels[best] == name:
                other, w, h = truth.boxes[best], box[2] - box[0], box[3] - box[1]
                dx = ((other[0] + other[2]) / 2 - (box[0] + box[2]) / 2) / w
                dy = ((other[1] + other[3]) / 2 - (box[1] + box[3]) / 2) / h
                targets.append([dx, dy, np.log((other[2] - other[0]) / w), np.log((other[3] - other[1]) / h)])
                rows.append([*(feature[2:].astype(float) * scale), 1.0])
    rows, targets = np.array(rows), np.array(targets)
    mean = targets.mean(axis=0)
    centred = targets - mean
    values, vectors = np.linalg.eig(centred.T @ centred / len(centred))
    whiten = vectors @ np.diag(1 / np.sqrt(values + 0.001)) @ vectors.T
    inverse = vectors @ np.diag(np.sqrt(values + 0.001)) @ vectors.T
    learnt = np.linalg.inv(rows.T @ rows + penalty * np.eye(rows.shape[1])) @ rows.T @ (centred @ whiten)
    return learnt @ inverse, mean, len(rows)


@pytest.mark.parametrize("penalty", [1.0, 1000.0])
@pytest.mark.parametrize("memory", [1, 10**9])  # one class in a pass, or both
def test_box_regressors_are_the_plain_loop(penalty, memory, rng):
    scenes = [scene(rng, f"{number}.jpg") for number in range(4)]
    found = ridge_boxes(lambda: scenes, CLASSES, WIDTH, 0.7, slice(2, None), penalty, memory)
    for name, regressor in zip(CLASSES, found, strict=True):
        coefficients, mean, num_pairs = plain_regressor(scenes, name, 0.7, penalty)
        assert regressor.num_pairs == num_pairs > 20
        np.testing.assert_allclose(regressor.weights, coefficients[:-1].T, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(regressor.biases, coefficients[-1] + mean, rtol=1e-3, atol=1e-6)


def test_a_class_without_pairs_leaves_boxes_as_they_are(rng):
    (regressor,) = ridge_boxes(lambda: [scene(rng, "a.jpg")], ("cow",), WIDTH, 1.0, slice(2, None))
    assert regressor.num_pairs == 0
    assert not regressor.weights.any()
    assert not regressor.biases.any()


@pytest.mark.parametrize(
    "ignored",
    [{"crowd": [False, True]}, {"ignore": [False, True]}, {"difficult": [False, True]}, {"ignored_classes": ("dog",)}],
)
@pytest.mark.parametrize(
    ("proposal", "paired"),
    [
        ([0, 0, 40, 40], True),
        ([0, 0, 40, 24], False),  # .6 itself is too little
        ([0, 0, 40, 24.1], True),
        ([60, 60, 90, 90], False),  # the box of one to ignore
        ([0, 0, 0, 40], False),  # no area
    ],
)
def test_which_proposals_learn(proposal, paired, ignored):
    boxes = as_boxes([[0, 0, 40, 40], [60, 60, 90, 90]])
    truth = GroundTruth("a.jpg", 100, 100, boxes, ["cat", "dog"], **{"difficult": [False] * 2, **ignored})
    regions = RegionFeatures("a.jpg", 2, np.concatenate([truth.boxes, [proposal]]), np.zeros((3, 1), np.float16))
    rows, labels, targets = box_pairs(truth, regions)
    assert rows.tolist() == [2] * paired
    assert labels.tolist() == ["cat"] * paired
    assert targets.shape == (paired, 4)


def test_images_without_objects_or_proposals_teach_nothing():
    nothing = GroundTruth("a.jpg", 9, 9, as_boxes([]), np.zeros(0, np.str_), np.zeros(0, bool))
    for boxes in (as_boxes([]), as_boxes([[0, 0, 5, 5]])):
        regions = RegionFeatures("a.jpg", 0, boxes, np.zeros((len(boxes), 1), np.float16))
        assert [len(each) for each in box_pairs(nothing, regions)] == [0, 0, 0]
