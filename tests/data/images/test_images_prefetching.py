"""Work ahead on threads: in the order of the items, in bounded memory, and no item stops the others."""

import threading
import time

import pytest

from inception_rcnn.data.images import prefetching
from inception_rcnn.data.images.prefetching import TimeLimit, prefetch


def test_no_more_is_worked_on_than_fits_in_memory(monkeypatch):
    monkeypatch.setattr(prefetching, "usable_memory", lambda: 400)  # a quarter is for what is read ahead
    begun = []
    results = prefetch(lambda item: begun.append(item) or item, range(6), 4, cost=lambda item: 60)
    assert next(results) == 0
    assert begun == [0]  # two would not fit
    assert list(results) == [1, 2, 3, 4, 5]
    small = prefetch(lambda item: item, range(6), 4, cost=lambda item: 20)
    assert list(small) == [*range(6)]


def test_an_item_larger_than_all_memory_is_worked_on_alone(monkeypatch):
    monkeypatch.setattr(prefetching, "usable_memory", lambda: 4)
    assert list(prefetch(lambda item: item, range(3), 2, cost=lambda item: 10**9)) == [0, 1, 2]


def test_the_threads_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr(prefetching, "usable_cores", lambda: 1)
    names = set(prefetch(lambda item: threading.current_thread().ident, range(8)))
    assert len(names) == 1


def test_items_that_take_too_long_are_given_up_and_the_others_go_on():
    release = threading.Event()

    def work(item):
        if item in (1, 2, 4):
            release.wait(20)
        return item

    limit = TimeLimit(0.1, lambda item: -item)
    begun = time.monotonic()
    assert list(prefetch(work, range(6), 2, limit=limit)) == [0, -1, -2, 3, -4, 5]
    assert time.monotonic() - begun < 5
    release.set()


def test_what_waits_for_a_thread_is_not_late():
    """The limit is an item's own time: not that of those before it."""
    limit = TimeLimit(0.2, lambda item: "late")
    results = prefetch(lambda item: time.sleep(0.08) or "done", range(8), 1, limit=limit)
    assert set(results) == {"done"}


def test_an_item_s_own_timeout_is_an_error_of_its_own():
    def work(item):
        raise TimeoutError("of the network drive")

    with pytest.raises(TimeoutError, match="network drive"):
        list(prefetch(work, range(2), 1, limit=TimeLimit(60.0, lambda item: None)))


def test_as_many_items_are_ahead_as_is_said():
    begun = []
    results = prefetch(lambda item: begun.append(item) or item, iter(range(9)), 1, ahead=4)
    assert next(results) == 0
    deadline = time.monotonic() + 10
    while len(begun) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.01)
    assert begun == [0, 1, 2, 3]
    assert list(results) == [*range(1, 9)]
