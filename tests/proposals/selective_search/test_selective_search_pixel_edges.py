"""The weights of edges between pixels, their order, and which of them are left out."""

from itertools import combinations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from inception_rcnn.proposals.selective_search.pixel_edges import UNITS_PER_LEVEL, edge_of, pixel_edges

DIRECTIONS = ((0, 1), (1, -1), (1, 0), (1, 1))  # down, right; in the order of equal edges


def weighed(image, sigma=0.8):
    """(weight, row, direction, column) of every edge, with the pixels that it joins."""
    weights = pixel_edges(image, sigma).weights
    height, width = image.shape[:2]
    return {
        (int(weights[y, d, x]), y, d, x): frozenset([(y, x), (y + down, x + right)])
        for y in range(height)
        for d, (down, right) in enumerate(DIRECTIONS)
        for x in range(width)
        if y + down < height and 0 <= x + right < width
    }


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 1), (2, 2), (11, 6)])
@pytest.mark.parametrize("levels", [1, 2, 3, 256])  # few levels: many equal weights
def test_all_edges_are_sorted_but_the_last_of_every_triangle(shape, levels):
    image = np.random.default_rng(1).choice(np.linspace(0, 255, levels), (*shape, 3)).astype(np.uint8)
    edges = pixel_edges(image, 0.8)
    joined = weighed(image)
    by_pixels = {pixels: key for key, pixels in joined.items()}
    left_out = set()
    for y in range(shape[0] - 1):
        for x in range(shape[1] - 1):
            for corners in combinations([(y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)], 3):
                left_out.add(max(by_pixels[frozenset(pair)] for pair in combinations(corners, 2)))
    assert [edge_of(key, edges.column_bits) for key in edges.walk] == sorted(set(joined) - left_out)


def test_weights_are_distances_of_blurred_colours():
    image = np.random.default_rng(2).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    blurred = gaussian_filter(image.astype(float), (0.8, 0.8, 0), mode="nearest", radius=(4, 4, 0))
    for (weight, *_), pixels in weighed(image).items():
        first, second = pixels
        distance = np.linalg.norm(blurred[first] - blurred[second])
        assert weight / UNITS_PER_LEVEL == pytest.approx(distance, abs=2e-3)


def test_the_heaviest_edge_there_can_be_is_sorted_too():
    image = np.zeros((60, 60, 3), np.uint8)
    image[:, 30:] = 255
    edges = pixel_edges(image, 0.01)  # hardly a blur
    weights = [edge_of(key, edges.column_bits)[0] for key in edges.walk]
    assert weights[-1] == int(np.sqrt(np.float32(3 * 255**2)) * np.float32(UNITS_PER_LEVEL))
    assert weights == sorted(weights)
