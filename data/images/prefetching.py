"""Prefetching: work on a few items ahead, on threads, in bounded memory and time.

Nothing in Python stops a thread: an item that takes too long is given up, its thread is left to itself and another
replaces it. The thread's core and memory are lost until it is done or the process ends, which does not wait for it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

from ..resources import usable_cores, usable_memory

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

MEMORY_FRACTION = 0.25  # of the memory that may be used, for what is read ahead
_GRACE = 10.0  # seconds that the end of the work waits for what is still being done


@dataclass(frozen=True)
class TimeLimit(Generic[Item, Outcome]):
    """Seconds that one item may take, and the outcome of one that takes longer."""

    seconds: float
    late: Callable[[Item], Outcome]


def prefetch(
    function: Callable[[Item], Outcome],
    items: Iterable[Item],
    threads: int | None = None,
    *,
    ahead: int | None = None,
    cost: Callable[[Item], int] = lambda item: 0,
    limit: TimeLimit[Item, Outcome] | None = None,
) -> Generator[Outcome, None, None]:
    """`map` on several threads, a core each by default: the results in order.

    At most `ahead` items are unfinished or unread, two per thread by default; with the `cost` of an item in bytes
    fewer, where these would not fit in memory. What releases Python's lock keeps all cores busy without copies.
    """
    threads = threads or usable_cores()
    ahead = ahead or 2 * threads
    budget = usable_memory() * MEMORY_FRACTION
    waiting: deque[_Job[Item, Outcome]] = deque()
    workers = _Workers[Item, Outcome](threads, limit)
    try:
        for item in items:
            bytes_needed = cost(item)
            while waiting and sum(job.cost for job in waiting) + bytes_needed > budget:
                yield workers.outcome(waiting.popleft())
            waiting.append(_Job(function, item, bytes_needed))
            workers.jobs.put(waiting[-1])
            if len(waiting) >= ahead:
                yield workers.outcome(waiting.popleft())
        while waiting:
            yield workers.outcome(waiting.popleft())
    finally:
        for job in waiting:
            job.future.cancel()
        workers.stop()


class _Job(Generic[Item, Outcome]):
    def __init__(self, function: Callable[[Item], Outcome], item: Item, cost: int):
        self.function, self.item, self.cost = function, item, cost
        self.future: Future[Outcome] = Future()
        self.begun = 0.0  # by the monotonic clock; 0 where it waits
        self.thread: threading.Thread | None = None

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        self.thread, self.begun = threading.current_thread(), time.monotonic()
        try:
            self.future.set_result(self.function(self.item))
        except BaseException as error:
            self.future.set_exception(error)


class _Workers(Generic[Item, Outcome]):
    """Threads that take jobs from a queue; daemons, so that one that never returns keeps no process alive."""

    def __init__(self, count: int, limit: TimeLimit[Item, Outcome] | None):
        self.jobs: SimpleQueue[_Job[Item, Outcome] | None] = SimpleQueue()
        self.limit = limit
        self.threads: set[threading.Thread] = set()
        for _ in range(count):
            self._start()

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, daemon=True)
        self.threads.add(thread)
        thread.start()

    def _work(self) -> None:
        while threading.current_thread() in self.threads and (job := self.jobs.get()) is not None:
            job.run()

    def outcome(self, job: _Job[Item, Outcome]) -> Outcome:
        """The outcome of a job, once it is there, or that of one that is late."""
        if self.limit is None:
            return job.future.result()
        while True:
            spent = time.monotonic() - job.begun if job.begun else 0.0
            try:
                return job.future.result(max(0.0, self.limit.seconds - spent))
            except TimeoutError:
                if job.future.done():  # its own error
                    raise
            if job.begun and time.monotonic() - job.begun >= self.limit.seconds:
                if job.thread is not None:
                    self.threads.discard(job.thread)
                self._start()
                return self.limit.late(job.item)

    def stop(self) -> None:
        """End all threads that are not given up, after what they are working on; with a limit wait a while only."""
        end = time.monotonic() + _GRACE
        threads = tuple(self.threads)
        for _ in threads:
            self.jobs.put(None)
        for thread in threads:
            thread.join(None if self.limit is None else max(0.0, end - time.monotonic()))
