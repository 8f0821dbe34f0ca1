"""Colour spaces: three channels over the whole range."""

from typing import get_args

import numpy as np
import pytest

from inception_rcnn.proposals.selective_search.colour_spaces import COLOUR_SPACES, ColourSpace, to_colour_space

COLOURS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [255, 0, 255]]], np.uint8)


def test_every_space_of_the_type_is_there():
    assert tuple(COLOUR_SPACES) == get_args(ColourSpace)


# Which channels change along the greys: those that hold intensity.
VARYING_ON_GREY = {
    "HSV": [2],
    "Lab": [0],
    "rgI": [2],
    "H": [],
    "I": [0, 1, 2],
    "RGB": [0, 1, 2],
    "rgb": [],
    "C": [],
}


@pytest.mark.parametrize("space", COLOUR_SPACES)
def test_shape_and_type_stay(space):
    converted = to_colour_space(COLOURS, space)
    assert (converted.shape, converted.dtype) == (COLOURS.shape, np.uint8)


@pytest.mark.parametrize("space", ["H", "I"])
def test_spaces_of_one_channel_repeat_it(space):
    converted = to_colour_space(COLOURS, space)
    assert (converted == converted[..., :1]).all()


def test_hue_spans_the_whole_range():
    assert to_colour_space(COLOURS, "H")[0, :3, 0].tolist() == pytest.approx(
        [0, 85, 170], abs=1
    )  # thirds of the circle
    assert int(to_colour_space(COLOURS, "HSV")[0, 5, 0]) == pytest.approx(255 * 5 / 6, abs=1)


def test_shares_of_red_and_green():
    converted = to_colour_space(COLOURS, "rgI")
    assert converted[0, :, :2].tolist() == [[255, 0], [0, 255], [0, 0], [85, 85], [85, 85], [128, 0]]
    assert converted[0, 3:5, 2].tolist() == [255, 0]


@pytest.mark.parametrize("space", COLOUR_SPACES)
def test_grey_has_no_colour(space):
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    converted = to_colour_space(greys, space)
    varying = [channel for channel in range(3) if np.ptp(converted[..., channel]) > 2]
    assert varying == VARYING_ON_GREY[space]


def test_opponent_colours_are_free_of_intensity():
    """Black is grey; red-green from end to end in the first channel, yellow-blue in the second, then nothing."""
    converted = to_colour_space(COLOURS, "C")[0].tolist()
    grey = [128, 170, 0]
    assert converted == [[255, 255, 0], [0, 255, 0], [128, 0, 0], grey, grey, [191, 128, 0]]
    dark = to_colour_space(COLOURS // 5, "C")
    assert np.abs(dark[0, :4].astype(int) - converted[:4]).max() <= 1


def test_shares_of_the_channels():
    assert to_colour_space(COLOURS, "rgb")[0].tolist() == [
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
        [85, 85, 85],
        [85, 85, 85],
        [128, 0, 128],
    ]
