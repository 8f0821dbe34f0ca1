"""Options, markers and fixtures that several test files use."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # each worker has a core; torch, and programs that tests start, read it

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("INCEPTION_RCNN_SHARED", REPOSITORY.parent / "shared"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--slow"):
        config.option.markexpr = config.option.markexpr.replace("not slow and ", "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if SHARED.is_dir():
        return
    skip = pytest.mark.skip(reason=f"needs the development data; {SHARED} is absent (set INCEPTION_RCNN_SHARED)")
    for item in items:
        if "shared" in item.keywords:
            item.add_marker(skip)


@pytest.fixture
def shared() -> Path:
    """The folder that holds `data/` and `weights/`; tests that use it are marked `shared`."""
    return SHARED


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def small_maps() -> Iterator[None]:
    """A small image pyramid, for tests of the real network in which the values of its features do not matter."""
    from inception_rcnn.backbone.features.image_pyramid import SHORT_SIDES

    small = tuple(side // 4 for side in SHORT_SIDES)
    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.startswith("inception_rcnn.") and vars(module).get("SHORT_SIDES") is SHORT_SIDES:
                patch.setattr(module, "SHORT_SIDES", small)
        yield
