"""Proposal methods by name, and running one over many images on every core."""

import os
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import tee
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ..backbone.features.shared_maps import SharedMaps
from ..data.class_names import did_you_mean
from ..data.diagnostics import failure_of, late
from ..data.errors import DataError, UsageError
from ..data.images.prefetching import TimeLimit, prefetch
from ..data.records import Proposals
from ..data.stores.proposal_files import ENDINGS
from ..data.values import COUNT, Range, check_range, shown, whole_number
from .common.ranking import DECAY, DUPLICATE_IOU, best_first
from .external import opencv_selective_search, package_selective_search
from .mix import NUM_OWN, mix
from .multibox.network import CROPS, MultiBox
from .selective_search.search import PRESETS, selective_search, settings_named

Image = NDArray[np.uint8]
Item = TypeVar("Item")

METHODS = (
    *(f"selective-search:{name}" for name in PRESETS),
    "multibox:200",
    "mix",
    "opencv:fast",
    "opencv:quality",
    "selectivesearch",
)
CROPS_RANGE = Range(1, 10, whole=True)  # windows along a side of MultiBox's
MIXED = "selective-search:googlenet"  # what MultiBox's boxes are mixed into

# A part of the key of stored and cached proposals: add one whenever any method gives other boxes for the same image.
# The releases of OpenCV, which resizes and converts colours, count beside it; compiled code is the same in every numba.
ALGORITHM = 1


@dataclass(frozen=True, eq=False)
class Proposer:
    """A method: called with an RGB image (H, W, 3) it gives the image's proposals, the best first.

    Two steps, for the sake of folders: `search` needs nothing but the image and may run on any thread; `finish` is the
    network's part, if there is one.
    """

    name: str
    parameters: tuple[object, ...]  # everything that decides the boxes; a store of them has its hash
    search: Callable[[Image], Proposals]
    multibox: MultiBox | None = None
    complete: Callable[[Proposals, SharedMaps], Proposals] | None = None

    def __call__(self, image: Image) -> Proposals:
        return self.finish(self.search(image), image)

    def finish(self, searched: Proposals, image_or_maps: Image | SharedMaps) -> Proposals:
        """The proposals, from those of `search`; maps by the same backbone are used again."""
        if self.complete is None or self.multibox is None:
            return searched
        if isinstance(image_or_maps, SharedMaps) and image_or_maps.backbone is self.multibox.backbone:
            return self.complete(searched, image_or_maps)
        image = image_or_maps.image if isinstance(image_or_maps, SharedMaps) else image_or_maps
        return self.complete(searched, self.multibox.maps_of(image))


def proposer(method: str, seed: int = 0, multibox: Callable[[], MultiBox] | None = None) -> Proposer:
    """The method that a name such as `selective-search:fast` stands for.

    `multibox` gives the trained network for `multibox:N` (the best N boxes; `multibox:N,crops=2` with priors in
    overlapping windows too) and `mix`, which need one.
    """
    family, _, variant = method.partition(":")
    release = f"OpenCV {cv2.__version__}"
    if family == "selective-search":
        settings = settings_named(variant or "fast")
        parameters = (method, settings, seed, ALGORITHM, release)
        return Proposer(method, parameters, lambda image: selective_search(image, settings, seed=seed))
    if method in ("opencv:fast", "opencv:quality"):
        parameters = (method, ALGORITHM, release)
        return Proposer(method, parameters, lambda image: opencv_selective_search(image, variant))  # pyright: ignore[reportArgumentType]
    if method == "selectivesearch":
        return Proposer(method, (method, ALGORITHM, release), package_selective_search)
    if method == "mix" or family == "multibox":
        return _with_network(method, family, variant, seed, multibox)
    if _names_a_file(method):
        if os.path.lexists(method):
            raise UsageError(f"{method}: is no method, nor a file or folder of proposals that can be taken here")
        raise UsageError(f"{method}: there is no such file of proposals")
    near = did_you_mean(method, METHODS)
    hint = f"; did you mean {near!r}?" if near else "."
    raise UsageError(f"unknown way to propose regions {method!r}{hint} Known: {', '.join(METHODS)}")


