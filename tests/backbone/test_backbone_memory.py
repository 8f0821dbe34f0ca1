"""Giving memory back: one call where the C library can, nothing where it cannot."""

import ctypes
import importlib
import sys

import numpy as np
import pytest

from inception_rcnn.backbone import memory
from inception_rcnn.backbone.memory import return_free_memory


def test_all_that_is_free_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    monkeypatch.setattr(memory, "_trim", lambda: kept.append)
    return_free_memory()
    assert kept == [0]  # bytes to keep


def test_a_system_without_the_call_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[None] = []
    monkeypatch.setattr(memory, "_trim", lambda: asked.append(None))
    return_free_memory()
    assert asked == [None]


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_systems_without_the_call_are_not_asked_for_it(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    """On Windows there is no library of the process itself: to ask for it is an error."""

    def no_library(name: None) -> None:
        raise TypeError(name)

    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(ctypes, "CDLL", no_library)
    memory._trim.cache_clear()
    try:
        importlib.reload(memory).return_free_memory()
        assert memory._trim() is None
    finally:
        monkeypatch.undo()
        memory._trim.cache_clear()


@pytest.mark.skipif(memory._trim() is None, reason="only glibc keeps what was freed")
def test_holes_in_the_heap_are_given_back() -> None:
    def pages() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1])

    blocks = [np.full(100_000, i % 251, np.uint8) for i in range(600)]  # 60 MB; each too small to be mapped by itself
    full = pages()
    blocks = blocks[::6]  # among the holes, and above them, so that the heap cannot shrink by itself
    return_free_memory()
    assert (full - pages()) * 4096 > 30e6
    assert all((block == 6 * i % 251).all() for i, block in enumerate(blocks))  # what is in use stays
