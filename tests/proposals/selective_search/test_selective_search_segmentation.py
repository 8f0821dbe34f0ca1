"""The fast segmentation against the algorithm as the paper states it, on sets of pixels."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inception_rcnn.proposals.selective_search.pixel_edges import UNITS_PER_LEVEL, pixel_edges
from inception_rcnn.proposals.selective_search.segmentation import _first_between, part_graph, segment

DIRECTIONS = ((0, 1), (1, -1), (1, 0), (1, 1))  # down, right; in the order of equal edges


def reference_edges(image, sigma=0.8):
    """(weight, pixel, pixel) of every pair of 8-neighbours, in the order in which they are considered."""
    blurred = cv2.GaussianBlur(image.astype(np.float32), (9, 9), sigma, borderType=cv2.BORDER_REPLICATE)
    height, width = image.shape[:2]
    edges = []
    for y in range(height):
        for down, right in DIRECTIONS:
            for x in range(width):
                if y + down < height and 0 <= x + right < width:
                    a, b, c = blurred[y, x] - blurred[y + down, x + right]
                    weight = int(np.sqrt(a * a + b * b + c * c) * np.float32(UNITS_PER_LEVEL))
                    edges.append((weight, (y, x), (y + down, x + right)))
    return sorted(edges, key=lambda edge: edge[0])


def reference_labels(image, k, min_size):
    height, width = image.shape[:2]
    region_of = {(y, x): {(y, x)} for y in range(height) for x in range(width)}
    internal = {id(region): 0 for region in region_of.values()}

    def merge(first, second, weight):
        first |= second
        for pixel in second:
            region_of[pixel] = first
        internal[id(first)] = weight

    edges = reference_edges(image)
    for weight, a, b in edges:
        first, second = region_of[a], region_of[b]
        if first is not second and all(
            weight <= internal[id(region)] + k * UNITS_PER_LEVEL / len(region) for region in (first, second)
        ):
            merge(first, second, weight)
    for weight, a, b in edges:
        first, second = region_of[a], region_of[b]
        if first is not second and min(len(first), len(second)) < min_size:
            merge(first, second, weight)
    numbers = {}
    labels = [numbers.setdefault(id(region_of[y, x]), len(numbers)) for y in range(height) for x in range(width)]
    return np.array(labels).reshape(height, width)


def reference_neighbours(labels):
    height, width = labels.shape
    pairs = set()
    for y in range(height):
        for x in range(width):
            for down, right in DIRECTIONS:
                if y + down < height and 0 <= x + right < width:
                    pairs.add(tuple(sorted((labels[y, x], labels[y + down, x + right]))))
    return {pair for pair in pairs if pair[0] != pair[1]}


def assert_as_reference(image, k, min_size, smallest_k=None):
    found = segment(part_graph(image, 0.8, smallest_k or k), k, min_size)
    expected = reference_labels(image, k, min_size)
    assert np.array_equal(found.labels, expected)
    assert found.num_regions == expected.max() + 1
    pairs = [tuple(pair) for pair in found.neighbours.tolist()]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == reference_neighbours(expected)
    return found.num_regions


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (9, 13), (24, 17)])
@pytest.mark.parametrize("levels", [1, 2, 256])  # one: constant; two: many equal weights; 256: noise
@pytest.mark.parametrize(("k", "min_size"), [(20, 1), (100, 5), (300, 30)])
def test_random_images(shape, levels, k, min_size):
    generator = np.random.default_rng(levels)
    image = generator.choice(np.linspace(0, 255, levels), (*shape, 3)).astype(np.uint8)
    assert_as_reference(image, k, min_size)


@pytest.mark.parametrize("levels", [2, 4, 256])
@pytest.mark.parametrize(("k", "min_size"), [(1, 1), (20, 1), (50, 12), (300, 30)])
def test_random_blocks(levels, k, min_size):
    """Patches with edges of equal weight all along their sides."""
    blocks = np.random.default_rng(levels).choice(np.linspace(0, 255, levels), (6, 7, 3))
    image = np.kron(blocks, np.ones((4, 5, 1))).astype(np.uint8)
    assert_as_reference(image, k, min_size)


def test_a_real_image_at_every_scale_from_one_graph():
    image = pytest.importorskip("skimage.data").chelsea()[80:150, 120:200]
    found = [assert_as_reference(image, k, k, 50) for k in (50, 100, 300)]
    assert found[0] > found[1] > found[2] > 1


def test_the_texture_of_a_flat_region_counts():
    """Two halves a little apart: at a small k they stay apart, at a large one the evidence does not suffice."""
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, 10:] = 40
    assert segment(part_graph(image, 0.8, 50), 50, 1).num_regions > 1
    assert segment(part_graph(image, 0.8, 50), 20_000, 1).num_regions == 1


def test_no_region_is_smaller_than_the_smallest_allowed():
    image = np.random.default_rng(3).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    labels = segment(part_graph(image, 0.8, 10), 10, 25).labels
    assert np.bincount(labels.ravel()).min() >= 25


@settings(max_examples=60, deadline=None)
@given(
    image=arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)), elements=st.integers(0, 60)),
    smallest_k=st.integers(1, 60),
    factor=st.sampled_from([1, 2, 7]),
    min_size=st.integers(1, 8),
)
def test_parts_made_for_a_smaller_k_lead_to_the_same(image, smallest_k, factor, min_size):
    assert_as_reference(image, smallest_k * factor, min_size, smallest_k)


def test_parts_hold_what_all_scales_merge():
    """A part is inside one region at every k, and between two parts is the lightest of their pixels' edges."""
    image = np.random.default_rng(5).integers(0, 90, (30, 40, 3), dtype=np.uint8)
    graph = part_graph(image, 0.8, 30)
    assert len(graph.sizes) < image.shape[0] * image.shape[1] / 2
    assert np.bincount(graph.parts.ravel()).tolist() == graph.sizes.tolist()
    for k in (30, 60, 200):
        labels = segment(graph, k, 1).labels
        assert all(len(np.unique(labels[graph.parts == part])) == 1 for part in range(len(graph.sizes)))
    lightest = {}
    for weight, a, b in reference_edges(image):
        pair = tuple(sorted((graph.parts[a], graph.parts[b])))
        if pair[0] != pair[1]:
            lightest.setdefault(pair, weight)
    found = list(zip(map(tuple, graph.ends.tolist()), graph.weights.tolist(), strict=True))
    assert found == list(lightest.items())


def test_a_table_that_is_too_small_is_made_anew():
    image = np.random.default_rng(6).integers(0, 90, (20, 25, 3), dtype=np.uint8)
    edges = pixel_edges(image, 0.8)
    labels = part_graph(image, 0.8, 30).parts
    small, large = (_first_between(labels, edges.weights, edges.walk, edges.column_bits, room) for room in (2, 4096))
    for found, expected in zip(small, large, strict=True):
        assert np.array_equal(found, expected)


def test_a_graph_is_not_used_below_its_smallest_scale():
    graph = part_graph(np.zeros((4, 4, 3), np.uint8), 0.8, 50)
    with pytest.raises(ValueError, match="for k from 50 on"):
        segment(graph, 49, 1)