def compile_all() -> None:
    """Compile the inner loops of Selective Search and of the ranking, half a minute; every later process loads them."""
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    for settings in PRESETS.values():
        found = selective_search(image, settings)
        best_first(found.boxes, found.scores)


def _names_a_file(method: str) -> bool:
    """Whether a text is a path, or looks like one; behind an equals sign are settings, which have slashes too."""
    separated = {*method.partition("=")[0]} & {*"/\\"}
    return bool(separated) or method.lower().endswith(ENDINGS) or os.path.lexists(method)


def _with_network(
    method: str, family: str, variant: str, seed: int, multibox: Callable[[], MultiBox] | None
) -> Proposer:
    if multibox is None:
        raise UsageError(f"{method} needs a trained MultiBox network, and none was given")
    if family == "multibox":
        count, crops = _multibox_variant(method, variant)
        network = multibox()
        network = MultiBox(network.backbone, network.head, network.short_sides, crops=crops)
        parameters = (method, network.fingerprint, DUPLICATE_IOU, DECAY, ALGORITHM)
        nothing = Proposals(np.zeros((0, 4)), np.zeros(0))
        return Proposer(
            method, parameters, lambda image: nothing, network, lambda _, maps: network.propose(maps, count)
        )
    searched, network = proposer(MIXED, seed), multibox()
    parameters = (method, *searched.parameters, network.fingerprint, NUM_OWN, DUPLICATE_IOU, DECAY)
    return Proposer(method, parameters, searched.search, network, lambda found, maps: mix(found, network, maps))


def _multibox_variant(method: str, variant: str) -> tuple[int, int]:
    """The number of boxes and of windows along a side: `200,crops=2` or less."""
    count, _, crops = variant.partition(",crops=")
    boxes, windows = whole_number(count or str(NUM_OWN)), whole_number(crops or str(CROPS))
    if boxes is None or windows is None:
        raise UsageError(
            f"{shown(method)}: need a number of boxes, as in multibox:200, or also of crops, multibox:200,crops=2"
        )
    check_range(f"{method}: the boxes are {boxes}", boxes, COUNT)
    check_range(f"{method}: the crops are {windows}", windows, CROPS_RANGE)
    return boxes, windows


def propose_all(
    method: Proposer,
    items: Iterable[Item],
    read: Callable[[Item], Image],
    *,
    name: Callable[[Item], str] = str,
    cost: Callable[[Item], int] = lambda item: 0,
    seconds: float | None = None,
) -> Generator[Proposals | DataError, None, None]:
    """The proposals of every item's image in order, or the error of one that has none; all cores are busy.

    Few images are in memory at a time, see `prefetch` for `cost`. Reading and searching run on threads, the network's
    part on this one: it has threads of its own. `seconds` are what an item may take on its thread, and `name` is what
    an error calls it.
    """

    def searched(item: Item) -> tuple[Image, Proposals] | DataError:
        try:
            image = read(item)
            return image, method.search(image)
        except Exception as error:
            return failure_of(error, name(item))

    def finished(item: Item, outcome: tuple[Image, Proposals] | DataError) -> Proposals | DataError:
        if isinstance(outcome, DataError):
            return outcome
        try:
            return method.finish(outcome[1], outcome[0])
        except Exception as error:
            return failure_of(error, name(item))

    limit: TimeLimit[Item, tuple[Image, Proposals] | DataError] | None = None
    if seconds is not None:
        limit = TimeLimit(seconds, lambda item: late(name(item), seconds))
    items, copies = tee(items)
    with closing(prefetch(searched, copies, cost=cost, limit=limit)) as outcomes:
        for item, outcome in zip(items, outcomes, strict=False):
            yield finished(item, outcome)
