"""No reader does more with a changed file than read it or say in a sentence why not."""

import pytest
from fuzz_readers import fuzz, readers

NAMES = list(readers())


@pytest.mark.parametrize("name", NAMES)
def test_changed_files(name: str) -> None:
    assert fuzz(name, 25, 0) == []


@pytest.mark.fuzz
@pytest.mark.parametrize("name", NAMES)
def test_many_changed_files(name: str) -> None:
    assert fuzz(name, 25_000, 1) == []
