"""Selective Search as a whole: its order, its promises, its presets."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inception_rcnn.data.boxes import as_boxes, box_iou
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.proposals.selective_search.colour_spaces import COLOUR_SPACES, to_colour_space
from inception_rcnn.proposals.selective_search.grouping import group
from inception_rcnn.proposals.selective_search.histograms import describe
from inception_rcnn.proposals.selective_search.search import PRESETS, Settings, selective_search, settings_named
from inception_rcnn.proposals.selective_search.segmentation import part_graph, segment

SMALL = Settings(width=120, min_side=5)


def drawn(height=90, width=120, seed=0, noise=12):
    """Three rectangles on a gradient, with some noise."""
    generator = np.random.default_rng(seed)
    image = np.linspace(60, 120, width)[None, :, None].repeat(height, axis=0).repeat(3, axis=2)
    for colour in ((220, 40, 30), (30, 200, 60), (20, 60, 210)):
        y, x = generator.integers(0, height * 2 // 3), generator.integers(0, width * 2 // 3)
        image[y : y + height // 4, x : x + width // 3] = colour
    return np.clip(image + generator.normal(0, noise, image.shape), 0, 255).astype(np.uint8)


def reference_boxes(image, settings, seed):
    """The order of the authors' code on lists, from the parts, which have their own references."""
    ranked = []
    for space in settings.colour_spaces:
        converted = to_colour_space(image, space)
        for k in settings.scales:
            segmentation = segment(part_graph(converted, settings.sigma, k), k, settings.min_size or k)
            (regions,) = describe([segmentation], converted, settings.texture_of)
            num_regions = len(regions.sizes)
            ranked += [(2 * num_regions - 1 - i, box) for i, box in enumerate(regions.boxes.tolist())]
            for similarity in settings.similarities:
                merged = group(regions, similarity, image.shape[0] * image.shape[1]).tolist()
                ranked += [(num_regions - 1 - i, box) for i, box in enumerate(merged)]
    generator = np.random.default_rng(seed)
    ranked = [(priority * generator.random(), box) for priority, box in ranked]
    boxes = []
    for _, (x1, y1, x2, y2) in sorted(ranked, key=lambda entry: entry[0]):
        if x2 - x1 >= settings.min_side and y2 - y1 >= settings.min_side and [x1, y1, x2, y2] not in boxes:
            boxes.append([x1, y1, x2, y2])
    return boxes


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(
    "changes",
    [{}, {"min_size": 7}, {"texture_of": "first channel"}, {"scales": (120, 60)}, {"similarities": ("C", "ST")}],
)
def test_boxes_come_in_the_order_of_the_authors(seed, changes):
    image, settings = drawn(), replace(SMALL, **changes)
    found = selective_search(image, settings, seed=seed)
    assert found.boxes.tolist() == reference_boxes(image, settings, seed)
    assert len(found) > 20


@hypothesis.settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    levels=st.sampled_from([1, 2, 256]),
    grey=st.booleans(),
    width_wanted=st.sampled_from([None, 1, 33]),
    min_side=st.integers(1, 6),
)
def test_any_image_has_boxes_in_it_once_each(height, width, levels, grey, width_wanted, min_side):
    shape = (height, width) if grey else (height, width, 3)
    image = np.random.default_rng(height).choice(np.linspace(0, 255, levels), shape).astype(np.uint8)
    settings = replace(SMALL, width=width_wanted, min_side=min_side)
    found = selective_search(image, settings)
    assert len(found) >= 1
    assert len(np.unique(found.boxes, axis=0)) == len(found)
    assert ((found.boxes[:, :2] >= 0) & (found.boxes[:, 2:] <= (width, height))).all()
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
    assert found.boxes.tobytes() == selective_search(image, settings).boxes.tobytes()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fast", PRESETS["fast"]),
        ("fast,scales=150", Settings(scales=(150,))),
        ("single,scales=30/60,width=none,sigma=1", Settings(("HSV",), ("CTSF",), (30, 60), width=None, sigma=1.0)),
        ("fast,colour_spaces=RGB/C,min_size=9,min_side=3", Settings(("RGB", "C"), min_size=9, min_side=3)),
        (
            "opencv-settings,min_size=none,texture_of=first channel",
            Settings(scales=(150, 300, 450), min_side=1, texture_of="first channel"),
        ),
    ],
)
def test_every_setting_can_be_named(text, expected):
    assert settings_named(text) == expected


@pytest.mark.parametrize("space", COLOUR_SPACES)
def test_every_colour_space_finds_a_coloured_patch(space):
    """Red on a grey of the same intensity, so that no space but intensity alone is blind to it."""
    image = np.full((90, 120, 3), 90, np.uint8)
    image[20:70, 30:100] = (200, 40, 50) if space != "I" else (200, 200, 200)
    found = selective_search(image, replace(SMALL, colour_spaces=(space,), width=120))
    assert box_iou(as_boxes([[30, 20, 100, 70]]), found.boxes).max() > 0.85


def test_without_a_width_the_image_is_searched_as_it_is():
    image = drawn(60, 700)
    found = selective_search(image, replace(SMALL, width=None))
    assert found.boxes.tolist() == reference_boxes(image, SMALL, 0)


def test_scores_fall_evenly_from_one():
    scores = selective_search(drawn(), SMALL).scores
    assert scores[0] == 1
    assert scores[-1] > 0
    assert np.allclose(np.diff(scores), -1 / len(scores))


