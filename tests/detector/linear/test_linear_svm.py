"""Linear classifiers: what they learn from, R-CNN's mining against a plain loop, and margins as probabilities."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.svm import LinearSVC

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.records import GroundTruth
from inception_rcnn.data.stores.feature_store import RegionFeatures, open_features, write_shard
from inception_rcnn.detector.box_predictor import class_probabilities
from inception_rcnn.detector.linear import svm
from inception_rcnn.detector.linear.calibration import fit_sigmoid, fit_sigmoids
from inception_rcnn.detector.linear.classifiers import (
    LabelledFeatures,
    LinearClassifiers,
    example_of,
    examples_of,
    feature_scale,
    positives_of,
)
from inception_rcnn.detector.linear.svm import Mine, fit, mined_svms

CLASSES = ("cat", "dog")
WIDTH = 4


def truth_of(labels, boxes, file="a.jpg", difficult=None, **more):
    flags = np.zeros(len(labels), bool) if difficult is None else difficult
    return GroundTruth(file, 100, 100, as_boxes(boxes), np.array(labels, np.str_), flags, **more)


def regions_of(truth, proposals, seed=0):
    boxes = np.concatenate([truth.boxes, as_boxes(proposals)])
    rng = np.random.default_rng(seed)
    return RegionFeatures(truth.file, len(truth), boxes, rng.normal(size=(len(boxes), WIDTH)).astype(np.float16))


def toy_examples(seed, images=12, regions=15, shift=1.0):
    """Images with up to two objects of each class; classes lie in different corners of the features."""
    rng, made = np.random.default_rng(seed), []
    for _ in range(images):
        positives = np.zeros((regions, 2), bool)
        for number, count in enumerate(rng.integers(0, 3, 2)):
            positives[2 * number : 2 * number + count, number] = True
        features = rng.normal(size=(regions, WIDTH)) + shift * (positives @ np.eye(2, WIDTH))
        negatives = ~positives & (rng.random((regions, 2)) < 0.9)
        made.append(LabelledFeatures((5 * features).astype(np.float32), positives, negatives))
    return made


def plain_svm(positives, negatives):
    machine = LinearSVC(
        C=0.001, loss="hinge", intercept_scaling=10, class_weight={1: 2, -1: 1}, tol=0.1, dual=True, random_state=0
    )
    machine.fit(np.array(positives + negatives), [1] * len(positives) + [-1] * len(negatives))
    return machine.coef_[0], machine.intercept_[0]


def plain_mining(examples, number, retrain_after):
    """One class, one region at a time, as `rcnn_train.m` goes about it."""
    positives = [
        row for each in examples for row, is_one in zip(each.features, each.positives[:, number], strict=True) if is_one
    ]
    cache, added, weights, bias, first = [], 0, np.zeros(WIDTH), 0.0, True
    for place, each in enumerate(examples):
        last = place == len(examples) - 1
        for row, is_one in zip(each.features, each.negatives[:, number], strict=True):
            if is_one and row @ weights + bias > -1.0001:
                cache.append(row)
                added += 1
        if (first and cache) or added > retrain_after or (last and added):
            weights, bias = plain_svm(positives, cache)
            cache = [row for row in cache if row @ weights + bias >= -1.2]
            added, first = 0, False
    return weights, bias


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("retrain_after", [3, 25, 10_000])
def test_mining_is_the_plain_loop(seed, retrain_after, monkeypatch):
    monkeypatch.setattr(svm, "RETRAIN_AFTER", retrain_after)
    examples = toy_examples(seed)
    found = mined_svms(lambda: examples, CLASSES)
    for number in range(2):
        weights, bias = plain_mining(examples, number, retrain_after)
        np.testing.assert_allclose(found.weights[number], weights, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(found.biases[number], bias, rtol=1e-6, atol=1e-9)


def test_mining_leaves_easy_negatives_out_and_learns_from_hard_ones(monkeypatch):
    """A far cloud of negatives is offered after a near one: it never joins, and the result is as without it."""
    monkeypatch.setattr(svm, "RETRAIN_AFTER", 10)
    rng = np.random.default_rng(0)
    positives = rng.normal(size=(20, WIDTH)).astype(np.float32) * 3 + 20
    near, far = rng.normal(size=(2, 30, WIDTH)).astype(np.float32) * 3
    mine = Mine(positives, limit=1000)
    mine.offer(near)
    weights = mine.weights.copy()
    mine.offer(far - 60)
    assert len(mine) <= len(near)
    np.testing.assert_array_equal(mine.weights, weights)


@pytest.mark.parametrize("limit", [1, 7, 20])
def test_the_cache_never_outgrows_its_memory_by_more_than_an_image(limit, monkeypatch):
    monkeypatch.setattr(svm, "RETRAIN_AFTER", 10_000)  # nothing else would bound it
    rng = np.random.default_rng(0)
    mine = Mine(rng.normal(size=(5, WIDTH)).astype(np.float32), limit)
    for _ in range(10):
        mine.offer(rng.normal(size=(12, WIDTH)).astype(np.float32))  # mixed up with the positives: all are hard
        assert len(mine) <= limit
    margins = mine.margins(mine.negatives)
    assert len(margins) == limit
    assert (margins >= svm.EVICT_BELOW).all()


def test_where_too_many_are_hard_the_hardest_stay(monkeypatch):
    rng = np.random.default_rng(1)
    negatives = rng.normal(size=(50, WIDTH)).astype(np.float32)
    mine = Mine(rng.normal(size=(5, WIDTH)).astype(np.float32), limit=8)
    mine.offer(negatives)
    margins = np.sort(mine.margins(negatives))
    np.testing.assert_allclose(np.sort(mine.margins(mine.negatives)), margins[-8:])


def test_the_memory_is_shared_by_the_classes(monkeypatch):
    limits = []
    real = Mine.__init__
    monkeypatch.setattr(Mine, "__init__", lambda self, rows, limit: (limits.append(limit), real(self, rows, limit))[1])
    examples = toy_examples(0)
    mined_svms(lambda: examples, CLASSES, memory=2 * 4 * WIDTH * 30)  # thirty float32 rows for each of two classes
    assert limits == [30, 30]


def test_the_machine_is_the_least_of_its_objective():
    """Against a general solver: half the squared weights, bias weight included, plus C times the weighted hinges."""
    rng = np.random.default_rng(0)
    positives, negatives = 10 * rng.normal(size=(6, 2)) + 8, 10 * rng.normal(size=(14, 2))
    rows = np.concatenate([positives, negatives])
    rows = np.concatenate([rows, np.full((20, 1), 10.0)], axis=1)
    signs, costs = np.repeat([1.0, -1.0], [6, 14]), np.repeat([0.002, 0.001], [6, 14])

    def objective(weights):
        return weights @ weights / 2 + costs @ np.maximum(0, 1 - signs * (rows @ weights))

    margins = {"type": "ineq", "fun": lambda all_: signs * (rows @ all_[:3]) - 1 + all_[3:]}
    slack = {"type": "ineq", "fun": lambda all_: all_[3:]}
    best = minimize(
        lambda all_: all_[:3] @ all_[:3] / 2 + costs @ all_[3:], np.ones(23), constraints=[margins, slack], tol=1e-12
    )
    weights, bias = fit(positives.astype(np.float32), negatives.astype(np.float32))
    found = objective(np.array([*weights, bias / 10]))
    assert objective(best.x[:3]) <= found * 1.0001
    assert found <= objective(best.x[:3]) * 1.02


def test_objects_are_positives_and_proposals_that_miss_them_negatives():
    truth = truth_of(["cat", "dog", "cat"], [[0, 0, 40, 40], [50, 50, 90, 90], [0, 60, 30, 90]], difficult=[0, 0, 1])
    proposals = [
        [0, 0, 40, 40],  # the cat's own box: neither
        [0, 0, 40, 12],  # 30 % of the cat, the threshold itself: neither
        [0, 0, 40, 11.9],  # just less: a negative
        [50, 50, 90, 90],  # the dog's box: a negative for cats
        [0, 60, 30, 90],  # the difficult cat's box: neither
        [80, 0, 99, 20],  # nothing
    ]
    example = example_of(truth, regions_of(truth, proposals), CLASSES, scale=2.0)
    assert example.positives.T.tolist() == [[True, False] + [False] * 7, [False, True] + [False] * 7]
    assert example.negatives.T.astype(int).tolist() == [[0, 0, 0, 0, 0, 1, 1, 0, 1], [0, 0, 0, 1, 1, 1, 0, 1, 1]]
    np.testing.assert_allclose(example.features, 2 * regions_of(truth, proposals).features.astype(np.float32))


def test_a_class_that_an_image_is_not_judged_on_has_no_negatives_there():
    truth = truth_of([], [], ignored_classes=("dog",))
    example = example_of(truth, regions_of(truth, [[0, 0, 9, 9]]), CLASSES, 1.0)
    assert example.negatives.tolist() == [[True, False]]


def test_images_without_objects_or_proposals_are_normal():
    truth = truth_of([], [])
    example = example_of(truth, regions_of(truth, []), CLASSES, 1.0)
    assert example.features.shape == (0, WIDTH)
    assert example.positives.shape == example.negatives.shape == (0, 2)


def small_store(folder, truths, proposals):
    images = [regions_of(truth, proposals, seed) for seed, truth in enumerate(truths)]
    write_shard(folder / "s.safetensors", images, "p")
    return open_features(folder, {"s.safetensors": [each.file for each in images]}, "p"), images


def test_features_are_scaled_to_a_mean_length_of_20(tmp_path):
    truths = [truth_of(["cat"], [[0, 0, 9, 9]], f"{number}.jpg") for number in range(3)]
    store, images = small_store(tmp_path, truths, [[1, 1, 8, 8], [2, 2, 30, 30]])
    scale = feature_scale(store)
    lengths = [np.linalg.norm(row.astype(float) * scale) for each in images for row in each.features]
    assert np.mean(lengths) == pytest.approx(20)
    half = feature_scale(store, slice(2, 4))
    lengths = [np.linalg.norm(row[2:].astype(float) * half) for each in images for row in each.features]
    assert np.mean(lengths) == pytest.approx(20)


def test_no_features_have_no_scale(tmp_path):
    assert feature_scale(open_features(tmp_path, {}, "p")) == 1


def test_examples_can_be_read_again(tmp_path):
    truths = [truth_of(["cat"], [[0, 0, 9, 9]], "0.jpg"), truth_of(["dog"], [[0, 0, 9, 9]], "1.jpg")]
    store, images = small_store(tmp_path, truths, [[20, 20, 30, 30]])
    examples = examples_of(Dataset("two", CLASSES, tuple(truths), tmp_path), store, CLASSES, 1.0)
    assert len(list(examples())) == len(list(examples())) == 2
    found = positives_of(examples, CLASSES)
    np.testing.assert_array_equal(found[1], images[1].features[:1].astype(np.float32))


def test_a_class_without_objects_or_negatives_cannot_be_learnt():
    examples = toy_examples(0)
    with pytest.raises(UsageError, match="no object of class 'cow'"):
        positives_of(
            lambda: [LabelledFeatures(e.features, e.positives[:, :1], e.negatives[:, :1]) for e in examples] * 0,
            ("cow",),
        )
    nothing = [LabelledFeatures(each.features, each.positives, each.negatives & False) for each in examples]
    with pytest.raises(UsageError, match=r"'cat'.*no negatives"):
        mined_svms(lambda: nothing, CLASSES)


@pytest.mark.parametrize("seed", range(3))
def test_the_sigmoid_is_the_likeliest(seed):
    """Its loss is no more than that of any on a fine grid around it, and the probabilities add up to the rights."""
    rng = np.random.default_rng(seed)
    margins = rng.normal(size=400)
    right = rng.random(400) < 1 / (1 + np.exp(-(2 * margins - 1.5)))
    slope, offset = fit_sigmoid(margins, right)
    targets = np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))

    def loss(slope, offset):
        chance = 1 / (1 + np.exp(-(slope * margins + offset)))
        return -np.sum(targets * np.log(chance) + (1 - targets) * np.log(1 - chance))

    assert abs(slope - 2) < 0.6
    assert abs(offset + 1.5) < 0.6
    for a in np.linspace(slope - 0.2, slope + 0.2, 9):
        for b in np.linspace(offset - 0.2, offset + 0.2, 9):
            assert loss(slope, offset) <= loss(a, b) + 1e-6


@pytest.mark.parametrize(
    ("margins", "right"),
    [
        ([], []),  # nothing to fit
        ([1.0, 2.0, 3.0], [False, False, False]),  # never right
        ([1.0, 2.0, 3.0], [True, False, False]),  # the wrong way round
        ([-1.0, 1.0], [False, True]),  # apart: without a limit it would be a step
    ],
)
def test_the_order_of_margins_survives_any_sigmoid(margins, right):
    slope, offset = fit_sigmoid(np.array(margins, float), np.array(right, bool))
    assert 0.1 <= slope <= 100
    assert np.isfinite(offset)


def test_sigmoids_are_fitted_on_what_overlaps_an_object_of_the_class():
    truth = truth_of(["cat", "dog"], [[0, 0, 40, 40], [50, 50, 90, 90]])
    proposals = [[0, 0, 40, 20], [0, 0, 40, 19], [50, 50, 90, 90]] * 5
    regions = regions_of(truth, proposals)
    classifiers = LinearClassifiers(np.eye(2, WIDTH), np.array([0.5, -0.5]))
    found = fit_sigmoids([(truth, regions)], classifiers, CLASSES, 3.0)
    margins = 3 * regions.features[2:, :2].astype(np.float64) + [0.5, -0.5]
    for number, rights in enumerate(([True, False, False] * 5, [False, False, True] * 5)):
        np.testing.assert_allclose(found[number], fit_sigmoid(margins[:, number], np.array(rights)), rtol=1e-3)


def test_sigmoid_probabilities_keep_the_order_of_sure_scores():
    logits = torch.tensor([[0.0, 20.0, -30.0], [0.0, 21.0, -31.0], [9.0, -1.0, 1.0]])
    found = class_probabilities(logits, "sigmoid")
    assert found[1, 1] > found[0, 1]
    assert found[0, 2] > found[1, 2] > 0
    torch.testing.assert_close(found[2], torch.tensor([0.268941, 0.268941, 0.731059]).double(), rtol=1e-5, atol=0)


def test_softmax_probabilities_are_the_softmax():
    logits = torch.tensor([[0.0, 2.0, -3.0]])
    torch.testing.assert_close(class_probabilities(logits, "softmax"), logits.softmax(1))
    assert class_probabilities(torch.zeros(0, 3), "sigmoid").shape == (0, 3)


@pytest.mark.parametrize("changes", [{"crowd": [True]}, {"ignore": [True]}, {"difficult": [True]}])
def test_objects_to_ignore_teach_a_classifier_nothing(changes):
    truth = truth_of(["cat"], [[0, 0, 100, 90]], **changes)
    inside, far = [10, 10, 30, 30], [0, 92, 100, 100]  # the first with an IoU of .04
    example = example_of(truth, regions_of(truth, [[0, 0, 100, 80], inside, far]), CLASSES, 1.0)
    assert not example.positives.any()
    assert example.negatives[:, 0].tolist() == [False, False, "crowd" not in changes, True]
    assert example.negatives[:, 1].tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ("changes", "expected"), [({"exhaustive": False}, [False, False]), ({"ignored_classes": ("dog",)}, [True, False])]
)
def test_what_is_not_annotated_gives_no_negatives(changes, expected):
    truth = truth_of(["cat"], [[0, 0, 50, 50]], **changes)
    example = example_of(truth, regions_of(truth, [[60, 60, 90, 90]]), CLASSES, 1.0)
    assert example.negatives[1].tolist() == expected
    assert example.positives[0].tolist() == [True, False]


@pytest.mark.parametrize(
    "changes", [{"crowd": [True]}, {"ignore": [True]}, {"exhaustive": False}, {"ignored_classes": ("cat",)}]
)
def test_sigmoids_are_fitted_to_what_has_a_fair_answer(changes):
    """A proposal on a crowd, or where a class is not annotated, is neither right nor wrong."""
    classifiers = LinearClassifiers(np.random.default_rng(0).normal(size=(1, WIDTH)), np.zeros(1))
    plain = truth_of(["cat"], [[0, 0, 40, 40]])
    sure = (plain, regions_of(plain, [[0, 0, 40, 38], [50, 50, 90, 88], [0, 60, 30, 90]] * 5))
    labels = [] if "exhaustive" in changes else ["cat"]
    odd = truth_of(labels, [[0, 0, 90, 90]][: len(labels)], **changes)
    doubtful = (odd, regions_of(odd, [[0, 0, 90, 85], [0, 0, 85, 90]] * 9, seed=1))
    alone, both = (fit_sigmoids(labelled, classifiers, ("cat",), 1.0) for labelled in ([sure], [sure, doubtful]))
    np.testing.assert_allclose(both, alone)
