"""The methods of proposing regions by name, and a way to run one over many pictures on every core."""

import difflib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..data.errors import UsageError
from ..data.records import Proposals
from .external import opencv_selective_search
from .selective_search import PRESETS, preset, selective_search

Proposer = Callable[[NDArray[np.uint8]], Proposals]
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

METHODS = (*(f"selective-search:{name}" for name in PRESETS), "opencv:fast", "opencv:quality")


def proposer(method: str, seed: int = 0) -> Proposer:
    """The function from an RGB picture to its proposals that a name such as `selective-search:fast` stands for."""
    family, _, variant = method.partition(":")
    if family == "selective-search":
        settings = preset(variant or "fast")
        return lambda image: selective_search(image, settings, seed=seed)
    if method in ("opencv:fast", "opencv:quality"):
        return lambda image: opencv_selective_search(image, variant)  # pyright: ignore[reportArgumentType]
    near = difflib.get_close_matches(method, METHODS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    raise UsageError(f"unknown way to propose regions {method!r}{hint} Known: {', '.join(METHODS)}")


def parameters_of(method: str, seed: int = 0) -> tuple[object, ...]:
    """Everything that decides a method's boxes, this package's version too; a store of them carries its hash."""
    family, _, variant = method.partition(":")
    settings = (preset(variant or "fast"), seed) if family == "selective-search" else ()
    return (method, *settings, version("inception-rcnn"))


def mapped(function: Callable[[Item], Outcome], items: Iterable[Item], threads: int | None = None) -> Iterator[Outcome]:
    """`map` on several threads: the results in order, never more than two unfinished or unread per thread.

    The proposals' inner loops release Python's lock, so threads keep all cores busy without copies of pictures.
    """
    threads = threads or os.cpu_count() or 1
    waiting: deque[Future[Outcome]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