def test_a_seed_changes_the_order_and_nothing_else():
    image = drawn()
    first, again, other = (selective_search(image, SMALL, seed=seed).boxes for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.tolist() != other.tolist()
    assert sorted(first.tolist()) == sorted(other.tolist())


def test_threads_change_no_byte():
    images = [drawn(80 + seed, 110, seed) for seed in range(8)]
    alone = [selective_search(image, SMALL) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: selective_search(image, SMALL), images))
    for a, b in zip(alone, together, strict=True):
        assert a.boxes.tobytes() == b.boxes.tobytes()
        assert a.scores.tobytes() == b.scores.tobytes()


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (19, 400), (3, 30000), (30000, 3), (300, 260)])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_a_constant_or_tiny_image_gives_itself(shape, channels):
    found = selective_search(np.full((*shape, *channels), 200, np.uint8))
    assert found.boxes.tolist() == [[0, 0, shape[1], shape[0]]]
    assert found.scores.tolist() == [1]


@pytest.mark.parametrize("shape", [(1, 1), (5, 19), (2000, 19)])
def test_an_image_below_the_smallest_side_gives_itself_whatever_it_shows(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert selective_search(image).boxes.tolist() == [[0, 0, shape[1], shape[0]]]


def test_where_nothing_is_large_enough_the_image_is_left():
    found = selective_search(drawn(40, 120), Settings(width=120, min_side=41))
    assert found.boxes.tolist() == [[0, 0, 120, 40]]


def test_stripes():
    image = np.zeros((60, 100, 3), np.uint8)
    image[:, ::2] = 255  # one pixel each
    found = selective_search(image, Settings(width=100, min_side=1, sigma=0.01))
    assert [0, 0, 100, 60] in found.boxes.tolist()


def test_grey_is_the_same_as_three_equal_channels():
    grey = drawn()[..., 1].copy()
    assert np.array_equal(
        selective_search(grey, SMALL).boxes, selective_search(np.stack([grey] * 3, axis=2), SMALL).boxes
    )


def test_views_and_read_only_images_are_fine():
    image = drawn()
    view = image[:, ::-1][:, ::-1]
    view.flags.writeable = False
    assert np.array_equal(selective_search(view, SMALL).boxes, selective_search(image, SMALL).boxes)


@pytest.mark.parametrize(("height", "width"), [(77, 51), (300, 1000), (700, 90)])
def test_boxes_lie_in_the_image_once_each(height, width):
    boxes = selective_search(drawn(height, width), SMALL).boxes
    assert boxes.dtype == np.float64
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= (width, height)).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert len(np.unique(boxes, axis=0)) == len(boxes)
    assert [0, 0, width, height] in boxes.tolist()


def test_boxes_of_a_large_image_are_in_its_own_pixels():
    image = np.full((600, 1000, 3), 90, np.uint8)
    image[200:500, 300:620] = (200, 30, 40)
    found = selective_search(image)
    assert box_iou(as_boxes([[300, 200, 620, 500]]), found.boxes).max() > 0.95
    assert (found.boxes % 2 == 0).all()  # searched at half the size
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    assert sides.min() >= 2 * PRESETS["fast"].min_side


def test_presets_are_those_of_the_paper():
    fast, googlenet, quality, single = (settings_named(name) for name in ("fast", "googlenet", "quality", "single"))
    assert fast == Settings(("HSV", "Lab"), ("CTSF", "TSF"), (50, 100))
    assert googlenet == Settings(("HSV", "Lab"), ("CTSF", "TSF"), (100, 200))
    assert single == Settings(("HSV",), ("CTSF",), (100,))
    assert len(quality.colour_spaces) * len(quality.similarities) * len(quality.scales) == 80


def test_larger_superpixels_give_fewer_boxes():
    image = pytest.importorskip("skimage.data").chelsea()
    fast, googlenet = (len(selective_search(image, settings_named(name))) for name in ("fast", "googlenet"))
    assert 0.3 * fast < googlenet < 0.7 * fast  # the paper says half


def test_every_colour_space_of_quality_works():
    settings = Settings(PRESETS["quality"].colour_spaces, PRESETS["quality"].similarities, (50,), width=120, min_side=5)
    assert len(selective_search(drawn(), settings)) > len(selective_search(drawn(), SMALL))


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(UsageError, match=r"'fsat'.*did you mean 'fast'.*single, fast, quality, googlenet"):
        settings_named("fsat")


@pytest.mark.parametrize(
    "fields",
    [
        {"scales": ()},
        {"colour_spaces": ()},
        {"similarities": ()},
        {"scales": (0,)},
        {"scales": (200_000,)},
        {"colour_spaces": ("HSL",)},
        {"similarities": ("CX",)},
        {"similarities": ("CC",)},  # a term twice
        {"similarities": ("",)},
        {"texture_of": "no channel"},
        {"sigma": 0},
        {"width": 0},
        {"min_side": 0},
        {"min_size": 0},
        {"width": 10**9},
        {"width": True},
        {"width": 120.5},
        {"sigma": float("nan")},
        {"sigma": 1e9},
        {"scales": tuple(range(1, 50))},
    ],
)
def test_settings_that_cannot_work_are_refused(fields):
    with pytest.raises(UsageError):
        Settings(**fields)


@pytest.mark.parametrize(
    "image", [np.zeros((5, 5, 3)), np.zeros((5, 5, 4), np.uint8), np.zeros((0, 5, 3), np.uint8), np.zeros(5, np.uint8)]
)
def test_what_is_no_image_is_refused(image):
    with pytest.raises(DataError, match="uint8"):
        selective_search(image)
