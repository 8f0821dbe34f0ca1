import math

import numpy as np
import pytest
import torch

from inception_rcnn.detector.box_predictor import BoxPredictor, class_probabilities


def test_no_regions_have_no_scores():
    logits, deltas = BoxPredictor(6, 7)(torch.zeros(0, 1024, 7, 7))
    assert logits.shape == (0, 7)
    assert deltas.shape == (0, 6, 4)


def test_scores_and_deltas_know_where_in_the_window_something_is():
    """What fills the left half, such as a face, must be told from what fills the window; an average could not."""
    torch.manual_seed(0)
    head = BoxPredictor(2, 7).eval()
    torch.nn.init.normal_(head.deltas.weight)
    features = torch.rand(1, 1024, 7, 7)
    with torch.no_grad():
        (logits, deltas), (moved_logits, moved_deltas) = head(features), head(features.roll(3, dims=3))
    assert (logits - moved_logits).abs().max() > 0.01
    assert (deltas - moved_deltas).abs().max() > 0.1


def test_what_comes_out_is_float32():
    logits, deltas = BoxPredictor(3, 7).bfloat16()(torch.zeros(2, 1024, 7, 7, dtype=torch.bfloat16))
    assert logits.dtype == deltas.dtype == torch.float32


def test_logits_and_deltas_are_those_of_plain_sums(rng):
    """Reference values in numpy, a region, an output and a cell at a time."""
    predictor = BoxPredictor(2, 7).double().eval()
    weights = {}
    with torch.no_grad():
        for name, each in predictor.named_parameters():
            values = rng.normal(0, 0.05, each.shape)
            each.copy_(torch.from_numpy(values))
            weights[name] = values
    features = rng.normal(0, 1, (2, 1024, 7, 7))
    with torch.no_grad():
        logits, deltas = predictor(torch.from_numpy(features))
    assert (logits.shape, deltas.shape) == ((2, 3), (2, 2, 4))
    for region in range(2):
        layout = np.zeros((64, 7, 7))
        for y in range(7):
            for x in range(7):
                cell = weights["reduce.weight"][:, :, 0, 0] @ features[region, :, y, x] + weights["reduce.bias"]
                layout[:, y, x] = np.maximum(cell, 0)
        means = [features[region, channel].sum() / 49 for channel in range(1024)]
        pooled = np.array([*means, *layout.ravel()])
        for output in range(3):
            expected = (weights["classifier.weight"][output] * pooled).sum() + weights["classifier.bias"][output]
            assert float(logits[region, output]) == pytest.approx(expected, rel=1e-5, abs=1e-5)
        for number in range(2):
            for side in range(4):
                row = 4 * number + side
                expected = (weights["deltas.weight"][row] * layout.ravel()).sum() + weights["deltas.bias"][row]
                assert float(deltas[region, number, side]) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_probabilities_are_those_of_their_formulas():
    logits = [[0.5, -1.0, 2.0], [0.0, 0.0, 0.0], [3.0, -20.0, -30.0]]
    softmax, sigmoid = (class_probabilities(torch.tensor(logits), scores) for scores in ("softmax", "sigmoid"))
    for row, values in enumerate(logits):
        exponentials = [math.exp(value) for value in values]
        expected = [each / sum(exponentials) for each in exponentials]
        assert softmax[row].tolist() == pytest.approx(expected, rel=1e-6)
        own = [1 / (1 + math.exp(-value)) for value in values[1:]]
        assert sigmoid[row].tolist() == pytest.approx([1 - max(own), *own], rel=1e-6, abs=1e-12)
    assert (softmax.dtype, sigmoid.dtype) == (torch.float32, torch.float64)


def test_outputs_stay_on_the_device_of_the_features():
    """A tensor made on the CPU would not go with the others."""
    predictor = BoxPredictor(2, 7).to("meta")
    logits, deltas = predictor(torch.zeros(3, 1024, 7, 7, device="meta"))
    assert (logits.device.type, deltas.device.type) == ("meta", "meta")
    assert class_probabilities(logits, "sigmoid").device.type == "meta"


def test_a_class_is_as_likely_as_its_subclasses_together(rng):
    """Reference values in numpy, before anything was learnt: the classifier's softmax, summed by class."""
    predictor = BoxPredictor(2, 5, (0, 2, 1, 2, 0)).double().eval()
    weights, biases = rng.normal(0, 0.3, (5, 1024)), rng.normal(0, 1, 5)
    with torch.no_grad():
        predictor.subclasses.classifier.weight.copy_(torch.from_numpy(weights))
        predictor.subclasses.classifier.bias.copy_(torch.from_numpy(biases))
        predictor.classifier.bias[0] = -100.0  # a kind of background that nothing is
    features = rng.uniform(0, 0.2, (3, 1024, 5, 5))
    with torch.no_grad():
        logits, deltas = predictor(torch.from_numpy(features))
    assert (logits.shape, deltas.shape) == ((3, 3), (3, 2, 4))
    assert torch.equal(deltas[:, 0], deltas[:, 1])  # of any class
    for region in range(3):
        exponentials = np.exp(features[region].mean(axis=(1, 2)) @ weights.T + biases)
        probabilities = exponentials / exponentials.sum()
        expected = [probabilities[0] + probabilities[4], probabilities[2], probabilities[1] + probabilities[3]]
        np.testing.assert_allclose(logits[region].softmax(dim=0).numpy(), expected, rtol=1e-5)


def test_own_logits_add_to_those_of_the_subclasses():
    predictor = BoxPredictor(2, 5, (0, 2, 1)).eval()
    features = torch.rand(2, 1024, 5, 5)
    with torch.no_grad():
        before, _ = predictor(features)
        predictor.classifier.bias.copy_(torch.tensor([12.0, 1.0, -3.0]))
        after, _ = predictor(features)
        kinds = predictor.subclass_logits(predictor.pool(features))
    torch.testing.assert_close(after[:, 1:], before[:, 1:] + torch.tensor([1.0, -3.0]))
    background = torch.stack([torch.full((2,), 12.0), kinds[:, 0]], dim=1).logsumexp(dim=1)
    torch.testing.assert_close(after[:, 0], background)
