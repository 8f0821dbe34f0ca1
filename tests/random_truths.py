"""Random data sets for round trips through files: images without objects, odd names, flags of all kinds."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.records import GroundTruth

# Any character but a surrogate, and the controls that no tool writes.
_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
CLASS_NAMES = _TEXT.filter(lambda name: name.strip() != "")
# A backslash is a separator where no file has it in its name, and these files are nowhere.
FILE_NAMES = st.lists(
    _TEXT.filter(lambda name: not {*name} & {*"/\\"} and name.strip() != "" and not name.startswith(".")),
    min_size=1,
    max_size=2,
).filter(lambda parts: len(parts) == 1 or not re.fullmatch("[A-Za-z]:", parts[0]))  # a drive's root is taken off
FILE_NAMES = FILE_NAMES.map(lambda parts: "/".join(parts) + ".jpg")


@st.composite
def data_sets(draw: Callable, file_names: st.SearchStrategy[str] = FILE_NAMES) -> Dataset:
    """Up to four images with up to four objects each, inside the image; classes are those seen, sorted."""
    files = draw(st.lists(file_names, max_size=4, unique=True))
    names = draw(st.lists(CLASS_NAMES, min_size=1, max_size=3, unique=True))
    images = tuple(_image(draw, file, names) for file in files)
    seen = sorted({label for truth in images for label in truth.labels.tolist()})
    return Dataset("random", tuple(seen), images, Path("photos"))


def _image(draw: Callable, file: str, names: list[str]) -> GroundTruth:
    width, height, count = draw(st.integers(1, 60)), draw(st.integers(1, 60)), draw(st.integers(0, 4))
    corners = [
        sorted(draw(st.lists(st.floats(0, side), min_size=2, max_size=2)))
        for _ in range(count)
        for side in (width, height)
    ]
    boxes = np.array(corners, dtype=np.float64).reshape(count, 2, 2).transpose(0, 2, 1).reshape(count, 4)
    flags = st.lists(st.booleans(), min_size=count, max_size=count)
    return GroundTruth(
        *(file, width, height, boxes),
        labels=np.array(draw(st.lists(st.sampled_from(names), min_size=count, max_size=count)), dtype=np.str_),
        difficult=np.array(draw(flags), dtype=np.bool_),
        crowd=np.array(draw(flags), dtype=np.bool_),
        ignore=np.array(draw(flags), dtype=np.bool_),
        truncated=np.array(draw(flags), dtype=np.bool_),
        areas=np.array(draw(st.lists(st.floats(0, 3600), min_size=count, max_size=count)), dtype=np.float64),
    )


def check_same(one: Dataset, other: Dataset, columns: tuple[str, ...], *, within: float = 0) -> None:
    """That two data sets have the same images in the same order with the same objects, as far as the columns tell."""
    assert [truth.file for truth in one.images] == [truth.file for truth in other.images]
    for a, b in zip(one.images, other.images, strict=True):
        assert (a.width, a.height) == (b.width, b.height)
        assert a.labels.tolist() == b.labels.tolist()
        assert a.boxes.shape == b.boxes.shape
        assert np.abs(a.boxes - b.boxes).max(initial=0) <= within
        for name in columns:
            assert getattr(a, name).tolist() == getattr(b, name).tolist()
