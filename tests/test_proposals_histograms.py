"""Region features against masks, one region and one histogram at a time."""

import numpy as np
from scipy.ndimage import correlate1d

from inception_rcnn.proposals.histograms import describe, pixel_codes
from inception_rcnn.proposals.segmentation import Segmentation, part_graph, segment


def picture(shape=(14, 19, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def reference_responses(image):
    """Gaussian derivatives of the picture on 0..1 along 8 directions, rectified, [H, W, channel, direction]."""
    x, sigma = np.arange(-3, 4), 0.8
    gaussian = np.exp(-(x**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
    derivative, smooth = gaussian * x / sigma**2, gaussian / gaussian.sum()
    scaled = image / 255
    right = correlate1d(correlate1d(scaled, derivative, axis=1, mode="nearest"), smooth, axis=0, mode="nearest")
    down = correlate1d(correlate1d(scaled, derivative, axis=0, mode="nearest"), smooth, axis=1, mode="nearest")
    angles = np.radians([0, 180, 45, 225, 90, 270, 135, 315])
    return np.maximum(0, right[..., None] * np.cos(angles) + down[..., None] * np.sin(angles))


def test_colour_codes_round_to_25_bins():
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert np.array_equal(pixel_codes(image)[..., :3], np.rint(image / 255 * 24))


def test_texture_codes_are_the_bins_of_rectified_derivatives():
    image = picture((60, 70, 3))
    bins = np.minimum(9, (reference_responses(image) / 0.43 * 10).astype(int))  # [H, W, 3, 8]
    signed = bins[..., ::2] - bins[..., 1::2]  # of each two opposite directions, one is in bin 0
    codes = pixel_codes(image)[..., 3:].reshape(60, 70, 3, 4).astype(int) - 9
    assert (codes != signed).mean() < 1e-3  # a response on the border of two bins rounds either way
    assert np.abs(codes - signed).max() <= 1


def test_the_strongest_step_reaches_the_last_bin_and_a_flat_picture_none():
    step = np.zeros((9, 10, 3), np.uint8)
    assert (pixel_codes(step)[..., 3:] == 9).all()
    step[:, 5:] = 255
    assert pixel_codes(step)[4, 5, 3] == 18
    assert pixel_codes(255 - step)[4, 5, 3] == 0


def test_regions_count_their_own_pixels():
    image = picture()
    labels = np.random.default_rng(1).integers(0, 6, image.shape[:2]).astype(np.int32)
    codes = pixel_codes(image)
    (regions,) = describe([Segmentation(labels, np.arange(6, dtype=np.int32), 6, np.zeros((0, 2), np.int32))], codes)
    for region in range(6):
        mask = labels == region
        ys, xs = np.nonzero(mask)
        assert regions.sizes[region] == mask.sum()
        assert regions.boxes[region].tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        colours = np.concatenate([np.bincount(codes[mask][:, c], minlength=25) for c in range(3)])
        assert np.array_equal(regions.colours[region], colours)
        signed = codes[mask][:, 3:].astype(int) - 9
        sides = [np.bincount(np.maximum(0, side * signed[:, j]), minlength=10) for j in range(12) for side in (1, -1)]
        assert np.array_equal(regions.textures[region], np.concatenate(sides))


def test_each_histogram_sums_to_the_size():
    labels = np.zeros((14, 19), np.int32)
    labels[3:6, 4:9] = 1
    segmentation = Segmentation(labels, np.arange(2, dtype=np.int32), 2, np.array([[0, 1]], np.int32))
    (regions,) = describe([segmentation], pixel_codes(picture()))
    assert regions.sizes.tolist() == [14 * 19 - 15, 15]
    assert (regions.colours.reshape(2, 3, 25).sum(axis=2) == regions.sizes[:, None]).all()
    assert (regions.textures.reshape(2, 24, 10).sum(axis=2) == regions.sizes[:, None]).all()


def test_several_segmentations_are_counted_as_each_alone():
    """Regions are sums of the cells that all have in common, whichever of them are asked for together."""
    image = picture()
    codes = pixel_codes(image)
    graph = part_graph(image, 0.8, 20)
    segmentations = [segment(graph, k, min_size) for k, min_size in ((20, 1), (60, 9), (200, 4))]
    together = describe(segmentations, codes)
    for regions, segmentation in zip(together, segmentations, strict=True):
        whole = Segmentation(
            segmentation.labels,
            np.arange(segmentation.num_regions, dtype=np.int32),
            segmentation.num_regions,
            segmentation.neighbours,
        )
        (alone,) = describe([whole], codes)
        assert regions.boxes.tolist() == alone.boxes.tolist()
        assert regions.sizes.tolist() == alone.sizes.tolist()
        assert np.array_equal(regions.colours, alone.colours)
        assert np.array_equal(regions.textures, alone.textures)


def test_the_authors_texture_is_that_of_the_first_channel():
    image = picture()
    first = pixel_codes(image, "first channel")
    assert np.array_equal(first[..., :7], pixel_codes(image)[..., :7])
    assert np.array_equal(first[..., 3:7], first[..., 7:11])
    assert np.array_equal(first[..., 3:7], first[..., 11:])
    assert not np.array_equal(first, pixel_codes(image))
