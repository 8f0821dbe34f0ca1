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
    monkeypatch.setattr(memory, "_trim", lambda: None)
    return_free_memory()


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
    finally:
        monkeypatch.undo()
        memory._trim.cache_clear()


def test_what_is_in_use_stays() -> None:
    used = np.arange(10_000)
    return_free_memory()
    assert used.sum() == 49_995_000


@pytest.mark.skipif(memory._trim() is None, reason="only glibc keeps what was freed")
def test_holes_in_the_heap_are_given_back() -> None:
    def pages() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1])

    blocks = [bytes([1]) * 100_000 for _ in range(500)]  # 50 MB; each below the size that is mapped by itself
    last = bytes([2]) * 100_000  # above them, so that the heap cannot shrink by itself
    full = pages()
    del blocks
    return_free_memory()
    assert (full - pages()) * 4096 > 30e6
    assert len(last) == 100_000
