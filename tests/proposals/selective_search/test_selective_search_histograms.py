"""Region features against masks, one region and one histogram at a time."""

import numpy as np
from scipy.ndimage import correlate1d

from inception_rcnn.proposals.selective_search.histograms import describe
from inception_rcnn.proposals.selective_search.segmentation import Segmentation, part_graph, segment


def random_image(shape=(14, 19, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def reference_responses(image):
    """Gaussian derivatives of the image on 0..1 along 8 directions, rectified, [H, W, channel, direction]."""
    x, sigma = np.arange(-3, 4), 0.8
    gaussian = np.exp(-(x**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
    derivative, smooth = gaussian * x / sigma**2, gaussian / gaussian.sum()
    scaled = image / 255
    right = correlate1d(correlate1d(scaled, derivative, axis=1, mode="nearest"), smooth, axis=0, mode="nearest")
    down = correlate1d(correlate1d(scaled, derivative, axis=0, mode="nearest"), smooth, axis=1, mode="nearest")
    angles = np.radians([0, 180, 45, 225, 90, 270, 135, 315])
    return np.maximum(0, right[..., None] * np.cos(angles) + down[..., None] * np.sin(angles))


def one_by_one(labels):
    """A segmentation whose regions are the labels."""
    numbers = np.arange(labels.max() + 1, dtype=np.int32)
    return Segmentation(labels.astype(np.int32), numbers, len(numbers), np.zeros((0, 2), np.int32))


def bins_of(image, texture_of="each channel"):
    """The bin of each pixel, found as that of a region of its own: colours [H, W, 3], textures [H, W, 3, 8]."""
    height, width, _ = image.shape
    (pixels,) = describe([one_by_one(np.arange(height * width).reshape(height, width))], image, texture_of)
    colours, textures = pixels.colours.reshape(height, width, 3, 25), pixels.textures.reshape(height, width, 3, 8, 10)
    assert (colours.sum(axis=-1) == 1).all()
    assert (textures.sum(axis=-1) == 1).all()
    return colours.argmax(axis=-1), textures.argmax(axis=-1)


def test_colours_round_to_25_bins():
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert np.array_equal(bins_of(image)[0], np.rint(image / 255 * 24))


def test_textures_are_the_bins_of_rectified_derivatives():
    image = random_image((60, 70, 3))
    expected = np.minimum(9, (reference_responses(image) / 0.43 * 10).astype(int))
    _, found = bins_of(image)
    assert (found != expected).mean() < 1e-3  # a response on the border of two bins rounds either way
    assert np.abs(found - expected).max() <= 1


def test_the_strongest_step_reaches_the_last_bin_and_a_flat_image_none():
    step = np.zeros((9, 10, 3), np.uint8)
    assert (bins_of(step)[1] == 0).all()
    step[:, 5:] = 255
    assert bins_of(step)[1][4, 5, 0, :2].tolist() == [9, 0]
    assert bins_of(255 - step)[1][4, 5, 0, :2].tolist() == [0, 9]


def test_regions_count_their_own_pixels():
    image = random_image()
    labels = np.random.default_rng(1).integers(0, 6, image.shape[:2])
    (regions,) = describe([one_by_one(labels)], image)
    colours, textures = bins_of(image)
    for region in range(6):
        mask = labels == region
        ys, xs = np.nonzero(mask)
        assert regions.sizes[region] == mask.sum()
        assert regions.boxes[region].tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        for found, bins, num_bins in (
            (regions.colours[region], colours[mask], 25),
            (regions.textures[region], textures[mask].reshape(-1, 24), 10),
        ):
            assert np.array_equal(found, np.concatenate([np.bincount(each, minlength=num_bins) for each in bins.T]))


def test_each_histogram_sums_to_the_size():
    labels = np.zeros((14, 19), np.int32)
    labels[3:6, 4:9] = 1
    (regions,) = describe([one_by_one(labels)], random_image())
    assert regions.sizes.tolist() == [14 * 19 - 15, 15]
    assert (regions.colours.reshape(2, 3, 25).sum(axis=2) == regions.sizes[:, None]).all()
    assert (regions.textures.reshape(2, 24, 10).sum(axis=2) == regions.sizes[:, None]).all()


def test_several_segmentations_are_counted_as_each_alone():
    """Regions are sums of the cells that all have in common, whichever of them are asked for together."""
    image = random_image()
    graph = part_graph(image, 0.8, 20)
    segmentations = [segment(graph, k, min_size) for k, min_size in ((20, 1), (60, 9), (200, 4))]
    together = describe(segmentations, image)
    for regions, segmentation in zip(together, segmentations, strict=True):
        (alone,) = describe([one_by_one(segmentation.labels)], image)
        assert regions.boxes.tolist() == alone.boxes.tolist()
        assert regions.sizes.tolist() == alone.sizes.tolist()
        assert np.array_equal(regions.colours, alone.colours)
        assert np.array_equal(regions.textures, alone.textures)


def test_the_authors_texture_is_that_of_the_first_channel():
    image = random_image()
    colours, textures = bins_of(image)
    first_colours, first_textures = bins_of(image, "first channel")
    assert np.array_equal(first_colours, colours)
    for channel in range(3):
        assert np.array_equal(first_textures[:, :, channel], textures[:, :, 0])
    assert not np.array_equal(first_textures, textures)
