"""Grouping against the loop of the paper's Algorithm 1: look at all pairs, merge the best, start over."""

import numpy as np
import pytest

from inception_rcnn.proposals.selective_search.grouping import group
from inception_rcnn.proposals.selective_search.histograms import Regions, describe
from inception_rcnn.proposals.selective_search.segmentation import Segmentation, part_graph, segment


def reference_similarity(a, b, similarity, num_pixels):
    (size_a, box_a, colour_a, texture_a), (size_b, box_b, colour_b, texture_b) = a, b
    wide, high = np.maximum(box_a[2:], box_b[2:]) - np.minimum(box_a[:2], box_b[:2])
    terms = {
        "C": np.minimum(colour_a * size_b, colour_b * size_a).sum() / (3 * size_a * size_b),
        "T": np.minimum(texture_a * size_b, texture_b * size_a).sum() / (24 * size_a * size_b),
        "S": 1 - (size_a + size_b) / num_pixels,
        "F": 1 - (float(wide) * float(high) - size_a - size_b) / num_pixels,
    }
    return sum(terms[letter] for letter in similarity) / len(similarity)


def reference_group(regions, similarity, num_pixels):
    # float64 holds all counts and their products exactly
    columns = (regions.sizes.astype(float), regions.boxes, regions.colours, regions.textures)
    nodes = [tuple(np.asarray(column[i], dtype=float) for column in columns) for i in range(len(regions.sizes))]
    pairs = {tuple(pair) for pair in regions.neighbours.tolist()}
    values = {pair: reference_similarity(nodes[pair[0]], nodes[pair[1]], similarity, num_pixels) for pair in pairs}
    boxes = []
    while values:
        a, b = min(values, key=lambda pair: (-values[pair], pair))
        merged = len(nodes)
        box = np.concatenate(
            [np.minimum(nodes[a][1][:2], nodes[b][1][:2]), np.maximum(nodes[a][1][2:], nodes[b][1][2:])]
        )
        nodes.append((nodes[a][0] + nodes[b][0], box, nodes[a][2] + nodes[b][2], nodes[a][3] + nodes[b][3]))
        boxes.append(box)
        touching = {other for pair in values if {a, b} & set(pair) for other in pair} - {a, b}
        values = {pair: value for pair, value in values.items() if not {a, b} & set(pair)}
        for other in touching:
            values[other, merged] = reference_similarity(nodes[other], nodes[merged], similarity, num_pixels)
    return np.array(boxes).reshape(-1, 4)


def regions_of(image, k):
    return describe([segment(part_graph(image, 0.8, k), k, k)], image)[0]


SIMILARITIES = ["CTSF", "TSF", "F", "S"]


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("levels", [2, 256])
def test_random_blocks(similarity, levels):
    blocks = np.random.default_rng(5).choice(np.linspace(0, 255, levels), (8, 10, 3))
    image = np.kron(blocks, np.ones((5, 5, 1))).astype(np.uint8)
    regions = regions_of(image, 10)
    assert len(regions.sizes) > 20
    assert np.array_equal(group(regions, similarity, 2000), reference_group(regions, similarity, 2000))


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_real_image(similarity):
    image = pytest.importorskip("skimage.data").chelsea()[60:200, 100:280]
    regions = regions_of(image, 40)
    assert len(regions.sizes) > 50
    num_pixels = 140 * 180
    assert np.array_equal(group(regions, similarity, num_pixels), reference_group(regions, similarity, num_pixels))


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_ties_merge_the_smallest_numbers_first(similarity):
    """A board of equal squares: every similarity of a kind is the same."""
    labels = np.kron(np.arange(24).reshape(4, 6), np.ones((3, 3))).astype(np.int32)
    right = [(i, i + 1) for i in range(24) if i % 6 < 5]
    down = [(i, i + 6) for i in range(18)]
    codes = np.zeros((12, 18, 15), np.uint8)
    codes[..., 3:] = 9
    segmentation = Segmentation(labels, np.arange(24, dtype=np.int32), 24, np.array(right + down, np.int32))
    (regions,) = describe([segmentation], codes)
    found = group(regions, similarity, 216)
    assert np.array_equal(found, reference_group(regions, similarity, 216))
    assert found[0].tolist() == [0, 0, 6, 3]
    # The order in which pairs are listed does not matter.
    shuffled = Regions(regions.sizes, regions.boxes, regions.colours, regions.textures, regions.neighbours[::-1].copy())
    assert np.array_equal(group(shuffled, similarity, 216), found)


def test_one_region_has_nothing_to_merge():
    image = np.full((5, 6, 3), 9, np.uint8)
    assert group(regions_of(image, 50), "CTSF", 30).shape == (0, 4)


def test_the_last_box_is_the_whole_image():
    image = np.random.default_rng(6).integers(0, 256, (21, 33, 3), dtype=np.uint8)
    regions = regions_of(image, 10)
    boxes = group(regions, "CTSF", 21 * 33)
    assert len(boxes) == len(regions.sizes) - 1
    assert boxes[-1].tolist() == [0, 0, 33, 21]


def test_grouping_leaves_its_input_alone():
    image = np.random.default_rng(7).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    regions = regions_of(image, 10)
    before = [array.copy() for array in vars(regions).values()]
    group(regions, "CTSF", 400)
    assert all(np.array_equal(a, b) for a, b in zip(before, vars(regions).values(), strict=True))
