import torch
from hypothesis import given
from hypothesis import strategies as st

from inception_rcnn.proposals.common.box_coding import DELTA_STD, decode, encode


def boxes(*rows):
    return torch.tensor(rows, dtype=torch.float64).reshape(-1, 4)


place, side = st.floats(-500, 500), st.floats(1, 500)
some_box = st.tuples(place, place, side, side).map(lambda v: [v[0], v[1], v[0] + v[2], v[1] + v[3]])


def test_no_boxes_have_no_deltas():
    assert encode(boxes(), boxes()).shape == (0, 4)
    assert decode(boxes(), boxes()).shape == (0, 4)


def test_a_box_on_its_object_needs_no_change():
    box = boxes([10, 20, 30, 60])
    assert encode(box, box).tolist() == [[0, 0, 0, 0]]
    assert torch.equal(decode(box, torch.zeros(1, 4, dtype=torch.float64)), box)


def test_deltas_are_fractions_of_the_regions_size():
    """5 right of a 20 wide region is .25, 8 down of a 40 high one .2; e times as wide is 1."""
    region, e = boxes([0, 0, 20, 40]), 2.718281828459045
    target = boxes([15 - 10 * e, 8, 15 + 10 * e, 48])
    wanted = torch.tensor([[0.25, 0.2, 1.0, 0.0]], dtype=torch.float64) / torch.tensor(DELTA_STD)
    torch.testing.assert_close(encode(region, target), wanted)


@given(some_box, some_box)
def test_decoding_undoes_encoding(region, target):
    region, target = boxes(region), boxes(target)
    if ((target[:, 2:] - target[:, :2]) / (region[:, 2:] - region[:, :2])).max() < 62:
        torch.testing.assert_close(decode(region, encode(region, target)), target, atol=1e-6, rtol=1e-9)


def test_a_wild_delta_stays_finite():
    wild = decode(boxes([0, 0, 16, 16]), torch.full((1, 4), 1e4, dtype=torch.float64))
    assert torch.isfinite(wild).all()
    assert (wild[0, 2] - wild[0, 0]) <= 1000.001


def test_one_region_gives_a_box_for_each_class():
    assert decode(boxes([0, 0, 4, 4], [1, 1, 3, 3])[:, None], torch.zeros(2, 5, 4)).shape == (2, 5, 4)
