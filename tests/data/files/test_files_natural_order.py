import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inception_rcnn.data.files.natural_order import natural_key

ORDERED = [
    "",
    "1.jpg",
    "2.jpg",
    "02.jpg",
    "10.jpg",
    "a/b.jpg",
    "A.jpg",
    "a.jpg",
    "a10.jpg",
    "b²3.jpg",
    "b٣.jpg",
    "é.jpg",
]


def test_order_is_total() -> None:
    shuffled = random.Random(0).sample(ORDERED, len(ORDERED))
    expected = sorted(ORDERED, key=natural_key)
    assert sorted(shuffled, key=natural_key) == expected
    assert expected.index("2.jpg") < expected.index("10.jpg")
    assert expected.index("a.jpg") < expected.index("a10.jpg")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2.jpg", "10.jpg"),
        ("a/z.jpg", "ab/c.jpg"),  # by folders, not by characters: "/" is above " " and "-"
        ("a/z.jpg", "a b/c.jpg"),
        ("img2/10.jpg", "img10/2.jpg"),
        ("Img.jpg", "img.jpg"),
        ("b.JPG", "c.jpg"),
        ("1.5.jpg", "1.10.jpg"),
    ],
)
def test_first_comes_first(first: str, second: str) -> None:
    assert natural_key(first) < natural_key(second)


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\0"), max_size=12), max_size=8))
def test_any_name_is_taken(names: list[str]) -> None:
    order = sorted(names, key=natural_key)
    names.reverse()
    assert sorted(names, key=natural_key) == order
